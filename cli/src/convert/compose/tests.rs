//! Compose files and what becomes of them.

use super::*;
use crate::{
    output::{Form, objects},
    schema::Schema,
};

fn converted(text: &str) -> Converted {
    let file: Value = serde_saphyr::from_str(text).unwrap();
    convert(&file, &|name| (name == "TAG").then(|| "1.4".to_owned()))
}

fn spec(service: &str) -> (Value, Vec<String>) {
    let mut converted = converted(&format!("services: {{web: {{image: web:1, {service}}}}}"));
    (converted.objects.remove(0)["spec"].take(), converted.notes)
}

#[test]
fn a_shop() {
    let converted = converted(
        r#"
version: "3.9"
name: shop
services:
  orders:
    image: registry.example.com/orders:${TAG}
    command: serve --port 8080
    ports: ["8080:8080"]
    environment:
      LOG_LEVEL: info
      DEBUG: false
      DB_PASSWORD: ${DB_PASSWORD}
    depends_on:
      stock: {condition: service_healthy}
      db: {condition: service_started}
    healthcheck:
      test: [CMD, curl, -f, "http://localhost:8080/healthz"]
      interval: 5s
      retries: 5
      start_period: 1m
    deploy:
      replicas: 2
      resources:
        limits: {cpus: "0.5", memory: 512M}
        reservations: {memory: 128M}
    restart: unless-stopped
    networks: [back]
    secrets: [key]
  stock:
    build: ./stock
    expose: [9090]
    read_only: true
    user: "1000"
    tmpfs: /run
    volumes: ["data:/var/lib/stock:ro", "./conf:/etc/stock", "/cache"]
    stop_grace_period: 1m30s
    sysctls: {net.core.somaxconn: 1024}
  db:
    image: postgres:17
networks: {back: {}}
volumes: {data: {}}
secrets: {key: {file: ./key}}
x-common: {a: 1}
"#,
    );
    insta::assert_snapshot!("compose_shop", objects(Form::Yaml, &converted.objects).unwrap());
    insta::assert_snapshot!("compose_shop_notes", converted.notes.join("\n"));
    let schema = Schema::of_microservice().unwrap();
    for object in &converted.objects {
        assert_eq!(schema.check(object).findings, [], "{object}");
    }
}

#[test]
fn each_field_has_its_counterpart() {
    let table = [
        ("command: [a, 1]", "args", json!(["a", "1"])),
        ("entrypoint: /run.sh -x", "command", json!(["/run.sh", "-x"])),
        (
            "environment: [A=1, 'B=x=y', 'C=$$(A)']",
            "env",
            json!([{"name": "A", "value": "1"}, {"name": "B", "value": "x=y"}, {"name": "C", "value": "$$(A)"}]),
        ),
        (
            "ports: ['53:53/udp', '53:53']",
            "ports",
            json!([{"name": "udp-53", "port": 53, "protocol": "UDP"}, {"name": "port-53", "port": 53}]),
        ),
        (
            "ports: [80, 8080]",
            "ports",
            json!([{"name": "http", "port": 80, "protocol": "HTTP"}, {"name": "port-8080", "port": 8080, "protocol": "HTTP"}]),
        ),
        ("scale: 3", "replicas", json!(3)),
        ("cpus: 0.5, mem_limit: 1g", "resources", json!({"limits": {"cpu": "0.5", "memory": "1Gi"}})),
        ("healthcheck: {disable: true}", "probes", json!({"readiness": {"disabled": true}})),
        ("user: '0'", "security", json!({"profile": "Baseline", "runAsUser": 0})),
        ("user: '7', read_only: true", "security", json!({"runAsUser": 7})),
        (
            "cap_add: [CAP_CHOWN, SYS_ADMIN]",
            "security",
            json!({"profile": "Baseline", "addCapabilities": ["CHOWN"]}),
        ),
        ("pull_policy: always", "imagePullPolicy", json!("Always")),
        ("links: ['db:database']", "dependsOn", json!([{"name": "db"}])),
    ];
    for (service, field, expected) in table {
        assert_eq!(spec(service).0[field], expected, "{service}");
    }
}

#[test]
fn nothing_is_lost_silently() {
    for service in [
        "privileged: true",
        "working_dir: /x",
        "env_file: .env",
        "gpus: all",
        "deploy: {placement: {x: 1}}",
        "network_mode: host",
        "restart: 'no'",
        "volumes: ['/dev:/dev']",
        "ports: ['1-3:1-3']",
        "environment: [FROM_SHELL]",
        "profiles: [debug]",
        "healthcheck: {unheard: 1}",
    ] {
        let field = service.split(':').next().unwrap();
        let notes = spec(service).1;
        assert!(
            notes.iter().any(|note| note.starts_with(&format!("services.web.{field}"))),
            "{service}: {notes:?}"
        );
    }
}

#[test]
fn names_are_made_to_fit() {
    let converted = converted("services: {My_Web: {image: a}}");
    assert_eq!(converted.objects[0]["metadata"]["name"], "my-web");
    assert!(converted.notes[0].starts_with("services.My_Web: is named my-web"));
}
