//! What happens on a connection, and whether it takes too long. Times are looked at now and then, so that a request costs
//! no timer.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::clock::milliseconds;

/// How long clients are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the head of a request, from its first byte, and for TLS.
    pub head: Duration,
    /// For the next piece of a body, in either direction.
    pub body: Duration,
    /// For the next request.
    pub idle: Duration,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// The first byte of a request.
    Idle = 0,
    /// The rest of its head.
    Head = 1,
    /// Its end.
    Busy = 2,
}

/// What happens on a connection.
#[derive(Debug)]
pub struct Activity {
    phase: AtomicU8,
    /// Milliseconds since the start when the phase began.
    since: AtomicU64,
    /// The same, of when the client stopped to read; 0 while it reads.
    stalled: AtomicU64,
    requests: AtomicU32,
    /// Whether the last request of HTTP/1.1 had a body.
    has_body: AtomicBool,
    suspicion: OnceLock<&'static str>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU64::new(now()),
            stalled: AtomicU64::new(0),
            requests: AtomicU32::new(0),
            has_body: AtomicBool::new(false),
            suspicion: OnceLock::new(),
        }
    }
}

impl Activity {
    /// A request is there.
    pub fn begin(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.phase.store(Phase::Busy as u8, Ordering::Relaxed);
    }

    /// The request that has begun has a body, or none.
    pub fn body(&self, has_body: bool) {
        self.has_body.store(has_body, Ordering::Relaxed);
    }

    /// Whether some of a body may still come, whose request has been answered. While a request runs, a tunnel for one, it is not for
    /// others to read.
    pub(super) fn may_still_send(&self) -> bool {
        self.has_body.load(Ordering::Relaxed) && self.requests.load(Ordering::Relaxed) == 0
    }

    /// A request has ended.
    pub fn end(&self, now: Instant) {
        if self.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.enter(Phase::Idle, milliseconds(now));
        }
    }

    /// Bytes have come. Returns whether they begin a request.
    pub(super) fn read(&self) -> bool {
        let begins = self.phase.load(Ordering::Relaxed) == Phase::Idle as u8;
        if begins {
            self.enter(Phase::Head, now());
        }
        begins
    }

    /// The client has read something, or not.
    pub(super) fn wrote(&self, is_stalled: bool) {
        let known = self.stalled.load(Ordering::Relaxed);
        if is_stalled && known == 0 {
            self.stalled.store(now(), Ordering::Relaxed);
        } else if !is_stalled && known != 0 {
            self.stalled.store(0, Ordering::Relaxed);
        }
    }

    /// The bytes of a head show what hyper does not: two programs could read it in two ways.
    pub(super) fn suspect(&self, reason: &'static str) {
        self.suspicion.get_or_init(|| reason);
    }

    /// Why the requests of this connection are refused, if they are.
    pub fn suspicion(&self) -> Option<&'static str> {
        self.suspicion.get().copied()
    }

    /// Waits until the client takes too long.
    pub(super) async fn expired(&self, patience: Patience) {
        while let Some(left) = self.left(patience, now()) {
            sleep(left).await;
        }
    }

    /// How long it is until a look is worth it; `None` when the client has taken too long.
    fn left(&self, patience: Patience, now: u64) -> Option<Duration> {
        let until = |since: u64, limit: Duration| {
            let passed = Duration::from_millis(now.saturating_sub(since));
            limit.checked_sub(passed).filter(|left| !left.is_zero())
        };
        let since = self.since.load(Ordering::Relaxed);
        let phase = self.phase.load(Ordering::Relaxed);
        let of_phase = if phase == Phase::Idle as u8 {
            until(since, patience.idle)?
        } else if phase == Phase::Head as u8 {
            until(since, patience.head)?
        } else {
            patience.head
        };
        let stalled = self.stalled.load(Ordering::Relaxed);
        if stalled != 0 {
            until(stalled, patience.body)?;
        }
        // Another phase may begin meanwhile, with a nearer end.
        Some(of_phase.min(patience.head).max(Duration::from_millis(10)))
    }

    fn enter(&self, phase: Phase, since: u64) {
        self.since.store(since, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }
}

fn now() -> u64 {
    milliseconds(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        body: Duration::from_secs(30),
        idle: Duration::from_secs(60),
    };

    fn is_over(activity: &Activity, seconds: u64) -> bool {
        activity.left(PATIENCE, now() + seconds * 1_000).is_none()
    }

    #[test]
    fn each_phase_has_its_own_limit() {
        let activity = Activity::default();
        assert!(!is_over(&activity, 59) && is_over(&activity, 60));
        assert!(activity.read());
        assert!(!activity.read());
        assert!(!is_over(&activity, 9) && is_over(&activity, 10));
        activity.begin();
        assert!(!is_over(&activity, 10_000));
        activity.end(Instant::now());
        assert!(!is_over(&activity, 59) && is_over(&activity, 60));
    }

    #[test]
    fn with_several_requests_the_last_counts() {
        let activity = Activity::default();
        activity.begin();
        activity.begin();
        activity.end(Instant::now());
        assert!(!is_over(&activity, 10_000));
        activity.end(Instant::now());
        assert!(is_over(&activity, 60));
    }

    #[test]
    fn a_client_that_does_not_read_is_not_waited_for() {
        let activity = Activity::default();
        activity.begin();
        activity.wrote(true);
        assert!(!is_over(&activity, 29) && is_over(&activity, 30));
        activity.wrote(false);
        assert!(!is_over(&activity, 30));
    }
}
