{{/*
The text of gateway.yaml. `config` (mapping or text), `connections` (what a mapping gets that does not say it; 0: nothing), `store` (of the
values, over what a mapping says; may be left out).

A text is inserted unchanged. A mapping is written as JSON, which every YAML reader reads in one way: `"off"` in quotes stays text,
and no number gets an exponent.
*/}}
{{- define "bearer-gateway.config" -}}
{{- if kindIs "string" .config -}}
{{- .config -}}
{{- else -}}
{{- $config := deepCopy .config -}}
{{- if .connections -}}
{{- $limits := default dict (get $config "limits") -}}
{{- if not (hasKey $limits "connections") -}}
{{- $_ := set $limits "connections" (int .connections) -}}
{{- end -}}
{{- $_ := set $config "limits" $limits -}}
{{- end -}}
{{- if (default dict .store).url -}}
{{- $section := mergeOverwrite (default dict (get $config "store")) (include "bearer-gateway.storeSection" .store | fromJson) -}}
{{- $_ := set $config "store" $section -}}
{{- end -}}
{{- toPrettyJson $config -}}
{{- end -}}
{{- end -}}

{{/*
A text as a scalar of YAML behind a key, its lines indented by 4: a block where that gives the very same text, else in quotes.
*/}}
{{- define "bearer-gateway.scalar" -}}
{{- $body := trimSuffix "\n" . -}}
{{- if and $body (regexMatch `\A[!-~][\n -~\x{a1}-\x{2027}\x{202a}-\x{d7ff}\x{e000}-\x{fefe}\x{ff00}-\x{fffd}]*\z` $body) (not (hasSuffix "\n" $body)) -}}
{{- ternary "|" "|-" (hasSuffix "\n" .) }}
{{ indent 4 $body }}
{{- else -}}
{{- toJson . -}}
{{- end -}}
{{- end -}}

{{/* The configuration of the release, or "" where it is somebody else's. */}}
{{- define "bearer-gateway.configOfRelease" -}}
{{- if not .Values.existingConfigMap -}}
{{- include "bearer-gateway.config" (dict "config" .Values.config "connections" 2000 "store" .Values.store) -}}
{{- end -}}
{{- end -}}

{{/* "drop" where the configuration does not say `log.blocked`; somebody else's may. */}}
{{- define "bearer-gateway.logBlocked" -}}
{{- if not .Values.existingConfigMap -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- $log := get $config "log" -}}
{{- if not (and (kindIs "map" $log) (hasKey (ternary $log dict (kindIs "map" $log)) "blocked")) -}}
drop
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "yes" where the configuration of the release says `reload` itself. */}}
{{- define "bearer-gateway.saysReload" -}}
{{- if not .Values.existingConfigMap -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- if hasKey $config "reload" -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/* A duration of the configuration in milliseconds; "" when it is none (the schema and the gateway say so). */}}
{{- define "bearer-gateway.milliseconds" -}}
{{- $text := toString . -}}
{{- if or (kindIs "float64" .) (kindIs "int" .) (kindIs "int64" .) (regexMatch `^[0-9.]+([eE][-+]?[0-9]+)?$` $text) -}}
{{- mulf (float64 .) 1000 | ceil | int64 -}}
{{- else if regexMatch `^[0-9]+(\.[0-9]+)?(ms|s|m|h)$` $text -}}
{{- $factor := get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind `[a-z]+$` $text) -}}
{{- mulf (regexFind `^[0-9.]+` $text | float64) $factor | ceil | int64 -}}
{{- end -}}
{{- end -}}

{{/*
Refuses what Helm's YAML 1.1 may have read as something else than was written, and what the gateway refuses in any text.
`path` of `value`.
*/}}
{{- define "bearer-gateway.checkValue" -}}
{{- $path := .path -}}
{{- if kindIs "map" .value -}}
{{- range $key, $member := .value -}}
{{- if regexMatch `^(true|false|null|-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?)$` $key -}}
{{- fail (printf "%s: has a key that was read as %q, which is also what Helm makes of on, yes, y, no, off, 010 or 1e3; give the configuration as a text instead (--set-file config=gateway.yaml)" $path $key) -}}
{{- end -}}
{{- include "bearer-gateway.checkValue" (dict "path" (printf "%s.%s" $path $key) "value" $member) -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range $index, $member := .value -}}
{{- include "bearer-gateway.checkValue" (dict "path" (printf "%s[%d]" $path $index) "value" $member) -}}
{{- end -}}
{{- else if kindIs "string" .value -}}
{{- if regexMatch `[\x00-\x1f\x7f-\x{9f}]` (toString .value) -}}
{{- fail (printf "%s: must not have control characters" $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "yes" unless the configuration is known not to have `key`; somebody else's may. `context`, `key`. */}}
{{- define "bearer-gateway.mayHave" -}}
{{- $values := .context.Values -}}
{{- $config := $values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- if or $values.existingConfigMap (get (default dict $config) .key) (hasKey (default dict $config) "Error") -}}
yes
{{- end -}}
{{- end -}}

{{/* The listeners of a pod and the ports that the values give them, in the order of values.yaml, as a list in JSON: `name`, `key` of the configuration, `port`. */}}
{{- define "bearer-gateway.listeners" -}}
{{- $listeners := list (dict "name" "http" "key" "listen" "port" .Values.ports.http) (dict "name" "admin" "key" "admin" "port" .Values.ports.admin) -}}
{{- $listeners = append $listeners (dict "name" "decisions" "key" "decisions" "port" .Values.ports.decisions) -}}
{{- append $listeners (dict "name" "decisionsGrpc" "key" "decisions_grpc" "port" .Values.ports.decisionsGrpc) | toJson -}}
{{- end -}}

{{/* What its ports cannot be. */}}
{{- define "bearer-gateway.checkPorts" -}}
{{- $values := .Values -}}
{{- $seen := dict -}}
{{- range include "bearer-gateway.listeners" . | fromJsonArray -}}
{{- $may := has .key (list "decisions" "decisions_grpc") -}}
{{- if kindIs "map" $values.config -}}
{{- $address := get $values.config .key -}}
{{- if kindIs "map" $address -}}
{{- $address = get $address "address" -}}
{{- end -}}
{{- if $address -}}
{{- $found := regexFind `:[0-9]+$` (toString $address) | trimPrefix ":" -}}
{{- if ne $found (toString (default "" .port | int64)) -}}
{{- fail (printf "config.%s: does not listen on the port that ports.%s says, on which Services and probes rest; make them the same%s" .key .name (ternary "" ", or leave it out here" $may)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .port -}}
{{- $port := .port | int64 | toString -}}
{{- if hasKey $seen $port -}}
{{- fail (printf "ports: %s and %s are the same" (get $seen $port) .name) -}}
{{- end -}}
{{- $_ := set $seen $port .name -}}
{{- if and $may (not (include "bearer-gateway.mayHave" (dict "context" $ "key" .key))) -}}
{{- fail (printf "ports.%s: is given, and the configuration has no %s; give both or neither" .name .key) -}}
{{- end -}}
{{- if and $values.console.enabled (eq (int64 .port) (int64 $values.console.port)) -}}
{{- fail (printf "console.port: is that of ports.%s" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the values cannot say together. */}}
{{- define "bearer-gateway.checkAccount" -}}
{{- $config := .Values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- range $index, $issuer := default list $config.issuers -}}
{{- if kindIs "map" $issuer -}}
{{- $fetch := ternary $issuer.fetch dict (kindIs "map" $issuer.fetch) -}}
{{- if and (include "bearer-gateway.asksCluster" $issuer) (not $fetch.authorization) (not $.Values.serviceAccount.token) -}}
{{- fail (printf "config.issuers[%d].preset: kubernetes asks the cluster with the token of the pod, which has none: serviceAccount.token must be true" $index) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "bearer-gateway.check" -}}
{{- $values := .Values -}}
{{- if and $values.existingConfigMap $values.config -}}
{{- fail "config and existingConfigMap: give one of them" -}}
{{- end -}}
{{- if not (or $values.existingConfigMap $values.config) -}}
{{- fail "config: is empty; give the configuration as a mapping, as a text (--set-file config=gateway.yaml), or name an existingConfigMap" -}}
{{- end -}}
{{- include "bearer-gateway.checkStore" . -}}
{{- include "bearer-gateway.checkAccount" . -}}
{{- include "bearer-gateway.checkJournal" . -}}
{{- if and (kindIs "string" $values.config) (not $values.existingConfigMap) (not (trim $values.config)) -}}
{{- fail "config: is a text without anything in it" -}}
{{- end -}}
{{- if kindIs "map" $values.config -}}
{{- include "bearer-gateway.checkValue" (dict "path" "config" "value" $values.config) -}}
{{- else if regexMatch `[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}]` (toString $values.config) -}}
{{- fail "config: the text has a control character, which YAML does not allow" -}}
{{- end -}}
{{- range $index, $variable := $values.env -}}
{{- if and $values.console.enabled (eq $variable.name "GATEWAY_CONSOLE") -}}
{{- fail (printf "env[%d]: GATEWAY_CONSOLE is set by console.enabled" $index) -}}
{{- end -}}
{{- if has $variable.name (list "GATEWAY_CONFIG" "GATEWAY_LISTEN" "GATEWAY_ADMIN") -}}
{{- fail (printf "env[%d]: %s is set by the chart; its values are config and ports" $index $variable.name) -}}
{{- end -}}
{{- end -}}
{{- if kindIs "map" $values.config -}}
{{- $limits := default dict $values.config.limits -}}
{{- $delay := include "bearer-gateway.milliseconds" (ternary $limits.drain_delay "5s" (hasKey $limits "drain_delay")) -}}
{{- $drain := include "bearer-gateway.milliseconds" (ternary $limits.drain "20s" (hasKey $limits "drain")) -}}
{{- $grace := mul $values.terminationGracePeriodSeconds 1000 -}}
{{- if and $delay $drain (ge (add (int64 $delay) (int64 $drain)) (int64 $grace)) -}}
{{- fail (printf "config.limits: drain_delay and drain are %vms together, and the pod is killed after %vms: make terminationGracePeriodSeconds longer" (add (int64 $delay) (int64 $drain)) $grace) -}}
{{- end -}}
{{- end -}}
{{- if $values.console.enabled -}}
{{- if and (kindIs "map" $values.config) (hasKey $values.config "console") -}}
{{- fail "config.console: is given, and console.enabled is true; give one of them" -}}
{{- end -}}
{{- end -}}
{{- include "bearer-gateway.checkPorts" . -}}
{{- $config := $values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- if and (not $values.existingConfigMap) $values.service.appProtocol (not (hasKey (default dict $config) "Error")) -}}
{{- $speaks := ternary "https" "http" (kindIs "map" (get (default dict $config) "tls")) -}}
{{- if ne $speaks $values.service.appProtocol -}}
{{- fail (printf "service.appProtocol: is %s, and by its configuration the gateway speaks %s; leave it out" $values.service.appProtocol $speaks) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "type" "selector" "ports" -}}
{{- if hasKey (default dict $values.service.extra) $key -}}
{{- fail (printf "service.extra: %s is set by the chart" $key) -}}
{{- end -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (not $values.autoscaling.cpu) (not $values.autoscaling.requestsPerPod) -}}
{{- fail "autoscaling: is enabled, and scales by neither cpu nor requestsPerPod" -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (gt (int64 $values.autoscaling.minReplicas) (int64 $values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling: minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs: is empty; name the Gateway that the route belongs to" -}}
{{- end -}}
{{- if and (eq (toString $values.rollingUpdate.maxUnavailable) "0") (eq (toString $values.rollingUpdate.maxSurge) "0") -}}
{{- fail "rollingUpdate: maxUnavailable and maxSurge cannot both be 0" -}}
{{- end -}}
{{- end -}}
