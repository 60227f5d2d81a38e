//! Memory that hashes take turns with. To get it from the system and give it back each time costs half as much as a hash, and
//! threads would keep parts of it.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::Block;

/// Blocks of memory, as many pieces as there ever were hashes at a time.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Vec<Vec<Block>>>>);

impl Memory {
    /// Works with so many blocks. What is in them is of others before.
    pub(super) fn with<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let mut piece = self.pieces(Vec::pop).unwrap_or_default();
        piece.resize(blocks, Block::new());
        let result = work(&mut piece);
        self.pieces(|pieces| pieces.push(piece));
        result
    }

    fn pieces<T>(&self, of: impl FnOnce(&mut Vec<Vec<Block>>) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Memory").field("pieces", &self.pieces(|pieces| pieces.len())).finish()
    }
}

#[cfg(test)]
mod tests {
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
}
