{{/*
Where and as what pods run, by the values of all pods and those of a role, which
replace them. Takes root and values, and apart (an anti-affinity
that must hold).
*/}}
{{- define "tandem.placement" -}}
{{- $all := .root.Values -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- $of := get $.values $key | default (get $all $key) }}
{{- if and (eq $key "affinity") $.apart }}
{{- $terms := append (dig "podAntiAffinity" "requiredDuringSchedulingIgnoredDuringExecution" (list) ($of | default dict)) $.apart }}
{{- $of = mustMergeOverwrite (deepCopy ($of | default dict)) (dict "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" $terms)) }}
{{- end }}
{{- if $of }}
{{ dict $key $of | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels of a pod: all pods' and the role's. Takes root, role and values. */}}
{{- define "tandem.podLabels" -}}
{{- $more := mustMergeOverwrite (dict) .root.Values.podLabels (.values.podLabels | default dict) -}}
{{ include "tandem.labels" (dict "root" .root "role" .role "more" $more) }}
{{- end }}

{{/* The same of annotations. */}}
{{- define "tandem.podAnnotations" -}}
{{- with mustMergeOverwrite (dict) .root.Values.podAnnotations (.values.podAnnotations | default dict) }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Pods of a role apart from each other, if they can be. Takes root and role. */}}
{{- define "tandem.topology" -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "tandem.selector" $ | nindent 6 }}
{{- end }}
{{- end }}

{{/*
A pod of a role. Takes root, role, values (of the role), and as far as the role
has them: ports (list of name, port, protocol), env (list), setup (further
arguments of the set-up), secrets (further ones, by the name of their mount below
/), drain (seconds), tls (the adapter's secret), hostNetwork.
*/}}
{{- define "tandem.pod" -}}
{{- $root := .root -}}
{{- $drain := .drain | default 10 | int -}}
{{- $console := eq .role "console" -}}
metadata:
  labels:
    {{- include "tandem.podLabels" . | nindent 4 }}
  annotations:
    # What the role reads at its start, and no other role's.
    checksum/config: {{ include (ternary "tandem.directoryConfig" "tandem.config" (eq .role "directory")) $root | sha256sum }}
    {{- with include "tandem.podAnnotations" . }}
    {{- . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "tandem.account" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- if .hostNetwork }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- $apart := dict }}
  {{- if .hostNetwork }}
  {{- $apart = dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (include "tandem.selector" . | fromYaml)) }}
  {{- end }}
  {{- with include "tandem.placement" (dict "root" $root "values" .values "apart" $apart) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  # The wait before the end, the role's own drain, and a margin.
  terminationGracePeriodSeconds: {{ add $root.Values.preStopSeconds $drain 20 }}
  securityContext:
    {{- include "tandem.podSecurity" $root | nindent 4 }}
  topologySpreadConstraints:
    {{- include "tandem.topology" . | trim | nindent 4 }}
  initContainers:
    # It alone sees the seed; the role gets what is made from it for this role.
    - name: setup
      image: {{ include "tandem.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{ concat (list "setup" "--dir=/setup" "--seed-file=/seed/seed") (.setup | default list) | toJson }}
      securityContext:
        {{- include "tandem.containerSecurity" $root | nindent 8 }}
      resources:
        requests: {cpu: 10m, memory: 32Mi}
        limits: {memory: 128Mi}
      volumeMounts:
        - {name: seed, mountPath: /seed, readOnly: true}
        - {name: keep, mountPath: /setup/keep}
        - {name: secrets, mountPath: /setup/{{ .role }}}
  containers:
    - name: {{ .role }}
      image: {{ include "tandem.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [serve, --roles={{ .role }}, --config=/etc/tandem/tandem.yaml]
      env:
        - name: TANDEM_NODE
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        - name: POD_IP
          valueFrom: {fieldRef: {fieldPath: status.podIP}}
        {{- with include "tandem.memory" .values.resources }}
        # Four fifths of the limit: beyond that, memory is collected sooner.
        - {name: GOMEMLIMIT, value: {{ . | quote }}}
        {{- end }}
        - {name: TANDEM_DATA_DIR, value: ""}
        - {name: TANDEM_NATS_URL, value: {{ include "tandem.natsURL" $root | quote }}}
        - {name: TANDEM_NATS_REPLICAS, value: {{ ternary $root.Values.nats.replicas $root.Values.nats.external.replicas $root.Values.nats.enabled | quote }}}
        {{- if $root.Values.nats.enabled }}
        - {name: TANDEM_NATS_IDENTITIES, value: /secrets/nats}
        {{- else if $root.Values.nats.external.secretPrefix }}
        - {name: TANDEM_NATS_IDENTITIES, value: /nats}
        {{- end }}
        {{- if and (not $root.Values.nats.enabled) $root.Values.nats.external.caSecret }}
        - {name: TANDEM_NATS_TLS_CA_FILE, value: /nats-ca/ca.crt}
        {{- end }}
        - {name: TANDEM_ADMIN_LISTEN, value: "0.0.0.0:9464"}
        # Within the cluster; from outside a proxy speaks TLS, or the adapter itself.
        - {name: TANDEM_PLAINTEXT, value: {{ list "admin" (ternary .role "" (and (has .role (list "sylkrtc" "grpcpipe" "matrix" "console")) (not .tls))) | compact | join "," | quote }}}
        - {name: TANDEM_ADMIN_TOKEN_FILE, value: /secrets/admin-token}
        {{- if not (or $console (eq .role "media")) }}
        - {name: TANDEM_SECRET_FILE, value: /secrets/cluster}
        {{- end }}
        - {name: TANDEM_DEMO, value: {{ $root.Values.demo | quote }}}
        - {name: TANDEM_DRAIN_TIMEOUT, value: {{ printf "%ds" (add $drain 10) }}}
        {{- if .tls }}
        - {name: TANDEM_{{ upper .role }}_TLS_CERT_FILE, value: /tls/tls.crt}
        - {name: TANDEM_{{ upper .role }}_TLS_KEY_FILE, value: /tls/tls.key}
        {{- end }}
        {{- range concat (.env | default list) $root.Values.env (.values.env | default list) }}
        - {{ toJson . }}
        {{- end }}
      ports:
        - {name: admin, containerPort: 9464, protocol: TCP}
        {{- range .ports }}
        - {{ toJson . }}
        {{- end }}
      # It lives: /healthz. It may take calls: /readyz.
      startupProbe:
        httpGet: {path: /healthz, port: admin}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: admin}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        periodSeconds: 3
        timeoutSeconds: 3
        failureThreshold: 2
      lifecycle:
        preStop: {sleep: {seconds: {{ $root.Values.preStopSeconds }}}}
      securityContext:
        {{- include "tandem.containerSecurity" $root | nindent 8 }}
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/tandem, readOnly: true}
        - {name: secrets, mountPath: /secrets, readOnly: true}
        {{- if .tls }}
        - {name: tls, mountPath: /tls, readOnly: true}
        {{- end }}
        {{- range .values.volumeMounts }}
        - {{ toJson . }}
        {{- end }}
        {{- range $name, $_ := .secrets }}
        - {name: {{ $name }}, mountPath: /{{ $name }}, readOnly: true}
        {{- end }}
        {{- if not $root.Values.nats.enabled }}
        {{- if and $root.Values.nats.external.secretPrefix (not $console) }}
        - {name: nats, mountPath: /nats, readOnly: true}
        {{- end }}
        {{- if $root.Values.nats.external.caSecret }}
        - {name: nats-ca, mountPath: /nats-ca, readOnly: true}
        {{- end }}
        {{- end }}
  volumes:
    - name: seed
      secret: {secretName: {{ include "tandem.seedSecret" $root | quote }}, items: [{key: seed, path: seed}]}
    - name: keep
      emptyDir: {medium: Memory, sizeLimit: 1Mi}
    - name: secrets
      emptyDir: {medium: Memory, sizeLimit: 1Mi}
    - name: config
      {{- if eq .role "directory" }}
      secret: {secretName: {{ $root.Values.directoryPods.configSecret | default (printf "%s-directory" (include "tandem.name" $root)) | quote }}}
      {{- else }}
      configMap: {name: {{ include "tandem.name" $root }}}
      {{- end }}
    {{- range .values.volumes }}
    - {{ toJson . }}
    {{- end }}
    {{- if .tls }}
    - name: tls
      secret: {secretName: {{ .tls | quote }}}
    {{- end }}
    {{- range $name, $secret := .secrets }}
    - name: {{ $name }}
      secret: {secretName: {{ $secret | quote }}}
    {{- end }}
    {{- if not $root.Values.nats.enabled }}
    {{- if and $root.Values.nats.external.secretPrefix (not $console) }}
    - name: nats
      projected:
        sources:
          - secret: {name: {{ $root.Values.nats.external.secretPrefix }}-nats-{{ .role }}}
          {{- if eq .role "callstate" }}
          - secret: {name: {{ $root.Values.nats.external.secretPrefix }}-nats-admin}
          {{- end }}
    {{- end }}
    {{- if $root.Values.nats.external.caSecret }}
    - name: nats-ca
      secret: {secretName: {{ $root.Values.nats.external.caSecret | quote }}}
    {{- end }}
    {{- end }}
{{- end }}
