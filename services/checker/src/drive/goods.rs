//! What there is to buy: something of which there is enough for all, and something of which there is not.

use uuid::Uuid;

/// What there is to buy in a run.
#[derive(Clone, Debug)]
pub struct Goods {
    /// Enough of each for all.
    pub plenty: Vec<String>,
    /// Too little of it.
    pub scarce: String,
}

impl Goods {
    /// Under names that nobody has used.
    pub fn new() -> Self {
        let id = Uuid::now_v7().simple().to_string().to_uppercase();
        let name = |what: &str| format!("{what}-{id}");
        Self { plenty: ["HAT", "SHOE", "SOCK"].map(name).into(), scarce: name("RARE") }
    }

    /// All of them with how many there are of each, when so many orders are to come.
    pub fn stock(&self, orders: usize) -> impl Iterator<Item = (&str, i64)> {
        let orders = i64::try_from(orders).unwrap_or(i64::MAX / 16);
        let plenty = self.plenty.iter().map(move |sku| (sku.as_str(), 10 * orders + 10));
        plenty.chain([(self.scarce.as_str(), orders / 10 + 1)])
    }
}

impl Default for Goods {
    fn default() -> Self {
        Self::new()
    }
}
