//! The reasons to refuse a request. It must never carry bytes of the request itself.

use std::fmt;

/// Why a request was refused. After any of these the framing of the connection is lost or not worth
/// keeping: answer and close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpError {
    /// A line ended with LF alone (RFC 9112, section 2.2 would allow it; we do not).
    BareLf,
    /// A CR without LF (RFC 9112, section 2.2).
    BareCr,
    /// A NUL or another control character in the head (RFC 9110, section 5.5).
    ControlCharacter,
    /// More than one empty line before a request line.
    EmptyLines,
    /// The request line is not three words with single spaces between (RFC 9112, section 3).
    RequestLine,
    /// The method is not a token of at most 32 characters.
    Method,
    /// The target has a form or characters we do not accept (RFC 9112, section 3.2).
    Target,
    /// The target, or the request line before its end came, is too long.
    TargetTooLong,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// A line begins with a space or tab (obsolete folding, RFC 9112, section 5.2).
    Folding,
    /// A line that is no header (RFC 9112, section 5).
    Header,
    /// The head is larger than its limit.
    HeadTooLarge,
    /// The head has more header lines than its limit.
    TooManyHeaders,
    /// HTTP/1.1 without `Host` (RFC 9112, section 3.2).
    HostMissing,
    /// `Host` more than once.
    HostRepeated,
    /// `Host` is not a name or address with an optional port.
    HostSyntax,
    /// An absolute target names another host than `Host` does.
    HostMismatch,
    /// `Content-Length` is not one plain decimal number (RFC 9112, section 6.3).
    ContentLength,
    /// `Content-Length` more than once, even with equal values.
    ContentLengthRepeated,
    /// `Content-Length` beside `Transfer-Encoding` (RFC 9112, section 6.3).
    LengthAndCoding,
    /// `Transfer-Encoding` is malformed, repeated or does not end with `chunked` (RFC 9112, 6.3).
    TransferEncoding,
    /// `Transfer-Encoding` in HTTP/1.0 (RFC 9112, section 6.1).
    TransferEncodingVersion,
    /// A transfer coding beside `chunked` (RFC 9112, section 6.1).
    TransferCoding,
    /// An expectation other than `100-continue` (RFC 9110, section 10.1.1).
    Expectation,
    /// A content coding other than `identity` (RFC 9110, section 8.4).
    ContentEncoding,
    /// The body is, or is announced to be, larger than its limit.
    BodyTooLarge,
    /// A chunk size is not 1 to 16 hexadecimal digits (RFC 9112, section 7.1).
    ChunkSize,
    /// A chunk extension is malformed (RFC 9112, section 7.1.1).
    ChunkExtension,
    /// A chunk's data is not followed by CRLF.
    ChunkEnd,
    /// Tiny chunks, extensions and trailers together exceed their limit.
    ChunkOverhead,
    /// A trailer line is malformed (RFC 9112, section 7.1.2).
    Trailer,
    /// A trailer that may only stand in the head (RFC 9110, section 6.5.1).
    TrailerForbidden,
}

impl HttpError {
    /// The status code of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::ContentEncoding => 415,
            Self::Expectation => 417,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::TransferCoding => 501,
            Self::Version => 505,
            _ => 400,
        }
    }

    /// One sentence for the peer.
    #[must_use]
    pub const fn public(self) -> &'static str {
        match self {
            Self::BareLf => "A line ended without CR.",
            Self::BareCr => "A CR was not followed by LF.",
            Self::ControlCharacter => "The request head contains a control character.",
            Self::EmptyLines => "The request began with empty lines.",
            Self::RequestLine => "The request line is malformed.",
            Self::Method => "The method is malformed.",
            Self::Target => "The request target is malformed.",
            Self::TargetTooLong => "The request target is too long.",
            Self::Version => "Only HTTP/1.1 and HTTP/1.0 are supported.",
            Self::Folding => "Folded header lines are not accepted.",
            Self::Header => "A header line is malformed.",
            Self::HeadTooLarge => "The request head is too large.",
            Self::TooManyHeaders => "The request has too many header lines.",
            Self::HostMissing => "The Host header is missing.",
            Self::HostRepeated => "The Host header is repeated.",
            Self::HostSyntax => "The Host header is malformed.",
            Self::HostMismatch => "The request target and the Host header disagree.",
            Self::ContentLength => "The Content-Length header is malformed.",
            Self::ContentLengthRepeated => "The Content-Length header is repeated.",
            Self::LengthAndCoding => "Content-Length and Transfer-Encoding exclude each other.",
            Self::TransferEncoding => "The Transfer-Encoding header is malformed.",
            Self::TransferEncodingVersion => "HTTP/1.0 has no Transfer-Encoding.",
            Self::TransferCoding => "Only the transfer coding chunked is supported.",
            Self::Expectation => "The only supported expectation is 100-continue.",
            Self::ContentEncoding => "Compressed request bodies are not accepted.",
            Self::BodyTooLarge => "The request body is too large.",
            Self::ChunkSize => "A chunk size is malformed.",
            Self::ChunkExtension => "A chunk extension is malformed.",
            Self::ChunkEnd => "A chunk did not end where its size said.",
            Self::ChunkOverhead => "The chunks carry too little data for their framing.",
            Self::Trailer => "A trailer line is malformed.",
            Self::TrailerForbidden => "A trailer line may only stand in the request head.",
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.public())
    }
}

impl std::error::Error for HttpError {}
