//! Whether a service lives, is ready, and is all there. Whether it lives is asked of nobody else: a service that is restarted
//! because its database is gone does not bring it back. Without its bus it goes on, as events wait in the outbox: it is
//! degraded, not unready.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::future::BoxFuture;
use serde::Serialize;
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, timeout},
};

use crate::drain::{Drain, Phase};

/// How long an answer of the database is believed.
const FRESH: Duration = Duration::from_secs(1);

/// How long the database may take for one.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks a dependency whether it is there.
type Ping = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// The health of a service.
pub struct Health {
    drain: Drain,
    has_started: AtomicBool,
    /// What it cannot do without.
    needed: Vec<Needed>,
    /// What it can do without for a while.
    wanted: Vec<(&'static str, watch::Receiver<bool>)>,
}

struct Needed {
    name: &'static str,
    ping: Ping,
    last: Mutex<Option<(Instant, bool)>>,
}

/// What a service says of itself.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Why it is not ready. Nothing: it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unready: Option<String>,
    /// What it does without for now.
    pub degraded: Vec<&'static str>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Health").field("drain", &self.drain).finish_non_exhaustive()
    }
}

impl Health {
    /// Of a service that needs nothing.
    pub fn new(drain: Drain) -> Self {
        Self { drain, has_started: AtomicBool::new(false), needed: Vec::new(), wanted: Vec::new() }
    }

    /// It needs this.
    #[must_use]
    pub fn need<F>(mut self, name: &'static str, ping: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let ping: Ping = Box::new(move || Box::pin(ping()));
        self.needed.push(Needed { name, ping, last: Mutex::default() });
        self
    }

    /// It can do without this for a while.
    #[must_use]
    pub fn want(mut self, name: &'static str, is_up: watch::Receiver<bool>) -> Self {
        self.wanted.push((name, is_up));
        self
    }

    /// It has started.
    pub fn started(&self) {
        self.has_started.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    pub fn has_started(&self) -> bool {
        self.has_started.load(Ordering::Relaxed)
    }

    /// What it is like.
    pub async fn status(&self) -> Status {
        let degraded =
            self.wanted.iter().filter(|(_, is_up)| !*is_up.borrow()).map(|(name, _)| *name).collect();
        Status { unready: self.unready().await, degraded }
    }

    /// Why it is not ready.
    pub async fn unready(&self) -> Option<String> {
        if self.drain.phase() > Phase::Serving {
            return Some("it is leaving".to_owned());
        }
        if !self.has_started() {
            return Some("it is starting".to_owned());
        }
        for needed in &self.needed {
            if !needed.is_up().await {
                return Some(format!("it has no {}", needed.name));
            }
        }
        None
    }
}

impl Needed {
    async fn is_up(&self) -> bool {
        // Held for the question, so that all who ask at once share one answer.
        let mut last = self.last.lock().await;
        match *last {
            Some((time, is_up)) if time.elapsed() < FRESH => is_up,
            _ => {
                let is_up = timeout(PATIENCE, (self.ping)()).await.unwrap_or(false);
                *last = Some((Instant::now(), is_up));
                is_up
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicU32};

    use tokio::time::sleep;

    use super::*;
    use crate::drain::Announcement;

    #[tokio::test]
    async fn it_is_ready_with_what_it_needs_and_degraded_without_what_it_wants() {
        let announcement = Announcement::default();
        let (database, pings) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
        let bus = watch::Sender::new(true);
        let health = Health::new(announcement.hear())
            .need("database", {
                let (database, pings) = (Arc::clone(&database), Arc::clone(&pings));
                move || {
                    pings.fetch_add(1, Ordering::Relaxed);
                    let is_up = database.load(Ordering::Relaxed);
                    async move { is_up }
                }
            })
            .want("bus", bus.subscribe());
        assert_eq!(health.unready().await.unwrap(), "it is starting");
        health.started();
        assert_eq!(health.status().await, Status { unready: None, degraded: vec![] });
        bus.send_replace(false);
        assert_eq!(health.status().await, Status { unready: None, degraded: vec!["bus"] });
        // One answer is believed for a while.
        database.store(false, Ordering::Relaxed);
        assert_eq!(health.unready().await, None);
        assert_eq!(pings.load(Ordering::Relaxed), 1);
        sleep(FRESH).await;
        assert_eq!(health.unready().await.unwrap(), "it has no database");
        database.store(true, Ordering::Relaxed);
        sleep(FRESH).await;
        assert_eq!(health.unready().await, None);
        announcement.enter(Phase::Leaving);
        assert_eq!(health.unready().await.unwrap(), "it is leaving");
    }

    #[tokio::test]
    async fn a_dependency_that_does_not_answer_is_not_there() {
        let health = Health::new(Announcement::default().hear()).need("database", std::future::pending);
        health.started();
        assert_eq!(health.unready().await.unwrap(), "it has no database");
    }
}
