//! Texts of notifications, and versions of them.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::{
    auth::{Bearer, Claims},
    http::{Json, Path, Problem, Violations},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::App;
use crate::{
    actions::{
        ADMIN,
        templates::{Known, find, is_free, is_name},
        verb,
    },
    domain::{
        category::Category,
        locale::{DEFAULT, fallbacks, is_tag},
        rules, storable,
    },
    store::templates::{self, Own},
    template::{self, Source},
};

/// Bytes that each part may have.
const MAX: usize = 64 * 1024;

/// Bytes that a sample may have.
const MAX_SAMPLE: usize = 64 * 1024;

/// A template.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Template {
    name: String,
    category: Category,
    /// The locales of the program. Those that people have added have none.
    locales: Vec<&'static str>,
}

/// A template to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTemplate {
    /// From 2 to 64 small letters, digits and `_`, a letter first.
    name: String,
    /// `updates` or `marketing`: what cannot be switched off is for the program.
    category: Category,
    /// What it is filled in with when a version is looked at.
    #[schema(value_type = Object)]
    sample: Value,
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

async fn known(app: &App, name: &str) -> Result<Known, Problem> {
    let known = find(&app.pool, name).await?;
    let missing = "there is no such template; GET /v1/templates has those that there are";
    known.ok_or_else(|| Problem::not_found(missing))
}

/// What is wrong with a version, or what becomes of it.
fn check(known: &Known, new: NewEdition) -> Result<(Source, Preview), Problem> {
    let mut violations = Violations::new();
    if !is_tag(&new.locale) {
        violations.add("/locale", "write the tag of a language, such as de or de-AT");
    }
    for (pointer, part) in [("/subject", &new.subject), ("/text", &new.text), ("/html", &new.html)] {
        if part.len() > MAX {
            violations.add(pointer, format!("write at most {MAX} bytes"));
        }
        if !storable::is_text(part) {
            violations.add(pointer, storable::HINT);
        }
    }
    let locale = fallbacks(&new.locale).into_iter().next().unwrap_or_default();
    let source = Source { version: 0, locale, subject: new.subject, text: new.text, html: new.html };
    let rendered = match template::render(&source, &known.sample(&source.locale)) {
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
#[utoipa::path(get, path = "/v1/templates", tag = "templates", security(("bearer" = [])),
    responses((status = 200, body = Templates)))]
pub(super) async fn list(State(app): State<App>, Bearer(claims): Bearer) -> Result<Json<Templates>, Problem> {
    claims.require(ADMIN)?;
    let of_program = template::NAMES.iter().filter_map(|name| {
        let category = rules::category(name)?;
        Some(Template { name: (*name).to_owned(), category, locales: template::LOCALES.to_vec() })
    });
    let own = templates::all_own(&app.pool).await?.into_iter().filter_map(|own| {
        Some(Template { name: own.name, category: own.category.parse().ok()?, locales: Vec::new() })
    });
    Ok(Json(Templates { items: of_program.chain(own).collect() }))
}

/// Adds a template, for what is told by its name. It is of use once it has a version in English.
#[utoipa::path(post, path = "/v1/templates", tag = "templates", security(("bearer" = [])), request_body = NewTemplate,
    responses((status = 201, body = Template), (status = 409)))]
pub(super) async fn add(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Json(new): Json<NewTemplate>,
) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    let mut violations = Violations::new();
    if !is_name(&new.name) {
        violations.add("/name", "write from 2 to 64 small letters, digits and _, a letter first");
    }
    if !matches!(new.category, Category::Updates | Category::Marketing) {
        violations
            .add("/category", "write updates or marketing: what cannot be switched off is for the program");
    }
    if !new.sample.is_object() {
        violations.add("/sample", "write an object");
    } else if new.sample.to_string().len() > MAX_SAMPLE {
        violations.add("/sample", format!("write at most {MAX_SAMPLE} bytes"));
    } else if !storable::is_value(&new.sample) {
        violations.add("/sample", storable::HINT);
    }
    violations.into_result()?;
    let own = Own { name: new.name, category: new.category.as_str().to_owned(), sample: new.sample };
    if !is_free(&own.name) || !templates::add(&app.pool, &own, &claims.sub).await? {
        let detail = format!("there is a template of this name, or there are {} of them", templates::MAX_OWN);
        return Err(Problem::new(StatusCode::CONFLICT, "template_exists", detail));
    }
    let location = format!("/v1/templates/{}/versions", own.name);
    let view = Template { name: own.name, category: new.category, locales: Vec::new() };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view)).into_response())
}

/// The versions of a template: those that were written, and those of the program.
#[utoipa::path(get, path = "/v1/templates/{name}/versions", tag = "templates", security(("bearer" = [])), params(("name" = String, Path)),
    responses((status = 200, body = Editions)))]
pub(super) async fn versions(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(name): Path<String>,
) -> Result<Json<Editions>, Problem> {
    claims.require(ADMIN)?;
    known(&app, &name).await?;
    let mut items: Vec<Edition> =
        templates::versions(&app.pool, &name).await?.into_iter().map(Edition::from).collect();
    items.extend(
        template::LOCALES.iter().filter_map(|locale| template::source(&name, locale)).map(Edition::from),
    );
    Ok(Json(Editions { items }))
}

/// Writes a version, which is used from now on.
#[utoipa::path(post, path = "/v1/templates/{name}/versions", tag = "templates", security(("bearer" = [])), params(("name" = String, Path)),
    request_body = NewEdition,
    responses((status = 201, body = Edition)))]
pub(super) async fn write(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(name): Path<String>,
    Json(new): Json<NewEdition>,
) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    let known = known(&app, &name).await?;
    let (mut source, _preview) = check(&known, new)?;
    // Whoever reads another language, or one that there is none in, gets that.
    if known.is_own()
        && source.locale != DEFAULT
        && templates::newest(&app.pool, &name, DEFAULT).await?.is_none()
    {
        let mut violations = Violations::new();
        violations.add("/locale", format!("write {DEFAULT} first: it is for all that have no other"));
        violations.into_result()?;
    }
    source.version = templates::write(&app.pool, &name, &source, &claims.sub).await?;
    Ok((StatusCode::CREATED, Json(Edition::from(source))).into_response())
}

/// Does something with a template: `/v1/templates/NAME:preview`.
pub(super) async fn act(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(path): Path<String>,
    Json(new): Json<NewEdition>,
) -> Result<Json<Preview>, Problem> {
    match verb(&path) {
        Some((name, "preview")) => preview(&app, &claims, name, new).await,
        _ => Err(Problem::not_found("write /v1/templates/NAME:preview")),
    }
}

/// Shows what would become of a version.
#[utoipa::path(post, path = "/v1/templates/{name}:preview", tag = "templates", security(("bearer" = [])), params(("name" = String, Path)),
    request_body = NewEdition,
    responses((status = 200, body = Preview)))]
pub(super) async fn preview(
    app: &App,
    claims: &Claims,
    name: &str,
    new: NewEdition,
) -> Result<Json<Preview>, Problem> {
    claims.require(ADMIN)?;
    check(&known(app, name).await?, new).map(|(_source, preview)| Json(preview))
}
