//! HTTP/1.1 as a server speaks it (RFC 9110, RFC 9112), strict: what is ambiguous is refused, never
//! repaired, so that no proxy in front can see other request boundaries than we do. It must never
//! touch a socket or a clock, nor hold more of a request than its limits allow.

mod body;
mod chunked;
mod error;
mod framing;
mod head;
mod host;
mod request_line;
pub mod response;
mod scan;
#[cfg(test)]
mod tests;

pub use error::HttpError;
pub use head::{HEADERS_MAX, Head};
pub use request_line::is_token;

use crate::proto::buffer::Buffer;
use body::BodyDecoder;
use scan::HeadScan;

/// The bounds of one request, in bytes where nothing else is said.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// The head: request line, header lines and the empty line after them.
    pub head_bytes: usize,
    /// The request target.
    pub target_bytes: usize,
    /// The number of header lines, at most [`HEADERS_MAX`].
    pub headers: usize,
    /// The body, without its framing.
    pub body_bytes: usize,
    /// What a chunked body may spend on extensions, trailers and framing that its data does not
    /// outweigh: a chunk's size line and ends count only by what they exceed the chunk's data.
    pub chunk_overhead_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            head_bytes: 16 * 1024,
            target_bytes: 8 * 1024,
            headers: 64,
            body_bytes: 10 * 1024 * 1024,
            chunk_overhead_bytes: 16 * 1024,
        }
    }
}

/// What the bytes so far amount to.
#[derive(Debug)]
pub enum Decoded {
    /// Nothing yet: read more.
    NeedMore,
    /// A request's head. Its body follows as the next event.
    Head(Head),
    /// The request's whole body, empty if it has none. The request is complete.
    Body(Vec<u8>),
}

/// Cuts the bytes of one connection into requests.
///
/// A request is an event `Head`, then an event `Body`. Bytes of the requests after it stay in the
/// input untouched. It remembers how far it has looked, so that a sender of single bytes costs no
/// more than any other, and the first error is its last word.
#[derive(Debug, Default)]
pub struct RequestDecoder {
    state: State,
    /// Boxed, since every connection at rest has a decoder and hardly any has this.
    refused_head: Option<Box<Head>>,
}

#[derive(Debug)]
enum State {
    Head(HeadScan),
    Body(BodyDecoder),
    Failed(HttpError),
}

impl Default for State {
    fn default() -> Self {
        Self::Head(HeadScan::default())
    }
}

impl RequestDecoder {
    /// A decoder at the start of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next event from the front of `input`.
    ///
    /// # Errors
    /// The reason to refuse the request. Every later call fails with the same reason.
    pub fn decode(
        &mut self,
        input: &mut Buffer,
        limits: &HttpLimits,
    ) -> Result<Decoded, HttpError> {
        let result = match &mut self.state {
            State::Head(scan) => match scan.advance(input, limits) {
                Ok(Some(line)) => self.begin(line, input, limits),
                Ok(None) => Ok(Decoded::NeedMore),
                Err(error) => Err(error),
            },
            State::Body(body) => match body.decode(input, limits) {
                Ok(Some(bytes)) => {
                    self.state = State::default();
                    Ok(Decoded::Body(bytes))
                }
                Ok(None) => Ok(Decoded::NeedMore),
                Err(error) => Err(error),
            },
            State::Failed(error) => Err(*error),
        };
        if let Err(error) = result {
            self.state = State::Failed(error);
        }
        result
    }

    /// Whether no byte of an incomplete request has been seen: a connection at rest, to which no
    /// request deadline applies. A tolerated empty line does not begin a request.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(&self.state, State::Head(scan) if scan.is_idle())
    }

    /// Bytes that are set aside for a body that is not whole.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.state {
            State::Body(body) => body.held_bytes(),
            State::Head(_) | State::Failed(_) => 0,
        }
    }

    /// The head of the request that the last error refused, where it was well-formed and never
    /// handed out as an event: the answer may depend on it (CORS), and so may the log.
    #[must_use]
    pub fn take_refused_head(&mut self) -> Option<Head> {
        self.refused_head.take().map(|head| *head)
    }

    fn begin(
        &mut self,
        found: scan::Found,
        input: &mut Buffer,
        limits: &HttpLimits,
    ) -> Result<Decoded, HttpError> {
        let bytes = input.bytes().get(..found.head_bytes).unwrap_or_default();
        let head = Head::parse(bytes, found.line, limits)?;
        input.consume(found.head_bytes);
        if let Err(error) = framing::acceptable(&head, limits) {
            self.refused_head = Some(Box::new(head));
            return Err(error);
        }
        self.state = State::Body(BodyDecoder::new(head.framing()));
        Ok(Decoded::Head(head))
    }
}
