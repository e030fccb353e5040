//! How much one step of a connection reads: until the socket is empty, or others have their turn.

use std::io;

use super::conn::Step;
use super::link::Received;

/// Bytes that one step reads at most; then others have their turn.
const STEP_BYTES: usize = 256 * 1024;

/// What a step has read so far.
#[derive(Debug)]
pub(super) struct Reading {
    /// Bytes that one read may bring.
    room: usize,
    hung_up: bool,
    bytes: usize,
    may_hold_more: bool,
}

/// Whether a step reads on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It does.
    Read,
    /// The socket is empty: what comes later is an event.
    Rest,
    /// It has read enough, and there may be more.
    Yield,
}

impl Reading {
    /// Nothing has been read of what `step` may read.
    pub(super) fn of(step: &Step<'_>) -> Self {
        let room = step.scratch.received.len();
        Self { room, hung_up: step.hung_up, bytes: 0, may_hold_more: true }
    }

    /// Whether to read on.
    pub(super) fn next(&self) -> Next {
        match self {
            Self { may_hold_more: false, .. } => Next::Rest,
            Self { bytes: STEP_BYTES.., .. } => Next::Yield,
            _ => Next::Read,
        }
    }

    /// Notes what a read gave; true if the peer sends nothing more. A short read has emptied the
    /// socket, unless its end is behind it.
    ///
    /// # Errors
    /// The peer has broken what the connection begins with.
    pub(super) fn note(&mut self, received: Received) -> io::Result<bool> {
        match received {
            Received::Bytes(count) => {
                self.bytes += count;
                self.may_hold_more = count == self.room || self.hung_up;
            }
            Received::Nothing => self.may_hold_more = false,
            Received::End => return Ok(true),
            Received::Broken(_) | Received::NoProxyHeader => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(false)
    }
}
