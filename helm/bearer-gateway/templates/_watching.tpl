{{/* The head of an object that somebody else reads: `context`, `values` of it, `suffix` of its name. */}}
{{- define "bearer-gateway.watchedMetadata" -}}
name: {{ include "bearer-gateway.fullname" .context }}{{ .suffix }}
namespace: {{ default .context.Release.Namespace .values.namespace }}
labels:
  {{- include "bearer-gateway.labels" .context | nindent 2 }}
  {{- with .values.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
