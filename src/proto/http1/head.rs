//! The head of a request, read once and owned. It must never exist for a head whose framing could
//! be read in two ways.

use super::framing::{Expectation, Facts, Framing};
use super::host::is_authority;
use super::request_line::RequestLine;
use super::{HttpError, HttpLimits};
use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Range;

/// The most header lines a head can have, whatever the limits say.
pub const HEADERS_MAX: usize = 256;

/// A well-formed request head: its bytes, and an index of where everything stands in them.
pub struct Head {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    line: RequestLine,
    facts: Facts,
}

struct Field {
    name: Range<u32>,
    value: Range<u32>,
}

impl Head {
    /// Reads a complete head whose lines and request line are already in order. httparse reads the
    /// lines a second time: what either reader refuses is refused.
    pub(super) fn parse(
        bytes: &[u8],
        line: RequestLine,
        limits: &HttpLimits,
    ) -> Result<Self, HttpError> {
        let mut slots = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let slots = slots.get_mut(..limits.headers.min(HEADERS_MAX)).unwrap_or_default();
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, slots) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(HttpError::TooManyHeaders),
            Ok(_) | Err(_) => return Err(HttpError::Header),
        }
        let mut fields = Vec::with_capacity(request.headers.len());
        for header in &*request.headers {
            let name = range_within(bytes, header.name.as_bytes())?;
            let value = range_within(bytes, header.value)?;
            fields.push(Field { name, value });
        }
        let mut head = Self { bytes: bytes.to_vec(), fields, line, facts: Facts::default() };
        head.facts = Facts::read(&head)?;
        head.check_host()?;
        Ok(head)
    }

    /// RFC 9112, section 3.2: exactly one `Host` in HTTP/1.1, and the same host in both places.
    fn check_host(&self) -> Result<(), HttpError> {
        let mut hosts = self.headers_named("host");
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(HttpError::HostRepeated);
        }
        match (host, self.line.authority.clone()) {
            (None, None) if self.line.http_1_0 => Ok(()),
            (None, _) => Err(HttpError::HostMissing),
            (Some(host), _) if !is_authority(host) => Err(HttpError::HostSyntax),
            (Some(host), Some(range)) => {
                let same = self.bytes.get(range).unwrap_or_default().eq_ignore_ascii_case(host);
                if same { Ok(()) } else { Err(HttpError::HostMismatch) }
            }
            (Some(_), None) => Ok(()),
        }
    }

    /// The method as sent; methods are case-sensitive.
    #[must_use]
    pub fn method(&self) -> &str {
        self.text(self.line.method.clone())
    }

    /// The whole request target as sent.
    #[must_use]
    pub fn target(&self) -> &str {
        self.text(self.line.target.clone())
    }

    /// The path, not decoded; `/` for an absolute target without one, `*` for the asterisk-form.
    #[must_use]
    pub fn path(&self) -> &str {
        if self.line.path.is_empty() { "/" } else { self.text(self.line.path.clone()) }
    }

    /// What follows the first `?`, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.line.query.clone().map(|range| self.text(range))
    }

    /// Whether the request is HTTP/1.0; it is HTTP/1.1 otherwise.
    #[must_use]
    pub const fn http_1_0(&self) -> bool {
        self.line.http_1_0
    }

    /// The value of the first header named `name`, in any case of letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers_named(name).next()
    }

    /// The same as text; `None` also if the value has bytes outside visible ASCII, space and tab.
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<&str> {
        let value = self.header(name)?;
        if value.is_ascii() { std::str::from_utf8(value).ok() } else { None }
    }

    /// The values of all headers named `name`, in the order of their lines.
    pub fn headers_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.raw_headers()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The number of header lines named `name`.
    #[must_use]
    pub fn count_of(&self, name: &str) -> usize {
        self.headers_named(name).count()
    }

    /// All headers as sent, in the order of their lines, values without surrounding whitespace.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.raw_headers()
            .map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    /// The value of `Content-Length`.
    #[must_use]
    pub const fn content_length(&self) -> Option<u64> {
        match self.facts.framing {
            Framing::Length(length) => Some(length),
            Framing::Empty | Framing::Chunked => None,
        }
    }

    /// Whether the body comes in chunks.
    #[must_use]
    pub const fn is_chunked(&self) -> bool {
        matches!(self.facts.framing, Framing::Chunked)
    }

    /// Whether the client waits for `100 Continue` before it sends its body. Never in HTTP/1.0, nor
    /// without a body (RFC 9110, section 10.1.1).
    #[must_use]
    pub const fn expects_continue(&self) -> bool {
        matches!(self.facts.expectation, Expectation::Continue)
            && !self.line.http_1_0
            && !matches!(self.facts.framing, Framing::Empty | Framing::Length(0))
    }

    /// Whether the connection may serve another request: HTTP/1.1 without `Connection: close`.
    #[must_use]
    pub const fn keep_alive(&self) -> bool {
        !self.line.http_1_0 && !self.facts.close
    }

    pub(super) const fn framing(&self) -> Framing {
        self.facts.framing
    }

    pub(super) const fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn raw_headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (self.slice(&field.name), self.slice(&field.value)))
    }

    fn slice(&self, range: &Range<u32>) -> &[u8] {
        let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end))
        else {
            return &[];
        };
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn text(&self, range: Range<usize>) -> &str {
        let bytes = self.bytes.get(range).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Shows no header, since values may be credentials.
impl fmt::Debug for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Head")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("headers", &self.fields.len())
            .finish_non_exhaustive()
    }
}

/// Where `part`, a slice of `whole`, stands in it.
fn range_within(whole: &[u8], part: &[u8]) -> Result<Range<u32>, HttpError> {
    let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    // httparse gives an empty value as an empty slice that need not stand in the head.
    let start = if part.is_empty() { 0 } else { start };
    let end = start.saturating_add(part.len());
    if end > whole.len() {
        return Err(HttpError::Header);
    }
    match (u32::try_from(start), u32::try_from(end)) {
        (Ok(start), Ok(end)) => Ok(start..end),
        _ => Err(HttpError::HeadTooLarge),
    }
}
