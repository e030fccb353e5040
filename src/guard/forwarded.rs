//! Who a request is from when proxies stand before us: the addresses that they have noted are read
//! from the last one back, as far as each was noted by a proxy that is trusted. What anybody else
//! has written counts for nothing.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::proto::http1::Head;

/// Most bytes and addresses that are looked at.
const MOST_BYTES: usize = 4_096;
const MOST_HOPS: usize = 32;

/// The header in which proxies note addresses. Only one is believed: a proxy that writes one lets
/// the other pass as its client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies that are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Where they are; default nowhere.
    pub networks: Vec<IpNet>,
    /// Where they note addresses.
    pub header: ForwardedHeader,
}

impl TrustedProxies {
    /// The address of the client whose request came from `peer`.
    pub fn client(&self, head: &Head, peer: IpAddr) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trust(peer) {
            return peer;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let lines: Option<Vec<&str>> =
            head.headers_named(name).map(|value| std::str::from_utf8(value).ok()).collect();
        // Several lines are one list (RFC 9110 section 5.3).
        let list = lines.unwrap_or_default().join(",");
        self.walk(&list, peer)
    }

    /// The same for the text of the header.
    pub fn walk(&self, list: &str, peer: IpAddr) -> IpAddr {
        let mut client = peer;
        if list.is_empty() || list.len() > MOST_BYTES {
            return client;
        }
        let Some(elements) = split(list, ',') else { return client };
        for element in elements.iter().rev().take(MOST_HOPS) {
            let address = match self.header {
                ForwardedHeader::XForwardedFor => node(element.trim()),
                ForwardedHeader::Forwarded => forwarded_for(element),
            };
            // What is not an address was noted by a proxy that does not tell: nothing before it
            // can be known.
            let Some(address) = address else { break };
            client = address;
            if !self.trust(client) {
                break;
            }
        }
        client
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// The address in `for=` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in split(element, ';')? {
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix('"') {
        None => node(value),
        // An address has nothing in it that would have to be escaped.
        Some(rest) => node(rest.strip_suffix('"').filter(|text| !text.contains(['"', '\\']))?),
    }
}

/// An address as proxies write it: alone, with a port, or in brackets as IPv6 is.
fn node(text: &str) -> Option<IpAddr> {
    let address = match text.strip_prefix('[') {
        Some(rest) if rest.ends_with(']') => rest.strip_suffix(']')?.parse().ok(),
        Some(_) => text.parse().ok().map(|socket: SocketAddr| socket.ip()),
        None => {
            text.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
        }
    };
    address.map(|address: IpAddr| address.to_canonical())
}

/// The parts between separators that stand in no quotes; `None` if a quote does not end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            other if other == separator && !is_quoted => {
                parts.push(text.get(begin..at)?);
                begin = at + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(begin..)?);
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(header: ForwardedHeader) -> TrustedProxies {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap());
        TrustedProxies { networks: networks.into(), header }
    }

    fn client(header: ForwardedHeader, list: &str) -> String {
        proxies(header).walk(list, "10.0.0.1".parse().unwrap()).to_string()
    }

    #[test]
    fn addresses_are_believed_from_the_right_as_far_as_they_are_trusted() {
        for (list, expected) in [
            ("", "10.0.0.1"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, 10.0.0.2", "192.0.2.1"),
            ("203.0.113.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
            ("10.9.9.9,10.0.0.2", "10.9.9.9"),
            ("192.0.2.1:1234", "192.0.2.1"),
            ("[2001:db9::1]:80", "2001:db9::1"),
            ("[2001:db9::1]", "2001:db9::1"),
            ("2001:db9::1", "2001:db9::1"),
            ("192.0.2.1, 2001:db8::7", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, unknown", "10.0.0.1"),
            ("192.0.2.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("192.0.2.1,", "10.0.0.1"),
            ("192.0.2.1 10.0.0.2", "10.0.0.1"),
            ("0x7f.1", "10.0.0.1"),
            ("2130706433", "10.0.0.1"),
            ("\"192.0.2.1\"", "10.0.0.1"),
            ("192.0.2.1, \"", "10.0.0.1"),
        ] {
            assert_eq!(client(ForwardedHeader::XForwardedFor, list), expected, "{list}");
        }
    }

    #[test]
    fn the_standard_header_is_read_with_its_quotes_and_parameters() {
        for (list, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
            ("proto=https; for=\"192.0.2.1:80\"", "192.0.2.1"),
            ("for=\"[2001:db9::1]:80\"", "2001:db9::1"),
            ("for=\"[2001:db9::1]\", for=10.0.0.3", "2001:db9::1"),
            ("for=203.0.113.9, for=192.0.2.1, for=10.0.0.3", "192.0.2.1"),
            ("for=\"203.0.113.9, for=1.2.3.4\", for=192.0.2.1", "192.0.2.1"),
            ("for=192.0.2.1, for=unknown", "10.0.0.1"),
            ("for=192.0.2.1, for=_hidden, for=10.0.0.3", "10.0.0.3"),
            ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1"),
            ("192.0.2.1", "10.0.0.1"),
            ("for=\"192.0.2.1", "10.0.0.1"),
            ("for=\"192.0.2.\\1\"", "10.0.0.1"),
            ("by=192.0.2.1", "10.0.0.1"),
        ] {
            assert_eq!(client(ForwardedHeader::Forwarded, list), expected, "{list}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_looked_at() {
        let many = vec!["10.0.0.2"; 100].join(",");
        assert_eq!(
            client(ForwardedHeader::XForwardedFor, &format!("192.0.2.1,{many}")),
            "10.0.0.2"
        );
        let long = format!("192.0.2.1{}", " ".repeat(MOST_BYTES));
        assert_eq!(client(ForwardedHeader::XForwardedFor, &long), "10.0.0.1");
    }
}
