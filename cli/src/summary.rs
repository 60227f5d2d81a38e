//! How a service is, from its status. Pure.

use flotilla_crds::v1alpha1::{Microservice, MicroserviceStatus, condition};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use serde::Serialize;

use crate::output::{Paint, table};

/// Where a service is on its way, in the terms of kstatus.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The cluster has what `spec` says, and it is ready.
    Current,
    /// It is on its way.
    InProgress,
    /// The way is blocked until somebody changes something.
    Failed,
    /// `spec.suspend` is true.
    Suspended,
    /// It is on no way, and not ready.
    NotReady,
}

/// How a service is.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it does its job; `null` when nothing is known yet.
    pub ready: Option<bool>,
    /// Where it is on its way.
    pub state: State,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// Ready and wanted pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<String>,
    /// What it runs.
    pub image: String,
    /// Where it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The revision that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// All conditions.
    pub conditions: Vec<Condition>,
    /// What it calls, and whether it can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
}

/// The condition of this type.
pub fn condition<'a>(microservice: &'a Microservice, type_: &str) -> Option<&'a Condition> {
    microservice.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == type_)
}

fn is_true(microservice: &Microservice, type_: &str) -> bool {
    condition(microservice, type_).is_some_and(|condition| condition.status == "True")
}

impl Summary {
    /// How this service is.
    pub fn of(microservice: &Microservice) -> Self {
        let status = microservice.status.clone().unwrap_or_default();
        let ready = condition(microservice, condition::READY);
        let seen = status.observed_generation >= microservice.metadata.generation;
        let (reason, message) = match ready {
            None => {
                ("Unseen", "the operator has not seen it yet: kubectl flotilla check tells whether it runs")
            }
            Some(_) if !seen => ("Unseen", "the operator has not seen the newest spec yet"),
            Some(ready) => (ready.reason.as_str(), ready.message.as_str()),
        };
        Self {
            namespace: microservice.namespace().unwrap_or_default(),
            name: microservice.name_any(),
            ready: ready.and_then(|ready| match ready.status.as_str() {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            }),
            state: state(microservice, seen),
            reason: reason.to_owned(),
            message: message.to_owned(),
            pods: status.ready.clone(),
            image: microservice.spec.image.clone(),
            url: status.url.clone(),
            revision: status.revisions.as_ref().and_then(|revisions| revisions.current.clone()),
            dependencies: dependencies(&status),
            conditions: status.conditions,
        }
    }

    /// Whether it does its job, and the operator has seen its newest `spec`.
    pub fn is_ready(&self) -> bool {
        self.ready == Some(true) && self.reason != "Unseen"
    }

    /// Whether there is nothing more to wait for.
    pub fn is_settled(&self) -> bool {
        !matches!(self.state, State::InProgress | State::NotReady)
    }

    /// Whether it is as `spec` says.
    pub fn is_done(&self) -> bool {
        self.is_ready() && !matches!(self.state, State::Failed | State::InProgress)
    }
}

fn state(microservice: &Microservice, seen: bool) -> State {
    if !seen || microservice.status.is_none() {
        State::InProgress
    } else if is_true(microservice, condition::SUSPENDED) {
        State::Suspended
    } else if is_true(microservice, condition::STALLED) {
        State::Failed
    } else if is_true(microservice, condition::RECONCILING) {
        State::InProgress
    } else if is_true(microservice, condition::READY) {
        State::Current
    } else {
        State::NotReady
    }
}

fn dependencies(status: &MicroserviceStatus) -> Vec<String> {
    let line = |found: &flotilla_crds::v1alpha1::DependencyStatus| {
        let said = found.message.as_deref().or(found.url.as_deref()).unwrap_or_default();
        format!("{} {:?}: {said}", found.name, found.state)
    };
    status.dependencies.iter().map(line).collect()
}

/// A service in detail.
pub fn detail(summary: &Summary, now: Timestamp, paint: Paint) -> String {
    let ready = word(summary);
    let mut rows = vec![
        ("Ready", format!("{}  {}", painted(summary, &ready, paint), summary.message)),
        ("State", format!("{:?} ({})", summary.state, summary.reason)),
        ("Image", summary.image.clone()),
    ];
    rows.extend(summary.pods.clone().map(|pods| ("Pods", format!("{pods} ready"))));
    rows.extend(summary.url.clone().map(|url| ("URL", url)));
    rows.extend(summary.revision.clone().map(|revision| ("Revision", revision)));
    rows.extend(summary.dependencies.iter().map(|line| ("Calls", line.clone())));
    let rows: Vec<_> = rows.into_iter().map(|(name, value)| vec![format!("  {name}"), value]).collect();
    let mut text = format!("{} in namespace {}\n", paint.strong(&summary.name), summary.namespace);
    text.push_str(&table(&rows, |_, _, cell| cell.to_owned()));
    if summary.conditions.is_empty() {
        return text;
    }
    let mut rows = vec![["  CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE"].map(str::to_owned).to_vec()];
    rows.extend(summary.conditions.iter().map(|condition| {
        vec![
            format!("  {}", condition.type_),
            condition.status.clone(),
            age(condition.last_transition_time.0, now),
            condition.reason.clone(),
            condition.message.clone(),
        ]
    }));
    text.push('\n');
    text.push_str(&table(&rows, |row, _, cell| if row == 0 { paint.strong(cell) } else { cell.to_owned() }));
    text
}

/// Services, one a line.
pub fn list(summaries: &[Summary], with_namespace: bool, paint: Paint) -> String {
    let head = ["NAMESPACE", "NAME", "READY", "STATE", "PODS", "REASON", "MESSAGE"];
    let skip = usize::from(!with_namespace);
    let mut rows = vec![head.map(str::to_owned)[skip..].to_vec()];
    for summary in summaries {
        let cells = [
            summary.namespace.clone(),
            summary.name.clone(),
            word(summary),
            format!("{:?}", summary.state),
            summary.pods.clone().unwrap_or_else(|| "-".to_owned()),
            summary.reason.clone(),
            summary.message.clone(),
        ];
        rows.push(cells[skip..].to_vec());
    }
    table(&rows, |row, column, cell| match row.checked_sub(1).and_then(|row| summaries.get(row)) {
        None => paint.strong(cell),
        Some(summary) if column + skip == 2 => painted(summary, cell, paint),
        Some(_) => cell.to_owned(),
    })
}

/// A line for a watch.
pub fn line(summary: &Summary, paint: Paint) -> String {
    let pods = summary.pods.as_ref().map(|pods| format!(" {pods}")).unwrap_or_default();
    let ready = painted(summary, &word(summary), paint);
    format!(
        "{} ready={ready} {:?}{pods} {}: {}\n",
        summary.name, summary.state, summary.reason, summary.message
    )
}

fn word(summary: &Summary) -> String {
    match summary.ready {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    }
    .to_owned()
}

fn painted(summary: &Summary, text: &str, paint: Paint) -> String {
    match (summary.ready, summary.state) {
        (Some(true), State::Current) => paint.good(text),
        (Some(false), _) | (_, State::Failed) => paint.bad(text),
        _ => paint.doubtful(text),
    }
}

/// How long ago, as kubectl says it: in the largest unit that gives two figures.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().unwrap()
    }

    pub(crate) fn microservice(name: &str, conditions: &[(&str, &str, &str, &str)]) -> Microservice {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(type_, status, reason, message)| {
                json!({"type": type_, "status": status, "reason": reason, "message": message,
                    "lastTransitionTime": "2026-01-01T00:55:00Z", "observedGeneration": 2})
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice",
            "metadata": {"name": name, "namespace": "shop", "generation": 2, "uid": "u1"},
            "spec": {"image": "registry.example.com/orders:1"},
            "status": {"observedGeneration": 2, "conditions": conditions, "ready": "1/2",
                "url": "http://orders.shop.svc:8080",
                "revisions": {"latest": "orders-b", "current": "orders-b"},
                "inventory": [{"group": "", "kind": "ServiceAccount", "name": name},
                    {"group": "", "kind": "Service", "name": name},
                    {"group": "apps", "kind": "Deployment", "name": name}]},
        }))
        .unwrap()
    }

    pub(crate) fn broken() -> Microservice {
        let message = "container \"orders\" ended with exit code 1: no database";
        microservice(
            "orders",
            &[("Ready", "False", "CrashLoop", message), ("Reconciling", "True", "CrashLoop", message)],
        )
    }

    #[test]
    fn a_service_in_detail() {
        insta::assert_snapshot!(detail(&Summary::of(&broken()), now(), Paint::default()));
    }

    #[test]
    fn services_one_a_line() {
        let ready = microservice("web", &[("Ready", "True", "Available", "2 of 2 pods are available")]);
        let mut unseen = ready.clone();
        unseen.metadata.generation = Some(3);
        let all = [Summary::of(&broken()), Summary::of(&ready), Summary::of(&unseen)];
        insta::assert_snapshot!(list(&all, true, Paint::default()));
        insta::assert_snapshot!(list(&all[..1], false, Paint::default()));
    }

    #[test]
    fn a_line_of_a_watch() {
        let text = line(&Summary::of(&broken()), Paint::default());
        insta::assert_snapshot!(text, @r#"orders ready=False InProgress 1/2 CrashLoop: container "orders" ended with exit code 1: no database"#);
    }

    #[test]
    fn states_are_those_of_kstatus() {
        let of = |conditions: &[(&str, &str, &str, &str)]| Summary::of(&microservice("orders", conditions));
        let ready = ("Ready", "True", "Available", "");
        let table = [
            (vec![ready], State::Current, true, true),
            (vec![ready, ("Reconciling", "True", "RollingOut", "")], State::InProgress, true, false),
            (vec![ready, ("Stalled", "True", "RolledBack", "")], State::Failed, true, false),
            (vec![("Ready", "False", "Unavailable", "")], State::NotReady, false, false),
            (vec![ready, ("Suspended", "True", "Suspended", "")], State::Suspended, true, true),
        ];
        for (conditions, state, ready, done) in table {
            let summary = of(&conditions);
            assert_eq!(
                (summary.state, summary.is_ready(), summary.is_done()),
                (state, ready, done),
                "{conditions:?}"
            );
        }
    }

    #[test]
    fn a_service_that_nobody_has_seen_is_not_ready() {
        let mut new = microservice("orders", &[]);
        new.status = None;
        let summary = Summary::of(&new);
        assert_eq!(
            (summary.state, summary.is_ready(), summary.is_settled()),
            (State::InProgress, false, false)
        );
    }

    #[test]
    fn ages_have_one_unit() {
        let ages = [5, 119, 120, 7199, 7200, 200_000]
            .map(|seconds| age(now() - jiff::SignedDuration::from_secs(seconds), now()));
        assert_eq!(ages, ["5s", "119s", "2m", "119m", "2h", "2d"]);
    }
}
