//! `/v1/categories`.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{
    Json, Path, Problem,
    conditional::{IfMatch, IfNoneMatch},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{failure::invalid, products::etag};
use crate::{
    app::App,
    domain::CategoryInput,
    store::categories::{self, Stored},
    visitor::Keeper,
};

/// A category.
#[derive(Serialize, ToSchema)]
pub(super) struct CategoryView {
    /// Its id.
    id: Uuid,
    /// How often it has changed.
    version: i32,
    /// Its name in addresses.
    slug: String,
    /// Its name.
    name: String,
    /// The category that it is in. Nothing: it is at the top.
    parent: Option<Uuid>,
    /// Where it is among others of its parent.
    position: i32,
}

impl From<Stored> for CategoryView {
    fn from(stored: Stored) -> Self {
        let CategoryInput { slug, name, parent, position } = stored.input;
        Self { id: stored.id, version: stored.version, slug, name, parent, position }
    }
}

/// A category with those in it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Branch {
    /// Its id.
    id: Uuid,
    /// Its name in addresses.
    slug: String,
    /// Its name.
    name: String,
    /// Those in it, in their order.
    #[schema(no_recursion)]
    children: Vec<Branch>,
}

/// All categories.
#[derive(Serialize, ToSchema)]
pub(super) struct Tree {
    /// Those at the top.
    items: Vec<Branch>,
}

/// All categories, as a tree.
#[utoipa::path(
    get, path = "/v1/categories", tag = "categories",
    responses((status = 200, body = Tree)),
)]
pub(super) async fn tree(State(app): State<App>) -> Result<Json<Tree>, Problem> {
    let all = categories::all(&app.pool).await?;
    Ok(Json(Tree { items: branches(&all, None) }))
}

/// The rules of the tree keep it from being deep.
fn branches(all: &[Stored], parent: Option<Uuid>) -> Vec<Branch> {
    let children = all.iter().filter(|stored| stored.input.parent == parent);
    let branch = |stored: &Stored| Branch {
        id: stored.id,
        slug: stored.input.slug.clone(),
        name: stored.input.name.clone(),
        children: branches(all, Some(stored.id)),
    };
    children.map(branch).collect()
}

/// A new category.
#[utoipa::path(
    post, path = "/v1/categories", tag = "categories", request_body = CategoryInput,
    responses(
        (status = 201, body = CategoryView, headers(("Location" = String), ("ETag" = String))),
        (status = 409),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn create(
    State(app): State<App>,
    _keeper: Keeper,
    Json(input): Json<CategoryInput>,
) -> Result<Response, Problem> {
    input.check().map_err(|faults| invalid(&faults))?;
    let stored = categories::change(&app.pool).await?.create(input).await?;
    let location = format!("/v1/categories/{}", stored.id);
    let mut response = show(StatusCode::CREATED, stored);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A category.
#[utoipa::path(
    get, path = "/v1/categories/{id}", tag = "categories",
    params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header, description = "ETags that one has")),
    responses(
        (status = 200, body = CategoryView, headers(("ETag" = String))),
        (status = 304, description = "It is as one has it"),
    ),
)]
pub(super) async fn read(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut connection = app.pool.acquire().await?;
    let stored = categories::load(&mut connection, id).await?;
    connection.done();
    let stored = stored.ok_or_else(|| Problem::not_found("there is no such category"))?;
    Ok(known.answer(etag(stored.version), || Json(CategoryView::from(stored)).into_response()))
}

/// Writes a category anew; also moves it, with all that is in it.
#[utoipa::path(
    put, path = "/v1/categories/{id}", tag = "categories", request_body = CategoryInput,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag of what is changed")),
    responses(
        (status = 200, body = CategoryView, headers(("ETag" = String))),
        (status = 409),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn replace(
    State(app): State<App>,
    _keeper: Keeper,
    Path(id): Path<Uuid>,
    expected: IfMatch,
    Json(input): Json<CategoryInput>,
) -> Result<Response, Problem> {
    input.check().map_err(|faults| invalid(&faults))?;
    let mut tree = categories::change(&app.pool).await?;
    expected.check(etag(tree.load(id).await?.version))?;
    Ok(show(StatusCode::OK, tree.save(id, input).await?))
}

/// Takes a category away. Nothing may be in it.
#[utoipa::path(
    delete, path = "/v1/categories/{id}", tag = "categories",
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "The ETag of what is taken away")),
    responses(
        (status = 204),
        (status = 409, description = "Something is in it"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn delete(
    State(app): State<App>,
    _keeper: Keeper,
    Path(id): Path<Uuid>,
    expected: IfMatch,
) -> Result<StatusCode, Problem> {
    let mut tree = categories::change(&app.pool).await?;
    expected.check(etag(tree.load(id).await?.version))?;
    tree.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn show(status: StatusCode, stored: Stored) -> Response {
    let tag = etag(stored.version);
    (status, [(header::ETAG, tag.header())], Json(CategoryView::from(stored))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_made_of_parents() {
        let stored = |id: u128, parent: Option<u128>| Stored {
            id: Uuid::from_u128(id),
            version: 1,
            input: CategoryInput {
                slug: format!("c{id}"),
                name: String::new(),
                parent: parent.map(Uuid::from_u128),
                position: 0,
            },
        };
        let tree =
            branches(&[stored(1, None), stored(3, Some(2)), stored(2, Some(1)), stored(4, None)], None);
        let slugs =
            |branches: &[Branch]| branches.iter().map(|branch| branch.slug.clone()).collect::<Vec<_>>();
        assert_eq!(slugs(&tree), ["c1", "c4"]);
        assert_eq!(slugs(&tree[0].children), ["c2"]);
        assert_eq!(slugs(&tree[0].children[0].children), ["c3"]);
    }
}
