//! What the document of the REST API says beside its routes.

use flotilla_kit::http::openapi::Link;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(info(
    title = "user-service",
    description = "Who people are: accounts, sessions, roles and addresses of the shop."
))]
pub(super) struct Description;

/// What is known of something by what it was made with.
const ID: &[(&str, &str)] = &[("id", "$response.body#/id")];
const AS_IT_IS: &[(&str, &str)] = &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")];

/// The same of the first of a list.
const FIRST: &[(&str, &str)] = &[("id", "$response.body#/items/0/id")];

const fn of_address(to: &'static str, parameters: &'static [(&'static str, &'static str)]) -> Link {
    Link { from: ("addresses_create", "201"), to, parameters }
}

const fn of_user(to: &'static str) -> Link {
    Link { from: ("admin_list", "200"), to, parameters: FIRST }
}

/// What follows from answers.
pub(super) const LINKS: [Link; 14] = [
    of_address("addresses_get", ID),
    of_address("addresses_replace", AS_IT_IS),
    of_address("addresses_delete", AS_IT_IS),
    Link { from: ("me_get", "200"), to: "me_patch", parameters: &[("If-Match", "$response.header.ETag")] },
    Link { from: ("sessions_list", "200"), to: "sessions_end", parameters: FIRST },
    Link { from: ("export_request", "202"), to: "export_get", parameters: ID },
    Link { from: ("export_request", "202"), to: "export_content", parameters: ID },
    of_user("admin_get"),
    of_user("admin_of"),
    of_user("admin_lock"),
    of_user("admin_unlock"),
    Link { from: ("admin_get", "200"), to: "admin_patch", parameters: AS_IT_IS },
    Link { from: ("admin_get", "200"), to: "admin_set_roles", parameters: AS_IT_IS },
    Link { from: ("auth_login", "200"), to: "sessions_list", parameters: &[] },
];
