//! What people do not want.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use flotilla_kit::{
    auth::Bearer,
    http::{
        Json, Problem,
        conditional::{IfMatch, IfNoneMatch},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use crate::{
    actions::{
        preferences::{self, Choice, Choices},
        user,
    },
    domain::{category::Category, channel::Channel},
};

/// Whether somebody wants something in some way.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Preference {
    category: Category,
    channel: Channel,
    enabled: bool,
    /// Whether it can be switched off. It is not read.
    #[serde(default)]
    #[schema(read_only)]
    optional: bool,
}

/// What somebody wants.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreferencesView {
    /// What is not in it is on.
    preferences: Vec<Preference>,
}

fn view(choices: Choices) -> PreferencesView {
    let preference =
        |Choice { category, channel, enabled, optional }| Preference { category, channel, enabled, optional };
    PreferencesView { preferences: choices.all.into_iter().map(preference).collect() }
}

/// What you want.
#[utoipa::path(get, path = "/v1/preferences", tag = "preferences", security(("bearer" = [])),
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that is known")),
    responses((status = 200, body = PreferencesView, headers(("ETag" = String))),
        (status = 304, description = "It is as it is known")))]
pub(super) async fn get(
    State(app): State<App>,
    Bearer(claims): Bearer,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let choices = preferences::read(&app, user(&claims)?).await?;
    Ok(known.answer(choices.tag, || Json(view(choices)).into_response()))
}

/// Changes what you want.
#[utoipa::path(put, path = "/v1/preferences", tag = "preferences", security(("bearer" = [])), request_body = PreferencesView,
    params(("If-Match" = String, Header)),
    responses((status = 200, body = PreferencesView)))]
pub(super) async fn put(
    State(app): State<App>,
    Bearer(claims): Bearer,
    read: IfMatch,
    Json(new): Json<PreferencesView>,
) -> Result<Response, Problem> {
    let new: Vec<_> = new.preferences.iter().map(|one| (one.category, one.channel, one.enabled)).collect();
    let choices = preferences::replace(&app, user(&claims)?, &read, &new).await?;
    let tag = choices.tag.header();
    Ok(([(header::ETAG, tag)], Json(view(choices))).into_response())
}
