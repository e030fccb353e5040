//! Frames of a client to messages. Payloads are unmasked as they come, and a message that is too
//! long is dropped as it comes, so that neither waits for its end.

use super::utf8::Utf8Checker;
use super::{CONTROL_BYTES, CloseCode, opcode};
use crate::proto::buffer::Buffer;
use crate::proto::idscan::IdScanner;
use crate::proto::jsonrpc::Meant;

/// Of a message that is dropped so many bytes are looked at once.
const PART: usize = 4_096;

/// What the bytes so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing whole has come.
    NeedMore,
    /// A text.
    Text(Vec<u8>),
    /// A message of bytes.
    Binary(Vec<u8>),
    /// A message that was longer than allowed, and was dropped.
    TooLong(Meant),
    /// A ping, to be answered with the same payload.
    Ping(Vec<u8>),
    /// The answer to a ping of ours, or to none.
    Pong,
    /// The peer says goodbye, with this code if it gave one. Nothing follows.
    Close(Option<CloseCode>),
    /// The peer has broken a rule: it is told so with this code. Nothing follows.
    Broken(CloseCode),
}

/// Cuts a stream of bytes into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    frame: Option<Frame>,
    message: Option<Message>,
    control: Vec<u8>,
    is_over: bool,
}

/// A frame whose head has come.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: u8,
    is_last: bool,
    mask: [u8; 4],
    /// Payload that has not come yet, in bytes.
    left: u64,
    /// Payload that has come.
    done: u64,
}

/// A message that has begun.
#[derive(Debug)]
struct Message {
    is_text: bool,
    bytes: Vec<u8>,
    utf8: Utf8Checker,
    /// Present while a message over the limit goes by.
    discarding: Option<IdScanner>,
}

impl Message {
    fn new(is_text: bool) -> Self {
        Self { is_text, bytes: Vec::new(), utf8: Utf8Checker::default(), discarding: None }
    }

    /// Takes payload of a frame, still masked; false if it is no text.
    fn take(&mut self, frame: &mut Frame, payload: &[u8], most: usize) -> bool {
        // What fits is looked at in any case: no cut of the stream may make a difference.
        let fits =
            if self.discarding.is_some() { 0 } else { most.saturating_sub(self.bytes.len()) };
        let (payload, excess) = payload.split_at_checked(fits).unwrap_or((payload, &[]));
        let length = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        frame.unmask(self.bytes.get_mut(length..).unwrap_or_default());
        if self.discarding.is_none() && self.is_text && !self.utf8.go_on(&self.bytes) {
            return false;
        }
        if !excess.is_empty() {
            self.discard(frame, excess);
        }
        true
    }

    fn discard(&mut self, frame: &mut Frame, payload: &[u8]) {
        let scanner = self.discarding.get_or_insert_with(IdScanner::new);
        scanner.feed(&std::mem::take(&mut self.bytes));
        for part in payload.chunks(PART) {
            let mut part = part.to_vec();
            frame.unmask(&mut part);
            scanner.feed(&part);
        }
    }

    fn end(self) -> Event {
        if let Some(scanner) = self.discarding {
            return Event::TooLong(scanner.meant());
        }
        if !self.is_text {
            return Event::Binary(self.bytes);
        }
        if self.utf8.is_whole(&self.bytes) {
            Event::Text(self.bytes)
        } else {
            Event::Broken(CloseCode::NOT_UTF8)
        }
    }
}

impl Decoder {
    /// A decoder at the start of a frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next event from the front of `input`; a message may be `most` bytes long.
    pub fn decode(&mut self, input: &mut Buffer, most: usize) -> Event {
        loop {
            if self.is_over {
                input.consume(input.len());
                return Event::NeedMore;
            }
            let step = match self.frame {
                None => self.head(input),
                Some(frame) => self.payload(frame, input, most),
            };
            match step {
                Ok(None) => {}
                Ok(Some(event)) => {
                    self.is_over = matches!(event, Event::Close(_) | Event::Broken(_));
                    return event;
                }
                Err(code) => {
                    self.is_over = true;
                    return Event::Broken(code);
                }
            }
        }
    }

    /// Bytes that are set aside for a message that is not whole.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.bytes.capacity())
    }

    /// True if no message has begun.
    #[must_use]
    pub fn is_idle(&self, input: &Buffer) -> bool {
        self.frame.is_none() && self.message.is_none() && input.is_empty()
    }

    /// Reads the head of a frame (section 5.2).
    fn head(&mut self, input: &mut Buffer) -> Result<Option<Event>, CloseCode> {
        let Some((head, length)) = Frame::parse(input.bytes())? else {
            return Ok(Some(Event::NeedMore));
        };
        let begins = matches!(head.opcode, opcode::TEXT | opcode::BINARY);
        match (&self.message, head.opcode) {
            (Some(_), _) if begins => return Err(CloseCode::PROTOCOL_ERROR),
            (None, opcode::CONTINUATION) => return Err(CloseCode::PROTOCOL_ERROR),
            _ => {}
        }
        if begins {
            self.message = Some(Message::new(head.opcode == opcode::TEXT));
        }
        input.consume(length);
        self.frame = Some(head);
        Ok(None)
    }

    fn payload(
        &mut self,
        mut frame: Frame,
        input: &mut Buffer,
        most: usize,
    ) -> Result<Option<Event>, CloseCode> {
        let here = usize::try_from(frame.left).unwrap_or(usize::MAX).min(input.len());
        if here == 0 && frame.left > 0 {
            return Ok(Some(Event::NeedMore));
        }
        let payload = input.bytes().get(..here).unwrap_or_default();
        frame.left -= u64::try_from(here).unwrap_or_default();
        let is_whole = frame.left == 0;
        let is_good = match &mut self.message {
            _ if frame.is_control() => {
                let length = self.control.len();
                self.control.extend_from_slice(payload);
                frame.unmask(self.control.get_mut(length..).unwrap_or_default());
                true
            }
            Some(message) => message.take(&mut frame, payload, most),
            None => return Err(CloseCode::PROTOCOL_ERROR),
        };
        input.consume(here);
        self.frame = Some(frame).filter(|_| !is_whole);
        if frame.is_control() {
            return if is_whole { self.control(frame.opcode) } else { Ok(None) };
        }
        if !is_good {
            return Err(CloseCode::NOT_UTF8);
        }
        if !is_whole || !frame.is_last {
            return Ok(None);
        }
        Ok(self.message.take().map(Message::end))
    }

    fn control(&mut self, opcode: u8) -> Result<Option<Event>, CloseCode> {
        let payload = std::mem::take(&mut self.control);
        Ok(Some(match opcode {
            opcode::PING => Event::Ping(payload),
            opcode::PONG => Event::Pong,
            _ => Event::Close(close_code(&payload)?),
        }))
    }
}

impl Frame {
    /// The head at the front of these bytes and its length, once it is whole.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, CloseCode> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let opcode = first & 0x0f;
        let is_known = matches!(opcode, opcode::CONTINUATION..=opcode::BINARY)
            || matches!(opcode, opcode::CLOSE..=opcode::PONG);
        // Reserved bits are for extensions, and none is agreed on; what a client sends is masked.
        if first & 0x70 != 0 || !is_known || second & 0x80 == 0 {
            return Err(CloseCode::PROTOCOL_ERROR);
        }
        let is_last = first & 0x80 != 0;
        let is_control = opcode >= opcode::CLOSE;
        let short = second & 0x7f;
        if is_control && (!is_last || usize::from(short) > CONTROL_BYTES) {
            return Err(CloseCode::PROTOCOL_ERROR);
        }
        let (left, rest, head) = match (short, rest) {
            (126, [high, low, rest @ ..]) => {
                (u64::from(u16::from_be_bytes([*high, *low])), rest, 4)
            }
            (127, rest) => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest, 10),
                None => return Ok(None),
            },
            (126, _) => return Ok(None),
            (short, rest) => (u64::from(short), rest, 2),
        };
        let is_shortest = match short {
            126 => left > 125,
            127 => left > 0xffff && left >> 63 == 0,
            _ => true,
        };
        if !is_shortest {
            return Err(CloseCode::PROTOCOL_ERROR);
        }
        let Some(mask) = rest.first_chunk::<4>() else { return Ok(None) };
        let frame = Self { opcode, is_last, mask: *mask, left, done: 0 };
        Ok(Some((frame, head + mask.len())))
    }

    fn is_control(&self) -> bool {
        self.opcode >= opcode::CLOSE
    }

    /// Takes the mask off the next part of the payload (section 5.3).
    fn unmask(&mut self, payload: &mut [u8]) {
        let mut mask = self.mask;
        mask.rotate_left(usize::try_from(self.done % 4).unwrap_or_default());
        for chunk in payload.chunks_mut(4) {
            for (byte, key) in chunk.iter_mut().zip(mask) {
                *byte ^= key;
            }
        }
        self.done = self.done.wrapping_add(u64::try_from(payload.len()).unwrap_or_default());
    }
}

/// What stands in a close (section 5.5.1): nothing, or a code and a reason in UTF-8.
fn close_code(payload: &[u8]) -> Result<Option<CloseCode>, CloseCode> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = CloseCode(u16::from_be_bytes([*high, *low]));
            if !code.is_sendable() {
                return Err(CloseCode::PROTOCOL_ERROR);
            }
            match std::str::from_utf8(reason) {
                Ok(_) => Ok(Some(code)),
                Err(_) => Err(CloseCode::NOT_UTF8),
            }
        }
        [_] => Err(CloseCode::PROTOCOL_ERROR),
    }
}

#[cfg(test)]
mod tests;
