//! URIs that peers send, looked at before anything resolves them: what could lead elsewhere in any
//! reading of it is refused. It resolves nothing.

use std::fmt;

use crate::base::percent;

/// Longest URI, in bytes.
const LONGEST: usize = 8_192;

/// Why a URI is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriFault {
    /// Empty, too long, or without a scheme.
    Form,
    /// A character that a URI cannot hold (RFC 3986 §2).
    Character,
    /// A `%` that is not followed by two hexadecimal digits, or encodes what is no UTF-8.
    Encoding,
    /// Encoded twice: a decoder further on would see another URI.
    DoubleEncoding,
    /// A segment `.` or `..`, in any spelling.
    Traversal,
    /// A user name or password.
    UserInfo,
}

impl fmt::Display for UriFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "The URI is not valid",
            Self::Character => "The URI has a character that is not allowed",
            Self::Encoding => "The URI is not encoded correctly",
            Self::DoubleEncoding => "The URI is encoded twice",
            Self::Traversal => "The URI leads out of its place",
            Self::UserInfo => "The URI has a user name",
        })
    }
}

/// Checks the form of an absolute URI.
pub fn check(uri: &str) -> Result<(), UriFault> {
    if uri.is_empty() || uri.len() > LONGEST {
        return Err(UriFault::Form);
    }
    if !uri.bytes().all(is_uri_byte) {
        return Err(UriFault::Character);
    }
    let (scheme, rest) = uri.split_once(':').ok_or(UriFault::Form)?;
    if !is_scheme(scheme) || rest.is_empty() {
        return Err(UriFault::Form);
    }
    if let Some(hierarchy) = rest.strip_prefix("//") {
        let authority = hierarchy.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(UriFault::UserInfo);
        }
    }
    let decoded = percent::decode(rest).ok_or(UriFault::Encoding)?;
    if decoded.chars().any(|c| c.is_control() || c == '\\' || c == '\u{fffd}') {
        return Err(UriFault::Character);
    }
    if has_escape(&decoded) {
        return Err(UriFault::DoubleEncoding);
    }
    if decoded.split(['/', '?', '#', ';']).any(|segment| segment == "." || segment == "..") {
        return Err(UriFault::Traversal);
    }
    Ok(())
}

/// RFC 3986 §2: unreserved, reserved and `%`.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// True if the text still holds `%` and two hexadecimal digits.
fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(
        |window| matches!(window, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_uris_pass() {
        for uri in [
            "file:///srv/docs/a.txt",
            "docs://manual/hello%20world.txt",
            "test://template/123/data",
            "urn:isbn:0451450523",
            "docs://manual/a..b/...",
            "docs://manual/100%25",
            "https://example.com/a?b=c#d",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn every_spelling_of_a_way_out_is_refused() {
        use UriFault::{Character, DoubleEncoding, Encoding, Form, Traversal, UserInfo};
        for (uri, fault) in [
            ("file:///../etc/passwd", Traversal),
            ("file:///srv/%2e%2e/etc/passwd", Traversal),
            ("file:///srv/%2E%2e%2Fetc", Traversal),
            ("file:///srv/..;/etc", Traversal),
            ("file:///srv/./x", Traversal),
            ("file:..", Traversal),
            ("file:///srv/%252e%252e/etc", DoubleEncoding),
            ("file:///srv/%25252e", DoubleEncoding),
            ("file:///srv/..\\etc", Character),
            ("file:///srv/..%5cetc", Character),
            ("file:///srv/a%00.txt", Character),
            ("file:///srv/a%0d%0ab", Character),
            ("file:///srv/%c0%ae%c0%ae/etc", Encoding),
            ("file:///srv/%zz", Encoding),
            ("file:///srv/%2", Encoding),
            ("file:///srv/é", Character),
            ("file:///srv/a b", Character),
            ("https://user:secret@example.com/", UserInfo),
            ("../../etc/passwd", Form),
            ("/etc/passwd", Form),
            ("", Form),
            ("1a:b", Form),
            (":x", Form),
            ("a:", Form),
        ] {
            assert_eq!(check(uri), Err(fault), "{uri}");
        }
        assert_eq!(check(&format!("a:{}", "x".repeat(9_000))), Err(Form));
    }
}
