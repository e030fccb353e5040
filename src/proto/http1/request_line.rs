//! The request line: method, target, version (RFC 9112, section 3). It must never accept a target
//! that two readers could understand differently.

use super::{HttpError, HttpLimits};
use std::ops::Range;

/// The longest method accepted; the longest registered one has 17 characters.
pub(super) const METHOD_BYTES: usize = 32;

/// Where the parts of a request line stand. Offsets count from its first byte.
#[derive(Debug, Clone)]
pub(super) struct RequestLine {
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    /// Empty for an absolute target without a path.
    pub(super) path: Range<usize>,
    pub(super) query: Option<Range<usize>>,
    /// Only in an absolute target.
    pub(super) authority: Option<Range<usize>>,
    pub(super) http_1_0: bool,
}

impl RequestLine {
    /// Reads a request line without its CRLF.
    pub(super) fn parse(line: &[u8], limits: &HttpLimits) -> Result<Self, HttpError> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(HttpError::RequestLine);
        };
        let http_1_0 = is_version_1_0(version)?;
        if method.len() > METHOD_BYTES || !is_token(method) {
            return Err(HttpError::Method);
        }
        if target.len() > limits.target_bytes {
            return Err(HttpError::TargetTooLong);
        }
        let start = method.len().saturating_add(1);
        let whole = start..start.saturating_add(target.len());
        let (authority, path_and_query) = authority_and_path(method, target, whole.clone())?;
        let (path, query) = path_and_query_of(line, path_and_query)?;
        Ok(Self { method: 0..method.len(), target: whole, path, query, authority, http_1_0 })
    }
}

/// Whether `bytes` is a token (RFC 9110, section 5.6.2).
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Whether `byte` may stand in a token (RFC 9110, section 5.6.2).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~')
}

fn is_version_1_0(version: &[u8]) -> Result<bool, HttpError> {
    match version {
        b"HTTP/1.1" => Ok(false),
        b"HTTP/1.0" => Ok(true),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(HttpError::Version)
        }
        _ => Err(HttpError::RequestLine),
    }
}

type AuthorityAndPath = (Option<Range<usize>>, Range<usize>);

/// Splits a target by its form: origin-form, absolute-form, or the asterisk of OPTIONS. The
/// authority-form of CONNECT is none of them.
fn authority_and_path(
    method: &[u8],
    target: &[u8],
    whole: Range<usize>,
) -> Result<AuthorityAndPath, HttpError> {
    match target {
        [b'/', ..] => return Ok((None, whole)),
        b"*" if method == b"OPTIONS" => return Ok((None, whole)),
        _ => {}
    }
    let scheme = ["http://", "https://"].iter().map(|scheme| scheme.len()).find(|length| {
        let prefix = target.get(..*length).unwrap_or_default();
        prefix.eq_ignore_ascii_case(b"http://") || prefix.eq_ignore_ascii_case(b"https://")
    });
    let rest = scheme.and_then(|length| target.get(length..)).ok_or(HttpError::Target)?;
    let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    if length == 0 {
        return Err(HttpError::Target);
    }
    let start = whole.end.saturating_sub(rest.len());
    let end = start.saturating_add(length);
    Ok((Some(start..end), end..whole.end))
}

type PathAndQuery = (Range<usize>, Option<Range<usize>>);

/// Splits at the first `?` and holds both parts to the characters of RFC 3986, section 3.3 and 3.4.
fn path_and_query_of(line: &[u8], range: Range<usize>) -> Result<PathAndQuery, HttpError> {
    let mut rest = line.get(range.clone()).unwrap_or_default();
    let mut query = None;
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, next @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                next
            }
            [b'?', next @ ..] => {
                query = query.or(Some(range.end.saturating_sub(next.len())));
                next
            }
            [byte, next @ ..] if is_path_byte(*byte) => next,
            _ => return Err(HttpError::Target),
        };
    }
    Ok(match query {
        Some(start) => (range.start..start.saturating_sub(1), Some(start..range.end)),
        None => (range, None),
    })
}

const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' | b'!' | b'$' | b'&')
        || matches!(byte, b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}
