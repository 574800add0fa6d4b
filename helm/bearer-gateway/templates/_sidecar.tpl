{{/*
A gateway beside an API, for the charts of others, as `bearer-gateway inject` writes it: one container, an element of `initContainers` (a native sidecar, Kubernetes 1.29).

  initContainers:
    {{- include "bearer-gateway.sidecar" (dict "context" $ "env" .Values.gateway.env) | nindent 8 }}
  volumes:
    {{- include "bearer-gateway.sidecar.volumes" (dict "context" $ "env" .Values.gateway.env) | nindent 8 }}

Arguments, the same for both:
  context          the root of the other chart, `$`
  env              variables, as a container has them: GATEWAY_UPSTREAM, GATEWAY_ISSUER, GATEWAY_AUDIENCE are enough
  configMap        in place of these: name of a ConfigMap with the key gateway.yaml; "bearer-gateway.config" makes the text
  secrets, files   as in values.yaml: mounted at /etc/bearer-gateway/secrets/NAME and /etc/bearer-gateway/files/NAME
  image            REPOSITORY:TAG or REPOSITORY@DIGEST; default: `bearer-gateway.image` of the other chart's values
  imagePullPolicy  default: as above
  listen, admin    ports; default 15080 and 15090
  portName         name of the first, for the Service's targetPort; default gateway
  resources        default: requests cpu 100m, memory 128Mi; limit memory 384Mi
  native           false: an element of `containers`, for older clusters; not for Jobs, which would never end
  job              true: the pod is a Job's, and has nothing to wait for when its containers have ended
  token            true: leave it the pod's service-account token
*/}}
{{- define "bearer-gateway.sidecar" -}}
{{- include "bearer-gateway.sidecar.check" . -}}
{{- $native := ternary .native true (hasKey . "native") -}}
- name: bearer-gateway
  image: {{ include "bearer-gateway.sidecar.image" . | quote }}
  {{- with .imagePullPolicy | default (include "bearer-gateway.sidecar.pullPolicy" .) }}
  imagePullPolicy: {{ . | quote }}
  {{- end }}
  {{- if $native }}
  restartPolicy: Always
  {{- end }}
  args: [serve]
  env:
    {{- if .configMap }}
    - name: GATEWAY_CONFIG
      value: /etc/bearer-gateway/config/gateway.yaml
    {{- end }}
    - name: GATEWAY_LISTEN
      value: {{ printf ":%d" (.listen | default 15080 | int64) | quote }}
    - name: GATEWAY_ADMIN
      value: {{ printf ":%d" (.admin | default 15090 | int64) | quote }}
    {{- $given := dict }}
    {{- range .env }}
    {{- $_ := set $given .name true }}
    {{- end }}
    {{- if and .configMap (not (hasKey $given "GATEWAY_RELOAD")) }}
    # What is changed in the ConfigMap is used without a restart, where it is sound.
    - name: GATEWAY_RELOAD
      value: watch
    {{- end }}
    {{- if not (or .configMap (hasKey $given "GATEWAY_LOG_BLOCKED")) }}
    # A container runtime that does not read the log must not stop traffic; lost lines are counted.
    - name: GATEWAY_LOG_BLOCKED
      value: drop
    {{- end }}
    {{- with .env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - name: {{ .portName | default "gateway" | quote }}
      containerPort: {{ .listen | default 15080 | int64 }}
    - name: gateway-admin
      containerPort: {{ .admin | default 15090 | int64 }}
  # Not /readyz: the API would not start before the provider of keys responds.
  startupProbe:
    httpGet:
      path: /livez
      port: gateway-admin
    periodSeconds: 1
    timeoutSeconds: 3
    failureThreshold: 60
  livenessProbe:
    httpGet:
      path: /livez
      port: gateway-admin
    periodSeconds: 10
    timeoutSeconds: 3
    failureThreshold: 3
  readinessProbe:
    httpGet:
      path: /readyz
      port: gateway-admin
    periodSeconds: 2
    timeoutSeconds: 3
    failureThreshold: 3
  # The kubelet ends a native sidecar after every ordinary container: told now, it serves on and lets go of its clients.
  lifecycle:
    preStop:
      exec:
        command: [bearer-gateway, drain{{ if .job }}, --timeout, "0"{{ end }}]
  resources:
    {{- toYaml (.resources | default (dict "requests" (dict "cpu" "100m" "memory" "128Mi") "limits" (dict "memory" "384Mi"))) | nindent 4 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    privileged: false
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
    seccompProfile:
      type: RuntimeDefault
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - name: bearer-gateway-tmp
      mountPath: /tmp
    {{- if .configMap }}
    - name: bearer-gateway-config
      mountPath: /etc/bearer-gateway/config
      readOnly: true
    {{- end }}
    {{- with include "bearer-gateway.mountsOfFiles" (dict "secrets" .secrets "files" .files "prefix" "bearer-gateway-") }}
    {{- trim . | nindent 4 }}
    {{- end }}
    {{- if not .token }}
    # Nothing is there for it.
    - name: bearer-gateway-no-token
      mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      readOnly: true
    {{- end }}
{{- end -}}

{{/* The volumes of that container: elements of the pod's `volumes`. The same arguments. */}}
{{- define "bearer-gateway.sidecar.volumes" -}}
{{- include "bearer-gateway.sidecar.check" . -}}
- name: bearer-gateway-tmp
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
{{- if .configMap }}
- name: bearer-gateway-config
  configMap:
    name: {{ .configMap | quote }}
{{- end }}
{{- with include "bearer-gateway.volumesOfFiles" (dict "secrets" .secrets "files" .files "prefix" "bearer-gateway-") }}
{{ trim . }}
{{- end }}
{{- if not .token }}
- name: bearer-gateway-no-token
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- end -}}

{{- define "bearer-gateway.sidecar.check" -}}
{{- $known := list "context" "env" "configMap" "secrets" "files" "image" "imagePullPolicy" "listen" "admin" "portName" "resources" "native" "job" "token" -}}
{{- range $key, $_ := . -}}
{{- if not (has $key $known) -}}
{{- fail (printf "bearer-gateway.sidecar: %s is no argument; there are: %s" $key (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- if not .context -}}
{{- fail "bearer-gateway.sidecar: context is missing; give it the root, $" -}}
{{- end -}}
{{- if not (or .env .configMap) -}}
{{- fail "bearer-gateway.sidecar: give env (GATEWAY_UPSTREAM, GATEWAY_ISSUER, GATEWAY_AUDIENCE) or configMap" -}}
{{- end -}}
{{- range $index, $variable := .env -}}
{{- if or (has $variable.name (list "GATEWAY_LISTEN" "GATEWAY_ADMIN")) (and $.configMap (eq $variable.name "GATEWAY_CONFIG")) -}}
{{- fail (printf "bearer-gateway.sidecar: env[%d]: %s is set by listen, admin and configMap" $index $variable.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The values of this chart within another one, as JSON. */}}
{{- define "bearer-gateway.sidecar.values" -}}
{{- get .context.Values "bearer-gateway" | default dict | toJson -}}
{{- end -}}

{{- define "bearer-gateway.sidecar.image" -}}
{{- if .image -}}
{{- .image -}}
{{- else -}}
{{- $image := dig "image" dict (include "bearer-gateway.sidecar.values" . | fromJson) -}}
{{- if not $image.repository -}}
{{- fail "bearer-gateway.sidecar: image is missing, and so is bearer-gateway.image in the values" -}}
{{- end -}}
{{- $chart := dig "Chart" dict (get (default dict .context.Subcharts) "bearer-gateway" | default dict) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default $chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "bearer-gateway.sidecar.pullPolicy" -}}
{{- if not .image -}}
{{- dig "image" "pullPolicy" "" (include "bearer-gateway.sidecar.values" . | fromJson) -}}
{{- end -}}
{{- end -}}
