//! What was done to accounts.

use axum::{extract::State, http::Uri};
use flotilla_kit::http::{
    Path, Problem as Failure, Query,
    page::{Page, PageParameters},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Answer, private, problems::no_user};
use crate::{
    actions::Principal,
    app::App,
    domain::role::Permission,
    store::audit::{self, Entry},
};

/// Something that was done to an account.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditEntry {
    id: Uuid,
    at: Timestamp,
    /// Who did it. Nothing: somebody who was not logged in.
    actor: Option<Uuid>,
    action: String,
    /// The request that it came from.
    correlation_id: Option<String>,
    detail: serde_json::Value,
}

/// A page of them.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditPage {
    items: Vec<AuditEntry>,
    /// Where the next page begins. Nothing: this is the last.
    next_cursor: Option<String>,
}

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            at: entry.at,
            actor: entry.actor,
            action: entry.action,
            correlation_id: entry.correlation_id,
            detail: entry.detail,
        }
    }
}

/// What was done to whoever is logged in, the newest first.
#[utoipa::path(get, path = "/v1/users/me/audit", tag = "me", security(("bearer" = [])), params(
    ("limit" = Option<u32>, Query, description = "From 1 to 100", minimum = 1, maximum = 100),
    ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
), responses(
    (status = 200, description = "A page", body = AuditPage),
))]
pub(super) async fn own(
    State(app): State<App>,
    principal: Principal,
    uri: Uri,
    Query(page): Query<PageParameters>,
) -> Answer {
    let found = page_of(&app, principal.user, &page).await?;
    Ok(private(found.into_response(&uri)))
}

/// What was done to somebody, the newest first.
#[utoipa::path(get, path = "/v1/users/{id}/audit", tag = "admin", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The user"),
    ("limit" = Option<u32>, Query, description = "From 1 to 100", minimum = 1, maximum = 100),
    ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
), responses(
    (status = 200, description = "A page", body = AuditPage),
))]
pub(super) async fn of(
    State(app): State<App>,
    principal: Principal,
    uri: Uri,
    Path(id): Path<Uuid>,
    Query(page): Query<PageParameters>,
) -> Answer {
    if !principal.may(Permission::Read) {
        return Err(no_user());
    }
    let found = page_of(&app, id, &page).await?;
    Ok(private(found.into_response(&uri)))
}

async fn page_of(app: &App, subject: Uuid, page: &PageParameters) -> Result<Page<AuditEntry>, Failure> {
    let limit = page.limit()?;
    let scope = format!("audit/{subject}");
    let before = page.cursor.as_deref().map(|cursor| app.cursors.open(&scope, cursor)).transpose()?;
    // One more tells whether there is another page.
    let mut entries = audit::list(&app.pool, subject, before, limit + 1).await?;
    let has_more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let last = entries.last().filter(|_| has_more).map(|last| (last.at, last.id));
    let next_cursor = last.map(|position| app.cursors.seal(&scope, &position)).transpose();
    let next_cursor = next_cursor.map_err(|error| Failure::internal(&error))?;
    Ok(Page { items: entries.into_iter().map(AuditEntry::from).collect(), next_cursor })
}
