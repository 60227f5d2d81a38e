//! One run: so many routes made, and then one after the other made, changed and deleted beside them.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use flotilla_crds::gateway_api::{Gateway, HttpRoute};
use flotilla_e2e::{
    Machine, OPERATOR_NAMESPACE, TestNamespace, Usage, eventually, in_namespace, newest_pod, restart_operator,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    asking::Asker,
    objects::{self, path, route},
};

/// Requests of ours to the API server that are under way at once.
const AT_ONCE: usize = 16;

/// Between two rounds, so that each begins when what the one before caused is over.
const PAUSE: Duration = Duration::from_millis(300);

/// What may still be on its way is given so long.
const SETTLE: Duration = Duration::from_secs(5);

/// A run.
pub(crate) struct Bench {
    pub(crate) size: usize,
    pub(crate) rounds: u32,
}

/// Milliseconds to the first answer by a route: from the request that makes or changes it, and from the API server's
/// answer to that.
#[derive(Default)]
struct Times {
    asked: Vec<f64>,
    answered: Vec<f64>,
}

impl Times {
    fn add(&mut self, asked: Instant, answered: Instant, seen: Instant) {
        let milliseconds = |since| seen.saturating_duration_since(since).as_secs_f64() * 1000.0;
        self.asked.push(milliseconds(asked));
        self.answered.push(milliseconds(answered));
    }

    fn json(mut self) -> Value {
        json!({
            "p50": percentile(&mut self.asked, 0.5),
            "p99": percentile(&mut self.asked, 0.99),
            "after_p50": percentile(&mut self.answered, 0.5),
            "after_p99": percentile(&mut self.answered, 0.99),
        })
    }
}

impl Bench {
    /// Measures.
    pub(crate) async fn run(self) -> Result<Value> {
        let mut result = Value::Null;
        let into = &mut result;
        in_namespace("bench-routes", move |namespace| async move {
            *into = self.measure(&namespace).await?;
            Ok(())
        })
        .await?;
        Ok(result)
    }

    async fn measure(&self, namespace: &TestNamespace) -> Result<Value> {
        // Its memory shall be that of this run.
        restart_operator().await?;
        let address = serve(namespace).await?;
        let routes: Api<HttpRoute> = namespace.api();
        let operator = newest_pod(&namespace.client, OPERATOR_NAMESPACE, is_ours).await?;
        let gateway = newest_pod(&namespace.client, &namespace.name, is_ours).await?;
        let mut client = Asker::open(address).await?;

        let before = Machine::pod(&operator)?;
        let begun = Instant::now();
        let names: Vec<_> = (0..self.size).map(|index| format!("route-{index}")).collect();
        stream::iter(&names)
            .map(|name| make(&routes, name, 0))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        let created = begun.elapsed();
        for name in &names {
            client.until(&path(name), 0).await?;
        }
        let served = begun.elapsed();
        let all_accepted = || async {
            let of_all = routes.list(&ListParams::default()).await?;
            let waits = of_all.iter().filter(|route| !is_accepted(route)).count();
            Ok(if waits == 0 { Ok(()) } else { Err(waits) })
        };
        eventually("all routes are accepted", all_accepted).await?;
        let accepted = begun.elapsed();
        tokio::time::sleep(SETTLE).await;
        let (many, gateway_with_many) = (Machine::pod(&operator)?, Machine::pod(&gateway)?);

        let (mut made, mut changed) = (Times::default(), Times::default());
        for round in 1..=self.rounds {
            let name = format!("new-{round}");
            let asked = Instant::now();
            make(&routes, &name, 0).await?;
            let answered = Instant::now();
            made.add(asked, answered, client.until(&path(&name), 0).await?);
            tokio::time::sleep(PAUSE).await;
            let asked = Instant::now();
            let patch = Patch::Apply(route(&name, round));
            routes.patch(&name, &PatchParams::apply("bench").force(), &patch).await?;
            let answered = Instant::now();
            changed.add(asked, answered, client.until(&path(&name), round).await?);
            tokio::time::sleep(PAUSE).await;
            routes.delete(&name, &DeleteParams::default()).await?;
            tokio::time::sleep(PAUSE).await;
        }
        tokio::time::sleep(SETTLE).await;
        let (after, gateway_after) = (Machine::pod(&operator)?, Machine::pod(&gateway)?);
        let each = |of: fn(&Usage) -> f64, (before, after): (&Usage, &Usage)| {
            1000.0 * (of(after) - of(before)) / f64::from(3 * self.rounds)
        };
        Ok(json!({
            "size": self.size,
            "rounds": self.rounds,
            "created_seconds": created.as_secs_f64(),
            "served_seconds": served.as_secs_f64(),
            "accepted_seconds": accepted.as_secs_f64(),
            "made": made.json(),
            "changed": changed.json(),
            "operator_cpu": many.cpu - before.cpu,
            "operator_cpu_each": each(|usage| usage.cpu, (&many, &after)),
            "operator_memory_before": before.resident,
            "operator_memory": after.resident,
            "operator_memory_peak": after.peak,
            "gateway_cpu_each": each(|usage| usage.cpu, (&gateway_with_many, &gateway_after)),
            "gateway_memory": gateway_after.resident,
            "gateway_memory_peak": gateway_after.peak,
        }))
    }
}

/// Makes the gateway and the service behind it. Returns where the gateway is reached.
async fn serve(namespace: &TestNamespace) -> Result<SocketAddr> {
    let gateways: Api<Gateway> = namespace.api();
    let gateway: Gateway = serde_json::from_value(objects::gateway())?;
    gateways.create(&PostParams::default(), &gateway).await?;
    namespace.apply("shop", objects::service()).await?;
    namespace.until_ready("shop").await?;
    let gateways = &gateways;
    let address = eventually("the gateway is programmed", || async move {
        let status = gateways.get("web").await?.status.unwrap_or_default();
        let is_programmed = status
            .conditions
            .iter()
            .flatten()
            .any(|condition| condition.type_ == "Programmed" && condition.status == "True");
        let address = status.addresses.iter().flatten().next().map(|address| address.value.clone());
        Ok(address.filter(|_| is_programmed).ok_or(status))
    })
    .await?;
    Ok(SocketAddr::new(address.parse().context("the gateway's address")?, objects::PORT))
}

async fn make(routes: &Api<HttpRoute>, name: &str, round: u32) -> Result<()> {
    let object: HttpRoute = serde_json::from_value(route(name, round))?;
    let params = PostParams { field_manager: Some("bench".to_owned()), ..PostParams::default() };
    routes.create(&params, &object).await.with_context(|| format!("making route {name}"))?;
    Ok(())
}

fn is_accepted(route: &HttpRoute) -> bool {
    let parents = route.status.iter().flat_map(|status| &status.parents);
    let mut conditions = parents.flat_map(|parent| &parent.conditions);
    conditions.any(|condition| condition.type_ == "Accepted" && condition.status == "True")
}

/// Whether a pod runs a program of Flotilla's.
fn is_ours(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.filter_map(|container| container.image.as_deref()).any(|image| image.contains("flotilla"))
}

/// The smallest value that this share of all does not exceed.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index of a list that is in memory"
)]
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = (values.len() as f64 * share).ceil() as usize;
    values.get(count.saturating_sub(1)).copied().unwrap_or_default()
}
