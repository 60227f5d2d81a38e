//! What orders and payments are, and what may become of them. No I/O.

pub mod fact;
pub mod money;
pub mod order;
pub mod payment;
pub mod saga;
pub(crate) mod text;

pub use self::text::Unknown;
