//! What is written, and what is not written again.

use flotilla_crds::v1alpha1::TrafficPolicy;

use super::*;
use crate::gateway::{
    compile::{Compiler, tests},
    settings::ServiceType,
};

fn settings() -> Settings {
    Settings {
        image: "api-gateway".to_owned(),
        replicas: 1,
        max_replicas: 1,
        service: ServiceType::ClusterIp,
        addresses: Vec::new(),
        access_log: 0.01,
    }
}

fn known(owners: &str) -> Known {
    let mut known = Known::default();
    known.objects = tests::objects();
    known.objects.gateways.put(tests::read(
        "{metadata: {name: gw, namespace: shop, uid: gw, generation: 1}, spec: {gatewayClassName: ours, listeners: [{name: web, port: 80, protocol: HTTP}]}}",
    ));
    let meta = format!(
        "{{name: p, namespace: shop, uid: p, generation: 1, resourceVersion: '1', ownerReferences: [{owners}]}}"
    );
    let targets = "{group: gateway.networking.k8s.io, kind: Gateway, name: gw}, {group: gateway.networking.k8s.io, kind: HTTPRoute, name: gone}";
    known.objects.traffic_policies.put(tests::read(&format!(
        "{{metadata: {meta}, spec: {{targetRefs: [{targets}], maxBodyBytes: 1}}}}"
    )));
    known
}

#[test]
fn the_status_of_a_policy_is_written_once_with_what_is_to_say_of_it() {
    let (mut known, mut compiler, mut decider) = (known(""), Compiler::default(), Decider::default());
    let target = (Kind::TrafficPolicy, ("shop".to_owned(), "p".to_owned()));
    let mut decide = |known: &Known, now| {
        let outcome = compiler.compile(&known.objects);
        let mut decision = decider.decide(known, &outcome, &settings(), &BTreeMap::new(), now);
        decision.jobs.remove(&target)
    };
    let Some(Job::Status { status, said, .. }) = decide(&known, Timestamp::UNIX_EPOCH) else {
        panic!("nothing is written")
    };
    let reasons: Vec<_> = said.iter().map(|said| (said.is_warning, said.reason.as_str())).collect();
    assert_eq!(reasons, [(true, "TargetNotFound")]);
    let mut policy = TrafficPolicy::clone(known.objects.traffic_policies.get("shop", "p").unwrap());
    policy.status = Some(serde_json::from_value(status).unwrap());
    policy.metadata.resource_version = Some("2".to_owned());
    known.objects.traffic_policies.put(policy);
    let later = "2026-01-01T00:00:00Z".parse().unwrap();
    assert!(decide(&known, later).is_none(), "it is written again");
}

#[test]
fn a_policy_that_is_made_for_a_service_does_not_warn_of_routes_that_come_later() {
    let owner = "{apiVersion: flotilla.dev/v1alpha1, kind: Microservice, name: p, uid: m, controller: true}";
    let known = known(owner);
    let outcome = Compiler::default().compile(&known.objects);
    let now = Timestamp::UNIX_EPOCH;
    let decision = Decider::default().decide(&known, &outcome, &settings(), &BTreeMap::new(), now);
    let target = (Kind::TrafficPolicy, ("shop".to_owned(), "p".to_owned()));
    let Some(Job::Status { said, .. }) = decision.jobs.get(&target) else { panic!("nothing is written") };
    assert_eq!(*said, []);
}
