//! The read buffer of one connection: bytes received and not yet taken. It must never keep memory
//! for a connection that has nothing waiting once [`Buffer::release`] was called.

/// A queue of bytes: appended at the back, consumed from the front.
///
/// Consuming moves an offset; the bytes themselves move only when at least half of the storage is
/// already consumed, so every byte is moved a constant number of times on average. The buffer sets
/// no limit of its own: the reader that fills it does.
#[derive(Debug, Default)]
pub struct Buffer {
    storage: Vec<u8>,
    consumed: usize,
}

impl Buffer {
    /// An empty buffer, which owns no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { storage: Vec::new(), consumed: 0 }
    }

    /// The bytes that wait to be consumed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.storage.get(self.consumed..).unwrap_or_default()
    }

    /// The number of bytes that wait to be consumed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory owned.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.storage.capacity()
    }

    /// Appends `bytes`.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.vec_mut().extend_from_slice(bytes);
    }

    /// The storage, for a reader that appends in place. Only append: bytes before the length it is
    /// handed out with are not the caller's to change.
    pub fn vec_mut(&mut self) -> &mut Vec<u8> {
        if self.consumed > 0 && self.consumed >= self.len() {
            self.storage.drain(..self.consumed.min(self.storage.len()));
            self.consumed = 0;
        }
        &mut self.storage
    }

    /// Drops the first `count` bytes, or all of them if there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.consumed = self.consumed.saturating_add(count);
        if self.consumed >= self.storage.len() {
            self.storage.clear();
            self.consumed = 0;
        }
    }

    /// Gives all memory back if nothing waits.
    pub fn release(&mut self) {
        if self.is_empty() {
            *self = Self::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_they_came() {
        let mut buffer = Buffer::new();
        let mut expected = Vec::new();
        for round in 0..200u8 {
            buffer.extend(&[round, round.wrapping_add(1), round.wrapping_add(2)]);
            expected.extend([round, round.wrapping_add(1), round.wrapping_add(2)]);
            let count = usize::from(round % 5);
            buffer.consume(count);
            expected.drain(..count.min(expected.len()));
            assert_eq!(buffer.bytes(), expected);
        }
    }

    #[test]
    fn consuming_more_than_waits_empties_it() {
        let mut buffer = Buffer::new();
        buffer.extend(b"abc");
        buffer.consume(usize::MAX);
        assert!(buffer.is_empty());
        buffer.extend(b"d");
        assert_eq!(buffer.bytes(), b"d");
    }

    #[test]
    fn release_gives_memory_back_only_when_empty() {
        let mut buffer = Buffer::new();
        buffer.extend(&[7; 4096]);
        buffer.release();
        assert_eq!(buffer.len(), 4096);
        buffer.consume(4096);
        buffer.release();
        assert_eq!(buffer.capacity(), 0);
    }

    #[test]
    fn a_stream_that_never_runs_empty_does_not_grow_the_storage() {
        let mut buffer = Buffer::new();
        buffer.extend(&[1; 64]);
        for _ in 0..10_000 {
            buffer.extend(&[2; 64]);
            buffer.consume(64);
        }
        assert_eq!(buffer.len(), 64);
        assert!(buffer.capacity() <= 1024, "{}", buffer.capacity());
    }
}
