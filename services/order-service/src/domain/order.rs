//! What may become of an order: a table, and nothing else decides it.

use super::text::text_enum;

text_enum! {
    /// How far an order is.
    Status {
        /// Placed; nothing has been done for it.
        Pending = "pending",
        /// Its stock is kept for it.
        Reserved = "reserved",
        /// Its money is held.
        Authorized = "authorized",
        /// Its money is taken.
        Paid = "paid",
        /// It is under way.
        Shipped = "shipped",
        /// It has arrived.
        Completed = "completed",
        /// There was too little of something.
        Rejected = "rejected",
        /// The payment was refused; another may be tried.
        PaymentFailed = "payment_failed",
        /// Somebody called it off; whatever was paid was given back.
        Cancelled = "cancelled",
        /// It was not paid in time.
        Expired = "expired",
        /// A person has to look.
        NeedsReview = "needs_review",
    }
}

text_enum! {
    /// What became of an order's stock.
    Stock {
        /// Nothing yet.
        None = "none",
        /// It is kept.
        Reserved = "reserved",
        /// It is taken.
        Committed = "committed",
        /// It was given back.
        Released = "released",
    }
}

/// An order cannot become that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {0} cannot become {1}")]
pub struct Illegal(pub Status, pub Status);

impl Status {
    /// What it may become.
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => {
                &[Self::Reserved, Self::Rejected, Self::Cancelled, Self::Expired, Self::NeedsReview]
            }
            Self::Reserved => {
                &[Self::Authorized, Self::PaymentFailed, Self::Cancelled, Self::Expired, Self::NeedsReview]
            }
            Self::PaymentFailed => {
                &[Self::Reserved, Self::Authorized, Self::Cancelled, Self::Expired, Self::NeedsReview]
            }
            Self::Authorized => &[Self::Paid, Self::Cancelled, Self::Expired, Self::NeedsReview],
            Self::Paid => &[Self::Shipped, Self::Cancelled, Self::NeedsReview],
            Self::Shipped => &[Self::Completed],
            Self::NeedsReview => &[Self::Paid, Self::Cancelled, Self::Expired],
            Self::Completed | Self::Rejected | Self::Cancelled | Self::Expired => &[],
        }
    }

    /// Becomes another.
    pub fn become_(self, next: Self) -> Result<Self, Illegal> {
        if self.next().contains(&next) { Ok(next) } else { Err(Illegal(self, next)) }
    }

    /// Whether nothing becomes of it any more.
    pub const fn is_final(self) -> bool {
        self.next().is_empty()
    }

    /// Whether its owner may call it off.
    pub fn is_cancellable(self) -> bool {
        self.next().contains(&Self::Cancelled)
    }

    /// Whether money of it can be given back.
    pub const fn is_refundable(self) -> bool {
        matches!(self, Self::Paid | Self::Shipped | Self::Completed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_reached_and_every_path_can_end() {
        let mut reached = vec![Status::Pending];
        while let Some(new) =
            reached.iter().flat_map(|status| status.next()).find(|next| !reached.contains(next)).copied()
        {
            reached.push(new);
        }
        reached.sort();
        assert_eq!(reached, Status::ALL);
        for start in Status::ALL {
            let mut way = vec![*start];
            while let Some(new) =
                way.iter().flat_map(|status| status.next()).find(|next| !way.contains(next)).copied()
            {
                way.push(new);
            }
            assert!(way.iter().any(|status| status.is_final()), "{start} never ends");
        }
    }

    #[test]
    fn money_is_taken_only_after_it_was_held_and_nothing_is_sent_unpaid() {
        for status in Status::ALL {
            let before_paid = [Status::Authorized, Status::NeedsReview];
            assert_eq!(status.next().contains(&Status::Paid), before_paid.contains(status), "{status}");
            assert_eq!(status.next().contains(&Status::Shipped), *status == Status::Paid, "{status}");
        }
        assert_eq!(Status::Pending.become_(Status::Paid), Err(Illegal(Status::Pending, Status::Paid)));
    }

    #[test]
    fn a_status_is_its_text() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert!("unheard_of".parse::<Status>().is_err());
    }
}
