//! Memory that hashes take turns with. To get it from the system and give it back each time costs half as much as a hash, and
//! threads would keep parts of it. It is given back once nobody has hashed for a while: it is more than all else of the service.

use std::{
    hint::black_box,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use argon2::Block;
use tokio::time::sleep;

/// How long memory is kept for the next hash. Whoever hashes so seldom can get it anew each time.
const KEPT: Duration = Duration::from_millis(500);

/// How long the allocator (mimalloc) keeps what was given back before the system may have it, and some more.
const DELAY: Duration = Duration::from_millis(1_500);

/// Bytes of a piece of memory that the allocator takes for itself, and with which it looks what else the system may have.
const LARGE: usize = 1024 * 1024;

/// Blocks of memory, as many pieces as there were hashes at a time of late.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// What was used last is at the end.
    pieces: Vec<Piece>,
    /// Whether somebody gives back what is not used.
    is_watched: bool,
}

struct Piece {
    blocks: Vec<Block>,
    used: Instant,
}

impl Memory {
    /// Works with so many blocks. What is in them is of others before.
    pub(super) fn with<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let mut piece = self.kept(|kept| kept.pieces.pop()).map(|piece| piece.blocks).unwrap_or_default();
        piece.resize(blocks, Block::new());
        let result = work(&mut piece);
        self.kept(|kept| kept.pieces.push(Piece { blocks: piece, used: Instant::now() }));
        result
    }

    /// Has what is not used given back in time.
    pub(super) fn watch(&self) {
        let is_watched = self.kept(|kept| std::mem::replace(&mut kept.is_watched, true));
        if !is_watched {
            let memory = self.clone();
            tokio::spawn(async move {
                while memory.give_back(Instant::now()) {
                    sleep(KEPT / 2).await;
                }
                sleep(DELAY).await;
                // The allocator has no thread of its own: in a service that does nothing the system would not have it until the
                // thread ends that has hashed.
                drop(black_box(Vec::<u8>::with_capacity(LARGE)));
            });
        }
    }

    /// Gives back what has not been used for too long. Whether there is more, or nobody watches any longer.
    fn give_back(&self, now: Instant) -> bool {
        self.kept(|kept| {
            kept.pieces.retain(|piece| now.saturating_duration_since(piece.used) < KEPT);
            kept.is_watched = !kept.pieces.is_empty();
            kept.is_watched
        })
    }

    fn kept<T>(&self, of: impl FnOnce(&mut Kept) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Memory").field("pieces", &self.kept(|kept| kept.pieces.len())).finish()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_piece_is_used_again_and_has_the_size_that_is_asked_for() {
        let memory = Memory::default();
        let first = memory.with(64, |blocks| blocks.as_ptr().addr());
        assert_eq!(memory.with(32, |blocks| (blocks.len(), blocks.as_ptr().addr())), (32, first));
        // Whoever works at the same time has one of their own.
        memory.with(8, |_| assert_ne!(memory.with(8, |blocks| blocks.as_ptr().addr()), first));
        assert_eq!(format!("{memory:?}"), "Memory { pieces: 2 }");
    }

    #[test]
    fn what_has_not_been_used_is_given_back_and_what_has_is_not() {
        let memory = Memory::default();
        let count = |memory: &Memory| memory.kept(|kept| kept.pieces.len());
        // Of two at a time one goes on.
        memory.with(8, |_| memory.with(8, |_| ()));
        memory.kept(|kept| kept.pieces[0].used -= KEPT);
        assert!(memory.give_back(Instant::now()));
        assert_eq!(count(&memory), 1);
        assert!(!memory.give_back(Instant::now() + KEPT));
        assert_eq!(count(&memory), 0);
    }

    #[tokio::test]
    async fn who_watches_ends_and_begins_again() {
        let memory = Memory::default();
        for _ in 0..2 {
            memory.with(8, |_| ());
            memory.watch();
            let ended = async {
                while memory.kept(|kept| kept.is_watched) {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            timeout(Duration::from_secs(10), ended).await.unwrap();
            assert!(memory.kept(|kept| kept.pieces.is_empty()));
        }
    }
}
