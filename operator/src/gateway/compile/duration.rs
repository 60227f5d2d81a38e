//! Durations as the Gateway API writes them (GEP-2257): `1h30m`, `500ms`, `0s`.

/// Milliseconds; `None` when it is none.
pub fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum = 0u64;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 5 || parts == 4 {
            return None;
        }
        let (number, after) = rest.split_at(digits);
        let (unit, factor) = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
            .into_iter()
            .find(|(unit, _)| after.starts_with(unit))?;
        sum += number.parse::<u64>().ok()? * factor;
        rest = after.get(unit.len()..)?;
        parts += 1;
    }
    (parts > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_added_up_and_nothing_else_is_one() {
        for (text, expected) in [
            ("0s", Some(0)),
            ("500ms", Some(500)),
            ("1h30m", Some(5_400_000)),
            ("1m1ms", Some(60_001)),
            ("99999h", Some(359_996_400_000)),
            ("", None),
            ("1", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("100000s", None),
            ("1s1s1s1s1s", None),
            ("1us", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text:?}");
        }
    }
}
