//! Categories: a tree.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Faults, Slug};

/// Categories that may be above each other.
pub const MAX_DEPTH: i32 = 8;

/// A category, as somebody writes it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryInput {
    /// Its name in addresses.
    #[schema(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", max_length = 100)]
    pub slug: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// The category that it is in. Left out: it is at the top.
    #[serde(default)]
    pub parent: Option<Uuid>,
    /// Where it is among others of its parent; those of one position are in the order of their names.
    #[serde(default)]
    pub position: i32,
}

impl CategoryInput {
    /// Nothing is wrong with it, or all that is.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.check("/slug", Slug::try_from(self.slug.as_str()));
        faults.text("/name", &self.name, 1, 200);
        faults.into_result()
    }
}
