//! How fast a change of endpoints reaches the workers, beside many routes.

use std::time::{Duration, Instant};

use flotilla_gateway_config::package::PART_LIMIT;
use serde_json::{Value, json};

use crate::{
    backend::Backend,
    client::{Connection, PATIENCE, eventually},
    gateway::Gateway,
    namespace::{Endpoint, TestNamespace, in_namespace},
};

/// Routes to as many Services, the last of which is there.
fn many(namespace: &TestNamespace, port: u16, count: usize) -> Value {
    let mut config = namespace.config(port);
    let mut routes = Vec::new();
    for number in 0..count {
        let name = format!("service-{number}");
        let path = json!({"path": {"pathPrefix": format!("/{name}")}});
        routes.push(json!({
            "name": format!("{}/{name}", namespace.name),
            "hostnames": [format!("{name}.example.com")],
            "rules": [{"matches": [path], "backends": [{"backend": name}], "timeouts": {"requestMs": 10_000}}],
        }));
        let service = json!({"namespace": namespace.name, "name": name, "portName": "http"});
        config["backends"][&name] = json!({"service": service});
    }
    routes.push(config["routes"][0].take());
    config["routes"] = Value::Array(routes);
    config
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_change_of_endpoints_is_there_at_once() {
    in_namespace(async |namespace| {
        let (a, b) = (Backend::start("a").await, Backend::start("b").await);
        namespace.slice("one", &[Endpoint::ready(&a)]).await;
        let gateway = Gateway::start(namespace).await;
        let mut of_few = None;
        for routes in [10, 5_000] {
            let config = many(namespace, gateway.port(), routes);
            let before = gateway.metric("config_loads_total").await;
            namespace.configure(&config, PART_LIMIT).await;
            let begun = Instant::now();
            let loads = async || gateway.metric("config_loads_total").await;
            eventually("the configuration is taken", loads, |loads| *loads > before).await;
            println!("{routes} routes are taken within {:?}", begun.elapsed());
            gateway.answers("/", 200, "").await;
            let mut times = Vec::new();
            let mut client = Connection::open(gateway.address).await.unwrap();
            for round in 0..100 {
                let (new, name) = if round % 2 == 0 { (&b, "b") } else { (&a, "a") };
                // From the moment in which the API server says that it is so; the watch may even be faster.
                namespace.slice("one", &[Endpoint::ready(new)]).await;
                let begun = Instant::now();
                while client.get("/").await.unwrap().1 != name {
                    assert!(begun.elapsed() < PATIENCE);
                }
                times.push(begun.elapsed());
            }
            times.sort();
            let (p50, p99) = (times[49], times[98]);
            println!("{routes} routes: endpoints change for requests within {p50:?} (p50), {p99:?} (p99)");
            let of_few = *of_few.get_or_insert(p50);
            // Far below what a table of that many routes takes; a machine that has other things to do is slow with few as well.
            assert!(p50 < Duration::from_millis(20).max(10 * of_few), "{p50:?}, with few {of_few:?}");
        }
    })
    .await;
}
