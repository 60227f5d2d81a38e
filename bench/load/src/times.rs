//! Times of answers.

/// The time, of sorted ones, within which so many of a hundred are. Zero when there are none.
pub(crate) fn part(sorted: &[u32], percent: usize) -> u32 {
    // The nearest rank: a time that an answer really took.
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn so_many_of_a_hundred_are_within_it_and_no_more() {
        let times: Vec<u32> = (1..=1_000).collect();
        assert_eq!((part(&times, 50), part(&times, 99), part(&times, 100)), (500, 990, 1_000));
        // Of few, the ninety-ninth is the last: no better than what was seen.
        assert_eq!((part(&[3, 4, 90], 99), part(&[7], 50), part(&[], 99)), (90, 7, 0));
    }
}
