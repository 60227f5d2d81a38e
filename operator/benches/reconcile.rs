//! What one reconcile costs without the API server: validate, render and plan, for a service that is new and for
//! one that has converged. The second is what a steady cluster pays for each event.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use flotilla_crds::v1alpha1::Microservice;
use flotilla_operator::{
    cluster::FIELD_MANAGER,
    microservice::{
        dereference::Observed,
        plan::plan,
        render::render,
        validate::{Class, validate},
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use serde_json::json;

const UID: &str = "6f0c3f5e-0000-4000-8000-000000000001";

fn service() -> Microservice {
    let env: Vec<_> =
        (0..32).map(|index| json!({"name": format!("NAME_{index}"), "value": "value"})).collect();
    serde_json::from_value(json!({
        "apiVersion": "flotilla.dev/v1alpha1",
        "kind": "Microservice",
        "metadata": {"name": "orders", "namespace": "shop", "uid": UID, "generation": 1},
        "spec": {
            "image": "registry.example.com/orders:1",
            "ports": [{"name": "http", "port": 8080, "protocol": "HTTP"}, {"name": "grpc", "port": 9090, "protocol": "GRPC"}],
            "env": env,
            "replicas": 3,
        },
    }))
    .unwrap()
}

/// The cluster after everything was applied.
fn converged(service: &Microservice) -> Observed {
    let mut observed = Observed::default();
    for object in
        render(&validate(service, &Class::default()).unwrap(), &Observed::default()).unwrap().objects
    {
        let mut live: kube::api::DynamicObject = serde_json::from_value(object.manifest.clone()).unwrap();
        live.metadata.uid = Some("uid".to_owned());
        live.metadata.managed_fields = Some(vec![ManagedFieldsEntry {
            manager: Some(FIELD_MANAGER.to_owned()),
            operation: Some("Apply".to_owned()),
            fields_v1: Some(FieldsV1(json!({}))),
            ..ManagedFieldsEntry::default()
        }]);
        observed.objects.insert((object.kind, object.name), Arc::new(live));
    }
    observed
}

fn reconcile(criterion: &mut Criterion) {
    let service = service();
    let steps = |observed: &Observed| {
        let desired =
            render(&validate(black_box(&service), &Class::default()).unwrap(), observed).unwrap().objects;
        plan(&desired, observed, UID).unwrap()
    };
    let (new, steady) = (Observed::default(), converged(&service));
    assert_eq!(steps(&new).writes.len(), 7);
    assert_eq!(steps(&steady).writes.len(), 0);
    let mut group = criterion.benchmark_group("reconcile");
    group.bench_function("new", |bencher| bencher.iter(|| steps(&new)));
    group.bench_function("converged", |bencher| bencher.iter(|| steps(&steady)));
    group.finish();
}

criterion_group!(benches, reconcile);
criterion_main!(benches);
