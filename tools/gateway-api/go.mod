module flotilla.dev/tools/gateway-api

// Only its CRDs (config/crd) are used; nothing of it is built.
go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
