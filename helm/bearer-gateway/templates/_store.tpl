{{/* `secrets` and `files` of the values, with those that `store` names, as JSON. */}}
{{- define "bearer-gateway.mounted" -}}
{{- $secrets := deepCopy (default dict .secrets) -}}
{{- $files := deepCopy (default dict .files) -}}
{{- $store := default dict .store -}}
{{- if $store.url -}}
{{- if $store.password.secretName -}}
{{- $_ := set $secrets "store-password" $store.password -}}
{{- end -}}
{{- if $store.sentinelPassword.secretName -}}
{{- $_ := set $secrets "store-sentinel-password" $store.sentinelPassword -}}
{{- end -}}
{{- range $index, $secret := $store.secrets -}}
{{- $_ := set $secrets (printf "store-secret-%d" $index) $secret -}}
{{- end -}}
{{- if $store.ca.configMapName -}}
{{- $_ := set $files "store-ca" $store.ca -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "secrets" $secrets "files" $files) -}}
{{- end -}}

{{/* What `store` of the values says in the words of the configuration, as JSON: its secrets are the files that are mounted. */}}
{{- define "bearer-gateway.storeSection" -}}
{{- $section := dict "url" .url -}}
{{- with .username -}}
{{- $_ := set $section "username" . -}}
{{- end -}}
{{- if .password.secretName -}}
{{- $_ := set $section "password" (dict "file" (printf "/etc/bearer-gateway/secrets/store-password/%s" .password.key)) -}}
{{- end -}}
{{- with .sentinelUsername -}}
{{- $_ := set $section "sentinel_username" . -}}
{{- end -}}
{{- if .sentinelPassword.secretName -}}
{{- $_ := set $section "sentinel_password" (dict "file" (printf "/etc/bearer-gateway/secrets/store-sentinel-password/%s" .sentinelPassword.key)) -}}
{{- end -}}
{{- $secrets := list -}}
{{- range $index, $secret := .secrets -}}
{{- $secrets = append $secrets (dict "file" (printf "/etc/bearer-gateway/secrets/store-secret-%d/%s" $index $secret.key)) -}}
{{- end -}}
{{- $_ := set $section "secrets" $secrets -}}
{{- if .ca.configMapName -}}
{{- $_ := set $section "ca_file" (printf "/etc/bearer-gateway/files/store-ca/%s" .ca.key) -}}
{{- end -}}
{{- toJson $section -}}
{{- end -}}

{{/* What `store` of the values cannot say. */}}
{{- define "bearer-gateway.checkStore" -}}
{{- $store := .Values.store -}}
{{- if $store.url -}}
{{- if not (kindIs "map" .Values.config) -}}
{{- fail "store: is written into a config that is a mapping; in a text, or in a ConfigMap of your own, write store yourself, and mount its secrets by the values secrets and files" -}}
{{- end -}}
{{- if .Values.existingConfigMap -}}
{{- fail "store: is written into a config that is a mapping; in a ConfigMap of your own write store yourself, and mount its secrets by the values secrets and files" -}}
{{- end -}}
{{- if not $store.secrets -}}
{{- fail "store.secrets: is empty; name the Secret whose value seals what is kept in Redis: [{secretName: NAME, key: KEY}]" -}}
{{- end -}}
{{- else if or $store.username $store.password.secretName $store.sentinelUsername $store.sentinelPassword.secretName $store.secrets $store.ca.configMapName -}}
{{- fail "store.url: is empty; the other values of store have no effect without it" -}}
{{- end -}}
{{- end -}}

{{/* A journal of what is revoked is one gateway's, and the next pod cannot open it before the last one has ended. */}}
{{- define "bearer-gateway.checkJournal" -}}
{{- $values := .Values -}}
{{- $config := $values.config -}}
{{- if kindIs "string" $config -}}
{{- $config = fromYaml $config -}}
{{- end -}}
{{- $section := get (default dict $config) "revocation" -}}
{{- $file := get (ternary $section dict (kindIs "map" $section)) "file" -}}
{{- if $file -}}
{{- if $values.store.url -}}
{{- fail "config.revocation.file: cannot stand beside a store, in which replicas share what is revoked; leave it out (revocation: {})" -}}
{{- end -}}
{{- if or (ne (int64 $values.replicas) 1) $values.autoscaling.enabled -}}
{{- fail "config.revocation.file: is the journal of one gateway; several replicas share what is revoked in a store (the values store), or make replicas 1" -}}
{{- end -}}
{{- if ne (toString $values.rollingUpdate.maxSurge) "0" -}}
{{- fail "config.revocation.file: is opened by one pod at a time; make rollingUpdate.maxSurge 0 and rollingUpdate.maxUnavailable 1" -}}
{{- end -}}
{{- $mounted := false -}}
{{- range $values.extraVolumeMounts -}}
{{- if hasPrefix (printf "%s/" (trimSuffix "/" (toString .mountPath))) (toString $file) -}}
{{- $mounted = true -}}
{{- end -}}
{{- end -}}
{{- if not $mounted -}}
{{- fail "config.revocation.file: is on no volume; what is revoked must outlive the pod: name a PersistentVolumeClaim in extraVolumes, and in extraVolumeMounts the directory of the file" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The ports of a Redis, or of Sentinels and of what they usually name, as a list in JSON; of anything else none. */}}
{{- define "bearer-gateway.storePorts" -}}
{{- $ports := list -}}
{{- $url := toString . -}}
{{- if regexMatch `^rediss?(\+sentinel)?://` $url -}}
{{- $behind := contains "+sentinel://" $url -}}
{{- $hosts := regexReplaceAll `/.*$` (regexReplaceAll `^[a-z+]+://` $url "") "" -}}
{{- range splitList "," $hosts -}}
{{- $port := regexFind `:[0-9]+$` . | trimPrefix ":" -}}
{{- $ports = append $ports (default (ternary "26379" "6379" $behind) $port | int64) -}}
{{- end -}}
{{- if $behind -}}
{{- $ports = append $ports 6379 -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
