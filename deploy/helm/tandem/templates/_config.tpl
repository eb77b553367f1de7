{{/*
Keys of the configuration that the chart sets itself, or that are secret: saying them
in "config" would do nothing, or show them.
*/}}
{{- define "tandem.refuse" -}}
{{- $keys := list "roles" "node" "data_dir" "secret" "demo" "directory" "plaintext" "drain_timeout" "admin.listen" "admin.tls" "admin.token" "media.listen" "media.external_ip" "media.drain" "matrix.homeserver" "matrix.server_name" "matrix.registration" "matrix.advertise" }}
{{- range $port := list "sylkrtc" "grpcpipe" "matrix" "console" }}
{{- $keys = concat $keys (list (printf "%s.listen" $port) (printf "%s.tls" $port)) }}
{{- end }}
{{- range $key, $_ := dig "nats" dict .Values.config }}
{{- if not (has $key (list "max_bytes" "compress")) }}
{{- $keys = append $keys (printf "nats.%s" $key) }}
{{- end }}
{{- end }}
{{- range $key := $keys }}
{{- $at := $.Values.config }}
{{- range splitList "." $key }}
{{- $at = ternary (get (ternary $at dict (kindIs "map" $at)) .) nil (hasKey (ternary $at dict (kindIs "map" $at)) .) }}
{{- end }}
{{- if not (kindIs "invalid" $at) }}
{{- fail (printf "config.%s is not said here: the chart has values of its own for it, and this is no place for secrets" $key) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What every process is told, as a file. */}}
{{- define "tandem.config" -}}
{{- include "tandem.refuse" . -}}
{{ toYaml .Values.config }}
{{- end }}

{{/* The same with who may sign in. */}}
{{- define "tandem.directoryConfig" -}}
{{- include "tandem.config" . }}
{{- $directory := deepCopy .Values.directory }}
{{- if .Values.matrix.enabled }}
{{- $servers := append (dig "matrix_servers" (list) $directory) .Values.matrix.serverName | uniq }}
{{- $directory = set $directory "matrix_servers" $servers }}
{{- end }}
{{- with $directory }}
directory:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
