//! A category.

use std::sync::Arc;

use async_graphql::{ID, Object};
use uuid::Uuid;

use crate::store::categories::Stored;

/// Something that products are in.
pub(super) struct Category {
    all: Arc<Vec<Stored>>,
    id: Uuid,
    slug: String,
    name: String,
    parent: Option<Uuid>,
}

impl Category {
    fn new(all: &Arc<Vec<Stored>>, stored: &Stored) -> Self {
        let input = &stored.input;
        let (slug, name) = (input.slug.clone(), input.name.clone());
        Self { all: Arc::clone(all), id: stored.id, slug, name, parent: input.parent }
    }

    /// The one with an id.
    pub(super) fn of(all: &Arc<Vec<Stored>>, id: Uuid) -> Option<Self> {
        all.iter().find(|stored| stored.id == id).map(|stored| Self::new(all, stored))
    }

    /// Those in a category, or at the top.
    pub(super) fn below(all: &Arc<Vec<Stored>>, parent: Option<Uuid>) -> Vec<Self> {
        let within = all.iter().filter(|stored| stored.input.parent == parent);
        within.map(|stored| Self::new(all, stored)).collect()
    }
}

/// Something that products are in.
#[Object]
impl Category {
    async fn id(&self) -> ID {
        self.id.into()
    }

    /// Its name in addresses.
    async fn slug(&self) -> &str {
        &self.slug
    }

    async fn name(&self) -> &str {
        &self.name
    }

    /// The category that it is in. Nothing: it is at the top.
    async fn parent(&self) -> Option<Self> {
        self.parent.and_then(|id| Self::of(&self.all, id))
    }

    /// Those in it, in their order.
    #[graphql(complexity = "1 + 5 * child_complexity")]
    async fn children(&self) -> Vec<Self> {
        Self::below(&self.all, Some(self.id))
    }
}
