//! Points at which a process can be made to end at once, as by `kill -9`, so that tests see what is left then: before and after
//! each commit and each request to others on the way of an order.
//!
//! They are only there with the feature `failpoints`; without it, reaching one is nothing. `SHOP_ORDER_FAILPOINT=STAGE.MOMENT`
//! ends the program there, and `STAGE.MOMENT:3` when it is reached for the third time. [`POINTS`] has all of them.

#[cfg(feature = "failpoints")]
mod armed;
mod points;

#[cfg(feature = "failpoints")]
pub use self::armed::{Failpoints, NoTrap, Trap};
pub use self::points::{Moment, POINTS, Point, Stage, UnknownPoint};

/// Nobody can be stopped anywhere.
#[cfg(not(feature = "failpoints"))]
#[derive(Clone, Debug, Default)]
pub struct Failpoints;

#[cfg(not(feature = "failpoints"))]
impl Failpoints {
    /// Somebody is here, and goes on.
    #[inline]
    pub const fn reach(&self, _stage: Stage, _moment: Moment) {}
}
