//! Makes exports of what is known of somebody: lines of JSON of this service, and of all others that know something.

mod others;

use std::time::Duration;

use flotilla_kit::{
    correlation::CorrelationId,
    database::bounded,
    drain::{Drain, Phase},
};
use serde_json::{Value, json};
use tokio::time::{error::Elapsed, sleep, timeout};

pub(crate) use self::others::ORDERS;
use crate::{
    app::{App, NAME},
    store::{
        exports::{self, Claimed},
        personal,
    },
};

/// How often it is looked for one.
const PAUSE: Duration = Duration::from_secs(1);

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(100);

/// After how long somebody else makes it.
const LEASE: Duration = Duration::from_secs(120);

/// How long one is kept.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long to wait after each failure. After the last one it has failed.
const DELAYS: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(60), Duration::from_secs(600), Duration::from_secs(3_600)];

/// Bytes that an export may have.
const MAX: usize = 32 * 1024 * 1024;

/// Why one was not made.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The database.
    #[error("this service's own records cannot be read")]
    Database(#[from] sqlx::Error),
    /// Another service.
    #[error(transparent)]
    Other(#[from] others::Silent),
    /// It takes too long.
    #[error("it was not all said in {} s", PATIENCE.as_secs())]
    Slow(#[from] Elapsed),
    /// It is too much.
    #[error("an export has more than {MAX} bytes")]
    TooLarge,
}

/// Makes exports until the end of the service.
pub async fn run(app: App, drain: Drain) {
    let forever = async {
        loop {
            match bounded(exports::claim(&app.pool, LEASE)).await {
                Ok(Some(claimed)) => {
                    CorrelationId::new().scope(make(&app, claimed)).await;
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "no export can be made now"),
            }
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = drain.at_least(Phase::Ending) => {}
        () = forever => {}
    }
}

async fn make(app: &App, claimed: Claimed) {
    let id = claimed.id;
    let gathered = timeout(PATIENCE, gather(app, claimed)).await.unwrap_or_else(|late| Err(late.into()));
    let stored = match gathered {
        Ok(content) => bounded(exports::done(&app.pool, &claimed, &content, RETENTION)).await,
        Err(error) => {
            let attempt = usize::try_from(claimed.attempts).unwrap_or(usize::MAX);
            let after = attempt.checked_sub(1).and_then(|failures| DELAYS.get(failures)).copied();
            tracing::warn!(export = %id, %error, source = ?std::error::Error::source(&error), ?after, "an export failed");
            bounded(exports::failed(&app.pool, &claimed, after, RETENTION)).await
        }
    };
    if let Err(error) = stored {
        tracing::warn!(export = %id, %error, "an export is made again once its lease has ended");
    }
}

async fn gather(app: &App, claimed: Claimed) -> Result<String, Failed> {
    let mut content = Content::default();
    for record in personal::records(&app.pool, claimed.user_id).await? {
        content.add(&format!("{NAME}/{}", record.table), &record.json)?;
    }
    for (service, address) in &app.others {
        others::ask(app, service, address, claimed.user_id, &mut content).await?;
    }
    Ok(content.0)
}

/// Lines of an export. There are no more than may be in one, whatever a service sends.
#[derive(Default)]
struct Content(String);

impl Content {
    fn add(&mut self, source: &str, record: &Value) -> Result<(), Failed> {
        self.0.push_str(&json!({ "source": source, "record": record }).to_string());
        self.0.push('\n');
        if self.0.len() > MAX { Err(Failed::TooLarge) } else { Ok(()) }
    }
}
