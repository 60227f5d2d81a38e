//! Locks of keys, held until the end of a transaction.

use sha2::{Digest, Sha256};
use sqlx::PgTransaction;

/// What sets these locks apart from others of the same database.
const SPACE: &str = "flotilla-bus/key/";

/// Takes the locks of these keys, all in one order, so that nobody waits in a circle.
pub(super) async fn lock<'a>(
    transaction: &mut PgTransaction<'_>,
    keys: impl IntoIterator<Item = &'a str>,
) -> Result<(), sqlx::Error> {
    let mut numbers: Vec<i64> = keys.into_iter().map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    sqlx::query!("select pg_advisory_xact_lock(number) from unnest($1::bigint[]) as number", &numbers)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn number(key: &str) -> i64 {
    let digest = Sha256::new().chain_update(SPACE).chain_update(key).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(digest.get(..8).unwrap_or(&[0; 8]));
    i64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_numbers_that_stay_the_same() {
        // Two versions that run side by side have to agree.
        assert_eq!(number("o-12"), 8_000_121_089_375_618_815);
        assert_ne!(number("o-12"), number("o-13"));
    }
}
