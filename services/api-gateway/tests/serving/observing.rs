//! What can be seen of a gateway.

use http::Request;
use http_body_util::Full;

use crate::{
    backend::Backend,
    client::{get, send},
    gateway::Gateway,
};

fn config(backend: &Backend) -> String {
    format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes:
- name: shop
  hostnames: [a.test]
  rules:
  - {{name: v1, matches: [{{path: {{pathPrefix: /v1}}, headers: [{{name: x-tenant, value: {{exact: a}}}}]}}], backends: [{{backend: a}}]}}
backends: {{a: {{endpoints: [{}]}}}}
certificates: {{unused: {{chain: public, key: very-private}}}}
",
        backend.endpoint()
    )
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_never_by_what_clients_send() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config(&backend)).await;
    for path in ["/v1/status/200", "/v1", "/other", "/random-1", "/random-2"] {
        let mut request = get(path);
        request.headers_mut().insert("x-tenant", "a".parse().unwrap());
        send(gateway.address, request).await;
    }
    let mut refused = get("/v1");
    refused.headers_mut().append("host", "b.test".parse().unwrap());
    send(gateway.address, refused).await;
    let answer = send(gateway.admin, get("/metrics")).await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let metrics = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "flotilla_gateway_requests_total{route=\"shop\",code=\"2xx\"} 2",
        "flotilla_gateway_requests_total{route=\"\",code=\"4xx\"} 4",
        "flotilla_gateway_request_duration_seconds_count{route=\"shop\"} 2",
        "flotilla_gateway_refused_requests_total{reason=\"no-route\"} 3",
        "flotilla_gateway_refused_requests_total{reason=\"host-twice\"} 1",
        "flotilla_gateway_config_loads_total 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("random") && !metrics.contains("b.test"), "{metrics}");
}

#[tokio::test]
async fn a_request_is_explained() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config(&backend)).await;
    let port = gateway.address.port();
    let explain = |query: String| async move {
        let answer = send(gateway.admin, get(&format!("/explain?{query}"))).await;
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
    };
    let (status, text) = explain(format!("url=http://a.test:{port}/v1/x&header=x-tenant:a")).await;
    let explained: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (
            status,
            &explained["route"],
            &explained["rule"],
            &explained["listener"],
            &explained["backends"][0]["name"]
        ),
        (200, &"shop".into(), &"v1".into(), &"web".into(), &"a".into()),
        "{text}"
    );
    for (query, status, part) in [
        (format!("url=http://a.test:{port}/v1/x"), 200, "no route takes this request"),
        (format!("url=http://a.test:{port}/%252e%252e"), 200, "path-above-root"),
        ("url=http://a.test/".to_owned(), 400, "no listener has port 80; there are ["),
        (String::new(), 400, "url: write one such as"),
        (format!("url=http://a.test:{port}/&header=x"), 400, "write header=name:value"),
        ("uri=/".to_owned(), 400, "\"uri\" is no parameter"),
    ] {
        let (found, text) = explain(query.clone()).await;
        assert!(found == status && text.contains(part), "{query}: {found} {text}");
    }
}

#[tokio::test]
async fn the_configuration_is_shown_without_its_keys() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config(&backend)).await;
    let shown = send(gateway.admin, get("/config")).await;
    assert_eq!(shown.json()["routes"][0]["name"], "shop");
    let text = String::from_utf8(shown.body.to_vec()).unwrap();
    assert!(text.contains("REDACTED") && !text.contains("very-private"), "{text}");
    let gateway = Gateway::with(&config(&backend), &["--explain", "false"]).await;
    for path in ["/config", "/explain"] {
        assert_eq!(send(gateway.admin, get(path)).await.status, 404);
    }
}

#[tokio::test]
async fn ids_go_through_when_they_are_good() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config(&backend)).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = |id: &str, trace: &str| {
        Request::get("/v1")
            .header("host", "a.test")
            .header("x-tenant", "a")
            .header("x-correlation-id", id)
            .header("traceparent", trace)
            .body(Full::default())
            .unwrap()
    };
    let answer = send(gateway.address, request("order-7", trace)).await;
    assert_eq!(answer.header("x-correlation-id"), "order-7");
    assert_eq!(
        (answer.got("x-correlation-id"), answer.got("traceparent")),
        (vec!["order-7".to_owned()], vec![trace.to_owned()])
    );
    let answer = send(gateway.address, request("not good", "00-bad")).await;
    assert_eq!(answer.header("x-correlation-id").len(), 32);
    assert!(answer.got("traceparent").is_empty());
}
