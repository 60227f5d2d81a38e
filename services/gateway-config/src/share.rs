//! Shares of requests, such as that of those that are logged.

use crate::BadText;

/// A share, as flags have it: a number from 0 to 1.
pub fn share(text: &str) -> Result<f64, BadText> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or(BadText::Share)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_from_0_to_1() {
        for (text, is) in [("0", Some(0.0)), ("0.01", Some(0.01)), ("1", Some(1.0))] {
            assert_eq!(share(text).ok(), is, "{text}");
        }
        for wrong in ["1.5", "-0.1", "NaN", "all", ""] {
            let error = share(wrong).unwrap_err().to_string();
            assert!(error.contains("a number from 0 to 1"), "{error}");
        }
    }
}
