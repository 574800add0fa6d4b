{{/* The head of an object that somebody else reads: `context`, `values` of it, `suffix` of its name. */}}
{{- define "bearer-gateway.watchedMetadata" -}}
name: {{ printf "%s%s" (include "bearer-gateway.fullname" .context) .suffix | quote }}
namespace: {{ default .context.Release.Namespace .values.namespace | quote }}
labels:
  {{- include "bearer-gateway.labelsOf" (dict "context" .context "component" "gateway" "more" .values.labels) | nindent 2 }}
{{- with .values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
