{{/*
Prefix of all names: 28 characters, so that the longest name, that of the
Service, has no more than the 63 that a Service may have.
*/}}
{{- define "console-access-operator.fullname" -}}
{{ default .Release.Name .Values.fullnameOverride | trunc 28 | trimSuffix "-" }}
{{- end }}

{{- define "console-access-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create -}}
{{ include "console-access-operator.fullname" . }}-controller-manager
{{- else -}}
default
{{- end }}
{{- end }}

{{/*
What selects the Pods: the same as with kustomize, so that an installation can
change from one to the other in place.
*/}}
{{- define "console-access-operator.selectorLabels" -}}
control-plane: controller-manager
app.kubernetes.io/name: console-access-operator
{{- end }}

{{- define "console-access-operator.labels" -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
  "app.kubernetes.io/name" "console-access-operator"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service }}
{{- toYaml (mergeOverwrite (deepCopy .Values.commonLabels) $labels) }}
{{- end }}

{{/*
The repository has no default: no registry has an image that everybody may pull.
*/}}
{{- define "console-access-operator.image" -}}
{{- $repository := required "image.repository is not set: set it to where make docker-push put the image" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{/*
Combinations that the schema cannot refuse.
*/}}
{{- define "console-access-operator.validate" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) }}
{{- fail "replicas is more than 1 and leaderElection.enabled is false: set it to true, or several operators work at once and exceed the console's rate limit" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.metrics.enabled) }}
{{- fail "serviceMonitor.enabled is true and metrics.enabled is false: set it to true, or there is nothing to scrape" }}
{{- end }}
{{- end }}
