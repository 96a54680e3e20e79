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
{{- $tag := .Values.image.tag -}}
{{- if kindIs "float64" $tag -}}{{- $tag = printf "%.0f" $tag -}}{{- end -}}
{{ $repository }}:{{ default .Chart.AppVersion $tag }}
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
{{- if .Values.crds.enabled }}
{{- include "console-access-operator.crds" . }}
{{- end }}
{{- end }}

{{/*
The CRDs that a former release left belong to it, and Helm then refuses the whole
release without a word on what to do.
*/}}
{{- define "console-access-operator.crds" -}}
{{- $names := list "consoleconnections.console-access.dev" "teams.console-access.dev" "userroles.console-access.dev" }}
{{- range $names }}
{{- $crd := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" . }}
{{- $annotations := dig "metadata" "annotations" (dict) ($crd | default dict) }}
{{- $owner := get $annotations "meta.helm.sh/release-name" }}
{{- $namespace := get $annotations "meta.helm.sh/release-namespace" }}
{{- if and $owner (or (ne $owner $.Release.Name) (ne $namespace $.Release.Namespace)) }}
{{- fail (printf "the CRDs belong to the release %q in namespace %q: if that one is gone, hand them over with: kubectl annotate --overwrite crd %s meta.helm.sh/release-name=%s meta.helm.sh/release-namespace=%s" $owner $namespace (join " " $names) $.Release.Name $.Release.Namespace) }}
{{- end }}
{{- end }}
{{- end }}
