//! Between URIs and paths below a root; it must never accept two readings of one URI.
//!
//! RFC 3986. A URI is decoded exactly once, segment by segment, and every segment must be a name
//! that a directory entry can have. Roots are compared segment by segment, never as text.

use std::fmt;

use crate::base::percent::{encode_path, escape_of, is_unreserved};
use crate::guard::validate::uri::LONGEST;

/// The longest path, in bytes: the kernel's own limit, which counts a byte at its end.
const MAX_BYTES: usize = 4_095;

/// Why a URI or a relative path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UriError {
    /// A URI longer than 8192 bytes, or a path longer than 4095.
    TooLong,
    /// Not of the form `scheme://authority/path`, or a character that must be encoded.
    Syntax,
    /// A user, a query or a fragment.
    Extra,
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    Encoding,
    /// An encoded character that is still encoded after decoding.
    DoubleEncoding,
    /// A segment that is empty, `.` or `..`.
    Dots,
    /// A slash, backslash or control character inside a segment.
    Separator,
    /// The root itself, which is a directory.
    NoFile,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the URI is too long",
            Self::Syntax => "the URI is not well-formed",
            Self::Extra => "the URI must not have a user, a query or a fragment",
            Self::Encoding => "the URI has an invalid percent-encoding",
            Self::DoubleEncoding => "the URI is percent-encoded twice",
            Self::Dots => "the URI has an empty or relative path segment",
            Self::Separator => "the URI has a forbidden character in a path segment",
            Self::NoFile => "the URI does not name a file",
        })
    }
}

impl std::error::Error for UriError {}

/// What the URIs of one root begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UriPrefix {
    /// As it was configured, with the final slash.
    text: String,
    scheme: String,
    authority: String,
    segments: Vec<String>,
}

impl UriPrefix {
    /// Parses a configured prefix: `scheme://authority/` and perhaps more segments, each followed
    /// by a slash.
    pub(super) fn parse(text: &str) -> Result<Self, UriError> {
        let (scheme, authority, path) = split(text)?;
        let path = path.strip_suffix('/').ok_or(UriError::Syntax)?;
        let segments = match path.strip_prefix('/') {
            Some(path) => decode_path(path)?,
            None if path.is_empty() => Vec::new(),
            None => return Err(UriError::Syntax),
        };
        Ok(Self {
            text: text.to_owned(),
            scheme: scheme.to_owned(),
            authority: authority.to_owned(),
            segments,
        })
    }

    /// The URI of a file below the root.
    pub(super) fn uri_for(&self, relative: &str) -> String {
        let mut uri = String::with_capacity(self.text.len() + relative.len());
        uri.push_str(&self.text);
        encode_path(&mut uri, relative);
        uri
    }

    /// True if the URI of a file below the root is not longer than peers may send one.
    pub(super) fn has_uri_for(&self, relative: &str) -> bool {
        self.uri_for(relative).len() <= LONGEST
    }

    /// The path below the root that a URI names; `None` when it is not below this root.
    ///
    /// What has another scheme or authority is somebody else's URI, and its form not judged here.
    pub(super) fn relative_of(&self, uri: &str) -> Result<Option<String>, UriError> {
        let Some((scheme, rest)) = uri.split_once("://") else { return Ok(None) };
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(UriError::Syntax)?;
        let host = authority.rsplit('@').next().unwrap_or_default();
        if !scheme.eq_ignore_ascii_case(&self.scheme) || !host.eq_ignore_ascii_case(&self.authority)
        {
            return Ok(None);
        }
        if host.len() < authority.len() || path.contains(['?', '#']) {
            return Err(UriError::Extra);
        }
        if uri.len() > LONGEST {
            return Err(UriError::TooLong);
        }
        if matches!(path, "" | "/") {
            return Err(UriError::NoFile);
        }
        // A final slash names a directory, and a file has none; it falls under empty segments.
        let segments = decode_path(path.strip_prefix('/').ok_or(UriError::Separator)?)?;
        match segments.strip_prefix(self.segments.as_slice()) {
            None => Ok(None),
            Some([]) => Err(UriError::NoFile),
            Some(below) => {
                let relative = below.join("/");
                if relative.len() > MAX_BYTES { Err(UriError::TooLong) } else { Ok(Some(relative)) }
            }
        }
    }
}

/// Checks a path below a root: names, each followed by a slash but the last.
pub(super) fn check_relative(relative: &str) -> Result<(), UriError> {
    if relative.len() > MAX_BYTES {
        return Err(UriError::TooLong);
    }
    relative.split('/').try_for_each(check_segment)
}

/// Checks that a name can stand in a URI and mean one thing only.
pub(super) fn check_segment(segment: &str) -> Result<(), UriError> {
    if matches!(segment, "" | "." | "..") {
        return Err(UriError::Dots);
    }
    if segment.contains(|c: char| matches!(c, '/' | '\\') || c.is_control()) {
        return Err(UriError::Separator);
    }
    // Whoever decodes again, here or at the peer, must not come to another name.
    let still_encoded = segment.as_bytes().windows(3).any(|window| {
        matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    });
    if still_encoded { Err(UriError::DoubleEncoding) } else { Ok(()) }
}

/// Splits a configured prefix into scheme, authority and path.
fn split(uri: &str) -> Result<(&str, &str, &str), UriError> {
    if uri.contains(['?', '#']) {
        return Err(UriError::Extra);
    }
    let (scheme, rest) = uri.split_once("://").ok_or(UriError::Syntax)?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme {
        return Err(UriError::Syntax);
    }
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or(UriError::Syntax)?;
    if authority.contains('@') {
        return Err(UriError::Extra);
    }
    let is_authority =
        authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte));
    if is_authority { Ok((scheme, authority, path)) } else { Err(UriError::Syntax) }
}

fn decode_path(path: &str) -> Result<Vec<String>, UriError> {
    path.split('/').map(decode_segment).collect()
}

fn decode_segment(segment: &str) -> Result<String, UriError> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.as_bytes();
    while let Some((first, tail)) = bytes.split_first() {
        bytes = tail;
        match *first {
            b'%' => {
                let (byte, tail) = escape_of(tail).ok_or(UriError::Encoding)?;
                decoded.push(byte);
                bytes = tail;
            }
            b'\\' | 0..=31 | 127 => return Err(UriError::Separator),
            byte if is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte) => decoded.push(byte),
            _ => return Err(UriError::Syntax),
        }
    }
    let decoded = String::from_utf8(decoded).map_err(|_| UriError::Encoding)?;
    check_segment(&decoded)?;
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(prefix: &str, uri: &str) -> Result<Option<String>, UriError> {
        UriPrefix::parse(prefix).unwrap().relative_of(uri)
    }

    fn found(path: &str) -> Result<Option<String>, UriError> {
        Ok(Some(path.to_owned()))
    }

    #[test]
    fn a_path_survives_the_way_to_a_uri_and_back() {
        let prefix = UriPrefix::parse("docs://manual/").unwrap();
        for path in
            ["a", "a/b.txt", "ü ß/漢字", "100%", "a?b#c", "a+b&c", "...", "a:b@c", "%zz", "~"]
        {
            assert_eq!(prefix.relative_of(&prefix.uri_for(path)), found(path), "{path}");
        }
        assert_eq!(prefix.uri_for("ü b/c"), "docs://manual/%C3%BC%20b/c");
    }

    #[test]
    fn a_root_is_compared_by_segments() {
        let prefix = "file:///data/allow/";
        assert_eq!(relative(prefix, "file:///data/allow/x"), found("x"));
        assert_eq!(relative(prefix, "FILE:///data/%61llow/x"), found("x"));
        for other in [
            "file:///data/allow_secret/x",
            "file:///data/allow_secret",
            "file:///data/allowx",
            "file:///data/all",
            "file:///data/Allow/x",
            "file:///other",
            "file://host/data/allow/x",
            "docs:///data/allow/x",
        ] {
            assert_eq!(relative(prefix, other), Ok(None), "{other}");
        }
        assert_eq!(relative(prefix, "file:///data/allow"), Err(UriError::NoFile));
        assert_eq!(relative("docs://manual/", "docs://manual"), Err(UriError::NoFile));
        assert_eq!(relative("docs://manual/", "docs://manual/"), Err(UriError::NoFile));
        assert_eq!(relative("docs://manual/", "docs://manual2/x"), Ok(None));
    }

    #[test]
    fn traversal_is_refused_in_every_encoding() {
        for (path, error) in [
            ("../etc/passwd", UriError::Dots),
            ("a/../../etc/passwd", UriError::Dots),
            ("a/..", UriError::Dots),
            ("./a", UriError::Dots),
            ("a//b", UriError::Dots),
            ("/etc/passwd", UriError::Dots),
            ("a/", UriError::Dots),
            ("%2e%2e/etc/passwd", UriError::Dots),
            ("%2E./x", UriError::Dots),
            (".%2e/x", UriError::Dots),
            ("..%2fetc", UriError::Separator),
            ("a%2Fb", UriError::Separator),
            ("%2fetc", UriError::Separator),
            ("..\\x", UriError::Separator),
            ("..%5cx", UriError::Separator),
            ("a%00.txt", UriError::Separator),
            ("a\0", UriError::Separator),
            ("a%0a", UriError::Separator),
            ("a%7f", UriError::Separator),
            ("a%C2%85", UriError::Separator),
            ("%252e%252e/x", UriError::DoubleEncoding),
            ("a%252fb", UriError::DoubleEncoding),
            ("a%255Cb", UriError::DoubleEncoding),
            ("a%2525", UriError::DoubleEncoding),
            ("a%2500", UriError::DoubleEncoding),
            ("%25%32%65", UriError::DoubleEncoding),
            ("%c0%ae%c0%ae/x", UriError::Encoding),
            ("%e0%80%ae", UriError::Encoding),
            ("%c0%af", UriError::Encoding),
            ("%ff", UriError::Encoding),
            ("%ed%a0%80", UriError::Encoding),
            ("%", UriError::Encoding),
            ("%2", UriError::Encoding),
            ("%zz", UriError::Encoding),
            ("%u002e", UriError::Encoding),
            ("%+1", UriError::Encoding),
            ("a?b", UriError::Extra),
            ("a#b", UriError::Extra),
            ("a b", UriError::Syntax),
            ("ü", UriError::Syntax),
            ("a|b", UriError::Syntax),
        ] {
            assert_eq!(
                relative("docs://manual/", &format!("docs://manual/{path}")),
                Err(error),
                "{path:?}"
            );
            let below = format!("file:///data/allow/{path}");
            assert_eq!(relative("file:///data/allow/", &below), Err(error), "{path:?}");
        }
    }

    #[test]
    fn what_belongs_to_others_is_left_to_them() {
        let prefix = "docs://manual/";
        for uri in [
            "",
            "a",
            "/etc/passwd",
            "../x",
            "docs:manual/x",
            "docs:/manual/x",
            "://manual/x",
            "do%63s://manual/x",
            "docs://man%75al/x",
            "docs://manual:80/x",
            "docs:///manual/x",
            "urn:x:y",
            "https://manual/?q=%2e%2e#f",
            "docs://other/../x",
            "docs://manual@other/x",
            "docs://manual\0/x",
        ] {
            assert_eq!(relative(prefix, uri), Ok(None), "{uri}");
        }
    }

    #[test]
    fn a_uri_of_the_root_has_only_a_path_and_a_bounded_one() {
        let prefix = "docs://manual/";
        for uri in [
            "docs://user@manual/x",
            "docs://user:word@manual/x",
            "docs://@manual/x",
            "docs://other@manual/x",
            "docs://manual?q",
            "docs://manual#f",
        ] {
            assert_eq!(relative(prefix, uri), Err(UriError::Extra), "{uri}");
        }
        assert_eq!(relative(prefix, "docs://manual\\x"), Err(UriError::Separator));
        let long = format!("docs://manual/{}", "a".repeat(MAX_BYTES + 1));
        assert_eq!(relative(prefix, &long), Err(UriError::TooLong));
        assert_eq!(check_relative(&"a/".repeat(MAX_BYTES)), Err(UriError::TooLong));
    }

    #[test]
    fn a_configured_prefix_must_be_whole() {
        for prefix in [
            "docs://manual",
            "docs:",
            "docs://manual/../",
            "docs://manual/a//",
            "x",
            "docs://m/a",
            "docs://m/?/",
            "docs://u@m/",
        ] {
            assert!(UriPrefix::parse(prefix).is_err(), "{prefix}");
        }
        for prefix in ["docs://manual/", "docs://manual/a/b/", "file:///", "file:///data/"] {
            let parsed = UriPrefix::parse(prefix).unwrap();
            assert_eq!(parsed.relative_of(&parsed.uri_for("a/b")), found("a/b"), "{prefix}");
        }
    }
}
