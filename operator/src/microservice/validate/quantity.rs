//! Kubernetes quantities in their canonical form.
//!
//! The API server stores `1000m` as `1` and `1024Mi` as `1Gi`. Whoever compares must write it the same way.
//! Source: the documentation of `k8s.io/apimachinery/pkg/api/resource.Quantity`.

use std::fmt;

/// Why a quantity cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a quantity; write a number with at most nine decimals and one of the suffixes m k M G T P E Ki Mi Gi Ti Pi Ei, or none"
)]
pub struct QuantityError(pub String);

/// Billionths in one: the smallest part that Kubernetes keeps.
const NANO: i128 = 1_000_000_000;

/// Suffixes and their worth in billionths, from the largest.
const DECIMAL: [(&str, i128); 10] = [
    ("E", 1_000_000_000_000_000_000 * NANO),
    ("P", 1_000_000_000_000_000 * NANO),
    ("T", 1_000_000_000_000 * NANO),
    ("G", 1_000_000_000 * NANO),
    ("M", 1_000_000 * NANO),
    ("k", 1_000 * NANO),
    ("", NANO),
    ("m", 1_000_000),
    ("u", 1_000),
    ("n", 1),
];

/// Binary suffixes, from the largest.
const BINARY: [(&str, i128); 6] = [
    ("Ei", (1 << 60) * NANO),
    ("Pi", (1 << 50) * NANO),
    ("Ti", (1 << 40) * NANO),
    ("Gi", (1 << 30) * NANO),
    ("Mi", (1 << 20) * NANO),
    ("Ki", (1 << 10) * NANO),
];

/// A quantity as the API server writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalQuantity {
    nano: i128,
    binary: bool,
}

impl CanonicalQuantity {
    /// Reads a quantity.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError(text.to_owned());
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let binary = BINARY.iter().find(|(name, _)| *name == suffix);
        let decimal = DECIMAL.iter().find(|(name, _)| *name == suffix);
        let (_, worth) = binary.or(decimal).ok_or_else(error)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') || fraction.len() > 9 {
            return Err(error());
        }
        let scale = 10_i128.pow(u32::try_from(fraction.len()).map_err(|_| error())?);
        let digits: i128 = format!("{whole}{fraction}").parse().map_err(|_| error())?;
        let scaled = digits.checked_mul(*worth).ok_or_else(error)?;
        // Kubernetes rounds up, so that nobody gets less than what was asked for.
        let nano = scaled / scale + i128::from(scaled % scale != 0);
        Ok(Self { nano, binary: binary.is_some() })
    }

    /// Whether this is more than the other.
    pub fn exceeds(&self, other: &Self) -> bool {
        self.nano > other.nano
    }
}

impl fmt::Display for CanonicalQuantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano == 0 {
            return formatter.write_str("0");
        }
        // Below 1024 a binary quantity is written as a decimal one.
        if self.binary && self.nano >= 1024 * NANO {
            let whole = (self.nano + NANO - 1) / NANO * NANO;
            let (suffix, worth) =
                BINARY.iter().find(|(_, worth)| whole % worth == 0).copied().unwrap_or(("", NANO));
            return write!(formatter, "{}{suffix}", whole / worth);
        }
        let fitting = DECIMAL.iter().find(|(_, worth)| self.nano % worth == 0);
        let (suffix, worth) = fitting.copied().unwrap_or(("n", 1));
        write!(formatter, "{}{suffix}", self.nano / worth)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantities_are_written_as_the_api_server_writes_them() {
        for (written, stored) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("0.5Ki", "512"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("128974848", "128974848"),
            ("0", "0"),
            ("0.0001", "100u"),
            ("2", "2"),
            ("1.1Ki", "1127"),
        ] {
            assert_eq!(CanonicalQuantity::parse(written).unwrap().to_string(), stored, "{written}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "Gi", "1.2.3", "1X", "-1", "1e3", "99999999999999999999E", ".5"] {
            assert!(CanonicalQuantity::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own(number in 0_u64..1_000_000_000, suffix in "(m|k|M|G|Ki|Mi|Gi)?") {
            let once = CanonicalQuantity::parse(&format!("{number}{suffix}")).unwrap();
            let twice = CanonicalQuantity::parse(&once.to_string()).unwrap();
            prop_assert_eq!(once.nano, twice.nano);
            prop_assert_eq!(once.to_string(), twice.to_string());
        }
    }
}
