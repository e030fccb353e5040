//! Whose word counts on whom a request is from. A header of a stranger means nothing, and of two
//! headers only the one that is configured is ever looked at.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::proto::forwarded::Elements;
pub use crate::proto::forwarded::ForwardedHeader;
use crate::proto::http1::Head;

/// Most proxies that are walked over.
const MOST_PROXIES: usize = 32;

/// The proxies that are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    /// Their networks; default none.
    pub trusted: Vec<IpNet>,
    /// The header that they write; default `X-Forwarded-For`.
    pub header: ForwardedHeader,
}

impl Default for Proxies {
    fn default() -> Self {
        Self { trusted: Vec::new(), header: ForwardedHeader::XForwardedFor }
    }
}

impl Proxies {
    /// Whom a request is from that came from `peer`: the last address that is no trusted proxy. An
    /// element without an address ends the walk at what is known by then.
    pub fn client(&self, head: &Head, peer: IpAddr) -> IpAddr {
        if self.trusted.is_empty() || !self.trusts(peer) {
            return peer;
        }
        self.walk(peer, Elements::new(self.header, head.headers_named(self.header.name())))
    }

    /// The walk from `peer` over these elements.
    pub fn walk(&self, peer: IpAddr, elements: Elements<'_>) -> IpAddr {
        let mut client = peer;
        for element in elements.take(MOST_PROXIES) {
            let (Some(address), true) = (element, self.trusts(client)) else { break };
            client = address.to_canonical();
        }
        client
    }

    /// True if what this address says is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let proxies = Proxies {
            trusted: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()],
            header: ForwardedHeader::XForwardedFor,
        };
        let lines = lines.iter().map(|line| line.as_bytes());
        proxies.walk(peer.parse().unwrap(), Elements::new(proxies.header, lines)).to_string()
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        for (peer, lines, expected) in [
            ("10.0.0.1", &["192.0.2.1"][..], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1, 10.0.0.2, 2001:db8:1::7"], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            ("::ffff:10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("192.0.2.7", &["203.0.113.9"], "192.0.2.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["192.0.2.1,"], "10.0.0.1"),
            ("10.0.0.1", &["garbage\\\", 192.0.2.1"], "192.0.2.1"),
        ] {
            assert_eq!(client(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_chain_without_end_is_not_followed() {
        let chain = vec!["10.0.0.2"; MOST_PROXIES].join(", ");
        assert_eq!(client("10.0.0.1", &[&format!("192.0.2.1, {chain}")]), "10.0.0.2");
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        let nobody = Proxies::default();
        assert!(!nobody.trusts("127.0.0.1".parse().unwrap()));
    }
}
