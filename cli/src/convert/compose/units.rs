//! Sizes and times as compose has them.

/// `512M`, `1gb`, `64k`: compose's units are powers of 1024, so they get Kubernetes' binary suffixes.
pub(super) fn memory(text: &str) -> String {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    for (unit, suffix) in [("k", "Ki"), ("m", "Mi"), ("g", "Gi"), ("t", "Ti")] {
        if let Some(number) = text.strip_suffix(unit) {
            return format!("{}{suffix}", number.trim());
        }
    }
    text.to_owned()
}

/// Whole seconds of `1m30s`, `500ms` or `10`; part of a second counts as a whole one, since 0 would mean something else.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return Some(number);
    }
    let (mut millis, mut rest) = (0_i64, text);
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !one.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|one: char| one.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let factor = match unit {
            "us" => 0,
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        millis += number.parse::<i64>().ok()?.checked_mul(factor)?;
        rest = after;
    }
    Some((millis + 999) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary() {
        let found = ["512M", "1gb", "64k", "1048576", "1.5g"].map(memory);
        assert_eq!(found, ["512Mi", "1Gi", "64Ki", "1048576", "1.5Gi"]);
    }

    #[test]
    fn times_are_whole_seconds() {
        let found = ["10", "10s", "1m30s", "500ms", "2h", "soon", "5x"].map(seconds);
        assert_eq!(found, [Some(10), Some(10), Some(90), Some(1), Some(7200), None, None]);
    }
}
