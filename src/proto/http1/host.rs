//! The syntax of `Host` and of a target's authority: `host [":" port]` without userinfo (RFC 9110,
//! section 7.2). It must never accept characters that a name in the DNS cannot have.

use std::net::Ipv6Addr;

/// The longest name in the DNS.
const NAME_BYTES: usize = 255;
/// The longest label of a name in the DNS.
const LABEL_BYTES: usize = 63;

/// Whether `authority` is a name, an IPv4 address or a bracketed IPv6 address, with an optional
/// port of 1 to 5 digits. Narrower than RFC 3986: no percent-encoding and none of the sub-delims,
/// which would let `a,b` pass for one host.
pub(super) fn is_authority(authority: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(authority) else { return false };
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    match text.split_once(':') {
        Some((name, port)) => is_name(name) && is_port(port),
        None => is_name(text),
    }
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.len() <= 5 && port.parse::<u16>().is_ok()
}

fn is_name(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    name.len() <= NAME_BYTES
        && labels.split('.').all(|label| {
            (1..=LABEL_BYTES).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_with_and_without_port_are_hosts() {
        for host in [
            "localhost",
            "example.com",
            "example.com.",
            "EXAMPLE.com:8443",
            "my_service-1:80",
            "127.0.0.1",
            "127.0.0.1:65535",
            "[::1]",
            "[2001:db8::1]:443",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(is_authority(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn anything_else_is_no_host() {
        let label = "a".repeat(LABEL_BYTES + 1);
        let name = format!("{}a", "a.".repeat(NAME_BYTES / 2 + 1));
        for host in [
            "",
            ":80",
            "a:",
            "a:80:80",
            "a:+80",
            "a:8o",
            "a:65536",
            "a:000080",
            "user@a",
            "u:p@a",
            "a/b",
            "a?b",
            "a#b",
            "a b",
            "a,b",
            "a\\b",
            "a%2eb",
            "a..b",
            ".a",
            "..",
            ".",
            "[::1",
            "::1",
            "[::1]80",
            "[::1]:",
            "[::1%25eth0]",
            "[fe80::1%eth0]",
            "[1.2.3.4]",
            "[v1.a]",
            "[]",
            "é",
            "a\u{7f}",
            "http://a",
            &label,
            &name,
        ] {
            assert!(!is_authority(host.as_bytes()), "{host}");
        }
        assert!(!is_authority(b"a\xff"));
    }
}
