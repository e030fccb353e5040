//! What the headers say about the message as such: where its body ends, and whether we can read it.
//! It must never choose between two statements: it refuses both.

use super::request_line::is_token;
use super::{Head, HttpError, HttpLimits};

/// How the body is delimited (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// No statement: there is no body.
    #[default]
    Empty,
    Length(u64),
    Chunked,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Expectation {
    #[default]
    None,
    Continue,
    Other,
}

/// The headers that this layer acts on, read.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) framing: Framing,
    pub(super) expectation: Expectation,
    /// `Connection` lists `close`.
    pub(super) close: bool,
    /// `Content-Encoding` names something other than `identity`.
    pub(super) encoded: bool,
}

impl Facts {
    /// Reads the headers in one pass.
    pub(super) fn read(head: &Head) -> Result<Self, HttpError> {
        let mut facts = Self::default();
        let mut length = None;
        let mut chunked = false;
        for (name, value) in head.raw_headers() {
            let named = |known: &[u8]| name.eq_ignore_ascii_case(known);
            match name.len() {
                6 if named(b"expect") => facts.expect(value),
                10 if named(b"connection") => facts.close |= lists(value, b"close"),
                14 if named(b"content-length") => {
                    let repeated = length.replace(content_length(value)?).is_some();
                    if repeated {
                        return Err(HttpError::ContentLengthRepeated);
                    }
                }
                16 if named(b"content-encoding") => {
                    facts.encoded |= !value.eq_ignore_ascii_case(b"identity");
                }
                17 if named(b"transfer-encoding") => {
                    check_transfer_encoding(value)?;
                    if std::mem::replace(&mut chunked, true) {
                        return Err(HttpError::TransferEncoding);
                    }
                }
                // Intermediaries that map `_` to `-` would see a framing header here.
                14 if named(b"content_length") => return Err(HttpError::ContentLength),
                17 if named(b"transfer_encoding") => return Err(HttpError::TransferEncoding),
                _ => {}
            }
        }
        facts.framing = match (length, chunked) {
            (Some(_), true) => return Err(HttpError::LengthAndCoding),
            (None, true) if head.http_1_0() => return Err(HttpError::TransferEncodingVersion),
            (None, true) => Framing::Chunked,
            (Some(length), false) => Framing::Length(length),
            (None, false) => Framing::Empty,
        };
        Ok(facts)
    }

    fn expect(&mut self, value: &[u8]) {
        let first = matches!(self.expectation, Expectation::None);
        self.expectation = if first && value.eq_ignore_ascii_case(b"100-continue") {
            Expectation::Continue
        } else {
            Expectation::Other
        };
    }
}

/// Whether a well-formed request is one we can take, before any of its body is read.
pub(super) fn acceptable(head: &Head, limits: &HttpLimits) -> Result<(), HttpError> {
    let facts = head.facts();
    if let Framing::Length(length) = facts.framing
        && usize::try_from(length).map_or(true, |length| length > limits.body_bytes)
    {
        return Err(HttpError::BodyTooLarge);
    }
    if matches!(facts.expectation, Expectation::Other) {
        return Err(HttpError::Expectation);
    }
    if facts.encoded {
        return Err(HttpError::ContentEncoding);
    }
    Ok(())
}

/// RFC 9110, section 8.6: digits only. Leading zeros are refused too, as some readers take them
/// for octal and no sender has a reason to write them.
fn content_length(value: &[u8]) -> Result<u64, HttpError> {
    let plain = match value {
        [b'0'] => true,
        [b'0', ..] | [] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    };
    let text = std::str::from_utf8(value).ok().filter(|_| plain);
    text.and_then(|text| text.parse().ok()).ok_or(HttpError::ContentLength)
}

/// Accepts `chunked` alone. RFC 9112, section 6.3 demands 400 where `chunked` is not the last
/// coding; section 6.1 gives 501 for a coding we do not have before it.
fn check_transfer_encoding(value: &[u8]) -> Result<(), HttpError> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let chunked_last = codings.next().is_some_and(is_chunked);
    let others_known = codings.all(|coding| is_token(coding) && !is_chunked(coding));
    Err(if chunked_last && others_known {
        HttpError::TransferCoding
    } else {
        HttpError::TransferEncoding
    })
}

/// Whether a comma-separated list holds `token`, in any case of letters.
fn lists(value: &[u8], token: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}
