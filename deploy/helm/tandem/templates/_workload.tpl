{{/*
A role's workload, with what "tandem.pod" takes and kind (Deployment or
StatefulSet).
*/}}
{{- define "tandem.workload" -}}
{{- $running := lookup "apps/v1" .kind .root.Release.Namespace (printf "%s-%s" (include "tandem.name" .root) .role) -}}
apiVersion: apps/v1
kind: {{ .kind }}
metadata:
  name: {{ include "tandem.name" .root }}-{{ .role }}
  labels:
    {{- include "tandem.labels" . | nindent 4 }}
spec:
  {{- if not (dig "autoscaling" "enabled" false .values) }}
  replicas: {{ .values.replicas }}
  {{- else if $running }}
  # As many as there are: without a number there would be one until the autoscaler
  # looks.
  replicas: {{ max 1 (int $running.spec.replicas) }}
  {{- end }}
  {{- if eq .kind "StatefulSet" }}
  serviceName: {{ include "tandem.name" .root }}-{{ .role }}
  podManagementPolicy: Parallel
  {{- else }}
  strategy:
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  {{- end }}
  selector:
    matchLabels:
      {{- include "tandem.selector" . | nindent 6 }}
  template:
    {{- include "tandem.pod" . | nindent 4 }}
{{- end }}

{{/* Further fields of a service. Takes root and spec. */}}
{{- define "tandem.serviceSpec" -}}
{{- $spec := .spec | default dict -}}
{{- with .root.Values.ipFamilyPolicy -}}
{{- $spec = merge (dict) $spec (dict "ipFamilyPolicy" .) -}}
{{- end -}}
{{- if $spec }}{{ toYaml $spec }}{{ end -}}
{{- end }}

{{/* A role's service. Takes root, role, values, ports (of a Service). */}}
{{- define "tandem.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "tandem.name" .root }}-{{ .role }}
  labels:
    {{- include "tandem.labels" . | nindent 4 }}
  {{- with .values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .values.service.type }}
  {{- with include "tandem.serviceSpec" (dict "root" .root "spec" .values.service.spec) }}
  {{- . | nindent 2 }}
  {{- end }}
  selector:
    {{- include "tandem.selector" . | nindent 4 }}
  ports:
    {{- toYaml .ports | nindent 4 }}
{{- end }}

{{/* A headless service, for names of a StatefulSet's pods. Takes root and role. */}}
{{- define "tandem.headless" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "tandem.name" .root }}-{{ .role }}
  labels:
    {{- include "tandem.labels" . | nindent 4 }}
spec:
  clusterIP: None
  {{- with .root.Values.ipFamilyPolicy }}
  ipFamilyPolicy: {{ . }}
  {{- end }}
  publishNotReadyAddresses: true
  selector:
    {{- include "tandem.selector" . | nindent 4 }}
  ports:
    - {name: admin, port: 9464, targetPort: admin}
{{- end }}

{{/* Takes root and role. */}}
{{- define "tandem.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "tandem.name" .root }}-{{ .role }}
  labels:
    {{- include "tandem.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  {{- if ne .role "nats" }}
  # Pods that are not ready, as all are while the bus is away, hold up no drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  {{- end }}
  selector:
    matchLabels:
      {{- include "tandem.selector" . | nindent 6 }}
{{- end }}

{{/* Takes root, role, kind, values, metrics (of an autoscaler). */}}
{{- define "tandem.hpa" -}}
{{- with .values.autoscaling }}
{{- if gt (int .min) (int .max) }}
{{- fail (printf "%s.autoscaling: min %d is more than max %d" $.role (int .min) (int .max)) }}
{{- end }}
{{- end -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "tandem.name" .root }}-{{ .role }}
  labels:
    {{- include "tandem.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: {{ .kind }}, name: {{ include "tandem.name" .root }}-{{ .role }}}
  minReplicas: {{ .values.autoscaling.min }}
  maxReplicas: {{ .values.autoscaling.max }}
  behavior:
    # Calls outlive a moment without load.
    scaleDown:
      stabilizationWindowSeconds: 600
      policies: [{type: Pods, value: 1, periodSeconds: 300}]
  metrics:
    {{- toYaml .metrics | nindent 4 }}
{{- end }}

{{- define "tandem.byCPU" -}}
{{- list (dict "type" "Resource" "resource" (dict "name" "cpu" "target" (dict "type" "Utilization" "averageUtilization" (int .)))) | toYaml -}}
{{- end }}
