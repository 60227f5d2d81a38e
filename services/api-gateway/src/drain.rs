//! The end of a gateway: first it says goodbye while it still takes connections, as others learn only by and by that it
//! leaves; then it takes no more and finishes what runs.

use tokio::sync::watch;

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It is not near.
    Serving,
    /// Connections are taken, and clients told to make others.
    Leaving,
    /// No connection is taken; what runs is finished.
    Ending,
}

/// Tells everybody how far the end is.
#[derive(Debug)]
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

    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Goes on to a phase.
    pub fn enter(&self, phase: Phase) {
        self.0.send_replace(phase);
    }
}

impl Drain {
    /// Waits for a phase, or a later one.
    pub fn at_least(&self, phase: Phase) -> impl Future<Output = ()> + use<> {
        let mut phases = self.0.clone();
        async move {
            // Nobody is left to announce it: the end has been reached.
            let _gone = phases.wait_for(|now| *now >= phase).await.is_err();
        }
    }
}
