//! The description of the REST API that is committed is the one of the routes.

use std::fs;

#[test]
fn openapi_json_is_that_of_the_routes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let wanted = flotilla_notification_service::http::openapi().unwrap();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(path, &wanted).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == wanted,
        "openapi.json is old; run: UPDATE_OPENAPI=1 cargo test -p flotilla-notification-service --test service openapi"
    );
}
