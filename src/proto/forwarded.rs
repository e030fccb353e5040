//! Who a proxy says a request is from: `Forwarded` (RFC 7239) and `X-Forwarded-For`, read from
//! their end. What the last proxy wrote is found whatever stands before it; nothing is believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which of the two is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: addresses with commas between them.
    XForwardedFor,
    /// `Forwarded`: the `for` of each of its elements (RFC 7239 section 4).
    Forwarded,
}

impl ForwardedHeader {
    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

/// The elements of a header, the last one first. An element without an address is `None`: it is
/// hidden, unknown, missing, or not well-formed.
#[derive(Clone, Debug)]
pub struct Elements<'h> {
    header: ForwardedHeader,
    /// Lines that were not begun, the last one at the end.
    lines: Vec<&'h [u8]>,
    /// What is left of the present line.
    rest: Option<&'h [u8]>,
}

impl<'h> Elements<'h> {
    /// The elements of these lines of one header; several lines are one list.
    pub fn new(header: ForwardedHeader, lines: impl Iterator<Item = &'h [u8]>) -> Self {
        let mut lines: Vec<&[u8]> = lines.collect();
        let rest = lines.pop();
        Self { header, lines, rest }
    }
}

impl Iterator for Elements<'_> {
    type Item = Option<IpAddr>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.rest?;
        let (before, element) = match self.header {
            ForwardedHeader::XForwardedFor => split_last(line, |_| false),
            ForwardedHeader::Forwarded => split_last(line, |byte| byte == b'"'),
        };
        self.rest = before.or_else(|| self.lines.pop());
        let element = element.trim_ascii();
        Some(match self.header {
            ForwardedHeader::XForwardedFor => plain_node(element),
            ForwardedHeader::Forwarded => forwarded_for(element),
        })
    }
}

/// Splits behind the last comma that is in no quotes: what stands before it, and what behind.
fn split_last(line: &[u8], is_quote: impl Fn(u8) -> bool) -> (Option<&[u8]>, &[u8]) {
    let mut is_quoted = false;
    for (place, byte) in line.iter().enumerate().rev() {
        let before = line.get(..place).unwrap_or_default();
        if is_quote(*byte) && !is_escaped(before) {
            is_quoted = !is_quoted;
        } else if *byte == b',' && !is_quoted {
            let behind = line.get(place.saturating_add(1)..).unwrap_or_default();
            return (Some(before), behind);
        }
    }
    (None, line)
}

/// True for what stands behind an odd number of backslashes.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The address in an element of `X-Forwarded-For`. No standard says how ports are written; the two
/// ways that are seen are taken.
fn plain_node(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?;
    text.parse::<Ipv6Addr>().map(IpAddr::V6).ok().or_else(|| node(text))
}

/// A node of RFC 7239 section 6, if it is an address.
fn node(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return address.parse::<Ipv6Addr>().ok().filter(|_| is_port).map(IpAddr::V6);
    }
    let (address, port) = match text.split_once(':') {
        Some((address, port)) => (address, Some(port)),
        None => (text, None),
    };
    let address = address.parse::<Ipv4Addr>().ok()?;
    if port.is_none_or(is_port) { Some(IpAddr::V4(address)) } else { None }
}

/// A port, or a word that hides one (RFC 7239 section 6.3).
fn is_port(text: &str) -> bool {
    let is_hidden = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match text.strip_prefix('_') {
        Some(word) => !word.is_empty() && word.bytes().all(is_hidden),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// The address in the `for` of an element; every parameter must be well-formed, and none twice.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut rest = std::str::from_utf8(element).ok()?;
    let mut found = None;
    let mut names: Vec<String> = Vec::new();
    loop {
        let (name, value) = rest.split_once('=')?;
        let (value, behind) = value_of(value)?;
        let name = name.to_ascii_lowercase();
        if !is_token(&name) || names.contains(&name) {
            return None;
        }
        if name == "for" {
            found = Some(node(&value)?);
        }
        names.push(name);
        rest = match behind {
            "" => return found,
            more => more.strip_prefix(';')?,
        };
    }
}

/// A token or a quoted string (RFC 9110 section 5.6), and what stands behind it.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, behind) = text.split_at_checked(end)?;
        return is_token(value).then(|| (value.to_owned(), behind));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

fn is_token(text: &str) -> bool {
    super::http1::is_token(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: ForwardedHeader, lines: &[&str]) -> Vec<String> {
        let elements = Elements::new(header, lines.iter().map(|line| line.as_bytes()));
        elements.map(|it| it.map_or("-".into(), |address| address.to_string())).collect()
    }

    #[test]
    fn addresses_are_read_from_the_end_over_all_lines() {
        let plain = |lines: &[&str]| read(ForwardedHeader::XForwardedFor, lines).join(" ");
        assert_eq!(plain(&["192.0.2.1, 192.0.2.2"]), "192.0.2.2 192.0.2.1");
        assert_eq!(
            plain(&["192.0.2.1", "192.0.2.2 ,\t192.0.2.3"]),
            "192.0.2.3 192.0.2.2 192.0.2.1"
        );
        assert_eq!(
            plain(&["2001:db8::1, [2001:db8::2], [2001:db8::3]:443"]),
            "2001:db8::3 2001:db8::2 2001:db8::1"
        );
        assert_eq!(plain(&["192.0.2.1:80,::ffff:192.0.2.2"]), "::ffff:192.0.2.2 192.0.2.1");
        assert_eq!(plain(&[]), "");
    }

    #[test]
    fn what_is_no_address_is_none() {
        for element in [
            "",
            " ",
            "unknown",
            "_hidden",
            "localhost",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "256.1.1.1",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:123456",
            "1.2.3.4 5",
            "[::1",
            "::1]",
            "[::1]:",
            "[::1]80",
            "[1.2.3.4]",
            "fe80::1%eth0",
            "[fe80::1%25eth0]",
            "\"1.2.3.4\"",
            "for=1.2.3.4",
            "1.2.3.4;",
            "::1:",
            "1.2.3.4\u{e9}",
            "0x7f.1",
            "2130706433",
            "1.2.3.4/32",
            "-1.2.3.4",
        ] {
            assert_eq!(read(ForwardedHeader::XForwardedFor, &[element]), ["-"], "{element:?}");
        }
        assert_eq!(
            read(ForwardedHeader::XForwardedFor, &["1.1.1.1,,2.2.2.2,"]),
            ["-", "2.2.2.2", "-", "1.1.1.1"]
        );
    }

    #[test]
    fn elements_of_forwarded_have_parameters_quotes_and_ports() {
        let forwarded = |lines: &[&str]| read(ForwardedHeader::Forwarded, lines).join(" ");
        for (line, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"192.0.2.1:4711\"", "192.0.2.1"),
            ("for=\"[2001:db8::1]:4711\";proto=https;by=203.0.113.4", "2001:db8::1"),
            ("proto=https;for=\"[2001:db8::1]\"", "2001:db8::1"),
            ("for=\"192.0.2.1:_port\"", "192.0.2.1"),
            ("for=\"192.0.2\\.1\"", "192.0.2.1"),
            ("for=192.0.2.1, for=192.0.2.2", "192.0.2.2 192.0.2.1"),
            ("for=192.0.2.1;ext=\"a,b\\\",;c\" , for=192.0.2.2", "192.0.2.2 192.0.2.1"),
            ("for=192.0.2.1;ext=\"\\\\\",for=192.0.2.2", "192.0.2.2 192.0.2.1"),
            ("for=unknown, for=_hidden, for=\"_x:1\"", "- - -"),
        ] {
            assert_eq!(forwarded(&[line]), expected, "{line}");
        }
        assert_eq!(forwarded(&["for=192.0.2.1", "for=192.0.2.2"]), "192.0.2.2 192.0.2.1");
    }

    #[test]
    fn a_malformed_element_of_forwarded_has_no_address() {
        for element in [
            "",
            "for",
            "for=",
            "for=\"\"",
            "=192.0.2.1",
            "192.0.2.1",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "for=192.0.2.1;",
            ";for=192.0.2.1",
            "for=192.0.2.1;;by=a",
            "for=192.0.2.1;for=192.0.2.2",
            "for=192.0.2.1;FOR=192.0.2.1",
            "by=192.0.2.1",
            "for=\"192.0.2.1",
            "for=192.0.2.1\"",
            "for=192.0.2.1:80",
            "for=[2001:db8::1]",
            "for=2001:db8::1",
            "for=\"2001:db8::1\"",
            "for=\"192.0.2.1\"x",
            "for=\"192.0.2.1\\\"",
            "for=192.0.2.1;by",
            "for=192.0.2.1 by=a",
            "for=\"[::1]:99999999\"",
            "for=\u{e9}",
            "for=192.0.2.1;a b=c",
        ] {
            assert_eq!(read(ForwardedHeader::Forwarded, &[element]), ["-"], "{element:?}");
        }
    }

    #[test]
    fn what_a_client_wrote_does_not_hide_what_the_proxy_added() {
        for begun in
            ["for=\"", "for=\"\\", "\"", "for=\"a\\\"", ",\",", "for=1.1.1.1;x=\"", "\\", ""]
        {
            for added in ["for=192.0.2.9", "for=\"[2001:db8::9]:1\";by=\"a,b\""] {
                let line = format!("{begun}, {added}");
                let first = &read(ForwardedHeader::Forwarded, &[&line])[0];
                assert!(["192.0.2.9", "2001:db8::9"].contains(&first.as_str()), "{line}: {first}");
            }
        }
    }
}
