//! The search for the highest rate that is borne.

/// Where the search ends: what is borne and what is not are so near each other.
const PRECISION: f64 = 0.05;

/// A search, which asks for a rate and is told whether it was borne.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Search {
    first: f64,
    growth: f64,
    borne: Option<f64>,
    refused: Option<f64>,
}

impl Search {
    /// From a rate of which nothing is known.
    pub(super) fn from(rate: f64) -> Self {
        Self { first: rate.max(1.0), growth: 2.0, borne: None, refused: None }
    }

    /// Around a rate that was found before.
    pub(super) fn around(rate: f64) -> Self {
        Self { growth: 1.2, ..Self::from(rate) }
    }

    /// What is to be tried next. Nothing: it is found, or there is none.
    pub(super) fn next(&self) -> Option<f64> {
        let rate = match (self.borne, self.refused) {
            (None, None) => self.first,
            // Rates are whole numbers: it goes on by one at least.
            (Some(borne), None) => (borne * self.growth).max(borne + 1.0),
            (None, Some(refused)) => (refused / self.growth).min(refused - 1.0),
            (Some(borne), Some(refused)) if refused - borne <= borne * PRECISION => return None,
            (Some(borne), Some(refused)) => f64::midpoint(borne, refused),
        };
        (rate >= 1.0).then_some(rate.round())
    }

    /// What came of a rate.
    pub(super) fn tell(&mut self, rate: f64, is_borne: bool) {
        if is_borne {
            self.borne = Some(self.borne.map_or(rate, |borne| borne.max(rate)));
        } else {
            self.refused = Some(self.refused.map_or(rate, |refused| refused.min(rate)));
        }
        // Rates are whole numbers: between two neighbours there is nothing to try.
        if let (Some(borne), Some(refused)) = (self.borne, self.refused)
            && refused - borne <= 1.0
        {
            self.refused = Some(borne);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found of somebody who bears so much, and how often they were asked.
    fn search(mut search: Search, most: f64) -> (Option<f64>, u32) {
        let mut asked = 0;
        while let Some(rate) = search.next() {
            search.tell(rate, rate <= most);
            asked += 1;
            assert!(asked < 100, "{search:?}");
        }
        (search.borne, asked)
    }

    #[test]
    fn what_is_found_is_borne_and_little_more_is_not() {
        for most in [1.0, 2.0, 7.0, 19.0, 20.0, 333.0, 4_800.0, 61_234.0] {
            for from in [
                Search::from(20.0),
                Search::from(1_000.0),
                Search::around(most * 1.1),
                Search::around(most * 0.7),
            ] {
                let (found, _) = search(from, most);
                let found = found.unwrap();
                assert!(
                    found <= most && most <= (found * (1.0 + PRECISION)).max(found + 1.0),
                    "{found} of {most}"
                );
            }
        }
    }

    #[test]
    fn who_bears_nothing_is_not_asked_for_ever() {
        let (found, asked) = search(Search::from(1_000.0), 0.0);
        assert_eq!((found, asked < 20), (None, true));
    }

    #[test]
    fn what_was_found_before_is_found_sooner() {
        let (_, afresh) = search(Search::from(100.0), 5_000.0);
        let (_, again) = search(Search::around(4_900.0), 5_000.0);
        assert!(again * 2 <= afresh, "{again} and {afresh}");
    }
}
