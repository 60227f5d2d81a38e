//! Where things are sent.

use flotilla_kit::http::{Problem, Violations};

/// Addresses that somebody may have.
pub const MAX: i64 = 50;

/// Characters of each line.
const MAX_LINE: usize = 100;

/// An address, as it may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Who gets it.
    pub recipient: String,
    /// The street, mostly.
    pub line1: String,
    /// What else is needed there, or nothing.
    pub line2: String,
    /// The city.
    pub city: String,
    /// The region or state, or nothing.
    pub region: String,
    /// The postal code, or nothing.
    pub postal_code: String,
    /// The country (ISO 3166-1 alpha-2).
    pub country: String,
    /// A telephone number (E.164), or nothing.
    pub phone: String,
}

impl Address {
    /// What somebody wrote, or all that is wrong with it.
    pub fn check(self) -> Result<Self, Problem> {
        let mut violations = Violations::new();
        let mut line = |pointer: &str, text: &str, min: usize, max: usize| {
            let text = text.trim();
            let is_good = (min..=max).contains(&text.chars().count()) && !text.chars().any(char::is_control);
            if !is_good {
                violations.add(pointer, format!("write from {min} to {max} characters in one line"));
            }
            text.to_owned()
        };
        let address = Self {
            recipient: line("/recipient", &self.recipient, 1, MAX_LINE),
            line1: line("/line1", &self.line1, 1, MAX_LINE),
            line2: line("/line2", &self.line2, 0, MAX_LINE),
            city: line("/city", &self.city, 1, MAX_LINE),
            region: line("/region", &self.region, 0, MAX_LINE),
            postal_code: line("/postal_code", &self.postal_code, 0, 16),
            country: self.country,
            phone: self.phone,
        };
        let is_country =
            address.country.len() == 2 && address.country.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_country {
            violations.add("/country", "write a country such as AT (ISO 3166-1 alpha-2)");
        }
        let digits = address.phone.strip_prefix('+').unwrap_or_default();
        let is_phone = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !address.phone.is_empty() && !is_phone {
            violations.add("/phone", "write a number such as +4315550100 (E.164)");
        }
        violations.into_result()?;
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address {
            recipient: " Ada Lovelace ".to_owned(),
            line1: "12 St James's Square".to_owned(),
            line2: String::new(),
            city: "London".to_owned(),
            region: String::new(),
            postal_code: "SW1Y 4JH".to_owned(),
            country: "GB".to_owned(),
            phone: "+442079460000".to_owned(),
        }
    }

    #[test]
    fn what_is_around_a_line_goes() {
        assert_eq!(address().check().unwrap().recipient, "Ada Lovelace");
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let bad = Address {
            recipient: String::new(),
            line1: "a\nb".to_owned(),
            country: "gb".to_owned(),
            phone: "call me".to_owned(),
            ..address()
        };
        let problem = format!("{:?}", bad.check().unwrap_err());
        for pointer in ["/recipient", "/line1", "/country", "/phone"] {
            assert!(problem.contains(pointer), "{problem}");
        }
        assert!(!problem.contains("/city"), "{problem}");
    }
}
