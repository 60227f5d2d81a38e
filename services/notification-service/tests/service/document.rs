//! What others rely on: descriptions as the program makes them.

use std::{env, fs, path::Path};

use flotilla_notification_service::{graphql, http};

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
        "services/notification-service/{file} is stale; renew it with: \
         FLOTILLA_WRITE=1 cargo test -p flotilla-notification-service --test service document"
    );
}

#[test]
fn the_document_of_the_rest_api_is_the_one_that_is_committed() {
    hold("openapi.json", &(http::openapi().unwrap().to_pretty_json().unwrap() + "\n"));
}

#[test]
fn the_schema_of_the_subgraph_is_the_one_that_is_committed() {
    hold("schema.graphql", &graphql::sdl());
}
