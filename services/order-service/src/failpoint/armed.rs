//! A point at which the process ends.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{Moment, Point, Stage, UnknownPoint};

/// Where the process is to end: `STAGE.MOMENT`, or `STAGE.MOMENT:TIMES` for a later time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The point.
    pub point: Point,
    /// At which time that it is reached.
    pub times: u32,
}

/// Why it is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTrap {
    /// There is no such point.
    #[error(transparent)]
    Point(#[from] UnknownPoint),
    /// After the colon is no number of times.
    #[error("{0:?} is no number of times; write one from 1, or leave it and the colon out")]
    Times(String),
}

impl FromStr for Trap {
    type Err = NoTrap;

    fn from_str(text: &str) -> Result<Self, NoTrap> {
        let (point, times) = text.split_once(':').unwrap_or((text, "1"));
        let times =
            times.parse().ok().filter(|times| *times > 0).ok_or_else(|| NoTrap::Times(times.to_owned()))?;
        Ok(Self { point: point.parse()?, times })
    }
}

/// Where the process ends, if anywhere.
#[derive(Clone, Debug, Default)]
pub struct Failpoints(Option<Arc<Armed>>);

#[derive(Debug)]
struct Armed {
    point: Point,
    left: AtomicU32,
}

impl From<Trap> for Failpoints {
    fn from(trap: Trap) -> Self {
        Self(Some(Arc::new(Armed { point: trap.point, left: AtomicU32::new(trap.times) })))
    }
}

impl Failpoints {
    /// Somebody is here. If it is there that the process is to end, it does.
    pub fn reach(&self, stage: Stage, moment: Moment) {
        if self.springs(Point(stage, moment)) {
            std::process::abort();
        }
    }

    fn springs(&self, point: Point) -> bool {
        let armed = self.0.as_ref().filter(|armed| armed.point == point);
        armed.is_some_and(|armed| armed.left.fetch_sub(1, Ordering::SeqCst) == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trap_is_a_point_and_a_number_of_times() {
        let point = Point(Stage::Capture, Moment::Called);
        assert_eq!("capture.called".parse(), Ok(Trap { point, times: 1 }));
        assert_eq!("capture.called:3".parse(), Ok(Trap { point, times: 3 }));
        for bad in
            ["", "capture", "capture.called:", "capture.called:0", "capture.called:x", "place.key_written"]
        {
            assert!(bad.parse::<Trap>().is_err(), "{bad}");
        }
    }

    #[test]
    fn it_springs_once_at_its_time() {
        let failpoints = Failpoints::from("void.called:2".parse::<Trap>().unwrap());
        assert!(!failpoints.springs(Point(Stage::Void, Moment::Called)));
        assert!(!failpoints.springs(Point(Stage::Void, Moment::Begun)));
        assert!(failpoints.springs(Point(Stage::Void, Moment::Called)));
        Failpoints::default().reach(Stage::Void, Moment::Called);
    }
}
