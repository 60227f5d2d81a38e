//! What people were told.

use flotilla_kit::http::{Problem, cursor::Cursors};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    http::App,
    store::notifications::{self, Notification},
};

/// A part of a list, and where the next one begins.
#[derive(Clone, Debug)]
pub(crate) struct Part<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

/// Cuts off what was found beyond a page, and says where that begins. `position` is what is needed to find it again.
pub(crate) fn cut<T, P: Serialize>(
    cursors: &Cursors,
    scope: &str,
    limit: u32,
    mut items: Vec<T>,
    position: impl Fn(&T) -> P,
) -> Result<Part<T>, Problem> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if items.len() <= limit {
        return Ok(Part { items, next_cursor: None });
    }
    items.truncate(limit);
    let seal = |last: &T| cursors.seal(scope, &position(last)).map_err(|error| Problem::internal(&error));
    let next_cursor = items.last().map(seal).transpose()?;
    Ok(Part { items, next_cursor })
}

/// What a user was told, or all were, the newest first.
pub(crate) async fn list(
    app: &App,
    of: Option<Uuid>,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Part<Notification>, Problem> {
    let scope = scope(of);
    let before = cursor.map(|cursor| app.cursors.open(&scope, cursor)).transpose()?;
    let found = notifications::list(&app.pool, of, before, i64::from(limit) + 1).await?;
    cut(&app.cursors, &scope, limit, found, |one| one.id)
}

/// What cursors of that list belong to.
pub(crate) fn scope(of: Option<Uuid>) -> String {
    format!("notifications/{}", of.unwrap_or_default())
}
