//! The end of a service, as the gateway's: first it is not ready while it still serves, as others learn only by and by that it
//! leaves; then it takes no more and finishes what runs.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It is not near.
    Serving,
    /// Requests are taken, and others told to go elsewhere.
    Leaving,
    /// No request and no event is taken; what runs is finished.
    Ending,
}

/// Tells everybody how far the end is.
#[derive(Clone, Debug)]
pub struct Announcement(watch::Sender<Phase>);

/// Hears how far the end is.
#[derive(Clone, Debug)]
pub struct Drain(watch::Receiver<Phase>);

impl Default for Announcement {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Announcement {
    /// For somebody who wants to hear.
    pub fn hear(&self) -> Drain {
        Drain(self.0.subscribe())
    }

    /// Goes on to a phase.
    pub fn enter(&self, phase: Phase) {
        self.0.send_replace(phase);
    }
}

impl Drain {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits for a phase, or a later one.
    pub fn at_least(&self, phase: Phase) -> impl Future<Output = ()> + use<> {
        let mut phases = self.0.clone();
        async move {
            // Nobody is left to announce it: the end has been reached.
            let _gone = phases.wait_for(|now| *now >= phase).await.is_err();
        }
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: finishing what runs"),
        _ = interrupt.recv() => tracing::info!("SIGINT: finishing what runs"),
    }
    Ok(())
}

/// The same, for who cannot go on without: where signals cannot be heard the end is at once, and the log says why.
pub async fn stopped() {
    if let Err(error) = stop().await {
        tracing::error!(%error, "signals cannot be heard");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_later_phase_is_heard_as_well() {
        let announcement = Announcement::default();
        let drain = announcement.hear();
        assert_eq!(drain.phase(), Phase::Serving);
        announcement.enter(Phase::Ending);
        drain.at_least(Phase::Leaving).await;
        drop(announcement);
        drain.at_least(Phase::Ending).await;
    }
}
