{{/*
What the names of all objects begin with. Names of services have no dot and begin
with a letter, which a release's need not.
*/}}
{{- define "tandem.name" -}}
{{- $name := .Values.fullnameOverride | default .Release.Name | replace "." "-" -}}
{{- if not (or .Values.fullnameOverride (contains "tandem" $name)) -}}
{{- $name = printf "%s-tandem" $name -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]" $name) -}}
{{- $name = printf "tandem-%s" $name -}}
{{- end -}}
{{ $name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Labels of what belongs to a role. Takes root and role. */}}
{{- define "tandem.selector" -}}
app.kubernetes.io/name: tandem
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{/* Labels of an object. Takes root and role, and more (further ones) if there are. */}}
{{- define "tandem.labels" -}}
{{ include "tandem.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 }}
{{- with mustMergeOverwrite (dict) .root.Values.labels (.more | default dict) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image's name. Takes repository, tag and digest. */}}
{{- define "tandem.imageName" -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "tandem.image" -}}
{{- $i := .Values.image -}}
{{ include "tandem.imageName" (dict "repository" $i.repository "tag" ($i.tag | default (ternary "" .Chart.AppVersion (ne $i.digest ""))) "digest" $i.digest) }}
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

{{/* The ports of what the directory asks, as a list of a network policy. */}}
{{- define "tandem.directoryPorts" -}}
{{- $urls := list (dig "wake" "url" "" .Values.directory) -}}
{{- range dig "jwt" list .Values.directory -}}
{{- $urls = append $urls (dig "jwks" "" .) -}}
{{- end -}}
{{- $ports := list (dict "port" 443 "protocol" "TCP") -}}
{{- range $urls -}}
{{- $u := urlParse . -}}
{{- with regexFind "[0-9]+$" (regexFind ":[0-9]+$" $u.host) | default (get (dict "http" "80") $u.scheme) -}}
{{- $ports = append $ports (dict "port" (int .) "protocol" "TCP") -}}
{{- end -}}
{{- end -}}
{{ $ports | uniq | toJson }}
{{- end }}

{{/* The service account of all pods, which has no rights. */}}
{{- define "tandem.account" -}}
{{ .Values.serviceAccount.existing | default (include "tandem.name" .) }}
{{- end }}

{{- define "tandem.seedSecret" -}}
{{ .Values.secret.existing | default (printf "%s-seed" (include "tandem.name" .)) }}
{{- end }}

{{/* PodSecurity "restricted". */}}
{{- define "tandem.podSecurity" -}}
{{- with .Values.podSecurityContext -}}
{{ toYaml . }}
{{ end -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tandem.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/*
Four fifths of a memory limit, in bytes, where Go begins to collect more eagerly; or
nothing. Takes a container's resources.
*/}}
{{- define "tandem.memory" -}}
{{- $limit := dig "limits" "memory" "" . -}}
{{- if kindIs "float64" $limit }}{{ $limit = $limit | int64 }}{{ end -}}
{{- $text := $limit | toString -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $text -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := get $units (trimPrefix $number $text) -}}
{{- if and $number $unit }}{{ mulf (float64 $number) (float64 $unit) 0.8 | int64 }}{{ end -}}
{{- end }}
