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

{{/* What must be said with Matrix. */}}
{{- define "tandem.matrixNeeds" -}}
{{- range $key, $what := dict "homeserver" "the URL of the homeserver's client-server API, as pods reach it" "serverName" "the homeserver's name, which ends its users' ids" }}
{{- if not (get $.Values.matrix $key) }}
{{- fail (printf "matrix.%s is needed with matrix.enabled: %s" $key $what) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where a Matrix homeserver reaches the adapter. */}}
{{- define "tandem.matrixURL" -}}
{{- $own := printf "%s://%s-matrix.%s.svc:8009" (ternary "https" "http" (ne .Values.matrix.tlsSecret "")) (include "tandem.name" .) .Release.Namespace -}}
{{ .Values.matrix.url | default $own }}
{{- end }}

{{/* Where the Matrix homeserver is, as a list of peers of a network policy. */}}
{{- define "tandem.homeserver" -}}
{{- include "tandem.matrixNeeds" . -}}
{{- $p := .Values.matrix.peer -}}
{{- $peers := list -}}
{{- if or $p.namespace $p.podLabels -}}
{{- $pods := dict -}}
{{- if $p.namespace -}}
{{- $pods = set $pods "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" $p.namespace)) -}}
{{- end -}}
{{- if $p.podLabels -}}
{{- $pods = set $pods "podSelector" (dict "matchLabels" $p.podLabels) -}}
{{- end -}}
{{- $peers = append $peers $pods -}}
{{- end -}}
{{- range $p.cidrs -}}
{{- $peers = append $peers (dict "ipBlock" (dict "cidr" .)) -}}
{{- end -}}
{{- if not $peers -}}
{{- fail "matrix.peer is needed with matrix.enabled and networkPolicy.enabled: where the homeserver is, by namespace, podLabels or cidrs" -}}
{{- end -}}
{{ toJson $peers }}
{{- end }}

{{/* The ports of NATS servers outside the chart, as a list of a network policy. */}}
{{- define "tandem.natsPorts" -}}
{{- $ports := list -}}
{{- range splitList "," .Values.nats.external.url -}}
{{- $u := urlParse . -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $u.host) | default (get (dict "ws" "80" "wss" "443") $u.scheme) | default "4222" -}}
{{- $ports = append $ports (dict "port" (int $port) "protocol" "TCP") -}}
{{- end -}}
{{ $ports | uniq | toJson }}
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
