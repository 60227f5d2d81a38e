//! How long to wait before something is tried again.

use std::time::Duration;

/// The first pause.
const LEAST: Duration = Duration::from_millis(250);

/// The longest. As long may endpoints be old after the API server is there again.
const MOST: Duration = Duration::from_secs(5);

/// Pauses that double, with some chance, so that not all gateways ask at once.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(LEAST)
    }
}

impl Backoff {
    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.0.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.0 = (self.0 * 2).min(MOST);
        pause
    }

    /// It went well.
    pub fn reset(&mut self) {
        self.0 = LEAST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_again() {
        let mut backoff = Backoff::default();
        let mut whole = LEAST;
        for _ in 0..10 {
            let pause = backoff.pause();
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
            whole = (whole * 2).min(MOST);
        }
        assert_eq!(whole, MOST);
        backoff.reset();
        assert!(backoff.pause() <= LEAST);
    }
}
