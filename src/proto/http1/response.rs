//! Writes responses straight into an output buffer. It must never write a header that could end its
//! own line, nor a head with two statements about its body.

use super::request_line::is_token;
use std::fmt;

/// A header was refused: its name is no token or belongs to the framing, or its value holds a
/// control character (response splitting).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderRefused;

impl fmt::Display for HeaderRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("A response header cannot be written.")
    }
}

impl std::error::Error for HeaderRefused {}

/// Header lines checked and rendered once, to be copied into many responses.
#[derive(Debug, Clone, Default)]
pub struct HeaderBlock {
    bytes: Vec<u8>,
}

impl HeaderBlock {
    /// A block without headers.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Adds a header.
    ///
    /// # Errors
    /// The header cannot be written; the block is as before.
    pub fn push(&mut self, name: &str, value: &[u8]) -> Result<(), HeaderRefused> {
        push_header(&mut self.bytes, name, value)
    }

    /// The rendered lines, each ending with CRLF.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A response head under way. One of the methods that consume it ends the head; if any header was
/// refused they fail and leave the output as it was before, so that nothing half-written is sent.
#[derive(Debug)]
#[must_use = "a head must be ended"]
pub struct ResponseHead<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    status: u16,
    result: Result<(), HeaderRefused>,
}

impl<'a> ResponseHead<'a> {
    /// Writes the status line. A status outside 100 to 599 is written as 500.
    pub fn new(out: &'a mut Vec<u8>, status: u16) -> Self {
        let status = if (100..600).contains(&status) { status } else { 500 };
        let start = out.len();
        out.reserve(512);
        out.extend_from_slice(b"HTTP/1.1 ");
        push_decimal(out, u64::from(status));
        out.push(b' ');
        out.extend_from_slice(reason(status).as_bytes());
        out.extend_from_slice(b"\r\n");
        Self { out, start, status, result: Ok(()) }
    }

    /// Writes a header. `Content-Length` and `Transfer-Encoding` are refused: the end of the head
    /// states the framing.
    pub fn header(mut self, name: &str, value: &[u8]) -> Self {
        self.result = self.result.and(push_header(self.out, name, value));
        self
    }

    /// Writes a header whose value is a number; `name` is one that can be written.
    pub fn number(self, name: &str, value: u64) -> Self {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        push_decimal(self.out, value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Copies a block of headers.
    pub fn block(self, block: &HeaderBlock) -> Self {
        self.out.extend_from_slice(block.as_bytes());
        self
    }

    /// Writes `Date`, formatted by the caller (RFC 9110, section 5.6.7).
    pub fn date(self, formatted: &[u8]) -> Self {
        self.header("Date", formatted)
    }

    /// Announces that the connection ends with this response.
    pub fn close(self) -> Self {
        self.out.extend_from_slice(b"Connection: close\r\n");
        self
    }

    /// Ends the head of a response with a body of `length` bytes, or of a response to HEAD.
    /// Statuses that exclude a body get no length (RFC 9110, section 8.6).
    ///
    /// # Errors
    /// A header was refused.
    pub fn content_length(self, length: u64) -> Result<(), HeaderRefused> {
        if self.has_body() {
            self.out.extend_from_slice(b"Content-Length: ");
            push_decimal(self.out, length);
            self.out.extend_from_slice(b"\r\n");
        }
        self.end()
    }

    /// Ends the head of a response whose body follows in chunks; not for a client of HTTP/1.0.
    ///
    /// # Errors
    /// A header was refused.
    pub fn chunked(self) -> Result<(), HeaderRefused> {
        if self.has_body() {
            self.out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        self.end()
    }

    /// Ends a head without a statement about a body: for 1xx, 204 and 304, and for a body that ends
    /// with the connection.
    ///
    /// # Errors
    /// A header was refused.
    pub fn end(self) -> Result<(), HeaderRefused> {
        match self.result {
            Ok(()) => self.out.extend_from_slice(b"\r\n"),
            Err(HeaderRefused) => self.out.truncate(self.start),
        }
        self.result
    }

    const fn has_body(&self) -> bool {
        !matches!(self.status, 100..=199 | 204 | 304)
    }
}

/// Appends one chunk. Nothing is written for empty data, which would end the body.
pub fn push_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    out.reserve(data.len().saturating_add(20));
    push_number::<16>(out, u64::try_from(data.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a chunked body.
pub fn push_last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Appends the interim response that lets a waiting client send its body.
pub fn push_continue(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// Appends `number` in decimal digits.
pub fn push_decimal(out: &mut Vec<u8>, number: u64) {
    push_number::<10>(out, number);
}

fn push_number<const BASE: u64>(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0u8; 20];
    let mut rest = number;
    let mut count = 0;
    for slot in digits.iter_mut().rev() {
        let digit = u8::try_from(rest % BASE).unwrap_or_default();
        *slot = if digit < 10 { b'0' + digit } else { b'a' + (digit - 10) };
        rest /= BASE;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - count..).unwrap_or_default());
}

fn push_header(out: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), HeaderRefused> {
    let framing = ["content-length", "transfer-encoding"];
    let is_framing = framing.iter().any(|known| known.eq_ignore_ascii_case(name));
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if is_framing || !is_token(name.as_bytes()) || !value.iter().all(is_text) {
        return Err(HeaderRefused);
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The reason phrase of a status, empty for one not registered (RFC 9110, section 15; RFC 6585).
const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(out: Vec<u8>) -> String {
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_response_has_status_headers_block_and_length() {
        let mut block = HeaderBlock::new();
        block.push("X-Content-Type-Options", b"nosniff").unwrap();
        let mut out = b"before".to_vec();
        ResponseHead::new(&mut out, 200)
            .header("Content-Type", b"application/json")
            .block(&block)
            .date(b"Thu, 01 Jan 1970 00:00:00 GMT")
            .close()
            .content_length(120)
            .unwrap();
        assert_eq!(
            text(out),
            "beforeHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
             X-Content-Type-Options: nosniff\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             Connection: close\r\nContent-Length: 120\r\n\r\n"
        );
    }

    // C52
    #[test]
    fn a_value_that_would_split_the_response_fails_the_head_and_leaves_no_trace() {
        for value in ["a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\0b", "\u{1b}[2J", "\u{7f}"] {
            let mut out = b"before".to_vec();
            let head = ResponseHead::new(&mut out, 401).header("X", value.as_bytes());
            assert_eq!(head.header("Y", b"fine").content_length(0), Err(HeaderRefused));
            assert_eq!(out, b"before", "{value:?}");
            assert_eq!(HeaderBlock::new().push("X", value.as_bytes()), Err(HeaderRefused));
        }
    }

    #[test]
    fn names_must_be_tokens_and_leave_the_framing_alone() {
        for name in ["", "a b", "a:", "a\r\nb", "é", "Content-Length", "transfer-encoding"] {
            let mut out = Vec::new();
            let head = ResponseHead::new(&mut out, 200).header(name, b"1");
            assert_eq!(head.end(), Err(HeaderRefused), "{name:?}");
        }
    }

    #[test]
    fn statuses_without_a_body_get_no_framing() {
        for status in [101, 204, 304] {
            let mut out = Vec::new();
            ResponseHead::new(&mut out, status).content_length(5).unwrap();
            ResponseHead::new(&mut out, status).chunked().unwrap();
            let line = format!("HTTP/1.1 {status} {}\r\n\r\n", reason(status));
            assert_eq!(text(out), line.repeat(2));
        }
    }

    #[test]
    fn an_impossible_status_becomes_500_and_an_unknown_one_has_no_reason() {
        let mut out = Vec::new();
        ResponseHead::new(&mut out, 42).end().unwrap();
        ResponseHead::new(&mut out, 299).chunked().unwrap();
        assert_eq!(
            text(out),
            "HTTP/1.1 500 Internal Server Error\r\n\r\n\
             HTTP/1.1 299 \r\nTransfer-Encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn chunks_carry_their_size_in_hex_and_empty_data_does_not_end_the_body() {
        let mut out = Vec::new();
        push_chunk(&mut out, b"");
        push_chunk(&mut out, &[b'x'; 0x1af]);
        push_chunk(&mut out, b"0123456789");
        push_last_chunk(&mut out);
        let long = "x".repeat(0x1af);
        assert_eq!(text(out), format!("1af\r\n{long}\r\na\r\n0123456789\r\n0\r\n\r\n"));
    }

    #[test]
    fn numbers_are_written_whole() {
        for number in [0, 7, 10, 65_535, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            assert_eq!(text(out), number.to_string());
        }
    }

    #[test]
    fn continue_has_its_exact_form() {
        let mut out = Vec::new();
        push_continue(&mut out);
        assert_eq!(text(out), "HTTP/1.1 100 Continue\r\n\r\n");
    }
}
