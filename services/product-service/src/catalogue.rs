//! What is read of the catalogue, over REST and over GraphQL alike.

use std::sync::Arc;

use flotilla_kit::http::Problem;
use uuid::Uuid;

use crate::{
    app::App,
    domain::{Faults, Filter, Position, Sort, Status},
    http::failure::parameters,
    store::{
        listing::{self, Summary},
        products,
    },
    visitor::Visitor,
};

/// What somebody asks for, if it may be shown.
pub(crate) fn filter(visitor: Visitor, sent: &[(String, String)]) -> Result<Filter, Problem> {
    let filter = Filter::of(sent).map_err(|faults| parameters(&faults))?;
    if filter.status != Status::Active && !visitor.is_keeper {
        let detail = "only those who keep the catalogue see others than active ones";
        return Err(parameters(&Faults::one("status", detail)));
    }
    Ok(filter)
}

/// Whether one may see a product.
pub(crate) fn may_see(visitor: Visitor, product: &products::Stored) -> bool {
    product.input.status == Status::Active || visitor.is_keeper
}

/// A product, when one may see it.
pub(crate) async fn visible(app: &App, visitor: Visitor, id: Uuid) -> Result<products::Stored, Problem> {
    let found = app.products.get(id).await?;
    found
        .filter(|stored| may_see(visitor, stored))
        .map(Arc::unwrap_or_clone)
        .ok_or_else(|| Problem::not_found("there is no such product"))
}

/// A page of a list of products, as it came, with one product more when there is another page behind it.
pub(crate) struct Listed {
    page: listing::Page,
    limit: usize,
    sort: Sort,
    /// What its cursors are good for.
    scope: String,
}

impl Listed {
    /// What is on it.
    pub(crate) fn found(&self) -> Result<Found<'_>, Problem> {
        let mut products = self.page.products()?;
        let has_more = products.len() > self.limit;
        products.truncate(self.limit);
        Ok(Found { products, has_more, listed: self })
    }
}

/// What is on a page of a list.
pub(crate) struct Found<'page> {
    /// The products.
    pub(crate) products: Vec<Summary<'page>>,
    /// Whether there is another page behind it.
    pub(crate) has_more: bool,
    listed: &'page Listed,
}

impl Found<'_> {
    /// Where a page behind one of its products begins.
    pub(crate) fn cursor(&self, app: &App, product: &Summary<'_>) -> Result<String, Problem> {
        let cursor = app.cursors.seal(&self.listed.scope, &product.position(self.listed.sort));
        cursor.map_err(|error| Problem::internal(&error))
    }

    /// Where the next page begins, when there is one.
    pub(crate) fn next(&self, app: &App) -> Result<Option<String>, Problem> {
        let last = self.products.last().filter(|_| self.has_more);
        last.map(|last| self.cursor(app, last)).transpose()
    }
}

/// Products, at most so many, from behind a cursor on.
pub(crate) async fn list(
    app: &App,
    filter: &Filter,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Listed, Problem> {
    // A cursor is good for the same filter only.
    let scope =
        format!("products {}", serde_json::to_string(filter).map_err(|error| Problem::internal(&error))?);
    let after = cursor.map(|cursor| app.cursors.open::<Position>(&scope, cursor)).transpose()?;
    let mut reader = app.readers.get().await?;
    let page = listing::page(&mut *reader, filter, after.as_ref(), i64::from(limit) + 1).await?;
    reader.done();
    Ok(Listed { page, limit: usize::try_from(limit).unwrap_or(usize::MAX), sort: filter.sort, scope })
}
