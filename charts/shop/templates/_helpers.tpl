{{- define "shop.labels" -}}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The beginning of every Microservice: takes the root and a name. */}}
{{- define "shop.microservice" -}}
{{- $root := index . 0 -}}
apiVersion: flotilla.dev/v1alpha1
kind: Microservice
metadata:
  name: {{ index . 1 }}
  labels:
    {{- include "shop.labels" $root | nindent 4 }}
{{- end }}

{{/* The fields of spec that all have. */}}
{{- define "shop.spec" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- with $root.Values.className -}}
className: {{ . }}
{{ end -}}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
resources: {{ toJson (index $root.Values.resources $name | default $root.Values.resources.default) }}
{{- end }}

{{- define "shop.image" -}}
{{- $root := index . 0 -}}
{{ $root.Values.image.registry }}/{{ index . 1 }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}

{{/* What a service of the shop is, but for its own variables, edges and routes. */}}
{{- define "shop.service" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{ include "shop.spec" . }}
image: {{ include "shop.image" . }}
replicas: {{ $root.Values.replicas }}
ports:
- {name: http, port: 8080, protocol: HTTP}
- {name: grpc, port: 9000, protocol: GRPC}
- {name: admin, port: 9090, protocol: HTTP}
probes:
  startup: {http: {path: /startupz, port: admin}, budgetSeconds: 120}
  readiness: {http: {path: /readyz, port: admin}}
  liveness: {http: {path: /livez, port: admin}}
# The service leaves by itself: it goes on for a while after SIGTERM, and then lets what runs come to its end.
lifecycle: {drainSeconds: 0, terminationGracePeriodSeconds: 40}
envFrom:
- secretRef: {name: {{ $name }}}
{{- if not $root.Values.postgres.enabled }}
- secretRef: {name: {{ index $root.Values.postgres.external.secretNames $name }}}
{{- end }}
{{- if eq $root.Values.bus.kind "external" }}
- secretRef: {name: {{ $root.Values.bus.external.secretName }}}
{{- end }}
{{- if and (eq $name "order-service") (ne $root.Values.payments.provider "paysim") }}
- secretRef: {name: {{ $root.Values.payments.secretName }}}
{{- end }}
{{- if or $root.Values.observability.metrics $root.Values.observability.otlpEndpoint }}
observability:
  {{- if $root.Values.observability.metrics }}
  metrics: {port: admin}
  {{- end }}
  {{- with $root.Values.observability.otlpEndpoint }}
  tracing: {endpoint: {{ . | quote }}}
  {{- end }}
{{- end }}
{{- if gt (int $root.Values.policies.requestsPerSecond) 0 }}
policies:
  rateLimit: [{requests: {{ $root.Values.policies.requestsPerSecond }}, per: second}]
{{- end }}
migrations:
- {name: schema, args: [migrate]}
{{- end }}

{{/* Variables that all services have. */}}
{{- define "shop.env" -}}
- {name: SHOP_NAME, value: {{ .Values.shop.name | quote }}}
- {name: SHOP_DATABASE_CONNECTIONS, value: {{ .Values.databaseConnections | quote }}}
- {name: SHOP_TOKEN_ISSUER, value: {{ .Values.tokens.issuer | quote }}}
- {name: SHOP_TOKEN_AUDIENCE, value: {{ .Values.tokens.audience | quote }}}
{{- with .Values.observability.otlpEndpoint }}
- {name: SHOP_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* What every service calls: its database and the bus. A start waits for both, since migrations need the one. */}}
{{- define "shop.dependsOn" -}}
{{- if .Values.postgres.enabled -}}
- {name: postgres, gate: FirstRollout}
{{- else -}}
- {name: postgres, external: {host: {{ .Values.postgres.external.host }}, port: {{ .Values.postgres.external.port }}}}
{{- end }}
{{- if eq .Values.bus.kind "external" }}
- {name: bus, external: {host: {{ .Values.bus.external.host }}, port: {{ .Values.bus.external.port }}}}
{{- else if ne .Values.bus.kind "postgres" }}
- {name: {{ .Values.bus.kind }}, gate: FirstRollout}
{{- end }}
{{- end }}

{{/* Where a route is attached: takes the root and the listener. */}}
{{- define "shop.parent" -}}
{{- $root := index . 0 -}}
{{- $gateway := $root.Values.gateway -}}
parentRefs:
- name: {{ $gateway.name }}
  {{- if and (not $gateway.create) $gateway.namespace }}
  namespace: {{ $gateway.namespace }}
  {{- end }}
  {{- with ternary (index . 1) (index $gateway (printf "%sListener" (index . 1))) $gateway.create }}
  sectionName: {{ . }}
  {{- end }}
{{- with $gateway.hostnames }}
hostnames: {{ toJson . }}
{{- end }}
{{- end }}

{{/* A route of REST: takes the root and the beginnings of paths. */}}
{{- define "shop.rest" -}}
{{- $root := index . 0 -}}
- name: rest
  port: http
  {{- include "shop.parent" (list $root "http") | nindent 2 }}
  rules:
  - matches:
    {{- range index . 1 }}
    - path: {type: PathPrefix, value: {{ . }}}
    {{- end }}
    {{- range (rest (rest .)) }}
    - path: {type: Exact, value: {{ . | quote }}}
    {{- end }}
    timeouts: {request: 30s}
{{- end }}

{{/* A route of gRPC: takes the root and the name of the gRPC service. */}}
{{- define "shop.rpc" -}}
{{- $root := index . 0 -}}
- name: grpc
  kind: GRPC
  port: grpc
  {{- include "shop.parent" (list $root "grpc") | nindent 2 }}
  grpcRules:
  - matches:
    - method: {service: {{ index . 1 }}}
{{- end }}

{{- define "shop.publicUrl" -}}
{{- if .Values.shop.publicUrl -}}
{{ .Values.shop.publicUrl }}
{{- else -}}
{{ ternary "https" "http" (not (empty .Values.gateway.tlsSecret)) }}://{{ first .Values.gateway.hostnames | default "localhost" }}
{{- end -}}
{{- end }}

{{/* The public half of an Ed25519 key, as a JSON Web Key has it (RFC 8037). Helm shows it in certificates alone, where it
     follows the identifier of its kind (RFC 8410). */}}
{{- define "shop.publicKey" -}}
{{- $certificate := genSelfSignedCertWithKey "key" nil nil 1 . -}}
{{- $der := $certificate.Cert | replace "-----BEGIN CERTIFICATE-----" "" | replace "-----END CERTIFICATE-----" "" | replace "\n" "" | b64dec -}}
{{- $after := index (splitList "\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00" $der) 1 -}}
{{- substr 0 32 $after | b64enc | trimSuffix "=" | replace "+" "-" | replace "/" "_" -}}
{{- end }}

{{/* A P-256 key of Helm (SEC 1) as PKCS #8 has it (RFC 5958). */}}
{{- define "shop.pkcs8" -}}
{{- $der := . | replace "-----BEGIN EC PRIVATE KEY-----" "" | replace "-----END EC PRIVATE KEY-----" "" | replace "\n" "" | b64dec -}}
{{- $head := "MIGTAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBHk=" | b64dec -}}
-----BEGIN PRIVATE KEY-----
{{ printf "%s%s" $head $der | b64enc }}
-----END PRIVATE KEY-----
{{- end }}
