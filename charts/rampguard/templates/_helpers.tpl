{{- define "rampguard.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "rampguard.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "rampguard.name" .) .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "rampguard.name" .) | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Names of cluster-scoped objects carry the namespace, so that two releases can stand side by side. */}}
{{- define "rampguard.clusterName" -}}
{{ printf "%s:%s" .Release.Namespace (include "rampguard.fullname" .) }}
{{- end }}

{{- define "rampguard.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "rampguard.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ required "serviceAccount.name is needed with serviceAccount.create: false" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "rampguard.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- define "rampguard.selector" -}}
app.kubernetes.io/name: {{ include "rampguard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "rampguard.labels" -}}
app.kubernetes.io/name: {{ include "rampguard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "rampguard.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "rampguard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What the operator may do where ramps live. It creates and deletes nothing but Events. */}}
{{- define "rampguard.rules" -}}
- apiGroups: [rampguard.dev]
  resources: [experimentramps]
  verbs: [get, list, watch, patch]
- apiGroups: [rampguard.dev]
  resources: [experimentramps/status]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, patch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [services]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* What the uninstall hook may do to ramps. */}}
{{- define "rampguard.uninstallRules" -}}
- apiGroups: [rampguard.dev]
  resources: [experimentramps]
  verbs: [list{{ if ne .Values.uninstall.policy "Refuse" }}, patch{{ end }}]
{{- end }}

{{/* An object of the uninstall hook. Takes the weight; the Job has the highest and runs last. */}}
{{- define "rampguard.uninstallHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
