{{- define "tandem.name" -}}
{{- if contains "tandem" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-tandem" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{/* Labels of what belongs to a role. Takes root and role. */}}
{{- define "tandem.selector" -}}
app.kubernetes.io/name: tandem
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "tandem.labels" -}}
{{ include "tandem.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "tandem.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The names of the chart's own NATS servers, by which they reach each other. */}}
{{- define "tandem.natsServers" -}}
{{- $name := include "tandem.name" . -}}
{{- range $i := until (int .Values.nats.replicas) }}{{ if $i }},{{ end }}{{ $name }}-nats-{{ $i }}.{{ $name }}-nats{{ end -}}
{{- end }}

{{- define "tandem.natsURL" -}}
{{- if .Values.nats.enabled }}nats://{{ include "tandem.name" . }}-nats:4222{{ else }}{{ required "nats.external.url is needed when nats.enabled is false" .Values.nats.external.url }}{{ end -}}
{{- end }}

{{- define "tandem.seedSecret" -}}
{{ .Values.secret.existing | default (printf "%s-seed" (include "tandem.name" .)) }}
{{- end }}

{{/* PodSecurity "restricted". */}}
{{- define "tandem.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tandem.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
