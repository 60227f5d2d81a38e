//! Golden YAML of rendered objects, and what holds for the objects of every service.

use flotilla_crds::v1alpha1::Microservice;
use kube::ResourceExt;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::microservice::validate::{Class, validate};

pub(crate) const UID: &str = "6f0c3f5e-0000-4000-8000-000000000001";

/// A stored `Microservice` named `orders` from the YAML of its `spec`.
pub(crate) fn microservice(yaml: &str) -> Microservice {
    let mut value: Value = serde_saphyr::from_str(yaml).unwrap();
    value["apiVersion"] = "flotilla.dev/v1alpha1".into();
    value["kind"] = "Microservice".into();
    value["metadata"] = json!({"name": "orders", "namespace": "shop", "uid": UID, "generation": 1});
    serde_json::from_value(value).unwrap()
}

/// What such a `Microservice` becomes.
pub(crate) fn rendered(yaml: &str) -> Vec<Object> {
    render(&validate(&microservice(yaml), &Class::default()).unwrap(), &Observed::default()).unwrap().objects
}

/// Compares what a `Microservice` becomes with the golden file of that name.
fn golden(name: &str, yaml: &str) {
    // A revision repeats the template of the Deployment.
    let documents: Vec<_> = rendered(yaml)
        .iter()
        .filter(|object| object.kind != Kind::Revision)
        .map(|object| serde_saphyr::to_string(&object.manifest).unwrap())
        .collect();
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, documents.join("---\n"));
    });
}

#[test]
fn an_image_alone_is_a_worker() {
    golden("an_image_alone_is_a_worker", "spec: {image: registry.example.com/worker:1}");
}

#[test]
fn a_service_with_ports() {
    golden(
        "a_service_with_ports",
        r"
spec:
  image: ghcr.io/acme/orders:1.4.2
  ports:
  - {name: http, port: 8080, protocol: HTTP, servicePort: 80}
  - {name: grpc, port: 9090, protocol: GRPC}
  - {name: dns, port: 53, protocol: UDP}
",
    );
}

/// Pain 17: nothing is configured by annotations but who may be taken over.
#[test]
fn annotations_decide_nothing() {
    let plain = microservice("spec: {image: app, replicas: 3, ports: [{name: http, port: 80}]}");
    let mut annotated = plain.clone();
    for name in ["flotilla.dev/replicas", "flotilla.dev/enabled", "prometheus.io/scrape", "a"] {
        annotated.annotations_mut().insert(name.to_owned(), "false".to_owned());
    }
    let objects = |service| {
        render(&validate(service, &Class::default()).unwrap(), &Observed::default()).unwrap().objects
    };
    assert_eq!(objects(&plain), objects(&annotated));
}

#[test]
fn every_field() {
    golden(
        "every_field",
        r"
spec:
  image: ghcr.io/acme/orders@sha256:0123
  imagePullPolicy: Always
  imagePullSecrets: [{name: registry}]
  command: [/orders]
  args: [serve, --verbose]
  ports: [{name: https, port: 8443, protocol: TLS}]
  env:
  - {name: LOG_LEVEL, value: info}
  - {name: EMPTY, value: ''}
  - {name: API_KEY, valueFrom: {secretKeyRef: {name: orders-keys, key: api}}}
  - {name: FLAGS, valueFrom: {configMapKeyRef: {name: flags, key: all, optional: true}}}
  - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1024Ki}}}
  envFrom:
  - {prefix: APP_, configMapRef: {name: common}}
  - {secretRef: {name: keys, optional: true}}
  replicas: 3
  probes:
    readiness: {http: {path: /readyz, port: https, scheme: HTTPS, httpHeaders: [{name: X-Probe, value: '1'}]}, periodSeconds: 3, initialDelaySeconds: 0}
    liveness: {exec: {command: [/orders, check]}, timeoutSeconds: 5}
    startup: {budgetSeconds: 60}
  resources: {requests: {cpu: 0.5, memory: 1024Mi}, limits: {cpu: 2}}
  lifecycle: {drainSeconds: 10, terminationGracePeriodSeconds: 60}
  security: {runAsUser: 1000, writablePaths: [/var/cache, /tmp], addCapabilities: [NET_BIND_SERVICE]}
  serviceAccount: {annotations: {example.com/role: orders}, mountToken: true}
",
    );
}

#[test]
fn placement_scale_and_rollout() {
    golden(
        "placement_scale_and_rollout",
        r"
spec:
  image: app
  autoscaling:
    min: 2
    max: 10
    memory: 75
    metrics:
    - pods: {name: http_requests_per_second, averageValue: 1000m}
    - object: {describedObject: {apiVersion: v1, kind: Service, name: queue}, name: depth, value: 1000}
    - external: {name: lag, matchLabels: {topic: orders}, averageValue: '30'}
    behavior: {scaleDown: {stabilizationWindowSeconds: 60, policies: [{type: Percent, value: 50, periodSeconds: 30}]}}
  disruption: {maxUnavailable: 25%}
  placement:
    architectures: [arm64, amd64]
    nodeSelector: {disk: ssd}
    tolerations: [{key: dedicated, operator: Exists, effect: NoSchedule}]
    priorityClassName: important
    topologySpread: Strict
  rollout: {maxSurge: 1, maxUnavailable: 1, progressDeadlineSeconds: 120, paused: true}
",
    );
}

#[test]
fn config_volumes_and_other_containers() {
    golden(
        "config_volumes_and_other_containers",
        r"
spec:
  image: app
  config: {data: {app.toml: 'a = 1'}, mountPath: /etc/app}
  files:
  - {mountPath: /etc/tls, secret: {secretName: tls, defaultMode: 256}}
  - {mountPath: /tmp, emptyDir: {medium: Memory, sizeLimit: 1024Mi}}
  volumes:
  - {name: shared, emptyDir: {}}
  - name: token
    projected: {sources: [{serviceAccountToken: {audience: vault, path: token}}, {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}]}
  volumeMounts: [{name: shared, mountPath: /shared}]
  initContainers:
  - {name: prepare, command: [/prepare], volumeMounts: [{name: shared, mountPath: /out}], resources: {requests: {memory: 64Mi}}}
  sidecars:
  - name: proxy
    image: proxy:1
    ports: [{name: admin, port: 9901}]
    env: [{name: A, value: b}]
    readiness: {http: {path: /ready, port: 9901}}
    startup: {tcp: {port: 9901}, failureThreshold: 30}
",
    );
}

#[test]
fn a_network_of_peers() {
    golden(
        "a_network_of_peers",
        r"
spec:
  image: app
  ports: [{name: http, port: 8080, protocol: HTTP}]
  serviceAccount: {mountToken: true}
  dependsOn:
  - {name: payments}
  - {name: mail, external: {host: mail.example.com, port: 587}}
  - {name: legacy, external: {host: 192.0.2.7, port: 8000}, env: {url: LEGACY}}
  network:
    allowFrom: [{microservice: web}, {namespace: monitoring, podLabels: {app: prometheus}}, {cidr: 198.51.100.0/24}]
    egress: {cidrs: [203.0.113.0/24]}
    mtls: Strict
",
    );
}

#[test]
fn routes_monitors_jobs_and_bindings() {
    golden(
        "routes_monitors_jobs_and_bindings",
        r"
spec:
  image: app
  ports:
  - {name: http, port: 8080, protocol: HTTP, servicePort: 80}
  - {name: grpc, port: 9090, protocol: GRPC}
  routes:
  - name: public
    hostnames: [orders.example.com]
    parentRefs: [{name: gateway, namespace: infra, sectionName: https}]
    rules:
    - matches: [{path: {type: PathPrefix, value: /v1}, headers: [{name: x-tenant, value: a}], method: GET}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-from, value: edge}]}}]
      timeouts: {request: 10s}
    - matches: [{path: {type: Exact, value: /old}}]
      filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /v1}, statusCode: 301}}]
  - {name: calls, port: grpc, parentRefs: [{name: gateway}], grpcRules: [{matches: [{method: {service: shop.Orders}}]}]}
  observability:
    metrics: {interval: 30s}
    tracing: {endpoint: 'http://collector.observability.svc:4317', sampleRatio: '0.1'}
    alerts: {}
  bindings:
  - {name: smtp, secretRef: {name: smtp-creds}, prefix: SMTP_}
  - {name: db, secretRef: {name: db-creds}, as: Files}
  migrations: [{name: schema, command: [/app/migrate]}]
  schedules: [{name: nightly, cron: '0 3 * * *', timeZone: Europe/Madrid, command: [/app/report], timeoutSeconds: 3600}]
  autoscaling: {min: 0, max: 5, cpu: 70, triggers: [{type: rabbitmq, metadata: {queueName: orders}, authentication: broker}]}
",
    );
}

/// What a `Microservice` of a class becomes, and what is said of it.
fn of_class(spec: &str, class: Value) -> (Vec<Object>, Vec<String>) {
    let class = Class { name: Some("edge".into()), spec: serde_json::from_value(class).unwrap() };
    let made = render(&validate(&microservice(spec), &class).unwrap(), &Observed::default()).unwrap();
    (made.objects, made.unmet.into_iter().map(|unmet| unmet.message).collect())
}

const POLICIES: &str = "
spec:
  image: app
  ports: [{name: http, port: 8080, protocol: HTTP}, {name: grpc, port: 9090, protocol: GRPC}]
  routes: [{name: web, parentRefs: [{name: gateway}]}, {name: calls, port: grpc, parentRefs: [{name: gateway}]}]
  policies:
    rateLimit: [{requests: 100, per: second}, {requests: 1000, per: minute, key: All}]
    auth: {jwt: {issuer: 'https://id.example.com/', audiences: [orders]}}
";

/// Pain 26: limits and sign-in are one declaration, whatever the gateway.
#[test]
fn policies_have_the_form_of_the_gateway() {
    let (objects, unmet) = of_class(POLICIES, json!({"gateway": {"policies": "EnvoyGateway"}}));
    assert_eq!(unmet, [""; 0]);
    let policies = objects
        .iter()
        .filter(|object| matches!(object.kind, Kind::SecurityPolicy | Kind::BackendTrafficPolicy))
        .map(|object| serde_saphyr::to_string(&object.manifest).unwrap())
        .collect::<Vec<_>>();
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("policies", policies.join("---\n"));
    });
    let place = |kind: Kind| objects.iter().position(|object| object.kind == kind).unwrap();
    assert!(place(Kind::SecurityPolicy) < place(Kind::HttpRoute), "nobody gets in before it is there");
}

#[test]
fn policies_for_gateways_of_ours_are_one_object_that_routes_name() {
    let (objects, unmet) = of_class(POLICIES, json!({"gateway": {"policies": "Flotilla"}}));
    assert_eq!(unmet, [""; 0]);
    let of = |kind: Kind| objects.iter().position(|object| object.kind == kind).unwrap();
    assert!(of(Kind::TrafficPolicy) < of(Kind::HttpRoute), "nobody gets in before it is there");
    let shown = [of(Kind::TrafficPolicy), of(Kind::HttpRoute)]
        .map(|place| serde_saphyr::to_string(&objects[place].manifest).unwrap());
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("policies_flotilla", shown.join("---\n"));
    });
}

#[test]
fn without_a_class_policies_are_for_the_gateways_that_the_operator_runs() {
    let service = validate(&microservice(POLICIES), &Class::default()).unwrap();
    let observed = Observed { has_gateways: true, ..Observed::default() };
    let rendered = render(&service, &observed).unwrap();
    assert_eq!(rendered.unmet, []);
    assert!(rendered.objects.iter().any(|object| object.kind == Kind::TrafficPolicy));
    let unserved = [Kind::TrafficPolicy].into();
    let rendered = render(&service, &Observed { unserved, ..observed }).unwrap();
    assert!(rendered.unmet[0].message.contains("needs the kind TrafficPolicy"), "{:?}", rendered.unmet);
    assert!(rendered.objects.iter().all(|object| object.kind != Kind::HttpRoute));
}

#[test]
fn a_route_that_needs_a_sign_in_is_not_made_without() {
    let routes = |objects: &[Object]| objects.iter().filter(|object| object.kind == Kind::HttpRoute).count();
    let (objects, unmet) = of_class(POLICIES, json!({}));
    assert_eq!(routes(&objects), 0);
    assert!(
        unmet[0].contains("spec.policies needs a gateway") && unmet[0].ends_with("are not made"),
        "{unmet:?}"
    );
    let limited =
        POLICIES.replace("    auth: {jwt: {issuer: 'https://id.example.com/', audiences: [orders]}}\n", "");
    let (objects, unmet) = of_class(&limited, json!({}));
    assert_eq!((routes(&objects), unmet.len()), (1, 1));
    let (objects, unmet) = of_class(POLICIES, json!({"optionalCapabilities": ["Policies"]}));
    assert_eq!((routes(&objects), unmet.len()), (0, 1));
}

#[test]
fn a_stateful_set() {
    golden(
        "a_stateful_set",
        r"
spec:
  image: app
  ports: [{name: db, port: 5432}]
  workload:
    kind: StatefulSet
    volumeClaimTemplates: [{name: data, storage: 10240Mi, storageClassName: fast}]
  volumeMounts: [{name: data, mountPath: /data}]
  replicas: 3
",
    );
}

#[test]
fn the_baseline_profile() {
    golden(
        "the_baseline_profile",
        "spec: {image: app, security: {profile: Baseline}, serviceAccount: {name: existing}}",
    );
}

#[test]
fn the_custom_profile() {
    golden(
        "the_custom_profile",
        "spec: {image: app, security: {profile: Custom, addCapabilities: [SYS_PTRACE]}}",
    );
}

fn ports() -> impl Strategy<Value = Value> {
    let port = (
        1_u16..1000,
        prop::option::of(prop::sample::select(vec!["HTTP", "HTTP2", "GRPC", "TLS", "TCP", "UDP"])),
    );
    prop::collection::vec(port, 0..5).prop_map(|ports| {
        let port = |(index, (number, protocol)): (usize, (u16, Option<&str>))| {
            let mut port = json!({"name": format!("p{index}"), "port": number});
            if let Some(protocol) = protocol {
                port["protocol"] = protocol.into();
            }
            port
        };
        ports.into_iter().enumerate().map(port).collect()
    })
}

fn spec() -> impl Strategy<Value = Value> {
    (
        "[a-z]{1,8}(:[a-z0-9]{1,8})?",
        ports(),
        prop::option::of(0_i32..100),
        prop::option::of(prop::sample::select(vec!["Restricted", "Baseline", "Custom"])),
        prop::option::of("[a-z]{1,8}"),
        prop::collection::btree_map("[A-Z]{1,6}", ".{0,12}", 0..4),
        prop::option::of(prop::collection::vec("/[a-z]{1,6}", 0..3)),
    )
        .prop_map(|(image, ports, replicas, profile, account, env, writable)| {
            let env: Vec<_> =
                env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            json!({
                "image": image,
                "ports": ports,
                "replicas": replicas,
                "env": env,
                "security": {"profile": profile, "writablePaths": writable},
                "serviceAccount": {"name": account},
            })
        })
}

/// Blocks of `spec` that may each be there or not, beside each other and beside those of `spec()`.
const BLOCKS: &[&str] = &[
    "config: {data: {a.toml: b}, mountPath: /etc/a}",
    "files: [{mountPath: /keys, secret: {secretName: keys}}, {mountPath: /more, configMap: {name: more}}]",
    "volumes: [{name: work, emptyDir: {sizeLimit: 1024Mi}}]\nvolumeMounts: [{name: work, mountPath: /work}]",
    "initContainers: [{name: wait, command: [sleep, '1'], env: [{name: A, value: b}]}]",
    "sidecars: [{name: proxy, image: proxy:1, ports: [{name: proxy, port: 15000}]}]",
    "bindings: [{name: db, secretRef: {name: db}}, {name: mail, as: Files, secretRef: {name: mail}}]",
    "migrations: [{name: schema, command: [/migrate]}]",
    "schedules: [{name: nightly, cron: '0 3 * * *', command: [/report], concurrencyPolicy: Forbid}]",
    "disruption: {maxUnavailable: 25%}",
    "placement: {architectures: [arm64, amd64], tolerations: [{key: a, operator: Exists}], topologySpread: Strict}",
    "rollout: {strategy: Recreate, onFailure: Pause, revisionHistoryLimit: 0}",
    "dependsOn: [{name: payments}, {name: stripe, external: {host: api.stripe.com, port: 443}}]",
    "network: {allowFrom: [{microservice: web}, {namespace: tools}], egress: {cidrs: [192.0.2.0/24]}}",
    "observability: {tracing: {sampleRatio: '0.1'}}",
    "overlays: [{target: {kind: Deployment}, patch: {spec: {minReadySeconds: 3, template: {spec: {dnsPolicy: Default}}}}}]",
    "imagePullSecrets: [{name: pull}]\nimagePullPolicy: Always\ncommand: [/app]\nargs: [--verbose]",
];

/// A `spec` with some of the blocks. Each is a block of its own, so any of them go together.
fn full_spec() -> impl Strategy<Value = Value> {
    let blocks = prop::collection::vec(any::<bool>(), BLOCKS.len());
    (spec(), blocks).prop_map(|(mut spec, chosen)| {
        for (block, _) in BLOCKS.iter().zip(chosen).filter(|(_, chosen)| *chosen) {
            let block: Value = serde_saphyr::from_str(block).unwrap();
            spec.as_object_mut().unwrap().extend(block.as_object().unwrap().clone());
        }
        spec
    })
}

/// Values where they belong and where they do not: rules of the definition are not asked.
fn any_spec() -> impl Strategy<Value = Value> {
    let text = prop_oneof![Just("app".to_owned()), ".{0,8}", "[0-9]{1,4}[kMGi%]{0,2}"];
    let number = any::<i32>().prop_map(Value::from);
    let leaf = prop_oneof![text.prop_map(Value::from), number, any::<bool>().prop_map(Value::from)];
    let mutated = (full_spec(), prop::collection::vec((any::<prop::sample::Index>(), leaf), 0..6));
    mutated.prop_map(|(mut spec, changes)| {
        for (index, value) in changes {
            let mut leaves = Vec::new();
            pointers(&spec, String::new(), &mut leaves);
            if let Some(place) = spec.pointer_mut(&leaves[index.index(leaves.len())]) {
                *place = value;
            }
        }
        spec
    })
}

fn pointers(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| {
                pointers(value, format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            });
        }
        Value::Array(items) if !items.is_empty() => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| pointers(value, format!("{path}/{index}"), found));
        }
        _ => found.push(path),
    }
}

/// What an object may be called: labels joined by dots (RFC 1123).
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty() && label.chars().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

proptest! {
    /// What goes together goes together in every combination, and twice the same becomes twice the same.
    #[test]
    fn blocks_of_every_kind_go_together(spec in full_spec(), name in "[a-z]([-a-z0-9]{0,50}[a-z0-9])?") {
        let mut service = microservice("spec: {image: app}");
        service.metadata.name = Some(name);
        service.spec = serde_json::from_value(spec).unwrap();
        let once = render(&validate(&service, &Class::default()).unwrap(), &Observed::default()).unwrap();
        let twice = render(&validate(&service, &Class::default()).unwrap(), &Observed::default()).unwrap();
        prop_assert_eq!(&once, &twice);
        for object in &once.objects {
            prop_assert!(is_name(&object.name), "{} {}", object.kind, object.name);
            prop_assert_eq!(object.manifest["metadata"]["name"].as_str(), Some(&*object.name));
            prop_assert_eq!(&object.manifest["metadata"]["namespace"], "shop");
            prop_assert_eq!(&object.manifest["metadata"]["ownerReferences"][0]["controller"], true);
            for (label, value) in object.manifest["metadata"]["labels"].as_object().unwrap() {
                prop_assert!(value.as_str().unwrap().len() <= 63, "{label}");
            }
        }
        let names: std::collections::BTreeSet<_> = once.objects.iter().map(|object| (object.kind, &object.name)).collect();
        prop_assert_eq!(names.len(), once.objects.len(), "no two objects have one name");
    }

    /// Whatever an object of an older or a newer version has, reading and rendering it ends with an answer.
    #[test]
    fn nothing_in_an_object_panics(spec in any_spec()) {
        let mut object = serde_json::to_value(microservice("spec: {image: app}")).unwrap();
        object["spec"] = spec;
        let Ok(service) = serde_json::from_value::<Microservice>(object) else { return Ok(()) };
        if let Ok(validated) = validate(&service, &Class::default()) {
            render(&validated, &Observed::default()).ok();
        }
    }

    /// No object leaves the namespace, is of another kind than those of the list, or lacks its owner.
    #[test]
    fn every_object_stays_in_its_place(spec in spec()) {
        let mut service = microservice("spec: {image: app}");
        service.spec = serde_json::from_value(spec).unwrap();
        for object in render(&validate(&service, &Class::default()).unwrap(), &Observed::default()).unwrap().objects {
            let manifest = &object.manifest;
            prop_assert_eq!(&manifest["metadata"]["namespace"], "shop");
            let kind = manifest["kind"].as_str().unwrap();
            let group = manifest["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(group, _)| group);
            prop_assert_eq!(Kind::find(group, kind), Some(object.kind));
            let owners = manifest["metadata"]["ownerReferences"].as_array().unwrap();
            prop_assert_eq!(owners.len(), 1);
            prop_assert_eq!(&owners[0]["uid"], UID);
            prop_assert_eq!(&owners[0]["controller"], true);
        }
    }

    /// The default profile is what the Pod Security Standard of the same name demands.
    #[test]
    fn a_restricted_pod_is_restricted(spec in spec()) {
        let mut service = microservice("spec: {image: app}");
        service.spec = serde_json::from_value(spec).unwrap();
        service.spec.security.get_or_insert_default().profile = None;
        let objects = render(&validate(&service, &Class::default()).unwrap(), &Observed::default()).unwrap().objects;
        let deployment = objects.iter().find(|object| object.kind == Kind::Deployment).unwrap();
        let pod = &deployment.manifest["spec"]["template"]["spec"];
        prop_assert_eq!(&pod["securityContext"]["runAsNonRoot"], true);
        prop_assert_eq!(&pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &pod["containers"][0]["securityContext"];
        prop_assert_eq!(&container["allowPrivilegeEscalation"], false);
        prop_assert_eq!(&container["capabilities"]["drop"], &json!(["ALL"]));
        prop_assert_eq!(&pod["automountServiceAccountToken"], false);
        prop_assert_eq!(&pod["enableServiceLinks"], false);
    }
}
