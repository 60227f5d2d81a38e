//! What runs beside requests: reservations expire, levels of stock are told of, imports are dealt with.

use std::{sync::Arc, time::Duration};

use flotilla_kit::{
    database::bounded,
    drain::{Drain, Phase},
};
use tokio::time::sleep;

use crate::{
    app::App,
    store::{Error, checks, imports, reservations},
};

/// How long to wait when there is nothing to import, and nobody says that there is.
const PAUSE: Duration = Duration::from_secs(1);

/// Lets reservations expire and tells of levels, until the end.
pub async fn sweep(app: App, every: Duration, drain: Drain) {
    let mut end = std::pin::pin!(drain.at_least(Phase::Ending));
    loop {
        if let Err(error) = bounded(sweep_once(&app)).await {
            warn(&error, "reservations cannot expire now");
        }
        tokio::select! {
            () = &mut end => return,
            () = sleep(every) => {}
        }
    }
}

/// Everything that is due.
pub async fn sweep_once(app: &App) -> Result<(), Error> {
    while reservations::expire(&app.pool).await? > 0 {
        app.stock_changed();
    }
    while checks::make(&app.pool).await? > 0 {
        app.committed();
    }
    Ok(())
}

/// Deals with imports until the end. A line that has begun is finished.
pub async fn import(app: App, drain: Drain) {
    let wake = Arc::clone(&app.imports);
    let mut end = std::pin::pin!(drain.at_least(Phase::Ending));
    loop {
        let has_more = match imports::next(&app.pool).await {
            Ok(has_more) => has_more,
            Err(error) => {
                warn(&error, "imports wait");
                false
            }
        };
        if has_more {
            app.committed();
            if drain.phase() == Phase::Ending {
                return;
            }
            continue;
        }
        tokio::select! {
            () = &mut end => return,
            () = wake.notified() => {}
            () = sleep(PAUSE) => {}
        }
    }
}

fn warn(error: &Error, what: &str) {
    tracing::warn!(%error, source = ?std::error::Error::source(error), "{what}");
}
