//! Where a service comes from does not matter: after one `spec` and then another, the cluster has what it has after the
//! other alone.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use flotilla_crds::v1alpha1::Microservice;
use flotilla_e2e::{TestNamespace, client, eventually, in_namespace};
use flotilla_operator::{cluster::kind::Kind, microservice::plan::Plan};
use futures::{StreamExt, stream};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams},
};
use serde_json::{Value, json};

use crate::{faults::left_to_do, support::TestOperator};

/// How many pairs are tried, unless `FLOTILLA_PAIRS` says another number.
const PAIRS: u64 = 8;

/// How many pairs are tried at once.
const AT_ONCE: usize = 4;

/// Blocks of `spec`: of each line, one or none. None of them makes a pod that could run, or needs another object.
const BLOCKS: &[&[&str]] = &[
    &[
        "ports: [{name: http, port: 8080}]",
        "ports: [{name: http, port: 8081}, {name: grpc, port: 9090, protocol: GRPC}]",
    ],
    &["env: [{name: A, value: '1'}]", "env: [{name: B, value: '2'}, {name: A, value: '3'}]"],
    &["config: {data: {a: '1'}, mountPath: /etc/a}", "config: {data: {b: '2'}, mountPath: /etc/b}"],
    &["files: [{mountPath: /data, emptyDir: {}}]"],
    &[
        "volumes: [{name: work, emptyDir: {sizeLimit: 1024Mi}}]\nvolumeMounts: [{name: work, mountPath: /work}]",
    ],
    &["initContainers: [{name: wait, image: 'registry.invalid/wait:1'}]"],
    &["sidecars: [{name: proxy, image: 'registry.invalid/proxy:1', ports: [{name: proxy, port: 15000}]}]"],
    &[
        "schedules: [{name: nightly, cron: '0 3 * * *', command: [/report]}]",
        "schedules: [{name: hourly, cron: '0 * * * *'}]",
    ],
    &["disruption: {disabled: true}", "disruption: {minAvailable: 1}"],
    &["placement: {nodeSelector: {disk: fast}}", "placement: {architectures: [arm64], topologySpread: None}"],
    &["rollout: {strategy: Recreate}", "rollout: {maxSurge: 50%, maxUnavailable: 1}"],
    &["resources: {requests: {cpu: '0.5', memory: 64Mi}}", "resources: {limits: {cpu: '1', memory: 128Mi}}"],
    &["lifecycle: {drainSeconds: 1, terminationGracePeriodSeconds: 9}"],
    &["security: {profile: Baseline}", "security: {runAsUser: 1000, writablePaths: [/var/run, /tmp]}"],
    &["serviceAccount: {annotations: {a: b}}", "serviceAccount: {name: default}"],
    &["dependsOn: [{name: payments}]", "dependsOn: [{name: bank, external: {host: 192.0.2.1, port: 443}}]"],
    &[
        "network: {policy: Disabled}",
        "network: {allowFrom: [{namespace: tools}], egress: {cidrs: [192.0.2.0/24]}}",
    ],
    &[
        "overlays: [{target: {kind: ServiceAccount}, patch: {metadata: {labels: {team: a}}}}]",
        "overlays: [{target: {kind: NetworkPolicy}, patch: {metadata: {annotations: {a: b}}}}]",
    ],
    &["replicas: 0", "autoscaling: {min: 2, max: 4}"],
];

/// A sequence of numbers that is the same each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

fn spec(numbers: &mut Numbers) -> Value {
    let mut spec = json!({"image": format!("registry.invalid/orders:{}", numbers.below(3)), "replicas": 0});
    for choices in BLOCKS {
        let Some(block) = choices.get(numbers.below(choices.len() + 1)) else { continue };
        let block: Value = serde_saphyr::from_str(block).unwrap();
        spec.as_object_mut().unwrap().extend(block.as_object().unwrap().clone());
    }
    let fields = spec.as_object_mut().unwrap();
    if fields.contains_key("autoscaling") {
        fields.remove("replicas");
    }
    // What an overlay is for must be there.
    let has_no_account = fields.get("serviceAccount").is_some_and(|block| block["name"].is_string());
    let has_no_policy = fields.get("network").is_some_and(|block| block["policy"] == "Disabled");
    if has_no_account || has_no_policy {
        fields.remove("overlays");
    }
    spec
}

async fn converge(namespace: &TestNamespace, spec: &Value) -> Result<()> {
    namespace.apply("orders", spec.clone()).await?;
    let client = &client().await?;
    eventually("the cluster is as it was rendered", || async move {
        let service: Microservice = namespace.api().get("orders").await?;
        let seen = service.status.as_ref().and_then(|status| status.observed_generation);
        let plan = left_to_do(namespace, client).await?;
        let done = plan == Some(Plan::default()) && seen == service.metadata.generation;
        Ok(if done { Ok(()) } else { Err(format!("{plan:#?}")) })
    })
    .await
}

/// What is in a namespace, without what the API server and controllers give each object of its own.
async fn found(namespace: &TestNamespace, spec: &Value) -> Result<BTreeMap<String, String>> {
    let client = client().await?;
    let mut found = BTreeMap::new();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.definition().is_none()) {
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &namespace.name, &kind.api_resource());
        let ours = ListParams::default().labels("flotilla.dev/microservice=orders");
        for mut object in api.list(&ours).await? {
            object.annotations_mut().remove("deployment.kubernetes.io/revision");
            let fields = object.data.as_object_mut().context("an object has fields")?;
            fields.remove("status");
            if let Some(of_spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
                for own in ["clusterIP", "clusterIPs"] {
                    of_spec.remove(own);
                }
                if spec.get("autoscaling").is_some() {
                    of_spec.remove("replicas");
                }
            }
            let whole =
                json!({"labels": object.labels(), "annotations": object.annotations(), "data": object.data});
            let text = serde_json::to_string_pretty(&whole)?.replace(&namespace.name, "NAMESPACE");
            found.insert(format!("{kind}/{}", object.name_any()), text);
        }
    }
    Ok(found)
}

async fn after(specs: Vec<Value>) -> Result<BTreeMap<String, String>> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    in_namespace("pair", |namespace| {
        Box::pin(async move {
            let alone = ["--leader-election", "false", "--watch-references", "false"];
            let operator = TestOperator::start(&namespace, &alone).await?;
            for spec in &specs {
                converge(&namespace, spec).await.with_context(|| spec.to_string())?;
            }
            let last = specs.last().context("a spec")?;
            sender.send(found(&namespace, last).await?).ok();
            operator.stop().await
        })
    })
    .await?;
    Ok(receiver.await?)
}

async fn same_in_the_end(seed: u64) -> Result<()> {
    let mut numbers = Numbers(seed);
    let (first, second) = (spec(&mut numbers), spec(&mut numbers));
    let ways = (after(vec![first.clone(), second.clone()]), after(vec![second.clone()]));
    let (mut by_way, fresh) = tokio::try_join!(ways.0, ways.1)?;
    // Versions that were are kept, with their configuration.
    by_way.retain(|name, _| {
        let is_history = name.starts_with("MicroserviceRevision/") || name.starts_with("ConfigMap/");
        !is_history || fresh.contains_key(name)
    });
    ensure!(
        by_way.keys().eq(fresh.keys()),
        "pair {seed}: {first}\nthen {second}\n{:?}\nis not {:?}",
        by_way.keys(),
        fresh.keys()
    );
    for (name, expected) in &fresh {
        ensure!(
            by_way[name] == *expected,
            "pair {seed}: {first}\nthen {second}\n{name}: {}\nis not {expected}",
            by_way[name]
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn one_spec_after_another_ends_as_the_other_alone() -> Result<()> {
    let pairs = std::env::var("FLOTILLA_PAIRS").ok().map(|text| text.parse()).transpose()?.unwrap_or(PAIRS);
    let outcomes: Vec<_> =
        stream::iter(0..pairs).map(same_in_the_end).buffer_unordered(AT_ONCE).collect().await;
    outcomes.into_iter().collect()
}
