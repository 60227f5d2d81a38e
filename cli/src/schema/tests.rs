//! That what is said here is what an API server says.

use serde_json::json;

use super::*;

#[path = "../../../crds/tests/cases/traffic_policies.rs"]
mod policies;

fn object(spec: &str) -> Value {
    let spec: Value = serde_saphyr::from_str(spec).unwrap();
    json!({"apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice", "metadata": {"name": "orders"}, "spec": spec})
}

fn findings(spec: &str) -> String {
    let report = Schema::of_microservice().unwrap().check(&object(spec));
    assert_eq!(report.unknown, [], "{spec}");
    report.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_sound_object_has_no_findings() {
    for spec in [
        "{image: app:1}",
        "{image: app:1, ports: [{name: http, port: 80}], probes: {readiness: {http: {port: http}}}}",
        "{image: app:1, ports: [{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]}",
        "{image: app:1, autoscaling: {max: 2}, replicas: null}",
        "{image: app:1, rollout: {maxSurge: 1}, resources: {requests: {cpu: 1, memory: 1Gi}}}",
        "{image: app:1, network: {allowFrom: [{podLabels: {a: b}}, {namespace: there}]}}",
        "{image: app:1, serviceAccount: {annotations: {example.com/role: orders}}}",
    ] {
        assert_eq!(findings(spec), "", "{spec}");
    }
}

/// Each rule of the schema, with the message that the API server gives.
#[test]
fn what_the_schema_refuses() {
    let table = [
        ("{}", "spec.image: is required"),
        ("{image: 1}", "spec.image: must be a string, not 1; write it in quotes: \"1\""),
        ("{image: ''}", "spec.image: must not be empty"),
        ("{image: app, relpicas: 2}", "spec.relpicas: there is no such field; is replicas meant?"),
        ("{image: app, xyz: 2}", "spec.xyz: there is no such field"),
        ("{image: app, replicas: '2'}", "spec.replicas: must be a whole number, not a string"),
        ("{image: app, replicas: -1}", "spec.replicas: must be at least 0, not -1"),
        ("{image: app, replicas: 10001}", "spec.replicas: must be at most 10000, not 10001"),
        (
            "{image: app, imagePullPolicy: Sometimes}",
            "spec.imagePullPolicy: must be one of Always, IfNotPresent, Never, not Sometimes",
        ),
        (
            "{image: app, ports: [{name: HTTP, port: 80}]}",
            "spec.ports[0].name: \"HTTP\" does not match ^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
        ),
        ("{image: app, ports: [{name: a, port: 1}, {name: a, port: 2}]}", "spec.ports[1]: is there twice: a"),
        ("{image: app, ports: {name: a}}", "spec.ports: must be a list, not an object"),
        (
            "{image: app, rollout: {maxSurge: 1.5}}",
            "spec.rollout.maxSurge: must be a whole number or a string, not 1.5",
        ),
        (
            "{image: app, command: [a, 1]}",
            "spec.command[1]: must be a string, not 1; write it in quotes: \"1\"",
        ),
    ];
    for (spec, expected) in table {
        assert_eq!(findings(spec), expected, "{spec}");
    }
}

#[test]
fn what_the_rules_refuse() {
    let table = [
        ("{image: 'http://x'}", "spec.image: image must be an image reference"),
        (
            "{image: app, ports: [{name: a, port: 80}, {name: b, port: 80}]}",
            "spec.ports: two ports have the same number",
        ),
        (
            "{image: app, ports: [{name: http, port: 80}], probes: {readiness: {http: {port: nope}}}}",
            "spec.probes.readiness: a probe names a port that is not in spec.ports",
        ),
        ("{image: app, probes: {liveness: {tcp: {}}}}", "spec.probes.liveness: a probe without a port"),
        ("{image: app, autoscaling: {min: 3, max: 2}}", "spec.autoscaling: min must not be more than max"),
        ("{image: app, replicas: 1, autoscaling: {max: 2}}", "spec.replicas: replicas and autoscaling both"),
        (
            "{image: app, config: {mountPath: /x, data: {'a b': c}}}",
            "spec.config.data: a key of data is a file name",
        ),
        ("{image: app, rollout: {maxSurge: '0%'}}", "spec.rollout: maxSurge is 0"),
        ("{image: app, lifecycle: {drainSeconds: 40}}", "spec.lifecycle: drainSeconds (5 when left out)"),
        (
            "{image: app, security: {runAsUser: 0}}",
            "spec.security.runAsUser: profile Restricted does not run as root",
        ),
        (
            "{image: app, placement: {tolerations: [{key: a, tolerationSeconds: 3}]}}",
            "spec.placement.tolerations[0]: tolerationSeconds needs effect",
        ),
        (
            "{image: app, volumeMounts: [{name: a, mountPath: /a}]}",
            "spec.volumeMounts: a volumeMount names a volume",
        ),
        (
            "{image: app, env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: x}}}]}",
            "spec.env[0]: write either",
        ),
    ];
    for (spec, expected) in table {
        let found = findings(spec);
        assert!(found.starts_with(expected), "{spec}: {found}");
    }
}

#[test]
fn an_object_is_read_as_the_api_server_reads_it() {
    let schema = Schema::of_microservice().unwrap();
    let value = object("{image: app, env: null, replicas: 2.0, suspend: null}");
    let document = Document { place: "orders.yaml".to_owned(), value };
    let read = schema.read(&document).unwrap();
    assert_eq!((read.spec.replicas, read.spec.env.len(), read.spec.suspend), (Some(2), 0, None));
}

#[test]
fn the_name_is_checked() {
    let schema = Schema::of_microservice().unwrap();
    let mut named = object("{image: app}");
    named["metadata"]["name"] = "1st".into();
    let found = schema.check(&named).findings;
    assert!(found[0].message.starts_with("metadata.name must be at most 52"), "{found:?}");
    named["metadata"] = json!({});
    assert_eq!(
        schema.check(&named).findings[0].to_string(),
        "metadata.name: is required: the name of the service"
    );
}

/// A keyword that nobody looks at would be a hole in the check.
#[test]
fn every_keyword_of_the_schema_is_known() {
    fn look(schema: &Value, unknown: &mut Vec<String>) {
        let Value::Object(fields) = schema else { return };
        unknown.extend(fields.keys().filter(|key| !structural::KEYWORDS.contains(&key.as_str())).cloned());
        fields
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .for_each(|(_, field)| look(field, unknown));
        ["items", "additionalProperties"]
            .iter()
            .filter_map(|key| fields.get(*key))
            .for_each(|field| look(field, unknown));
    }
    let mut unknown = Vec::new();
    look(&Schema::of_microservice().unwrap().schema, &mut unknown);
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn what_the_schema_of_a_policy_refuses() {
    let schema = Schema::of_policy().unwrap();
    for (yaml, expected) in policies::POLICIES {
        let report = schema.check(&policies::policy(yaml));
        assert_eq!(report.unknown, [], "{yaml}");
        let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        match expected {
            None => assert!(findings.is_empty(), "{yaml}: {findings:?}"),
            Some(part) => assert!(findings.join("; ").contains(part), "{yaml}: {findings:?}"),
        }
    }
}
