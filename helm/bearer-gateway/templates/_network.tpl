{{/* The port of each http or https URL of a list, as a list in JSON; what is no such URL has none. */}}
{{- define "bearer-gateway.portsOf" -}}
{{- $ports := list -}}
{{- range . -}}
{{- $origin := regexFind `^https?://[^/?#]+` (toString .) -}}
{{- if $origin -}}
{{- $port := regexFind `:[0-9]+$` $origin | trimPrefix ":" -}}
{{- $ports = append $ports (default (ternary "443" "80" (hasPrefix "https:" $origin)) $port | int64) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{/* Whether the configuration says that requests are traced: `true` or empty; of somebody else's ConfigMap nothing is known. */}}
{{- define "bearer-gateway.traces" -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- ternary "true" "" (kindIs "map" (get (default dict $config) "tracing")) -}}
{{- end -}}

{{/* What the port for requests speaks: as the values say, else the configuration; of somebody else's ConfigMap it is taken to be http. */}}
{{- define "bearer-gateway.speaks" -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- default (ternary "https" "http" (kindIs "map" (get (default dict $config) "tls"))) .Values.service.appProtocol -}}
{{- end -}}

{{/* What the port for questions over gRPC speaks, as an appProtocol; of somebody else's ConfigMap it is taken to be in the clear. */}}
{{- define "bearer-gateway.grpcSpeaks" -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- $section := get (default dict $config) "decisions_grpc" -}}
{{- $tls := get (ternary $section dict (kindIs "map" $section)) "tls" -}}
{{- ternary "https" "kubernetes.io/h2c" (kindIs "map" $tls) -}}
{{- end -}}

{{/* Whether an entry of `issuers` is this very cluster, which is asked with the token of the pod. */}}
{{- define "bearer-gateway.asksCluster" -}}
{{- if and (eq (toString .preset) "kubernetes") (not (or .jwks_url .jwks_file .discovery_url)) -}}
yes
{{- end -}}
{{- end -}}

{{/* What an entry of `issuers` has asked: keys, and where it is asked about tokens, as a list of URLs in JSON. */}}
{{- define "bearer-gateway.issuerUrls" -}}
{{- $urls := list -}}
{{- $discovery := .discovery_url | default .issuer -}}
{{- if not .jwks_file -}}
{{- $urls = append $urls (.jwks_url | default $discovery) -}}
{{- end -}}
{{- $fetch := ternary .fetch dict (kindIs "map" .fetch) -}}
{{- if $fetch.proxy -}}
{{- $urls = append $urls $fetch.proxy -}}
{{- end -}}
{{- if include "bearer-gateway.asksCluster" . -}}
{{/* The Service's port, and that of the API server behind it: it depends on the network which of them counts. */}}
{{- $urls = append $urls ($fetch.origin | default "https://kubernetes.default.svc") -}}
{{- $urls = append $urls "https://kubernetes.default.svc:6443" -}}
{{- end -}}
{{- range $section := list .introspection .userinfo -}}
{{- if kindIs "map" $section -}}
{{- $urls = append $urls ($section.endpoint | default $discovery) -}}
{{- end -}}
{{- end -}}
{{- toJson $urls -}}
{{- end -}}

{{/* The API, and the token endpoint of `authorization`, of an entry of `upstreams`, as a list of URLs in JSON. */}}
{{- define "bearer-gateway.upstreamUrls" -}}
{{- $urls := list .url -}}
{{- if kindIs "map" .authorization -}}
{{- range $section := list .authorization.client_credentials .authorization.exchange -}}
{{- if kindIs "map" $section -}}
{{- $urls = append $urls $section.token_endpoint -}}
{{- if $section.proxy -}}
{{- $urls = append $urls $section.proxy -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $urls -}}
{{- end -}}

{{/* Where issuers post logouts to, as a list of paths in JSON; of somebody else's ConfigMap none is known. */}}
{{- define "bearer-gateway.logoutPaths" -}}
{{- $paths := list -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- range default list $config.issuers -}}
{{- if kindIs "map" . -}}
{{- if kindIs "map" .backchannel_logout -}}
{{- $host := regexReplaceAll `^[a-z]+://([^/?#@]*@)?(\[[^]]*\]|[^/?#:]*).*$` (toString .issuer) "${2}" | lower -}}
{{- $name := .name | default ($host | trimPrefix "[" | trimSuffix "]") -}}
{{- $paths = append $paths (.backchannel_logout.path | default (printf "/.gateway/backchannel-logout/%s" $name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $paths | uniq | toJson -}}
{{- end -}}

{{/* Those of `paths` that are not below any of `prefixes`, as a list in JSON. */}}
{{- define "bearer-gateway.pathsBeside" -}}
{{- $beside := list -}}
{{- range $path := .paths -}}
{{- $covered := false -}}
{{- range $prefix := $.prefixes -}}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" $prefix)) $path -}}
{{- $covered = true -}}
{{- end -}}
{{- end -}}
{{- if not $covered -}}
{{- $beside = append $beside $path -}}
{{- end -}}
{{- end -}}
{{- $beside | toJson -}}
{{- end -}}

{{/* Where the configuration connects to, as a list of ports in JSON. What is wrong in it is not said here. */}}
{{- define "bearer-gateway.egressPorts" -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- $urls := list -}}
{{- range default list $config.issuers -}}
{{- if kindIs "map" . -}}
{{- $urls = concat $urls (include "bearer-gateway.issuerUrls" . | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- $urls = append $urls $config.upstream -}}
{{- range $name, $upstream := default dict $config.upstreams -}}
{{- if kindIs "map" $upstream -}}
{{- $urls = concat $urls (include "bearer-gateway.upstreamUrls" $upstream | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- $tracing := default dict $config.tracing -}}
{{- $urls = append $urls (get (ternary $tracing dict (kindIs "map" $tracing)) "endpoint") -}}
{{- $found := include "bearer-gateway.portsOf" $urls | fromJsonArray -}}
{{- $section := default dict $config.store -}}
{{- $store := default (get (ternary $section dict (kindIs "map" $section)) "url") .Values.store.url -}}
{{- $found = concat $found (include "bearer-gateway.storePorts" $store | fromJsonArray) -}}
{{- $ports := list -}}
{{- range concat $found .Values.networkPolicy.ports -}}
{{- $ports = append $ports (int64 .) -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
