//! Lists of things that are looked up, as long as Postgres thinks that they are.

/// A list for `= any`, in which nothing is new.
///
/// Of a list whose length it does not know Postgres thinks as of ten: for a shorter one it makes a plan each time, which takes
/// longer than most of what is asked, and from ten on it keeps one for all. What stands in the list twice is looked up once.
pub fn of_ten<T: Clone>(list: &[T]) -> Vec<T> {
    const TEN: usize = 10;
    let again = list.last().into_iter().cycle().take(TEN.saturating_sub(list.len()));
    list.iter().chain(again).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::of_ten;

    #[test]
    fn a_list_has_ten_and_nothing_new() {
        assert_eq!(of_ten(&["a", "b"]), ["a", "b", "b", "b", "b", "b", "b", "b", "b", "b"]);
        assert!(of_ten::<u8>(&[]).is_empty());
        let many: Vec<_> = (0..12).collect();
        assert_eq!(of_ten(&many), many);
    }
}
