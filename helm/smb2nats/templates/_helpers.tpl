{{- define "smb2nats.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "smb2nats.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "smb2nats.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* dict "root" $ "role" "worker" */}}
{{- define "smb2nats.selector" -}}
app.kubernetes.io/name: {{ include "smb2nats.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "smb2nats.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "smb2nats.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: smb2nats
{{- end -}}

{{- define "smb2nats.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The configuration as both roles read it: YAML. */}}
{{- define "smb2nats.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $nats := get $config "nats" | default dict -}}
{{- if not (get $nats "servers") -}}
{{- if .Values.nats.enabled -}}
{{- $_ := set $nats "servers" (list (printf "nats://%s-nats:4222" .Release.Name)) -}}
{{- else if .Values.nats.servers -}}
{{- $_ := set $nats "servers" .Values.nats.servers -}}
{{- else -}}
{{- fail "Where is NATS? Set nats.servers, config.nats.servers, or nats.enabled=true for a single server to try things out." -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "nats" $nats -}}
{{- toYaml $config -}}
{{- end -}}

{{/* What the processes read once, at their start: a change of it restarts them, any other is read while they run. */}}
{{- define "smb2nats.startConfig" -}}
{{- omit (include "smb2nats.config" . | fromYaml) "connections" "watches" | toJson -}}
{{- end -}}

{{/* dict "root" $ "role" "worker" "values" .Values.worker */}}
{{- define "smb2nats.pod" -}}
metadata:
  labels:
    {{- include "smb2nats.labels" (dict "root" .root "role" .role) | nindent 4 }}
    {{- with .values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ include "smb2nats.startConfig" .root | sha256sum }}
    {{- with .values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "smb2nats.fullname" .root }}
  automountServiceAccountToken: false
  # Variables for every Service of the namespace are noise.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    # Secrets are readable by the group, and by nobody else.
    fsGroup: 65532
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: {{ .role }}
      image: {{ include "smb2nats.image" .root | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: [{{ .role | quote }}]
      env:
        - { name: SMB2NATS_CONFIG, value: /etc/smb2nats/config/smb2nats.yaml }
        - { name: SMB2NATS_HTTP_HOST, value: "0.0.0.0" }
        - { name: SMB2NATS_HTTP_PORT, value: "9464" }
        {{- if eq .role "gateway" }}
        - { name: SMB2NATS_GATEWAY_HOST, value: "0.0.0.0" }
        - { name: SMB2NATS_GATEWAY_PORT, value: "8080" }
        {{- end }}
        {{- with .values.extraEnv }}{{ toYaml . | nindent 8 }}{{ end }}
      ports:
        {{- if eq .role "gateway" }}
        - { name: http, containerPort: 8080 }
        {{- end }}
        - { name: metrics, containerPort: 9464 }
      # /healthz is this process only: no server that is away must get it restarted.
      startupProbe:
        httpGet: { path: /healthz, port: metrics }
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /healthz, port: metrics }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /readyz, port: metrics }
        periodSeconds: 5
        timeoutSeconds: 3
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      resources: {{- toYaml .values.resources | nindent 8 }}
      volumeMounts:
        - { name: config, mountPath: /etc/smb2nats/config, readOnly: true }
        {{- if .values.existingSecret }}
        - { name: secrets, mountPath: /etc/smb2nats/secrets, readOnly: true }
        {{- end }}
        {{- with .values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    # Whole folders: files mounted by subPath would never change, and changes are followed.
    - name: config
      configMap: { name: {{ include "smb2nats.fullname" .root }} }
    {{- with .values.existingSecret }}
    - name: secrets
      secret: { secretName: {{ . | quote }}, defaultMode: 0440 }
    {{- end }}
    {{- with .values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "smb2nats.selector" (dict "root" .root "role" .role) | nindent 10 }}
  {{- with .values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
