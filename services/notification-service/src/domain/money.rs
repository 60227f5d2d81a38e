//! Money for people: minor units as an amount with its currency.

/// Digits of minor units where they are not two (ISO 4217).
const EXPONENTS: [(&str, u32); 23] = [
    ("BHD", 3),
    ("BIF", 0),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("RWF", 0),
    ("TND", 3),
    ("UGX", 0),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("XPF", 0),
];

/// Such as `49.80 EUR`, or with a comma where that is written.
pub fn format(minor: i64, currency: &str, locale: &str) -> String {
    let digits = EXPONENTS.iter().find(|(code, _)| *code == currency).map_or(2, |(_, digits)| *digits);
    let (sign, minor) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs());
    let unit = 10_u64.pow(digits);
    let (whole, rest) = (minor / unit, minor % unit);
    if digits == 0 {
        return format!("{sign}{whole} {currency}");
    }
    let point = if locale.starts_with("en") { '.' } else { ',' };
    format!("{sign}{whole}{point}{rest:0width$} {currency}", width = digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_digits_of_their_currency() {
        for (minor, currency, locale, text) in [
            (4_980, "EUR", "en", "49.80 EUR"),
            (4_980, "EUR", "de-at", "49,80 EUR"),
            (5, "USD", "en", "0.05 USD"),
            (-105, "USD", "en", "-1.05 USD"),
            (1_500, "JPY", "de", "1500 JPY"),
            (1_005, "KWD", "en", "1.005 KWD"),
            (i64::MIN, "EUR", "en", "-92233720368547758.08 EUR"),
        ] {
            assert_eq!(format(minor, currency, locale), text);
        }
    }
}
