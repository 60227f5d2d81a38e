//! Where things are sent.

use async_graphql::{ID, Object};
use jiff::Timestamp;

use crate::store::addresses::Kept;

/// Where things are sent to somebody.
pub(super) struct Address(pub Kept);

/// Where things are sent to somebody.
#[Object(name = "UserAddress")]
impl Address {
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Who gets it.
    async fn recipient(&self) -> &str {
        &self.0.address.recipient
    }

    async fn line1(&self) -> &str {
        &self.0.address.line1
    }

    /// Or nothing.
    async fn line2(&self) -> &str {
        &self.0.address.line2
    }

    async fn city(&self) -> &str {
        &self.0.address.city
    }

    /// Or nothing.
    async fn region(&self) -> &str {
        &self.0.address.region
    }

    /// Or nothing.
    async fn postal_code(&self) -> &str {
        &self.0.address.postal_code
    }

    /// ISO 3166-1 alpha-2.
    async fn country(&self) -> &str {
        &self.0.address.country
    }

    /// E.164, or nothing.
    async fn phone(&self) -> &str {
        &self.0.address.phone
    }

    /// Whether it is taken when nothing is said.
    async fn is_default(&self) -> bool {
        self.0.is_default
    }

    /// How often it has changed: what a change is made to.
    async fn version(&self) -> u32 {
        u32::try_from(self.0.version).unwrap_or(u32::MAX)
    }

    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
}
