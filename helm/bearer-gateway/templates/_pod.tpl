{{/* Variables of the gateway; whoever runs a command in the container gets the same. */}}
{{- define "bearer-gateway.env" -}}
- name: GATEWAY_CONFIG
  value: /etc/bearer-gateway/config/gateway.yaml
- name: GATEWAY_LISTEN
  value: {{ printf ":%d" (int64 .Values.ports.http) | quote }}
- name: GATEWAY_ADMIN
  value: {{ printf ":%d" (int64 .Values.ports.admin) | quote }}
{{- if .Values.console.enabled }}
- name: GATEWAY_CONSOLE
  value: {{ printf "127.0.0.1:%d" (int64 .Values.console.port) | quote }}
{{- end }}
{{- $given := dict }}
{{- range .Values.env }}
{{- $_ := set $given .name true }}
{{- end }}
{{- if not (or (hasKey $given "GATEWAY_RELOAD") (include "bearer-gateway.saysReload" .)) }}
# What is changed in the ConfigMap is used without a restart, where it is sound.
- name: GATEWAY_RELOAD
  value: watch
{{- end }}
{{- if not (hasKey $given "GATEWAY_LOG_BLOCKED") }}
{{- with include "bearer-gateway.logBlocked" . }}
# A container runtime that does not read the log must not stop traffic; lost lines are counted.
- name: GATEWAY_LOG_BLOCKED
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- if and (include "bearer-gateway.traces" .) (not (hasKey $given "OTEL_RESOURCE_ATTRIBUTES")) (not .Values.envFrom) }}
# Which pod a span is of.
{{- range $name, $field := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" }}
{{- if not (hasKey $given $name) }}
- name: {{ $name }}
  valueFrom: {fieldRef: {fieldPath: {{ $field }}}}
{{- end }}
{{- end }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE)
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "bearer-gateway.mounts" -}}
- name: config
  mountPath: /etc/bearer-gateway/config
  readOnly: true
{{- with include "bearer-gateway.mountsOfFiles" .Values }}
{{ trim . }}
{{- end }}
- name: tmp
  mountPath: /tmp
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* `secrets` and `files`, as directories: a file of a subPath would never be renewed. `prefix` of the volumes' names. */}}
{{- define "bearer-gateway.mountsOfFiles" -}}
{{- $prefix := default "" .prefix -}}
{{- $mounted := include "bearer-gateway.mounted" . | fromJson -}}
{{- range $name, $_ := $mounted.secrets }}
- name: {{ printf "%ssecret-%s" $prefix $name | quote }}
  mountPath: {{ printf "/etc/bearer-gateway/secrets/%s" $name | quote }}
  readOnly: true
{{- end }}
{{- range $name, $_ := $mounted.files }}
- name: {{ printf "%sfile-%s" $prefix $name | quote }}
  mountPath: {{ printf "/etc/bearer-gateway/files/%s" $name | quote }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "bearer-gateway.volumesOfFiles" -}}
{{- $prefix := default "" .prefix -}}
{{- $mounted := include "bearer-gateway.mounted" . | fromJson -}}
{{- range $name, $secret := $mounted.secrets }}
- name: {{ printf "%ssecret-%s" $prefix $name | quote }}
  secret:
    secretName: {{ $secret.secretName | quote }}
    # Nobody else has it mounted; the gateway is not root.
    defaultMode: 0444
    {{- with $secret.key }}
    items:
      - key: {{ . | quote }}
        path: {{ . | quote }}
    {{- end }}
{{- end }}
{{- range $name, $file := $mounted.files }}
- name: {{ printf "%sfile-%s" $prefix $name | quote }}
  configMap:
    name: {{ $file.configMapName | quote }}
    {{- with $file.key }}
    items:
      - key: {{ . | quote }}
        path: {{ . | quote }}
    {{- end }}
{{- end }}
{{- end -}}

{{- define "bearer-gateway.probe" -}}
httpGet:
  path: {{ .path | quote }}
  port: {{ .port | quote }}
{{ toYaml .probe }}
{{- end -}}
