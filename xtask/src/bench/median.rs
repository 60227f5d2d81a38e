//! What counts of several rounds.

/// The middle one, or what lies between the two in the middle.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    if values.len().is_multiple_of(2) && middle > 0 {
        f64::midpoint(at(middle - 1), at(middle))
    } else {
        at(middle)
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        for (values, middle) in [(&[3.0, 1.0, 100.0][..], 3.0), (&[4.0, 1.0, 2.0, 100.0], 3.0), (&[], 0.0)] {
            assert!((median(values.iter().copied()) - middle).abs() < 1e-9, "{values:?}");
        }
    }
}
