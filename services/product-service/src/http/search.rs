//! `/v1/search`.

use axum::extract::State;
use flotilla_kit::http::{Json, Problem, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::failure::parameters;
use crate::{app::App, domain::Faults, store::listing};

/// Names that are suggested.
const SUGGESTIONS: i64 = 10;

/// What somebody has typed so far.
#[derive(Deserialize)]
pub(super) struct Typed {
    q: String,
}

/// A product that may be meant.
#[derive(Serialize, ToSchema)]
pub(super) struct Suggestion {
    /// Its id.
    id: Uuid,
    /// Its name in addresses.
    slug: String,
    /// Its name.
    name: String,
}

/// Products that may be meant.
#[derive(Serialize, ToSchema)]
pub(super) struct Suggestions {
    /// The most alike first.
    items: Vec<Suggestion>,
}

/// Products whose names are like what somebody has typed so far.
#[utoipa::path(
    get, path = "/v1/search/suggest", tag = "search",
    params(("q" = String, Query, description = "What was typed", min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")),
    responses((status = 200, body = Suggestions)),
)]
pub(super) async fn suggest(
    State(app): State<App>,
    Query(Typed { q }): Query<Typed>,
) -> Result<Json<Suggestions>, Problem> {
    let mut faults = Faults::default();
    faults.text("q", &q, 1, 200);
    faults.into_result().map_err(|faults| parameters(&faults))?;
    let found = listing::suggest(&app.pool, q.trim(), SUGGESTIONS).await?;
    let items = found.into_iter().map(|(id, slug, name)| Suggestion { id, slug, name }).collect();
    Ok(Json(Suggestions { items }))
}
