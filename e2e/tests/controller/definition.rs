//! The definition on a real API server: what is valid, what is refused and with which words.

use anyhow::{Result, ensure};
use flotilla_crds::v1alpha1::{Microservice, TrafficPolicy};
use flotilla_e2e::{TestNamespace, in_namespace, kubectl};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

#[path = "../../../crds/tests/cases/traffic_policies.rs"]
mod policies;

fn object(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice", "metadata": {"name": name}, "spec": spec})
}

/// YAML of a `spec`, and a part of the error, or none for a valid one.
const CASES: &[(&str, Option<&str>)] = &[
    ("{image: app}", None),
    ("{image: 'registry.example.com:5000/team/app@sha256:0123'}", None),
    ("{}", Some("spec.image: Required value")),
    ("{image: ''}", Some("spec.image")),
    ("{image: 'https://registry.example.com/app'}", Some("image must be an image reference")),
    (
        "{image: 'two words'}",
        Some("image must be an image reference such as registry.example.com/team/app:1.2.3"),
    ),
    ("{image: app, autoscaling: {max: 5}}", None),
    (
        "{image: app, replicas: 2, autoscaling: {max: 5}}",
        Some("replicas and autoscaling both say how many pods run"),
    ),
    ("{image: app, autoscaling: {min: 6, max: 5}}", Some("min must not be more than max")),
    ("{image: app, autoscaling: {min: 0, max: 5}}", Some("min 0 needs triggers")),
    ("{image: app, autoscaling: {min: 0, max: 5, triggers: [{type: cron}]}}", None),
    (
        "{image: app, autoscaling: {max: 5, metrics: [{}]}}",
        Some("write exactly one of pods, object and external"),
    ),
    (
        "{image: app, autoscaling: {max: 5, metrics: [{external: {name: lag}}]}}",
        Some("write exactly one of value and averageValue"),
    ),
    (
        "{image: app, disruption: {maxUnavailable: 0}}",
        Some("with maxUnavailable 0 a node could never be drained"),
    ),
    (
        "{image: app, disruption: {maxUnavailable: '0%'}}",
        Some("with maxUnavailable 0 a node could never be drained"),
    ),
    ("{image: app, disruption: {maxUnavailable: '101%'}}", Some("spec.disruption.maxUnavailable")),
    (
        "{image: app, disruption: {maxUnavailable: 1, minAvailable: 1}}",
        Some("write at most one of maxUnavailable, minAvailable"),
    ),
    (
        "{image: app, rollout: {strategy: Recreate, maxSurge: 1}}",
        Some("maxSurge and maxUnavailable belong to strategy RollingUpdate"),
    ),
    ("{image: app, rollout: {maxSurge: 0}}", Some("so no pod could ever be replaced")),
    ("{image: app, rollout: {maxSurge: 0, maxUnavailable: '0%'}}", Some("so no pod could ever be replaced")),
    ("{image: app, rollout: {maxSurge: 0, maxUnavailable: 1}}", None),
    (
        "{image: app, placement: {tolerations: [{key: a, operator: Exists, value: b}]}}",
        Some("operator Exists takes no value"),
    ),
    (
        "{image: app, placement: {tolerations: [{value: b}]}}",
        Some("a toleration without a key needs operator: Exists"),
    ),
    (
        "{image: app, placement: {tolerations: [{key: a, tolerationSeconds: 5}]}}",
        Some("tolerationSeconds needs effect: NoExecute"),
    ),
    (
        "{image: app, autoscaling: {max: 5, requestsPerSecond: 10, triggers: [{type: cron}]}}",
        Some("with triggers, write one of type prometheus"),
    ),
    ("{image: app, autoscaling: {max: 5, requestsPerSecond: 10}}", None),
    ("{image: app, bindings: [{name: a}]}", Some("write exactly one of secretRef and serviceRef")),
    (
        "{image: app, bindings: [{name: a, secretRef: {name: b}, serviceRef: {apiVersion: v1, kind: Secret, name: b}}]}",
        Some("write exactly one of secretRef and serviceRef"),
    ),
    ("{image: app, bindings: [{name: a, serviceRef: {apiVersion: v1, kind: Secret, name: b}}]}", None),
    (
        "{image: app, ports: [{name: http, port: 80}], routes: [{name: a, tls: {mode: Secret}}]}",
        Some("tls.secretName belongs to tls.mode Secret"),
    ),
    (
        "{image: app, ports: [{name: http, port: 80}], routes: [{name: a, tls: {mode: None, secretName: b}}]}",
        Some("tls.secretName belongs to tls.mode Secret"),
    ),
    (
        "{image: app, overlays: [{target: {kind: Service}, patch: {kind: Service}}]}",
        Some("a patch holds metadata and spec"),
    ),
    ("{image: app, overlays: [{target: {kind: Secret}, patch: {}}]}", Some("spec.overlays[0].target.kind")),
    (
        "{image: app, overlays: [{target: {kind: HTTPRoute}, patch: {spec: {}}}]}",
        Some("what a route says is in spec.routes"),
    ),
    ("{image: app, overlays: [{target: {kind: Deployment}, patch: {spec: {minReadySeconds: 5}}}]}", None),
    ("{image: app, config: {data: {a: b}}}", Some("data and mountPath belong together")),
    ("{image: app, config: {mountPath: /etc/app}}", Some("data and mountPath belong together")),
    ("{image: app, config: {data: {'a/b': c}, mountPath: /etc/app}}", Some("a key of data is a file name")),
    ("{image: app, config: {reload: None}}", None),
    ("{image: app, files: [{mountPath: /a}]}", Some("write exactly one of configMap, secret, emptyDir")),
    (
        "{image: app, volumes: [{name: a, hostPath: {path: /}}]}",
        Some("hostPath would give the service its node"),
    ),
    ("{image: app, volumes: [{name: flotilla-a, emptyDir: {}}]}", Some("names that begin with flotilla-")),
    (
        "{image: app, volumeMounts: [{name: a, mountPath: /a}]}",
        Some("a volumeMount names a volume that is neither in spec.volumes"),
    ),
    (
        "{image: app, initContainers: [{name: i, volumeMounts: [{name: a, mountPath: /a}]}]}",
        Some("a volumeMount of an init container names a volume"),
    ),
    (
        "{image: app, sidecars: [{name: i, image: p, volumeMounts: [{name: a, mountPath: /a}]}]}",
        Some("a volumeMount of a sidecar names a volume"),
    ),
    (
        "{image: app, sidecars: [{name: i, image: p}], initContainers: [{name: i}]}",
        Some("a sidecar and an init container have the same name"),
    ),
    ("{image: app, dependsOn: [{name: payments}]}", None),
    (
        "{image: app, dependsOn: [{name: a, microservice: {}, external: {host: b, port: 1}}]}",
        Some("write microservice or external, not both"),
    ),
    (
        "{image: app, dependsOn: [{name: a, external: {host: b, port: 1}, gate: EveryRollout}]}",
        Some("only a microservice can be waited for"),
    ),
    ("{image: app, network: {allowFrom: [{}]}}", Some("write at least one of microservice, namespace")),
    ("{image: app, network: {allowFrom: [{cidr: 192.0.2.0/24, namespace: a}]}}", Some("cidr stands alone")),
    (
        "{image: app, network: {allowFrom: [{microservice: a, podLabels: {a: b}}]}}",
        Some("write microservice or podLabels, not both"),
    ),
    ("{image: app, routes: [{name: a}]}", Some("a route leads to a port, and there is none")),
    (
        "{image: app, ports: [{name: web, port: 80}], routes: [{name: a, port: wbe}]}",
        Some("a route names a port that is not in spec.ports"),
    ),
    (
        "{image: app, ports: [{name: web, port: 80}], routes: [{name: a, rules: [{}], grpcRules: [{}]}]}",
        Some("write rules for an HTTPRoute or grpcRules for a GRPCRoute"),
    ),
    (
        "{image: app, ports: [{name: web, port: 80}], routes: [{name: a, kind: HTTP, grpcRules: [{}]}]}",
        Some("grpcRules belong to kind GRPC"),
    ),
    (
        "{image: app, ports: [{name: web, port: 80}], routes: [{name: a, rules: [{filters: [{type: URLRewrite, cors: {}}]}]}]}",
        Some("a filter has its type and exactly the field of that type"),
    ),
    (
        "{image: app, ports: [{name: web, port: 80}], routes: [{name: a, hostnames: [A.example.com]}]}",
        Some("spec.routes[0].hostnames[0]"),
    ),
    ("{image: app, observability: {metrics: {}}}", Some("metrics without a port are read from the first")),
    ("{image: app, observability: {metrics: {port: 9100}}}", None),
    (
        "{image: app, schedules: [{name: a, cron: 'CRON_TZ=UTC 0 3 * * *'}]}",
        Some("write the time zone in timeZone"),
    ),
    (
        "{image: app, bindings: [{name: a, secretRef: {name: b}, as: Files, prefix: C}]}",
        Some("prefix is for environment"),
    ),
    ("{image: app, migrations: [{name: a}, {name: a}]}", Some("Duplicate value")),
    (
        "{image: app, workload: {volumeClaimTemplates: [{name: a, storage: 1Gi}]}}",
        Some("volumeClaimTemplates need kind StatefulSet"),
    ),
    (
        "{image: app, workload: {kind: StatefulSet, volumeClaimTemplates: [{name: a, storage: 1Gi}]}, volumeMounts: [{name: a, mountPath: /a}]}",
        None,
    ),
    (
        "{image: app, workload: {kind: StatefulSet}, rollout: {maxSurge: 1}}",
        Some("a StatefulSet replaces its pods one after the other"),
    ),
    ("{image: app, replicas: -1}", Some("spec.replicas")),
    ("{image: app, replicas: null}", None),
    ("{image: app, imagePullPolicy: Sometimes}", Some("spec.imagePullPolicy")),
    ("{image: app, ports: [{name: http, port: 80}, {name: dns, port: 80, protocol: UDP}]}", None),
    (
        "{image: app, ports: [{name: a, port: 80}, {name: b, port: 80}]}",
        Some("two ports have the same number"),
    ),
    (
        "{image: app, ports: [{name: a, port: 80}, {name: b, port: 81, servicePort: 80}]}",
        Some("two ports have the same servicePort"),
    ),
    ("{image: app, ports: [{name: a, port: 80}, {name: a, port: 81}]}", Some("Duplicate value")),
    ("{image: app, ports: [{name: A, port: 80}]}", Some("spec.ports[0].name")),
    ("{image: app, ports: [{name: a--b, port: 80}]}", Some("spec.ports[0].name")),
    ("{image: app, ports: [{name: a, port: 0}]}", Some("spec.ports[0].port")),
    ("{image: app, ports: [{name: a, port: 80, protocol: HTTP3}]}", Some("spec.ports[0].protocol")),
    (
        "{image: app, env: [{name: A, value: x}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]}",
        None,
    ),
    (
        "{image: app, env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}",
        Some("write either value or valueFrom, not both"),
    ),
    (
        "{image: app, env: [{name: A, valueFrom: {}}]}",
        Some("write exactly one of secretKeyRef, configMapKeyRef"),
    ),
    ("{image: app, env: [{name: A=B, value: x}]}", Some("spec.env[0].name")),
    ("{image: app, envFrom: [{secretRef: {name: s}}, {configMapRef: {name: c}, prefix: P_}]}", None),
    ("{image: app, envFrom: [{}]}", Some("write exactly one of configMapRef and secretRef")),
    (
        "{image: app, ports: [{name: web, port: 80}], probes: {readiness: {http: {path: /ready, port: web}}, liveness: {tcp: {port: 80}}}}",
        None,
    ),
    ("{image: app, probes: {readiness: {exec: {command: [ok]}}, startup: {budgetSeconds: 60}}}", None),
    ("{image: app, ports: [{name: web, port: 80}], probes: {readiness: {disabled: true}}}", None),
    (
        "{image: app, ports: [{name: web, port: 80}], probes: {readiness: {http: {port: wbe}}}}",
        Some("a probe names a port that is not in spec.ports"),
    ),
    (
        "{image: app, ports: [{name: web, port: 80}], probes: {startup: {budgetSeconds: 5, grpc: {port: wbe}}}}",
        Some("a probe names a port that is not in spec.ports"),
    ),
    (
        "{image: app, probes: {liveness: {tcp: {}}}}",
        Some("a probe without a port checks the first of spec.ports, and there is none"),
    ),
    (
        "{image: app, probes: {readiness: {}}}",
        Some("write exactly one of http, grpc, tcp, exec and disabled: true"),
    ),
    (
        "{image: app, probes: {readiness: {tcp: {port: 1}, exec: {command: [x]}}}}",
        Some("write exactly one of http, grpc, tcp, exec and disabled: true"),
    ),
    (
        "{image: app, probes: {readiness: {http: {path: ready, port: 1}}}}",
        Some("spec.probes.readiness.http.path"),
    ),
    (
        "{image: app, resources: {requests: {cpu: '0.5', memory: 1Gi, ephemeral-storage: 1}, limits: {memory: 2Gi}}}",
        None,
    ),
    ("{image: app, resources: {requests: {memory: 1GB}}}", Some("spec.resources.requests.memory")),
    ("{image: app, lifecycle: {drainSeconds: 20, terminationGracePeriodSeconds: 60}}", None),
    (
        "{image: app, ports: [{name: web, port: 80}], routes: [{name: a}], policies: {rateLimit: [{requests: 9, per: second}], auth: {jwt: {issuer: 'https://a'}}}}",
        None,
    ),
    (
        "{image: app, policies: {rateLimit: [{requests: 9, per: second}]}}",
        Some("policies are for routes, and there is none"),
    ),
    (
        "{image: app, ports: [{name: web, port: 80}], routes: [{name: a}], policies: {rateLimit: [{requests: 9, per: day}]}}",
        Some("spec.policies.rateLimit[0].per"),
    ),
    (
        "{image: app, lifecycle: {drainSeconds: 30}}",
        Some("drainSeconds (5 when left out) must be less than terminationGracePeriodSeconds"),
    ),
    ("{image: app, security: {addCapabilities: [NET_BIND_SERVICE]}}", None),
    (
        "{image: app, security: {addCapabilities: [SYS_ADMIN]}}",
        Some("profile Restricted allows only the capability NET_BIND_SERVICE"),
    ),
    (
        "{image: app, security: {profile: Baseline, addCapabilities: [SYS_ADMIN]}}",
        Some("profile Baseline allows only the capabilities"),
    ),
    ("{image: app, security: {profile: Custom, addCapabilities: [SYS_ADMIN], runAsUser: 0}}", None),
    ("{image: app, security: {runAsUser: 0}}", Some("profile Restricted does not run as root")),
    ("{image: app, security: {writablePaths: [tmp]}}", Some("spec.security.writablePaths[0]")),
    ("{image: app, serviceAccount: {annotations: {a.example.com/role: x}}}", None),
    (
        "{image: app, serviceAccount: {name: theirs, annotations: {a: b}}}",
        Some("with name, an existing one is used as it is"),
    ),
];

/// What is wrong with what the API server says of an object, as it is when nobody writes it in types.
async fn check(
    namespace: &TestNamespace,
    place: &str,
    yaml: &str,
    object: &Value,
    expected: Option<&str>,
) -> Result<Option<String>> {
    let request = http::Request::post(format!("{place}?dryRun=All"))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(object)?)?;
    let result = namespace.client.request::<Value>(request).await.map_err(|error| error.to_string());
    Ok(match (result, expected) {
        (Ok(_), None) => None,
        (Err(error), Some(part)) if error.contains(part) => None,
        (Ok(_), Some(part)) => Some(format!("{yaml}: taken, although: {part}")),
        (Err(error), _) => Some(format!("{yaml}: expected {expected:?}, got {error}")),
    })
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn every_rule_of_a_policy_takes_what_is_valid_and_names_what_is_not() -> Result<()> {
    in_namespace("policycel", |namespace| async move {
        let api: Api<TrafficPolicy> = namespace.api();
        let mut wrong = Vec::new();
        for (yaml, expected) in policies::POLICIES {
            wrong.extend(
                check(&namespace, api.resource_url(), yaml, &policies::policy(yaml), *expected).await?,
            );
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
    .await
}

/// Pain 22: a wrong field is refused when it is written, and the error says what to write.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn every_rule_takes_what_is_valid_and_names_what_is_not() -> Result<()> {
    in_namespace("cel", |namespace| async move {
        let api: Api<Microservice> = namespace.api();
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let mut wrong = Vec::new();
        for (yaml, expected) in CASES {
            let object = object("orders", serde_saphyr::from_str(yaml)?);
            wrong.extend(check(&namespace, api.resource_url(), yaml, &object, *expected).await?);
        }
        for (name, valid) in
            [("a", true), ("a-1", true), ("1a", false), ("a.b", false), (&*"a".repeat(53), false)]
        {
            let candidate: Microservice = serde_json::from_value(object(name, json!({"image": "app"})))?;
            let taken = api.create(&dry, &candidate).await;
            if taken.is_ok() != valid {
                wrong.push(format!("name {name}: {taken:?}"));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
    .await
}

/// Pain 22, for a name that is misspelt.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn an_unknown_field_is_named() -> Result<()> {
    in_namespace("strict", |namespace| async move {
        let misspelt = "{apiVersion: flotilla.dev/v1alpha1, kind: Microservice, metadata: {name: orders}, spec: {image: app, replica: 2}}";
        let error = kubectl(&["apply", "-f", "-", "-n", &namespace.name], misspelt).await.unwrap_err().to_string();
        ensure!(error.contains("spec.replica"), "{error}");
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn kubectl_knows_its_names_and_columns() -> Result<()> {
    in_namespace("columns", |namespace| async move {
        namespace.apply("orders", json!({"image": "registry.example.com/orders:1"})).await?;
        for name in ["msvc", "microservices", "microservice"] {
            let table = kubectl(&["get", name, "-n", &namespace.name], "").await?;
            let header: Vec<_> = table.lines().next().unwrap_or_default().split_whitespace().collect();
            ensure!(header == ["NAME", "READY", "STATUS", "REPLICAS", "IMAGE", "URL", "AGE"], "{table}");
        }
        let explained = kubectl(&["explain", "msvc.spec.image"], "").await?;
        ensure!(explained.contains("Image to run, by tag or digest"), "{explained}");
        Ok(())
    })
    .await
}
