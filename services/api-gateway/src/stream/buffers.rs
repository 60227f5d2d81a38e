//! Memory for bytes on their way, which only those connections have that wait for somebody to take them.

use std::cell::RefCell;

/// Bytes of one: the largest datagram, and many segments.
const SIZE: usize = 64 * 1024;

/// How many are kept while nobody needs them.
const SPARE: usize = 64;

/// The buffers of one worker.
#[derive(Debug, Default)]
pub struct Buffers(RefCell<Vec<Box<[u8]>>>);

impl Buffers {
    /// A buffer, with whatever was in it.
    pub(crate) fn take(&self) -> Box<[u8]> {
        self.0.borrow_mut().pop().unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())
    }

    /// A buffer that is no longer needed.
    pub(crate) fn put(&self, buffer: Box<[u8]>) {
        let mut spare = self.0.borrow_mut();
        if spare.len() < SPARE {
            spare.push(buffer);
        }
    }
}
