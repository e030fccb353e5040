//! How messages lie in the bytes of a connection.

use crate::proto::buffer::Buffer;
use crate::proto::lines::{Line, LineDecoder};

/// A form of messages.
#[derive(Debug)]
pub(super) enum Codec {
    /// One a line.
    Lines(LineDecoder),
}

/// What the bytes so far amount to.
#[derive(Debug)]
pub(super) enum Item {
    /// No whole message.
    NeedMore,
    /// A message.
    Message(Vec<u8>),
    /// One that was too long and was dropped as it came; the text of its id, if it was found.
    TooLong(Option<String>),
}

impl Codec {
    pub(super) fn lines() -> Self {
        Self::Lines(LineDecoder::new())
    }

    /// Takes the next message of at most `most` bytes.
    pub(super) fn next(&mut self, input: &mut Buffer, most: usize) -> Item {
        match self {
            Self::Lines(decoder) => decoder.decode(input, most).into(),
        }
    }

    /// Takes what is left when no more bytes come.
    pub(super) fn last(&mut self, input: &mut Buffer, most: usize) -> Item {
        match self {
            Self::Lines(decoder) => decoder.finish(input, most).into(),
        }
    }

    /// True if no message has begun.
    pub(super) fn is_idle(&self, input: &Buffer) -> bool {
        match self {
            Self::Lines(decoder) => decoder.is_idle(input),
        }
    }

    /// Appends a message.
    pub(super) fn write(&self, out: &mut Vec<u8>, json: &[u8]) {
        match self {
            Self::Lines(_) => {
                out.extend_from_slice(json);
                out.push(b'\n');
            }
        }
    }
}

impl From<Line> for Item {
    fn from(line: Line) -> Self {
        match line {
            Line::NeedMore => Self::NeedMore,
            Line::Message(bytes) => Self::Message(bytes),
            Line::TooLong { id } => Self::TooLong(id),
        }
    }
}
