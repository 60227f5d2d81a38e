//! How far a payment is, apart from its order.

use super::text::text_enum;

text_enum! {
    /// How far a payment is.
    Status {
        /// Nothing has been asked of the bank.
        Created = "created",
        /// The customer has to answer their bank.
        RequiresAction = "requires_action",
        /// The money is held.
        Authorized = "authorized",
        /// The money is taken.
        Captured = "captured",
        /// Some of it was given back.
        PartiallyRefunded = "partially_refunded",
        /// All of it was given back.
        Refunded = "refunded",
        /// What was held is free again.
        Voided = "voided",
        /// The bank said no.
        Failed = "failed",
        /// The provider was asked, and its answer was lost.
        Unknown = "unknown",
    }
}

impl Status {
    /// Whether money was taken.
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::Captured | Self::PartiallyRefunded | Self::Refunded)
    }

    /// Whether the provider may still move it, so that it is worth asking.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Created | Self::RequiresAction | Self::Authorized | Self::Unknown)
    }
}
