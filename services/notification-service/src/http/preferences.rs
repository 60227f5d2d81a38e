//! What people do not want.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::{
    auth::Bearer,
    http::{
        Json, Problem, Violations,
        conditional::{ETag, IfMatch, IfNoneMatch},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{App, user};
use crate::{
    domain::{category::Category, channel::Channel, preferences::Preferences},
    store::preferences,
};

/// Ways to reach a person.
const CHANNELS: [Channel; 2] = [Channel::Email, Channel::Push];

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

fn view(preferences: &Preferences) -> PreferencesView {
    let all = Category::ALL.into_iter().flat_map(|category| CHANNELS.map(|channel| (category, channel)));
    let preference = |(category, channel)| Preference {
        category,
        channel,
        enabled: preferences.wants(category, channel),
        optional: category.is_optional(channel),
    };
    PreferencesView { preferences: all.map(preference).collect() }
}

fn tag(version: i64) -> ETag {
    ETag(version.unsigned_abs())
}

/// What you want.
#[utoipa::path(get, path = "/v1/preferences", tag = "preferences",
    responses((status = 200, body = PreferencesView), (status = 304), (status = 401)))]
pub(super) async fn get(
    State(app): State<App>,
    Bearer(claims): Bearer,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut connection = app.pool.acquire().await?;
    let (preferences, version) = preferences::get(&mut connection, user(&claims)?).await?;
    Ok(known.answer(tag(version), || Json(view(&preferences)).into_response()))
}

/// Changes what you want.
#[utoipa::path(put, path = "/v1/preferences", tag = "preferences", request_body = PreferencesView,
    params(("If-Match" = String, Header)),
    responses((status = 200, body = PreferencesView), (status = 401), (status = 412), (status = 422), (status = 428)))]
pub(super) async fn put(
    State(app): State<App>,
    Bearer(claims): Bearer,
    wanted: IfMatch,
    Json(new): Json<PreferencesView>,
) -> Result<Response, Problem> {
    let user = user(&claims)?;
    let mut connection = app.pool.acquire().await?;
    let (_old, version) = preferences::get(&mut connection, user).await?;
    drop(connection);
    wanted.check(tag(version))?;
    let (mut preferences, mut violations) = (Preferences::default(), Violations::new());
    for (at, preference) in new.preferences.iter().enumerate() {
        let result = preferences.set(preference.category, preference.channel, preference.enabled);
        violations.check(format!("/preferences/{at}/enabled"), result);
    }
    violations.into_result()?;
    let written = preferences::put(&app.pool, user, &preferences, version).await?;
    let Some(version) = written else {
        let detail = "somebody has changed it; read it again and decide anew";
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "stale", detail));
    };
    let mut response = Json(view(&preferences)).into_response();
    response.headers_mut().insert(header::ETAG, tag(version).header());
    Ok(response)
}
