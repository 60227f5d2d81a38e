//! Clocks that jump.

use super::{Error, Injector};
use crate::shop::Instance;

/// Seconds by which a clock jumps, forward or back: less than anything is valid for, and more than a token is.
const JUMPS: [i64; 6] = [-7_200, -45, -2, 2, 45, 7_200];

impl Injector<'_> {
    /// Has the clock of one process jump, and jump back a while later.
    pub(super) async fn jump(&mut self) -> Result<(), Error> {
        let instance = self.rng.choice(Instance::ALL).unwrap_or(Instance::ORDERS);
        let seconds = self.rng.choice(JUMPS).unwrap_or_default();
        self.shop.set_clock(instance, seconds)?;
        self.pause(1_200..3_000).await;
        Ok(self.shop.set_clock(instance, 0)?)
    }
}
