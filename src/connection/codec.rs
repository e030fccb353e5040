//! How messages lie in the bytes of a connection.

use crate::proto::buffer::Buffer;
use crate::proto::jsonrpc::Meant;
use crate::proto::lines::{Line, LineDecoder};
use crate::proto::websocket::{self, CloseCode, Event};

/// A form of messages.
#[derive(Debug)]
pub(super) enum Codec {
    /// One a line.
    Lines(LineDecoder),
    /// Each a text of WebSocket.
    WebSocket(websocket::Decoder),
}

/// What the bytes so far amount to.
#[derive(Debug)]
pub(super) enum Item {
    /// No whole message.
    NeedMore,
    /// A message.
    Message(Vec<u8>),
    /// One that was too long and was dropped as it came.
    TooLong(Meant),
    /// No message, but these bytes are to be sent.
    Reply(Vec<u8>),
    /// Nothing more comes; what is to be said to that.
    End(Option<CloseCode>),
}

impl Codec {
    pub(super) fn lines() -> Self {
        Self::Lines(LineDecoder::new())
    }

    pub(super) fn websocket() -> Self {
        Self::WebSocket(websocket::Decoder::new())
    }

    /// The same at the beginning of a message.
    pub(super) fn anew(&self) -> Self {
        match self {
            Self::Lines(_) => Self::lines(),
            Self::WebSocket(_) => Self::websocket(),
        }
    }

    /// Takes the next message of at most `most` bytes.
    pub(super) fn next(&mut self, input: &mut Buffer, most: usize) -> Item {
        match self {
            Self::Lines(decoder) => decoder.decode(input, most).into(),
            Self::WebSocket(decoder) => decoder.decode(input, most).into(),
        }
    }

    /// Takes what is left when no more bytes come.
    pub(super) fn last(&mut self, input: &mut Buffer, most: usize) -> Item {
        match self {
            Self::Lines(decoder) => decoder.finish(input, most).into(),
            // It has to say goodbye, and half of it is none.
            Self::WebSocket(_) => Item::End(None),
        }
    }

    /// Bytes that are set aside for a message that is not whole, beside the input.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Lines(_) => 0,
            Self::WebSocket(decoder) => decoder.held_bytes(),
        }
    }

    /// True if no message has begun.
    pub(super) fn is_idle(&self, input: &Buffer) -> bool {
        match self {
            Self::Lines(decoder) => decoder.is_idle(input),
            Self::WebSocket(decoder) => decoder.is_idle(input),
        }
    }

    /// Appends a message.
    pub(super) fn write(&self, out: &mut Vec<u8>, json: &[u8]) {
        match self {
            Self::Lines(_) => {
                out.extend_from_slice(json);
                out.push(b'\n');
            }
            Self::WebSocket(_) => websocket::write_text(out, json),
        }
    }

    /// Appends what says that the peer should answer to show that it lives, if there is such.
    pub(super) fn ping(&self, out: &mut Vec<u8>) {
        match self {
            Self::Lines(_) => {}
            Self::WebSocket(_) => websocket::write_ping(out),
        }
    }

    /// Appends what says that nothing more comes, and why, if there is such.
    pub(super) fn close(&self, out: &mut Vec<u8>, code: Option<CloseCode>) {
        match self {
            Self::Lines(_) => {}
            Self::WebSocket(_) => websocket::write_close(out, code),
        }
    }

    /// True if a peer that lives answers a ping.
    pub(super) fn has_pings(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }
}

impl From<Line> for Item {
    fn from(line: Line) -> Self {
        match line {
            Line::NeedMore => Self::NeedMore,
            Line::Message(bytes) => Self::Message(bytes),
            Line::TooLong(meant) => Self::TooLong(meant),
        }
    }
}

impl From<Event> for Item {
    fn from(event: Event) -> Self {
        match event {
            Event::NeedMore => Self::NeedMore,
            Event::Text(bytes) => Self::Message(bytes),
            Event::TooLong(meant) => Self::TooLong(meant),
            Event::Binary(_) => Self::End(Some(CloseCode::UNSUPPORTED)),
            Event::Ping(payload) => {
                let mut bytes = Vec::with_capacity(payload.len().saturating_add(2));
                websocket::write_pong(&mut bytes, &payload);
                Self::Reply(bytes)
            }
            Event::Pong => Self::Reply(Vec::new()),
            Event::Close(code) => Self::End(code),
            Event::Broken(code) => Self::End(Some(code)),
        }
    }
}
