//! Real programs that nobody here wrote, each as a `Microservice`.

use anyhow::{Result, ensure};
use flotilla_e2e::{allow_callers, condition, in_namespace, kubectl};
use serde_json::json;

/// Redis from Debian's package: arguments, a TCP port, a command as its probe, and data in a writable folder.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn redis_keeps_what_it_is_told() -> Result<()> {
    in_namespace("redis", |namespace| async move {
        let image = "docker.io/library/redis:7.0.15";
        let spec = json!({
            "image": image,
            "network": allow_callers(),
            "command": ["redis-server"],
            "args": ["--port", "6379", "--dir", "/data", "--appendonly", "yes", "--protected-mode", "no"],
            "ports": [{"name": "redis", "port": 6379}],
            "probes": {
                "readiness": {"exec": {"command": ["redis-cli", "ping"]}},
                "liveness": {"tcp": {"port": "redis"}},
            },
            "security": {"writablePaths": ["/data", "/tmp"]},
        });
        namespace.apply("cache", spec).await?;
        let ready = namespace.until_ready("cache").await?;
        let endpoints = ready.status.unwrap().endpoints;
        ensure!(endpoints[0].address == format!("cache.{}.svc:6379", namespace.name), "{endpoints:?}");

        let host = format!("cache.{}.svc", namespace.name);
        let set = namespace.run_pod("set", image, &["redis-cli", "-h", &host, "set", "order", "42"]).await?;
        ensure!(set.trim() == "OK", "{set}");
        let get = namespace.run_pod("get", image, &["redis-cli", "-h", &host, "get", "order"]).await?;
        ensure!(get.trim() == "42", "{get}");
        Ok(())
    })
    .await
}

/// RabbitMQ from Debian's package: a program of another family, with environment, two ports, a slow start under a
/// startup budget, and an HTTP check with the credentials in a header.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn rabbitmq_carries_a_message() -> Result<()> {
    in_namespace("rabbitmq", |namespace| async move {
        let image = "docker.io/library/rabbitmq:3.10.8-management";
        let user = ["create", "secret", "generic", "broker", "--from-literal=RABBITMQ_DEFAULT_USER=shop", "--from-literal=RABBITMQ_DEFAULT_PASS=secret"];
        kubectl(&[user.as_slice(), &["-n", &namespace.name]].concat(), "").await?;
        let spec = json!({
            "image": image,
            "network": allow_callers(),
            "ports": [{"name": "amqp", "port": 5672}, {"name": "management", "port": 15672, "protocol": "HTTP"}],
            "envFrom": [{"secretRef": {"name": "broker"}}],
            "probes": {
                "readiness": {"tcp": {"port": "management"}},
                "startup": {"budgetSeconds": 300},
            },
            "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}},
            "security": {"writablePaths": ["/var/lib/rabbitmq", "/var/log/rabbitmq", "/tmp"]},
        });
        namespace.apply("broker", spec).await?;
        let ready = namespace.until_ready("broker").await?;
        let status = ready.status.unwrap();
        ensure!(condition(&status, "Ready").unwrap().reason == "Available");
        ensure!(status.url.as_deref() == Some(&*format!("http://broker.{}.svc:15672", namespace.name)));

        let host = format!("broker.{}.svc", namespace.name);
        let admin = |arguments: &[&str]| {
            let common = ["rabbitmqadmin", "-H", &host, "-u", "shop", "-p", "secret"];
            [&common, arguments].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        for (name, arguments, expected) in [
            ("declare", ["declare", "queue", "name=orders"].as_slice(), "queue declared"),
            ("publish", &["publish", "routing_key=orders", "payload=hello"], "Message published"),
            ("get", &["get", "queue=orders"], "hello"),
        ] {
            let command = admin(arguments);
            let command: Vec<_> = command.iter().map(String::as_str).collect();
            let told = namespace.run_pod(name, image, &command).await?;
            ensure!(told.contains(expected), "{name}: {told}");
        }
        Ok(())
    })
    .await
}

/// Postgres from Debian's package: an entrypoint that makes its database first, a password from a Secret, and folders
/// that it must write to.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn postgres_answers_a_query() -> Result<()> {
    in_namespace("postgres", |namespace| async move {
        let image = "docker.io/library/postgres:15";
        let password =
            ["create", "secret", "generic", "database", "--from-literal=password=secret", "-n", &namespace.name];
        kubectl(&password, "").await?;
        let spec = json!({
            "image": image,
            "network": allow_callers(),
            "ports": [{"name": "postgres", "port": 5432}],
            "env": [
                {"name": "POSTGRES_USER", "value": "shop"},
                {"name": "POSTGRES_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}}},
                {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
            ],
            "probes": {
                "readiness": {"exec": {"command": ["pg_isready", "--host", "127.0.0.1", "--username", "shop"]}},
                "startup": {"budgetSeconds": 120},
            },
            "security": {"writablePaths": ["/var/lib/postgresql/data", "/var/run/postgresql", "/tmp"]},
        });
        namespace.apply("database", spec).await?;
        namespace.until_ready("database").await?;
        let url = format!("postgres://shop:secret@database.{}.svc/shop", namespace.name);
        let query = "select version() || ' ' || 6 * 7";
        let answer = namespace.run_pod("query", image, &["psql", &url, "-At", "-c", query]).await?;
        ensure!(answer.starts_with("PostgreSQL 15") && answer.trim().ends_with("42"), "{answer}");
        let wrong = url.replace("secret", "wrong");
        let refused = namespace.run_pod("wrong", image, &["psql", &wrong, "-c", query]).await;
        ensure!(refused.is_err_and(|error| error.to_string().contains("password authentication failed")));
        Ok(())
    })
    .await
}
