//! How every service speaks GraphQL, as a subgraph of one graph (Apollo Federation 2) at `POST /graphql`.
//!
//! A service has a schema and what its loader reads, and [`router`] makes its route of them, with the limits that all have. Who
//! asks, resolvers have from [`Asker`]. What goes wrong is told as REST tells it: they return `Result<T, Problem>`, and where
//! there may be nothing `Option<Result<T, Problem>>`, as what fails in a `Result<Option<T>, Problem>` takes all around it with
//! it.
//!
//! Errors of other kinds cannot be returned, so that nothing from within is told by mistake.

mod asker;
mod endpoint;
mod failure;
mod limits;
mod loader;
mod route;

use async_graphql::{ObjectType, SDLExportOptions, Schema, SchemaBuilder, SubscriptionType};

pub use self::{asker::Asker, route::router};

/// Directives of one field.
const DIRECTIVES: usize = 8;

/// A schema with the limits that all have. Fields that are lists have to say what they cost (`complexity`).
fn finish<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> Schema<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    builder
        .enable_federation()
        .limit_depth(limits::DEPTH)
        .limit_complexity(limits::COMPLEXITY)
        .limit_recursive_depth(limits::LEVELS)
        .limit_directives(DIRECTIVES)
        .finish()
}

/// The schema as it is committed, and as others compose it.
pub fn sdl<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> String
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    let sdl = finish(builder)
        .sdl_with_options(SDLExportOptions::new().federation().use_space_ident().indent_width(2));
    let lines: Vec<_> = sdl.trim().lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}
