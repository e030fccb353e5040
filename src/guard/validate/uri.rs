//! URIs that peers send, looked at before anything resolves them: what could lead elsewhere in any
//! reading of it is refused. It resolves nothing.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base::percent;

/// Longest URI, in bytes.
pub const LONGEST: usize = 8_192;

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
    /// A host that is an address in another than its usual notation, or none at all.
    Host,
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
            Self::Host => "The host of the URI is not written plainly",
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
        if !is_plain_authority(authority) {
            return Err(UriFault::Host);
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

/// The scheme of a URI that was checked.
pub fn scheme(uri: &str) -> &str {
    uri.split_once(':').map_or("", |(scheme, _)| scheme)
}

/// A host and a port, of which other readers make the same host: `2130706433`, `0177.0.0.1` and
/// `0x7f.1` are 127.0.0.1 to some, as are the IPv6 addresses that hold one of IPv4.
fn is_plain_authority(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            let is_plain = address.parse().is_ok_and(|address: Ipv6Addr| !holds_ipv4(address));
            if !is_plain {
                return false;
            }
            ("", port.strip_prefix(':').or((!port.is_empty()).then_some("none")))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |port: &str| is_digits(port) && port.parse::<u16>().is_ok();
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let is_hexadecimal = last.starts_with("0x") || last.starts_with("0X");
    let is_number = !last.is_empty() && (is_digits(last) || is_hexadecimal);
    port.is_none_or(is_port)
        && !host.contains(['%', '[', ']'])
        && (!is_number || host.parse::<Ipv4Addr>().is_ok())
}

/// True for `::ffff:192.0.2.1` and `::192.0.2.1`, but not for `::` and `::1`.
fn holds_ipv4(address: Ipv6Addr) -> bool {
    let is_own = address.is_unspecified() || address.is_loopback();
    address.to_ipv4().is_some() && !is_own
}

/// RFC 3986 §2: unreserved, reserved and `%`.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// True for the scheme of a URI (RFC 3986 §3.1).
pub fn is_scheme(scheme: &str) -> bool {
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
            "https://192.0.2.1:8443/a",
            "https://[2001:db8::7]:8443/a",
            "https://[::1]/a",
            "https://7.example.com./a",
            "https://0x7f.example.com/a",
            "db://my+base:5432/rows",
            "file://host:1/a",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn every_spelling_of_a_way_out_is_refused() {
        use UriFault::{Character, DoubleEncoding, Encoding, Form, Host, Traversal, UserInfo};
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
            ("https://example.com@192.0.2.1/", UserInfo),
            ("https://2130706433/", Host),
            ("https://0x7f000001/", Host),
            ("https://0177.0.0.1/", Host),
            ("https://0x7f.0.0.1/", Host),
            ("https://127.0.0x1/", Host),
            ("https://127.1/", Host),
            ("https://127.1./", Host),
            ("https://127.0.0.1./", Host),
            ("https://256.0.0.1/", Host),
            ("https://[::ffff:127.0.0.1]/", Host),
            ("https://[::ffff:7f00:1]/", Host),
            ("https://[::127.0.0.1]/", Host),
            ("https://[0:0:0:0:0:ffff:127.0.0.1]/", Host),
            ("https://[fe80::1%25eth0]/", Host),
            ("https://[v1.x]/", Host),
            ("https://[::1/", Host),
            ("https://[::1]x/", Host),
            ("https://a]b/", Host),
            ("https://ex%61mple.com/", Host),
            ("https://127.0.0.%31/", Host),
            ("https://example.com:80:90/", Host),
            ("https://example.com:65536/", Host),
            ("https://example.com:+80/", Host),
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
