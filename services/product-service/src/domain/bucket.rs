//! Stock of one SKU in several rows.

/// What can be had of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Which.
    pub bucket: i16,
    /// How much.
    pub available: i64,
}

/// Takes a quantity from buckets, from the fullest first so that most stay whole. Nothing: there is too little in all of them.
pub fn spread(free: &[Free], quantity: i64) -> Option<Vec<Free>> {
    let mut fullest = free.to_vec();
    fullest.sort_by_key(|free| (std::cmp::Reverse(free.available), free.bucket));
    let mut left = quantity;
    let mut taken = Vec::new();
    for Free { bucket, available } in fullest {
        let part = available.min(left);
        if part > 0 {
            taken.push(Free { bucket, available: part });
            left -= part;
        }
    }
    taken.sort_by_key(|free| free.bucket);
    (left == 0).then_some(taken)
}

/// The parts of a quantity in so many buckets, as even as can be. They add up to the quantity.
pub fn even(quantity: i64, buckets: i64) -> Vec<i64> {
    let (each, rest) = (quantity / buckets, quantity % buckets);
    (0..buckets).map(|bucket| each + i64::from(bucket < rest)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_of_it_is_taken_from_what_there_is_or_nothing(
            available in prop::collection::vec(0_i64..20, 1..17), quantity in 1_i64..100,
        ) {
            let free: Vec<_> = (0..).zip(&available).map(|(bucket, available)| Free { bucket, available: *available }).collect();
            match spread(&free, quantity) {
                None => prop_assert!(available.iter().sum::<i64>() < quantity),
                Some(taken) => {
                    prop_assert_eq!(taken.iter().map(|taken| taken.available).sum::<i64>(), quantity);
                    prop_assert!(taken.is_sorted_by(|one, next| one.bucket < next.bucket));
                    for part in taken {
                        prop_assert!(part.available > 0 && part.available <= available[usize::try_from(part.bucket).unwrap()]);
                    }
                }
            }
        }

        #[test]
        fn even_parts_differ_by_one_at_most(quantity in 0_i64..10_000, buckets in 1_i64..17) {
            let parts = even(quantity, buckets);
            prop_assert_eq!(parts.iter().sum::<i64>(), quantity);
            prop_assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1);
        }
    }
}
