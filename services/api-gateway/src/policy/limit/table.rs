//! What a limit has counted for each key, in bounded memory: small sets of slots behind locks that are held for a few
//! nanoseconds.
//!
//! A key whose room is whole again needs no slot. When a set has none to give, the table grows; when it may not, the new key
//! takes the slot of the one that has used least, and with it what that has used (as Space-Saving does, Metwally et al.
//! 2005). So nothing that was counted is ever forgotten: whoever comes with many keys makes new ones share room, and gives
//! nobody room back.

use std::sync::{Mutex, PoisonError};

use super::{Full, gcra::Gcra};

/// Parts with a lock each, of which two workers seldom want the same.
const SHARDS: usize = 64;

/// Slots that a key may be in.
const WAYS: usize = 8;

/// A key, and when it has all room again.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u64,
    full_at: u64,
}

type Set = [Slot; WAYS];

#[derive(Debug)]
pub(super) struct Table {
    shards: Box<[Mutex<Vec<Set>>]>,
    /// How many sets a shard has at most; a power of two.
    most: usize,
}

impl Table {
    /// With so many keys at most, and no memory for any yet.
    pub(super) fn new(keys: usize) -> Self {
        let most = (keys / SHARDS / WAYS).max(1).next_power_of_two();
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), most }
    }

    /// Takes room for a request with a key, of which this is the hash.
    pub(super) fn take(&self, hash: u64, gcra: &Gcra, now: u64) -> Result<(), Full> {
        let Some(shard) = self.shards.get(place(hash, SHARDS)) else { return Ok(()) };
        let mut sets = shard.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let length = sets.len();
            if let Some(set) = sets.get_mut(place(hash / SHARDS as u64, length)) {
                let slot = slot(set, hash);
                let is_own = slot.key == hash;
                if is_own || slot.full_at <= now || length >= self.most {
                    slot.full_at = gcra.take(slot.full_at, now)?;
                    slot.key = hash;
                    return Ok(());
                }
            }
            grow(&mut sets, now);
        }
    }
}

/// Which of so many places, a power of two.
fn place(bits: u64, places: usize) -> usize {
    usize::try_from(bits & (places as u64).wrapping_sub(1)).unwrap_or_default()
}

/// The slot of a key, or the one that it may have: of who has used least.
fn slot(set: &mut Set, hash: u64) -> &mut Slot {
    let own = set.iter().position(|slot| slot.key == hash);
    let least = || set.iter().enumerate().min_by_key(|(_, slot)| slot.full_at).map_or(0, |(at, _)| at);
    let at = own.unwrap_or_else(least);
    &mut set[at]
}

/// Makes twice as many sets. A set becomes two, so each key that was there has a place.
fn grow(sets: &mut Vec<Set>, now: u64) {
    let before = std::mem::take(sets);
    sets.resize((before.len() * 2).max(1), Set::default());
    let length = sets.len();
    for old in before.iter().flatten().filter(|slot| slot.full_at > now) {
        if let Some(free) = sets
            .get_mut(place(old.key / SHARDS as u64, length))
            .and_then(|set| set.iter_mut().find(|slot| slot.full_at <= now))
        {
            *free = *old;
        }
    }
}

#[cfg(test)]
impl Table {
    /// How many keys there is memory for.
    pub(super) fn room(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len() * WAYS).sum()
    }
}
