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

{{/* Where the configuration connects to, as a list of ports in JSON. What is wrong in it is not said here. */}}
{{- define "bearer-gateway.egressPorts" -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- $urls := list -}}
{{- range default list $config.issuers -}}
{{- if and (kindIs "map" .) (not .jwks_file) -}}
{{- $urls = concat $urls (list (.jwks_url | default .discovery_url | default .issuer)) -}}
{{- end -}}
{{- end -}}
{{- $urls = append $urls $config.upstream -}}
{{- range $name, $upstream := default dict $config.upstreams -}}
{{- if kindIs "map" $upstream -}}
{{- $urls = append $urls $upstream.url -}}
{{- end -}}
{{- end -}}
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
