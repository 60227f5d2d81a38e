//! Links that are not as they should be, for a while.

use std::time::Duration;

use super::Injector;
use crate::shop::link::{Link, Mode};

impl Injector<'_> {
    /// Has a link be slow, silent, lose answers or be cut for a while.
    pub(super) async fn disturb(&mut self, link: Link) {
        let (mode, time) = match self.rng.u32(..4) {
            0 => (Mode::Slow(Duration::from_millis(self.rng.u64(50..400))), 1_000..3_000),
            1 => (Mode::Silent, 500..5_000),
            2 => (Mode::AnswersLost, 200..1_000),
            _ => (Mode::Cut, 200..2_000),
        };
        self.shop.links.set(link, mode);
        self.pause(time).await;
        self.shop.links.set(link, Mode::Open);
    }
}
