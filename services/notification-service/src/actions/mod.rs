//! What people do, over REST and GraphQL alike.

pub(crate) mod notifications;
pub(crate) mod preferences;
pub(crate) mod templates;

use axum::http::StatusCode;
use flotilla_kit::{auth::Claims, http::Problem};
use uuid::Uuid;

/// The role of those who run the shop.
pub(crate) const ADMIN: &str = "admin";

/// The id of the user of a token.
pub(crate) fn user(claims: &Claims) -> Result<Uuid, Problem> {
    claims
        .sub
        .parse()
        .map_err(|_| Problem::new(StatusCode::FORBIDDEN, "no_user", "this token is of no user of the shop"))
}

/// The id and the verb of a path such as `/v1/notifications/ID:retry`.
pub(crate) fn verb(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once(':')
}

/// Whether a token is of somebody who may see what is of a user.
pub(crate) fn may_see(claims: &Claims, of: Option<Uuid>) -> bool {
    let is_theirs = of.is_some_and(|of| of.to_string() == claims.sub);
    is_theirs || claims.require(ADMIN).is_ok()
}
