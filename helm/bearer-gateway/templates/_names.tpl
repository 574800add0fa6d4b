{{/* The name of what belongs to the release: at most 54 characters, so that -decisions fits behind it. */}}
{{- define "bearer-gateway.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of the application, as a label. */}}
{{- define "bearer-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects the pods; never changes. */}}
{{- define "bearer-gateway.selector" -}}
app.kubernetes.io/name: {{ include "bearer-gateway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: gateway
{{- end -}}

{{/* Labels of every object, with the component of the pods. */}}
{{- define "bearer-gateway.labels" -}}
{{- include "bearer-gateway.labelsOf" (dict "context" . "component" "gateway") -}}
{{- end -}}

{{/* Labels of an object of `component`: those of the chart, then `more`, then those of every object; a name stands there once. */}}
{{- define "bearer-gateway.labelsOf" -}}
{{- $root := .context -}}
{{- $own := dict "app.kubernetes.io/name" (include "bearer-gateway.name" $root) "app.kubernetes.io/instance" $root.Release.Name -}}
{{- $_ := set $own "app.kubernetes.io/component" .component -}}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- toYaml (merge $own (default dict .more) (default dict $root.Values.labels)) -}}
{{- end -}}

{{- define "bearer-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "bearer-gateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "bearer-gateway.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "bearer-gateway.configMapName" -}}
{{- default (include "bearer-gateway.fullname" .) .Values.existingConfigMap -}}
{{- end -}}
