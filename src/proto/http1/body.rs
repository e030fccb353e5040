//! Gathers a request body. Memory must follow the bytes that came, never the length announced.

use super::chunked::ChunkedDecoder;
use super::framing::Framing;
use super::{HttpError, HttpLimits};
use crate::proto::buffer::Buffer;

/// The body of one request, as far as it has come.
#[derive(Debug)]
pub(super) enum BodyDecoder {
    Length { length: u64, body: Vec<u8> },
    Chunked(ChunkedDecoder),
}

impl BodyDecoder {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Length { length: 0, body: Vec::new() },
            Framing::Length(length) => Self::Length { length, body: Vec::new() },
            Framing::Chunked => Self::Chunked(ChunkedDecoder::default()),
        }
    }

    /// Bytes that are set aside for it.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Length { body, .. } => body.capacity(),
            Self::Chunked(chunked) => chunked.held_bytes(),
        }
    }

    /// Takes what belongs to the body from the front of `input`; gives the body once it is whole.
    pub(super) fn decode(
        &mut self,
        input: &mut Buffer,
        limits: &HttpLimits,
    ) -> Result<Option<Vec<u8>>, HttpError> {
        match self {
            Self::Chunked(chunked) => chunked.decode(input, limits),
            Self::Length { length, body } => {
                let length = usize::try_from(*length).map_err(|_| HttpError::BodyTooLarge)?;
                let taken = append(body, input.bytes(), length.saturating_sub(body.len()));
                input.consume(taken);
                Ok((body.len() >= length).then(|| std::mem::take(body)))
            }
        }
    }
}

/// Appends the first `missing` of `bytes` to `body` and says how many there were. The capacity
/// doubles as usual, but never beyond what is missing.
pub(super) fn append(body: &mut Vec<u8>, bytes: &[u8], missing: usize) -> usize {
    let bytes = bytes.get(..missing).unwrap_or(bytes);
    if body.capacity().saturating_sub(body.len()) < bytes.len() {
        body.reserve_exact(bytes.len().max(body.len()).min(missing));
    }
    body.extend_from_slice(bytes);
    bytes.len()
}
