//! Money: minor units of a currency (ISO 4217).

/// Currencies that can be ordered in, all of them with money of this kind: the provider and the books agree on minor units.
pub const CURRENCIES: [&str; 12] =
    ["AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "JPY", "NOK", "PLN", "SEK", "USD"];

/// The most that an order may cost, as providers have it.
pub const MAX_MINOR: i64 = 99_999_999;

/// Whether orders can be in it.
pub fn is_known(currency: &str) -> bool {
    CURRENCIES.contains(&currency)
}
