//! The chunked coding, byte by byte (RFC 9112, section 7.1). It must never buffer framing, nor pass
//! a trailer on.

use super::body::append;
use super::request_line::is_token_byte;
use super::{HttpError, HttpLimits};
use crate::proto::buffer::Buffer;

/// The most digits of a chunk size: a 64-bit number.
const SIZE_DIGITS: u8 = 16;
/// The two CRLF of a chunk.
const CHUNK_ENDS: usize = 4;
/// The longest of the forbidden trailer names.
const NAME_BYTES: usize = 19;

/// Headers that frame, route, authenticate or describe a message, and so cannot come after it
/// (RFC 9110, section 6.5.1).
const FORBIDDEN_TRAILERS: [&[u8]; 14] = [
    b"authorization",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"expect",
    b"host",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

/// A chunked body, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct ChunkedDecoder {
    body: Vec<u8>,
    state: State,
    size: u64,
    digits: u8,
    overhead: usize,
    name: TrailerName,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Size,
    ExtensionStart,
    ExtensionName,
    ExtensionValue,
    ExtensionToken,
    ExtensionQuoted,
    ExtensionEscape,
    ExtensionEnd,
    SizeLf,
    Data(usize),
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Complete,
}

impl ChunkedDecoder {
    /// Takes what belongs to the body from the front of `input`; gives the body once it is whole.
    pub(super) fn decode(
        &mut self,
        input: &mut Buffer,
        limits: &HttpLimits,
    ) -> Result<Option<Vec<u8>>, HttpError> {
        let bytes = input.bytes();
        let mut rest = bytes;
        while let Some((byte, next)) = rest.split_first() {
            match self.state {
                State::Complete => break,
                State::Data(missing) => {
                    let taken = append(&mut self.body, rest, missing);
                    rest = rest.get(taken..).unwrap_or_default();
                    let missing = missing.saturating_sub(taken);
                    self.state = if missing == 0 { State::DataCr } else { State::Data(missing) };
                }
                _ => {
                    self.state = self.step(*byte, limits)?;
                    rest = next;
                }
            }
        }
        let taken = bytes.len().saturating_sub(rest.len());
        input.consume(taken);
        let complete = matches!(self.state, State::Complete);
        Ok(complete.then(|| std::mem::take(&mut self.body)))
    }

    /// Bytes that are set aside for the data.
    pub(super) fn held_bytes(&self) -> usize {
        self.body.capacity()
    }

    fn step(&mut self, byte: u8, limits: &HttpLimits) -> Result<State, HttpError> {
        match self.state {
            State::Size => self.size(byte),
            State::SizeLf if byte == b'\n' => self.begin_chunk(limits),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => {
                (self.size, self.digits) = (0, 0);
                Ok(State::Size)
            }
            State::EndLf if byte == b'\n' => Ok(State::Complete),
            State::SizeLf => Err(HttpError::ChunkSize),
            State::DataCr | State::DataLf => Err(HttpError::ChunkEnd),
            State::EndLf => Err(HttpError::Trailer),
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf => {
                self.charge(1, limits)?;
                self.trailer(byte)
            }
            state => {
                self.charge(1, limits)?;
                extension(state, byte).ok_or(HttpError::ChunkExtension)
            }
        }
    }

    fn size(&mut self, byte: u8) -> Result<State, HttpError> {
        let digit = match byte {
            b'0'..=b'9' => byte.wrapping_sub(b'0'),
            b'a'..=b'f' => byte.wrapping_sub(b'a').wrapping_add(10),
            b'A'..=b'F' => byte.wrapping_sub(b'A').wrapping_add(10),
            b'\r' if self.digits > 0 => return Ok(State::SizeLf),
            b';' if self.digits > 0 => return Ok(State::ExtensionStart),
            _ => return Err(HttpError::ChunkSize),
        };
        if self.digits == SIZE_DIGITS {
            return Err(HttpError::ChunkSize);
        }
        self.digits = self.digits.saturating_add(1);
        self.size = (self.size << 4) | u64::from(digit);
        Ok(State::Size)
    }

    /// Judges a chunk's size before any of its data is taken.
    fn begin_chunk(&mut self, limits: &HttpLimits) -> Result<State, HttpError> {
        let size = usize::try_from(self.size).map_err(|_| HttpError::BodyTooLarge)?;
        if size > limits.body_bytes.saturating_sub(self.body.len()) {
            return Err(HttpError::BodyTooLarge);
        }
        let framing = usize::from(self.digits).saturating_add(CHUNK_ENDS);
        self.charge(framing.saturating_sub(size), limits)?;
        Ok(if size == 0 { State::TrailerStart } else { State::Data(size) })
    }

    fn trailer(&mut self, byte: u8) -> Result<State, HttpError> {
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerStart | State::TrailerName, _) if is_token_byte(byte) => {
                self.name.push(byte);
                Ok(State::TrailerName)
            }
            (State::TrailerName, b':') if self.name.take_forbidden() => {
                Err(HttpError::TrailerForbidden)
            }
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if is_text(byte) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            _ => Err(HttpError::Trailer),
        }
    }

    fn charge(&mut self, bytes: usize, limits: &HttpLimits) -> Result<(), HttpError> {
        self.overhead = self.overhead.saturating_add(bytes);
        if self.overhead > limits.chunk_overhead_bytes {
            return Err(HttpError::ChunkOverhead);
        }
        Ok(())
    }
}

/// `*( ";" name [ "=" ( token / quoted-string ) ] )`, without the whitespace that RFC 9112, section
/// 7.1.1 calls bad.
const fn extension(state: State, byte: u8) -> Option<State> {
    match (state, byte) {
        (State::ExtensionStart | State::ExtensionName, _) if is_token_byte(byte) => {
            Some(State::ExtensionName)
        }
        (State::ExtensionName, b'=') => Some(State::ExtensionValue),
        (State::ExtensionValue, b'"') => Some(State::ExtensionQuoted),
        (State::ExtensionValue | State::ExtensionToken, _) if is_token_byte(byte) => {
            Some(State::ExtensionToken)
        }
        (State::ExtensionQuoted, b'"') => Some(State::ExtensionEnd),
        (State::ExtensionQuoted, b'\\') => Some(State::ExtensionEscape),
        (State::ExtensionQuoted | State::ExtensionEscape, _) if is_text(byte) => {
            Some(State::ExtensionQuoted)
        }
        (State::ExtensionName | State::ExtensionToken | State::ExtensionEnd, b';') => {
            Some(State::ExtensionStart)
        }
        (State::ExtensionName | State::ExtensionToken | State::ExtensionEnd, b'\r') => {
            Some(State::SizeLf)
        }
        _ => None,
    }
}

/// Visible characters, space, tab and bytes outside ASCII (RFC 9110, section 5.5).
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// The name of the current trailer, as far as it could be a forbidden one.
#[derive(Debug, Default)]
struct TrailerName {
    bytes: [u8; NAME_BYTES],
    length: usize,
}

impl TrailerName {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte.to_ascii_lowercase();
        }
        self.length = self.length.saturating_add(1);
    }

    /// Ends the name: whether it was a forbidden one.
    fn take_forbidden(&mut self) -> bool {
        let name = self.bytes.get(..std::mem::take(&mut self.length)).unwrap_or_default();
        FORBIDDEN_TRAILERS.contains(&name)
    }
}
