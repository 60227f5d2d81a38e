//! Texts of notifications, and versions of them.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use flotilla_kit::{
    auth::Bearer,
    http::{Json, Path, Problem, Violations},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ADMIN, App};
use crate::{
    domain::{
        category::Category,
        locale::{fallbacks, is_tag},
        rules,
    },
    store::templates,
    template::{self, Source},
};

/// Bytes that each part may have.
const MAX: usize = 64 * 1024;

/// A template.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Template {
    name: &'static str,
    category: Option<Category>,
    /// The locales of the program.
    locales: [&'static str; 2],
}

/// Templates.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Templates {
    items: Vec<Template>,
}

/// A version, with a language.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Edition {
    /// 0: of the program. The newest of a locale is used.
    version: i32,
    locale: String,
    subject: String,
    text: String,
    html: String,
}

/// Editions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Editions {
    items: Vec<Edition>,
}

/// A version to be: parts are templates of minijinja.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEdition {
    /// Such as `de` or `de-AT`.
    locale: String,
    subject: String,
    text: String,
    /// What is within the layout.
    html: String,
}

/// What becomes of a version with made-up data.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Preview {
    subject: String,
    text: String,
    html: String,
}

impl From<Source> for Edition {
    fn from(source: Source) -> Self {
        let Source { version, locale, subject, text, html } = source;
        Self { version, locale, subject, text, html }
    }
}

fn known(name: &str) -> Result<(), Problem> {
    if template::NAMES.contains(&name) {
        Ok(())
    } else {
        Err(Problem::not_found("there is no such template; GET /v1/templates has those that there are"))
    }
}

/// What is wrong with a version, or what becomes of it.
fn check(name: &str, new: NewEdition) -> Result<(Source, Preview), Problem> {
    let mut violations = Violations::new();
    if !is_tag(&new.locale) {
        violations.add("/locale", "write the tag of a language, such as de or de-AT");
    }
    for (pointer, part) in [("/subject", &new.subject), ("/text", &new.text), ("/html", &new.html)] {
        if part.len() > MAX {
            violations.add(pointer, format!("write at most {MAX} bytes"));
        }
        // No database takes it.
        if part.contains('\0') {
            violations.add(pointer, "leave out the character U+0000");
        }
    }
    let locale = fallbacks(&new.locale).into_iter().next().unwrap_or_default();
    let source = Source { version: 0, locale, subject: new.subject, text: new.text, html: new.html };
    let rendered = match template::check(name, &source) {
        Ok(rendered) => Some(rendered),
        Err(error) => {
            violations.add(format!("/{}", error.part().as_str()), error.to_string());
            None
        }
    };
    violations.into_result()?;
    let rendered = rendered.ok_or_else(|| Problem::not_found("there is nothing"))?;
    let preview = Preview { subject: rendered.subject, text: rendered.text, html: rendered.html };
    Ok((source, preview))
}

/// The templates that there are.
#[utoipa::path(get, path = "/v1/templates", tag = "templates",
    responses((status = 200, body = Templates), (status = 401), (status = 403)))]
pub(super) async fn list(Bearer(claims): Bearer) -> Result<Json<Templates>, Problem> {
    claims.require(ADMIN)?;
    let items = template::NAMES.iter().map(|name| Template {
        name,
        category: rules::category(name),
        locales: template::LOCALES,
    });
    Ok(Json(Templates { items: items.collect() }))
}

/// The versions of a template: those that were written, and those of the program.
#[utoipa::path(get, path = "/v1/templates/{name}/versions", tag = "templates", params(("name" = String, Path)),
    responses((status = 200, body = Editions), (status = 401), (status = 403), (status = 404)))]
pub(super) async fn versions(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(name): Path<String>,
) -> Result<Json<Editions>, Problem> {
    claims.require(ADMIN)?;
    known(&name)?;
    let mut items: Vec<Edition> =
        templates::versions(&app.pool, &name).await?.into_iter().map(Edition::from).collect();
    items.extend(
        template::LOCALES.iter().filter_map(|locale| template::source(&name, locale)).map(Edition::from),
    );
    Ok(Json(Editions { items }))
}

/// Writes a version, which is used from now on.
#[utoipa::path(post, path = "/v1/templates/{name}/versions", tag = "templates", params(("name" = String, Path)),
    request_body = NewEdition,
    responses((status = 201, body = Edition), (status = 401), (status = 403), (status = 404), (status = 422)))]
pub(super) async fn write(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(name): Path<String>,
    Json(new): Json<NewEdition>,
) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    known(&name)?;
    let (mut source, _preview) = check(&name, new)?;
    source.version = templates::write(&app.pool, &name, &source, &claims.sub).await?;
    Ok((StatusCode::CREATED, Json(Edition::from(source))).into_response())
}

/// Shows what would become of a version.
#[utoipa::path(post, path = "/v1/templates/{name}/preview", tag = "templates", params(("name" = String, Path)),
    request_body = NewEdition,
    responses((status = 200, body = Preview), (status = 401), (status = 403), (status = 404), (status = 422)))]
pub(super) async fn preview(
    Bearer(claims): Bearer,
    Path(name): Path<String>,
    Json(new): Json<NewEdition>,
) -> Result<Json<Preview>, Problem> {
    claims.require(ADMIN)?;
    known(&name)?;
    check(&name, new).map(|(_source, preview)| Json(preview))
}
