//! The document of the REST API.

use flotilla_user_service::http::document;
use serde_json::Value;

#[test]
fn the_document_is_the_one_that_is_committed() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap();
    assert!(
        document().unwrap() == committed,
        "services/user-service/openapi.json is stale; renew it with: \
         cargo run -p flotilla-user-service --example openapi > services/user-service/openapi.json"
    );
}

#[test]
fn each_route_says_what_it_answers_and_who_may_ask() {
    let document: Value = serde_json::from_str(&document().unwrap()).unwrap();
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            let is_open = path.starts_with("/.well-known")
                || (path.starts_with("/v1/auth") && operation.get("security").is_none());
            assert!(is_open || operation["security"][0].get("bearer").is_some(), "{method} {path}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(path.starts_with("/.well-known") || answers.contains_key("default"), "{method} {path}");
        }
    }
    assert_eq!(operations, 38);
}
