//! What others rely on: descriptions as the program makes them.

use std::{env, fs, path::Path};

use flotilla_user_service::{graphql, http::document};

/// Holds a file to what the program says.
#[track_caller]
fn hold(file: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os("FLOTILLA_WRITE").is_some() {
        fs::write(&path, wanted).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == wanted,
        "services/user-service/{file} is stale; renew it with: \
         FLOTILLA_WRITE=1 cargo test -p flotilla-user-service --test service document"
    );
}

#[test]
fn the_document_of_the_rest_api_is_the_one_that_is_committed() {
    hold("openapi.json", &(document().unwrap().to_pretty_json().unwrap() + "\n"));
}

#[test]
fn the_schema_of_the_subgraph_is_the_one_that_is_committed() {
    hold("schema.graphql", &graphql::sdl());
}

#[test]
fn each_route_says_what_it_answers_and_who_may_ask() {
    let document = serde_json::to_value(document().unwrap()).unwrap();
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            let is_open = path.starts_with("/.well-known")
                || (path.starts_with("/v1/auth") && operation.get("security").is_none());
            assert!(is_open || operation["security"][0].get("bearer").is_some(), "{method} {path}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.contains_key("503") && !answers.contains_key("default"), "{method} {path}");
        }
    }
    assert_eq!(operations, 38);
}
