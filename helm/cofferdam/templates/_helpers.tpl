{{- define "cofferdam.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "cofferdam.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .Values.mode }}
{{- end }}

{{- define "cofferdam.labels" -}}
{{ include "cofferdam.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "cofferdam.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "cofferdam.name" .) }}
{{- end }}

{{- /* What `cofferdam serve --config` reads. */ -}}
{{- define "cofferdam.config" -}}
{{- $serve := dict "listen_port" (int .Values.serve.listenPort) "dns_port" (int .Values.serve.dnsPort)
      "metrics" (printf "0.0.0.0:%d" (int .Values.serve.metricsPort)) "ca_dir" "/run/cofferdam/ca" "user" "root" }}
{{- if eq .Values.mode "node" }}{{ $_ := set $serve "interfaces" .Values.serve.interfaces }}
{{- else }}{{ $_ := set $serve "mark" (int64 .Values.serve.mark) }}{{ end }}
{{- $own := dict "version" 1 "intercept" (ternary "router" "local" (eq .Values.mode "node")) "serve" $serve }}
{{- $records := dict "audit" (dict "sinks" (list (dict "stdout" dict))) }}
{{- toYaml (mergeOverwrite $records .Values.policy $own) }}
{{- end }}

{{- define "cofferdam.podMetadata" -}}
labels:
  {{- include "cofferdam.labels" . | nindent 2 }}
  {{- with .Values.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
annotations:
  # A changed policy rolls the pods out: the old policy holds until its pod ends.
  checksum/policy: {{ include "cofferdam.config" . | sha256sum }}
  {{- with .Values.podAnnotations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

{{- /* The gateway's container. Root inside the container, but with two capabilities: NET_ADMIN for its nftables table and its
       sockets' mark, NET_RAW for the socket that answers refused queries; it gives that up once the socket is made. Kubernetes
       cannot give a capability to another user. */ -}}
{{- define "cofferdam.gateway" -}}
name: gateway
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve, --config, /etc/cofferdam/serve.yaml]
ports:
  - { name: metrics, containerPort: {{ .Values.serve.metricsPort }}, protocol: TCP }
startupProbe: # the runner starts when this has succeeded, that is when the ruleset stands
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 5
livenessProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 10
  failureThreshold: 6
securityContext:
  runAsUser: 0
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL], add: [NET_ADMIN, NET_RAW] }
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.gateway.resources }}
resources: {{ toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - { name: policy, mountPath: /etc/cofferdam, readOnly: true }
  - { name: run, mountPath: /run/cofferdam }
  - { name: ca, mountPath: /run/cofferdam/ca }
{{- end }}

{{- define "cofferdam.volumes" -}}
- name: policy
  configMap: { name: {{ include "cofferdam.name" . }} }
- name: run
  emptyDir: { medium: Memory, sizeLimit: 1Mi }
- name: ca
  emptyDir: { medium: Memory, sizeLimit: 4Mi }
{{- end }}

{{- define "cofferdam.placement" -}}
serviceAccountName: {{ include "cofferdam.serviceAccount" . }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
