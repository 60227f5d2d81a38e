//! What the status says of a service uses and of what is wrong with it, as a whole.

use std::{collections::BTreeMap, sync::Arc};

use flotilla_crds::v1alpha1::{
    DependencyState, FailedRevision, Gate, InventoryEntry, Microservice, MicroserviceStatus, Problem,
    Revisions, Severity,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::*;
use crate::microservice::{
    claims::Rival,
    peers::Place,
    provisioned::Provision,
    render::tests::{UID, microservice},
    validate::Reference,
};

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

fn applied() -> Outcome {
    Outcome::Applied { latest: "orders-b".to_owned(), waits: None, unmet: Vec::new() }
}

/// An object that the service owns, with a status.
fn own(kind: Kind, name: &str, annotations: Value, spec: Value, status: Value) -> Observed {
    let owner = json!([{"apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice", "name": "orders", "uid": UID,
        "controller": true}]);
    let live = json!({
        "metadata": {"name": name, "generation": 1, "annotations": annotations, "ownerReferences": owner},
        "spec": spec, "status": status,
    });
    let live: DynamicObject = serde_json::from_value(live).unwrap();
    let objects = BTreeMap::from([((kind, name.to_owned()), Arc::new(live))]);
    Observed { objects, ..Observed::default() }
}

/// A cluster whose Deployment has the revision `orders-b`, and this many pods of two that are available.
fn available(pods: i32) -> Observed {
    let status = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": pods,
        "readyReplicas": pods});
    let revision = json!({"flotilla.dev/revision": "orders-b"});
    own(Kind::Deployment, "orders", revision, json!({"replicas": 2}), status)
}

fn pod(labels: Value, state: Value) -> Arc<Pod> {
    let container = json!({"name": "app", "image": "app:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": state});
    let pod = json!({
        "metadata": {"name": "orders-1", "uid": "p", "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"containerStatuses": [container]},
    });
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn unpulled() -> Arc<Pod> {
    pod(json!({}), json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}}))
}

fn peer(name: &str, state: DependencyState, message: Option<&str>) -> Peer {
    let key = ("bank".to_owned(), name.to_owned());
    Peer {
        name: name.to_owned(),
        place: Place::Service { key, pod_port: None },
        state,
        message: message.map(str::to_owned),
        address: None,
        gate: Gate::None,
        env: Vec::new(),
    }
}

fn status(spec: &str, observed: &Observed, outcome: &Outcome) -> MicroserviceStatus {
    compute(&microservice(&format!("spec: {{image: app, {spec}}}")), observed, outcome, at(1))
}

/// Reasons with their severity and what they are about, as one would say it.
fn told(problems: &[Problem]) -> Vec<String> {
    let told = |problem: &Problem| {
        let object = problem.object.as_ref().map(|object| format!("{}/{}", object.kind, object.name));
        let parts = [problem.field.clone(), object, problem.container.clone()];
        let about: Vec<_> = parts.into_iter().flatten().collect();
        format!("{:?} {}: {}", problem.severity, problem.reason, about.join(" "))
    };
    problems.iter().map(told).collect()
}

/// The objects of the inventory, with their states.
fn inventory(status: &MicroserviceStatus) -> Vec<String> {
    let told = |entry: &InventoryEntry| format!("{}/{} {:?}", entry.kind, entry.name, entry.state);
    status.inventory.iter().map(told).collect()
}

fn golden(name: &str, value: &impl serde::Serialize) {
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, serde_saphyr::to_string(value).unwrap());
    });
}

#[test]
fn everything_that_a_service_uses_is_listed_once() {
    let spec = "
        dependsOn: [{name: payments}, {name: ledger}, {name: stripe}],
        bindings: [{name: smtp, secretRef: {name: smtp-creds}},
            {name: db, serviceRef: {apiVersion: example.com/v1, kind: Database, name: main}},
            {name: queue, serviceRef: {apiVersion: example.com/v1, kind: Queue, name: events}},
            {name: cache, serviceRef: {apiVersion: example.com/v1, kind: Cache, name: hot}}],
        env: [{name: KEY, valueFrom: {secretKeyRef: {name: smtp-creds, key: k}}},
            {name: A, valueFrom: {configMapKeyRef: {name: extra, key: k, optional: true}}}],
        files: [{mountPath: /data, persistentVolumeClaim: {claimName: data}}],
        serviceAccount: {name: robot},
        autoscaling: {min: 1, max: 2, triggers: [{type: kafka, authentication: kafka-auth}]}";
    let service = |kind: &str, name: &str| {
        let reference = json!({"apiVersion": "example.com/v1", "kind": kind, "name": name});
        serde_json::from_value::<api::ServiceReference>(reference).unwrap()
    };
    let mut observed = available(2);
    let host = Place::External { host: "api.stripe.com".into(), port: 443 };
    observed.peers = vec![
        peer("payments", DependencyState::Ready, None),
        peer("ledger", DependencyState::NotAllowed, Some("bank/ledger does not allow it")),
        Peer { place: host, ..peer("stripe", DependencyState::External, None) },
    ];
    observed.provisioned = BTreeMap::from([
        (service("Database", "main"), Provision::Secret("main-creds".into())),
        (service("Queue", "events"), Provision::Missing("there is no Queue \"events\"".into())),
        (service("Cache", "hot"), Provision::Pending("Cache \"hot\" names no Secret".into())),
    ]);
    observed.named = BTreeMap::from([
        (Reference::Secret("smtp-creds".into()), false),
        (Reference::Secret("main-creds".into()), true),
        (Reference::ConfigMap("extra".into()), false),
    ]);
    let status = status(spec, &observed, &applied());
    assert_eq!(status.conditions[0].type_, condition::READY, "the summary comes first");
    golden("what_a_service_uses", &status.uses);
    golden("what_it_lacks", &status.problems);
}

#[test]
fn without_a_look_at_secrets_none_is_missing() {
    let bound = "bindings: [{name: smtp, secretRef: {name: smtp-creds}}]";
    let status = status(bound, &available(2), &applied());
    assert_eq!(status.uses[0].state, api::UseState::Unknown);
    assert_eq!(status.problems, []);
}

#[test]
fn what_is_ready_gives_way_when_too_much_is_used() {
    let env: Vec<_> = (0..70)
        .map(|index| format!("{{name: A{index}, valueFrom: {{secretKeyRef: {{name: s{index}, key: k}}}}}}"))
        .collect();
    let mut observed = available(2);
    let secret = |index: i32| (Reference::Secret(format!("s{index}")), index < 68);
    observed.named = (0..70).map(secret).collect();
    let status = status(&format!("env: [{}]", env.join(", ")), &observed, &applied());
    assert_eq!((status.uses.len(), status.uses[0].name.as_str()), (64, "s68"));
}

#[test]
fn a_service_that_is_well_or_on_its_way_has_no_problem() {
    assert_eq!(status("ports: []", &available(2), &applied()).problems, []);
    let starting = status("ports: []", &available(0), &applied());
    assert_eq!(starting.conditions[0].reason, "Unavailable");
    assert_eq!(starting.problems, []);
    assert_eq!(status("ports: []", &Observed::default(), &applied()).problems, []);
}

#[test]
fn a_version_that_ran_and_is_gone_is_a_problem() {
    let mut observed = available(0);
    observed.revisions = Revisions { stable: Some("orders-b".into()), ..Revisions::default() };
    let status = status("ports: []", &observed, &applied());
    assert_eq!(told(&status.problems), ["Error Unavailable: Deployment/orders"]);
    assert_eq!(status.problems[0].message, "0 of 2 pods are available");
}

#[test]
fn a_pod_s_error_is_one_problem_with_its_container_as_bad_as_the_service_is() {
    for (pods, severity) in [(0, "Error"), (2, "Warning")] {
        let observed = Observed { pods: vec![unpulled()], ..available(pods) };
        let status = status("ports: []", &observed, &applied());
        assert_eq!(told(&status.problems), [format!("{severity} ImagePullFailed: Deployment/orders app")]);
        assert!(status.conditions[0].message.contains(&status.problems[0].message));
    }
}

#[test]
fn a_pod_that_waits_for_what_is_missing_is_no_problem_of_its_own() {
    let spec =
        "bindings: [{name: smtp, secretRef: {name: smtp-creds}}, {name: other, secretRef: {name: other}}]";
    let said = "secret \"smtp-creds\" not found";
    let waiting = json!({"waiting": {"reason": "CreateContainerConfigError", "message": said}});
    let mut observed = Observed { pods: vec![pod(json!({}), waiting)], ..available(0) };
    let secret = |name: &str| (Reference::Secret(name.into()), false);
    observed.named = BTreeMap::from([secret("smtp-creds"), secret("other")]);
    assert_eq!(
        told(&status(spec, &observed, &applied()).problems),
        [
            "Error NotFound: spec.bindings[smtp] Secret/smtp-creds",
            "Warning NotFound: spec.bindings[other] Secret/other"
        ]
    );
    // A key that is missing is something else.
    observed.named = BTreeMap::from([(Reference::Secret("smtp-creds".into()), true)]);
    assert_eq!(
        told(&status(spec, &observed, &applied()).problems),
        ["Error ContainerConfigInvalid: Deployment/orders app"]
    );
}

#[test]
fn a_version_that_failed_is_told_once() {
    let failed = |message: &str, stable: Option<&str>| Revisions {
        stable: stable.map(str::to_owned),
        failed: Some(FailedRevision { name: "orders-b".into(), message: message.into() }),
        ..Revisions::default()
    };
    // The Deployment still has it, and there is none to go back to: the pods say why.
    let mut observed = Observed { pods: vec![unpulled()], ..available(2) };
    observed.revisions = failed("container \"app\": cannot pull image \"app:1\": not found", None);
    let told_of = |observed: &Observed, latest: &str| {
        let outcome = Outcome::Applied { latest: latest.to_owned(), waits: None, unmet: Vec::new() };
        told(&status("ports: []", observed, &outcome).problems)
    };
    let stuck = Observed { objects: available(0).objects, ..observed.clone() };
    assert_eq!(told_of(&stuck, "orders-b"), ["Error ImagePullFailed: Deployment/orders app"]);
    let silent = Observed { pods: Vec::new(), ..stuck.clone() };
    assert_eq!(told_of(&silent, "orders-b"), ["Error ProgressDeadlineExceeded: Deployment/orders"]);

    // The former one runs again, and the pods of the failed one are about to go.
    let went_back = |message: &str| {
        let mut observed = observed.clone();
        let Some(failed) = failed(message, Some("orders-b")).failed else { panic!() };
        let failed = FailedRevision { name: "orders-c".into(), ..failed };
        observed.revisions = Revisions { failed: Some(failed), ..Revisions::default() };
        told_of(&observed, "orders-c")
    };
    let back = "Error RolledBack: MicroserviceRevision/orders-c";
    assert_eq!(went_back("container \"app\": cannot pull image \"app:1\": not found"), [back]);
    let other = went_back("container \"app\" ended with exit code 1");
    assert_eq!(other, [back, "Error ImagePullFailed: Deployment/orders app"]);
}

#[test]
fn what_cannot_be_made_or_written_names_its_field_or_object() {
    let unmet =
        |message: &str, is_fatal| Unmet { reason: "MissingCapability", message: message.into(), is_fatal };
    let outcome = Outcome::Applied {
        latest: "orders-b".into(),
        waits: None,
        unmet: vec![
            unmet("spec.observability.metrics needs the kind ServiceMonitor", false),
            unmet("spec.routes[public]: there is no gateway", true),
        ],
    };
    assert_eq!(
        told(&status("ports: []", &available(2), &outcome).problems),
        [
            "Error MissingCapability: spec.routes[public]",
            "Warning MissingCapability: spec.observability.metrics"
        ]
    );
    let fault = |kind, name: &str| Fault {
        object: Some((kind, name.to_owned())),
        message: format!("{kind} {name:?} exists and belongs to somebody else"),
    };
    let faults = vec![fault("Service", "orders"), fault("Deployment", "orders")];
    let blocked = Outcome::Blocked { reason: "ForeignObject", faults };
    let status_of = status("ports: []", &Observed::default(), &blocked);
    assert_eq!(
        told(&status_of.problems),
        ["Error ForeignObject: Service/orders", "Error ForeignObject: Deployment/orders"]
    );
    assert_eq!(inventory(&status_of), ["Service/orders Failed", "Deployment/orders Failed"]);
    let ready = &status_of.conditions[0];
    assert!(status_of.problems.iter().all(|problem| ready.message.contains(&problem.message)));
    let retrying = Outcome::Retrying { reason: "Outdated", faults: vec![fault("Service", "orders")] };
    let status_of = status("ports: []", &available(2), &retrying);
    assert_eq!(told(&status_of.problems), ["Warning Outdated: Service/orders"]);
    assert_eq!(inventory(&status_of), ["Deployment/orders Applied", "Service/orders Failed"]);
    assert_eq!(status("ports: []", &available(2), &Outcome::Suspended).problems, []);
}

#[test]
fn each_object_says_how_far_it_is() {
    let mut observed = available(2);
    let service = own(Kind::Service, "orders", json!({}), json!({}), json!({})).objects;
    observed.objects.extend(service.into_iter().map(|(key, live)| {
        let mut live = Arc::unwrap_or_clone(live);
        live.metadata.deletion_timestamp = Some(Time(at(1)));
        (key, Arc::new(live))
    }));
    let fault = Fault {
        object: Some(("Deployment", "orders".to_owned())),
        message: "the quota is used up".to_owned(),
    };
    let blocked = Outcome::Blocked { reason: "Refused", faults: vec![fault] };
    let status_of = status("ports: []", &observed, &blocked);
    assert_eq!(inventory(&status_of), ["Service/orders Deleting", "Deployment/orders Failed"]);
    assert_eq!(status_of.inventory[1].message.as_deref(), Some("the quota is used up"));
    assert_eq!(status("ports: []", &available(2), &applied()).inventory[0].message, None);
}

#[test]
fn a_version_that_waits_has_the_problems_of_what_it_waits_for() {
    let waits = |reason, job: Option<&str>, is_failure| Outcome::Applied {
        latest: "orders-b".into(),
        waits: Some(Wait { reason, message: "it waits".into(), is_failure, job: job.map(str::to_owned) }),
        unmet: Vec::new(),
    };
    let mut observed = Observed::default();
    let payments = peer("payments", DependencyState::NotReady, Some("payments is not ready"));
    let ledger = peer("ledger", DependencyState::NotReady, Some("ledger is not ready"));
    observed.peers = vec![ledger, Peer { gate: Gate::FirstRollout, ..payments }];
    let outcome = waits("WaitingForDependencies", None, false);
    assert_eq!(
        told(&status("ports: []", &observed, &outcome).problems),
        [
            "Error NotReady: spec.dependsOn[payments] Microservice/payments",
            "Warning NotReady: spec.dependsOn[ledger] Microservice/ledger"
        ]
    );
    // What runs meanwhile goes on.
    observed.objects = available(2).objects;
    let told_of = told(&status("ports: []", &observed, &outcome).problems);
    assert!(told_of.iter().all(|told| told.starts_with("Warning")), "{told_of:?}");

    let mut observed = available(2);
    let running = waits("Migrating", Some("orders-schema"), false);
    assert_eq!(status("ports: []", &observed, &running).problems, []);
    observed.job_pods = vec![pod(
        json!({"batch.kubernetes.io/job-name": "orders-schema"}),
        json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}}),
    )];
    let told_of = told(&status("ports: []", &observed, &running).problems);
    assert_eq!(told_of, ["Warning ImagePullFailed: Job/orders-schema app"]);
    let failed = waits("MigrationFailed", Some("orders-schema"), true);
    let failed = status("ports: []", &observed, &failed);
    assert_eq!(told(&failed.problems), ["Error MigrationFailed: Job/orders-schema"]);
    assert_eq!(failed.conditions[1].message, "it waits", "its pods are a thing of the past");
}

#[test]
fn what_gateways_refuse_and_who_else_wants_a_route_is_named() {
    let parents = json!({"parents": [{"parentRef": {"name": "edge"}, "conditions": [
        {"type": "Accepted", "status": "False", "message": "no listener for this host"}]}]});
    let mut observed = available(2);
    let route = |name: &str, status: Value| own(Kind::HttpRoute, name, json!({}), json!({}), status).objects;
    observed.objects.extend(route("orders-public", parents));
    observed.objects.extend(route("orders-admin", json!({})));
    let rival = |name: &str, comes_first| Rival {
        route: "public".into(),
        other: ("shop".into(), name.into()),
        comes_first,
        what: "/v1 to shop.example.com".into(),
    };
    // Whoever came first is what the route that was not made is about.
    observed.rivals = vec![rival("billing", false), rival("carts", true)];
    let routes = "ports: [{name: http, port: 80}], routes: [{name: public}, {name: admin}]";
    let of_routes = status(routes, &observed, &applied());
    assert_eq!(
        told(&of_routes.problems),
        [
            "Warning Refused: HTTPRoute/orders-public",
            "Warning Pending: HTTPRoute/orders-admin",
            "Warning RouteConflict: spec.routes[public] Microservice/billing"
        ]
    );
    assert_eq!(
        of_routes.problems[0].message,
        "HTTPRoute orders-public: gateway edge: no listener for this host"
    );
}

#[test]
fn one_object_may_be_all_policies_of_a_service() {
    let spec = "ports: [{name: http, port: 80}], routes: [{name: public}], policies: {rateLimit: [{requests: 9, per: second}], auth: {jwt: {issuer: 'https://a'}}}";
    let policies_applied = |fields: Value, status: Value| {
        let mut observed = available(2);
        observed.objects.extend(own(Kind::TrafficPolicy, "orders", json!({}), fields, status).objects);
        let computed = self::status(spec, &observed, &applied());
        let found = computed.conditions.iter().find(|found| found.type_ == condition::POLICIES_APPLIED);
        found.map(|found| (found.status.clone(), found.reason.clone())).unwrap()
    };
    let says =
        |status: &str| json!({"ancestors": [{"conditions": [{"type": "Accepted", "status": status}]}]});
    let both = json!({"jwt": {}, "rateLimits": []});
    let expected = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    assert_eq!(policies_applied(both.clone(), says("True")), expected("True", "Accepted"));
    assert_eq!(policies_applied(both.clone(), says("False")), expected("False", "Refused"));
    assert_eq!(policies_applied(both, json!({})), expected("Unknown", "Pending"));
    assert_eq!(policies_applied(json!({"jwt": {}}), says("True")), expected("False", "NotMade"));
}

#[test]
fn a_time_moves_when_a_problem_comes_and_not_while_it_stays() {
    let mut service: Microservice = microservice("spec: {image: app}");
    let at_second = |service: &Microservice, observed: &Observed, second| {
        compute(service, observed, &applied(), at(second))
    };
    let mut observed = Observed { pods: vec![unpulled()], ..available(2) };
    let first = at_second(&service, &observed, 1);
    service.status = Some(first.clone());
    assert_eq!(at_second(&service, &observed, 2), first, "nothing flips, so nothing is written");
    // It becomes worse, and is still the same.
    observed.objects = available(0).objects;
    let worse = at_second(&service, &observed, 3);
    assert_eq!((worse.problems[0].severity, worse.problems[0].since.0), (Severity::Error, at(1)));
    service.status = Some(worse);
    observed.peers = vec![peer("payments", DependencyState::Missing, Some("there is none"))];
    let more = at_second(&service, &observed, 4);
    let times: Vec<_> = more.problems.iter().map(|problem| problem.since.0).collect();
    assert_eq!(times, [at(1), at(4)]);
    service.status = Some(more);
    observed.peers.clear();
    observed.pods.clear();
    observed.objects = available(2).objects;
    let well = at_second(&service, &observed, 5);
    assert_eq!(well.problems, []);
    service.status = Some(well);
    observed.pods = vec![unpulled()];
    assert_eq!(at_second(&service, &observed, 6).problems[0].since.0, at(6));
}

#[test]
fn problems_are_bounded_and_the_worst_come_first() {
    let mut observed = Observed { pods: vec![unpulled()], ..available(0) };
    observed.peers =
        (0..40).map(|index| peer(&format!("p{index}"), DependencyState::Missing, Some("gone"))).collect();
    let problems = status("ports: []", &observed, &applied()).problems;
    assert_eq!(problems.len(), 32);
    assert_eq!(problems[0].reason, "ImagePullFailed");
}
