//! Templates that people wrote.

use flotilla_kit::database::Pool;
use serde_json::Value;

use super::Error;
use crate::{
    domain::locale,
    template::{self, Source},
};

/// A template that people have added.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its name.
    pub name: String,
    /// What kind of notification it is for.
    pub category: String,
    /// What it is filled in with when it is looked at.
    pub sample: Value,
}

/// Templates that people may add.
pub const MAX_OWN: i64 = 1_000;

/// Adds one. False: there is one of its name already, or there are too many.
pub async fn add(pool: &Pool, own: &Own, author: &str) -> Result<bool, Error> {
    let added = sqlx::query!(
        "insert into notification.templates (name, category, sample, created_by)
         select $1, $2, $3, $4 where (select count(*) from notification.templates) < $5
         on conflict (name) do nothing",
        own.name,
        own.category,
        own.sample,
        author,
        MAX_OWN,
    )
    .execute(pool)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// One that people have added.
pub async fn own(pool: &Pool, name: &str) -> Result<Option<Own>, Error> {
    let own = sqlx::query_as!(
        Own,
        "select name, category, sample from notification.templates where name = $1",
        name
    );
    Ok(own.fetch_optional(pool).await?)
}

/// Those that people have added.
pub async fn all_own(pool: &Pool) -> Result<Vec<Own>, Error> {
    let all = sqlx::query_as!(
        Own,
        "select name, category, sample from notification.templates order by name limit $1",
        MAX_OWN
    );
    Ok(all.fetch_all(pool).await?)
}

/// The template to use for a reader: of the locales that fit, the first that there is; of that, the newest version.
pub async fn best(pool: &Pool, template: &str, wanted: &str) -> Result<Option<Source>, Error> {
    for locale in locale::fallbacks(wanted) {
        if let Some(source) = newest(pool, template, &locale).await? {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

/// The newest version of a template in a locale: one that somebody wrote, or the one of the program.
pub async fn newest(pool: &Pool, template: &str, locale: &str) -> Result<Option<Source>, Error> {
    let written = sqlx::query_as!(
        Source,
        "select version, locale, subject, text, html from notification.template_versions
         where template = $1 and locale = $2 order by version desc limit 1",
        template,
        locale,
    );
    let written = written.fetch_optional(pool).await?;
    Ok(written.or_else(|| template::source(template, locale)))
}

/// Writes a version, and says which it is. Two at once are two versions.
pub async fn write(pool: &Pool, template: &str, source: &Source, author: &str) -> Result<i32, Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('template/' || $1, 0))", template)
        .execute(&mut *transaction)
        .await?;
    let version = sqlx::query_scalar!(
        "insert into notification.template_versions (template, locale, version, subject, text, html, created_by)
         select $1, $2, coalesce(max(version), 0) + 1, $3, $4, $5, $6
         from notification.template_versions where template = $1 and locale = $2
         returning version",
        template,
        source.locale,
        source.subject,
        source.text,
        source.html,
        author,
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(version)
}

/// The versions that people wrote, the newest first.
pub async fn versions(pool: &Pool, template: &str) -> Result<Vec<Source>, Error> {
    let all = sqlx::query_as!(
        Source,
        "select version, locale, subject, text, html from notification.template_versions
         where template = $1 order by locale, version desc limit 1000",
        template,
    );
    Ok(all.fetch_all(pool).await?)
}
