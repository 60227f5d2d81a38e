//! What people want to be told.

use axum::http::StatusCode;
use flotilla_kit::http::{
    Problem, Violations,
    conditional::{ETag, IfMatch},
};
use uuid::Uuid;

use crate::{
    domain::{category::Category, channel::Channel, preferences::Preferences},
    http::App,
    store::preferences,
};

/// Ways to reach a person.
const CHANNELS: [Channel; 2] = [Channel::Email, Channel::Push];

/// Whether somebody wants something in some way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) category: Category,
    pub(crate) channel: Channel,
    pub(crate) enabled: bool,
    /// Whether it can be switched off.
    pub(crate) optional: bool,
}

/// All that somebody may want, and which version of it this is.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    pub(crate) all: Vec<Choice>,
    pub(crate) tag: ETag,
}

fn choices(preferences: &Preferences, version: i64) -> Choices {
    let all = Category::ALL.into_iter().flat_map(|category| CHANNELS.map(|channel| (category, channel)));
    let choice = |(category, channel)| Choice {
        category,
        channel,
        enabled: preferences.wants(category, channel),
        optional: category.is_optional(channel),
    };
    Choices { all: all.map(choice).collect(), tag: tag(version) }
}

fn tag(version: i64) -> ETag {
    ETag(version.unsigned_abs())
}

/// What somebody wants.
pub(crate) async fn read(app: &App, user: Uuid) -> Result<Choices, Problem> {
    let (preferences, version) = known(app, user).await?;
    Ok(choices(&preferences, version))
}

/// Writes what somebody wants in place of the version that they have read. What is not named is on.
pub(crate) async fn replace(
    app: &App,
    user: Uuid,
    read: &IfMatch,
    new: &[(Category, Channel, bool)],
) -> Result<Choices, Problem> {
    let (_old, version) = known(app, user).await?;
    read.check(tag(version))?;
    let (mut preferences, mut violations) = (Preferences::default(), Violations::new());
    for (at, (category, channel, enabled)) in new.iter().enumerate() {
        violations
            .check(format!("/preferences/{at}/enabled"), preferences.set(*category, *channel, *enabled));
    }
    violations.into_result()?;
    let written = preferences::put(&app.pool, user, &preferences, version).await?;
    let Some(version) = written else {
        let detail = "somebody has changed it; read it again and decide anew";
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "stale", detail));
    };
    Ok(choices(&preferences, version))
}

async fn known(app: &App, user: Uuid) -> Result<(Preferences, i64), Problem> {
    let mut connection = app.pool.acquire().await?;
    let known = preferences::get(&mut connection, user).await?;
    connection.done();
    Ok(known)
}
