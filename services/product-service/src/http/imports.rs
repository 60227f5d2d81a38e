//! `/v1/products:import` and `/v1/imports`.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{
    Json, Path, Problem, Query, RawBody,
    page::{Page, PageParameters},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::failure::invalid;
use crate::{
    app::App,
    domain::{Fault, Faults},
    store::imports,
    visitor::Keeper,
};

/// Lines that an import may have.
const MAX_LINES: usize = 10_000;

/// How far an import is.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportView {
    /// Its id.
    id: Uuid,
    /// `running` or `done`.
    state: String,
    /// Lines that it has, without empty ones.
    lines: i32,
    /// Those that made a product.
    created: i64,
    /// Those that changed one, or would have if it were not so already.
    updated: i64,
    /// Those in which something is wrong: see `/v1/imports/{id}/errors`.
    failed: i64,
    /// Since when it is there.
    created_at: Timestamp,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
}

impl From<imports::Import> for ImportView {
    fn from(import: imports::Import) -> Self {
        Self {
            id: import.id,
            state: import.state,
            lines: import.lines,
            created: import.created,
            updated: import.updated,
            failed: import.failed,
            created_at: import.created_at.to_jiff(),
            finished_at: import.finished_at.map(jiff_sqlx::Timestamp::to_jiff),
        }
    }
}

/// A line in which something is wrong.
#[derive(Serialize, ToSchema)]
pub(super) struct LineErrors {
    /// Its number in what was sent, from 1.
    line: i32,
    /// What is wrong.
    errors: Vec<Fault>,
}

/// A page of lines in which something is wrong.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is of use")]
pub(super) struct LineErrorsPage {
    /// What is on it.
    items: Vec<LineErrors>,
    /// Where the next one begins. Nothing: this is the last.
    next_cursor: Option<String>,
}

/// Many products at once: each line is one, as for `POST /v1/products`. One that is there (by its slug) is written anew.
#[utoipa::path(
    post, path = "/v1/products:import", tag = "imports",
    request_body(content = String, content_type = "application/x-ndjson", description = "A product a line, at most 10,000 and 4 MiB"),
    responses(
        (status = 202, body = ImportView, headers(("Location" = String))),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn create(
    State(app): State<App>,
    keeper: Keeper,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if !["application/x-ndjson", "application/ndjson", "application/jsonl"].contains(&essence) {
        let detail = "send a product a line, as application/x-ndjson";
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
        return Err(problem.of_header("Content-Type", "must be application/x-ndjson"));
    }
    let text = std::str::from_utf8(&body).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "malformed_body", "the body is no text in UTF-8")
    })?;
    let lines: Vec<_> = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).collect();
    if lines.is_empty() || lines.len() > MAX_LINES {
        let detail = format_args!("send from 1 to {MAX_LINES} lines, and make another import of others");
        return Err(invalid(&Faults::one("", detail)));
    }
    let id = imports::create(&app.pool, &lines, &keeper.user).await?;
    app.imports.notify_one();
    let import = imports::load(&app.pool, id).await?.ok_or_else(gone)?;
    let mut response = (StatusCode::ACCEPTED, Json(ImportView::from(import))).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/v1/imports/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// How far an import is.
#[utoipa::path(
    get, path = "/v1/imports/{id}", tag = "imports",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = ImportView)),
    security(("bearer" = [])),
)]
pub(super) async fn read(
    State(app): State<App>,
    _keeper: Keeper,
    Path(id): Path<Uuid>,
) -> Result<Json<ImportView>, Problem> {
    let import = imports::load(&app.pool, id).await?.ok_or_else(gone)?;
    Ok(Json(import.into()))
}

/// What is wrong with lines of an import.
#[utoipa::path(
    get, path = "/v1/imports/{id}/errors", tag = "imports",
    params(
        ("id" = Uuid, Path),
        ("limit" = Option<u32>, Query, description = "Items of a page", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "Where to go on: next_cursor of the page before"),
    ),
    responses((status = 200, body = LineErrorsPage)),
    security(("bearer" = [])),
)]
pub(super) async fn errors(
    State(app): State<App>,
    _keeper: Keeper,
    Path(id): Path<Uuid>,
    uri: Uri,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    imports::load(&app.pool, id).await?.ok_or_else(gone)?;
    let limit = page.limit()?;
    let scope = format!("import {id}");
    let after = page.cursor.map(|cursor| app.cursors.open::<i32>(&scope, &cursor)).transpose()?;
    let mut found = imports::failed(&app.pool, id, after.unwrap_or(0), i64::from(limit) + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more).map(|last| last.line);
    let next_cursor = last
        .map(|line| app.cursors.seal(&scope, &line))
        .transpose()
        .map_err(|error| Problem::internal(&error))?;
    let items = found.into_iter().map(|failed| LineErrors { line: failed.line, errors: failed.errors.0 });
    Ok(Page { items: items.collect(), next_cursor }.into_response(&uri))
}

fn gone() -> Problem {
    Problem::not_found("there is no such import")
}
