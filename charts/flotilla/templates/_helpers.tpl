{{- define "flotilla.selector" -}}
app.kubernetes.io/name: flotilla
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "flotilla.labels" -}}
{{ include "flotilla.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "flotilla.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "flotilla.gatewayImage" -}}
{{- with .Values.gateway.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What the operator may do to serve the Gateway API, each rule with its reason. */}}
{{- define "flotilla.gatewayRules" -}}
# It reads what gateways and routes say, and says there what became of it.
- apiGroups: [gateway.networking.k8s.io]
  resources: [gatewayclasses, gateways, listenersets, httproutes, grpcroutes, tlsroutes, tcproutes, udproutes, backendtlspolicies, referencegrants]
  verbs: [list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gatewayclasses/status, gateways/status, listenersets/status, httproutes/status, grpcroutes/status, tlsroutes/status, tcproutes/status, udproutes/status, backendtlspolicies/status]
  verbs: [patch]
# It reads what requests need, and says there whether that holds.
- apiGroups: [flotilla.dev]
  resources: [trafficpolicies]
  verbs: [list, watch]
- apiGroups: [flotilla.dev]
  resources: [trafficpolicies/status]
  verbs: [patch]
# Owner references with blockOwnerDeletion need it where the OwnerReferencesPermissionEnforcement admission runs.
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways/finalizers]
  verbs: [update]
# Listeners let routes in by the labels of their namespaces.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
# It reads the certificates that listeners name, which Kubernetes cannot limit to their type, and writes each gateway's
# configuration.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
# It reads the certificates of authorities that gateways and policies name.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
# It makes a Microservice for each gateway.
- apiGroups: [flotilla.dev]
  resources: [microservices]
  verbs: [create, patch, delete]
# It gives gateways the addresses that they ask for.
- apiGroups: [""]
  resources: [services/status]
  verbs: [patch]
# It lets each gateway read its own configuration, and see endpoints.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterrolebindings]
  verbs: [list, watch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterrolebindings]
  resourceNames: [flotilla-gateway]
  verbs: [patch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles]
  resourceNames: [flotilla-gateway]
  verbs: [bind]
{{- end }}

{{/* What the operator may do in the namespaces that it works in, each rule with its reason. */}}
{{- define "flotilla.rules" -}}
# It watches what teams write, and never changes it.
- apiGroups: [flotilla.dev]
  resources: [microservices]
  verbs: [get, list, watch]
# It says there what it found.
- apiGroups: [flotilla.dev]
  resources: [microservices/status]
  verbs: [patch]
# Owner references with blockOwnerDeletion need it where the OwnerReferencesPermissionEnforcement admission runs.
- apiGroups: [flotilla.dev]
  resources: [microservices/finalizers]
  verbs: [update]
# It makes, repairs and prunes these. Apply is a patch; the first one also creates.
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, serviceaccounts, configmaps]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [flotilla.dev]
  resources: [microservicerevisions]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [list, watch, create, patch, delete]
# These only where they are installed.
- apiGroups: [gateway.networking.k8s.io]
  resources: [listenersets, httproutes, grpcroutes]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [cert-manager.io]
  resources: [certificates]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors, podmonitors, prometheusrules]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [gateway.envoyproxy.io]
  resources: [securitypolicies, backendtrafficpolicies]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [flotilla.dev]
  resources: [trafficpolicies]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [security.istio.io]
  resources: [peerauthentications]
  verbs: [list, watch, create, patch, delete]
{{- if not .Values.watch.namespaces }}
# It watches what the platform team decides, and never changes it.
- apiGroups: [flotilla.dev]
  resources: [microserviceclasses]
  verbs: [list, watch]
# It sees when they are installed or removed.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [list, watch]
{{- end }}
{{- if .Values.watch.references }}
# It asks for metadata alone, to see that a Secret has changed. Kubernetes has no right that gives metadata and not data.
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch]
{{- end }}
# It lifts the error of a pod to the Microservice, and deletes a pod of a failed version for which a StatefulSet waits.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
# It lifts failed mounts and probes, which are told in events alone.
- apiGroups: [""]
  resources: [events]
  verbs: [list, watch]
# It reports transitions.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
