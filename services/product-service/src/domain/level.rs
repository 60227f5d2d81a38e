//! Whether stock is something to tell others of.

use serde::{Deserialize, Serialize};

/// How much there is, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Enough.
    Ok,
    /// At most as much as was called low.
    Low,
    /// Nothing.
    Depleted,
}

impl Level {
    /// Of so much that can be had, when so much is low.
    pub fn of(available: i64, low_at: i64) -> Self {
        match available {
            ..=0 => Self::Depleted,
            some if some <= low_at => Self::Low,
            _ => Self::Ok,
        }
    }

    /// As text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Low => "low",
            Self::Depleted => "depleted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_worse_than_little() {
        assert_eq!(
            [6, 5, 1, 0, -1].map(|some| Level::of(some, 5).as_str()),
            ["ok", "low", "low", "depleted", "depleted"]
        );
        assert_eq!(Level::of(1, 0), Level::Ok);
    }
}
