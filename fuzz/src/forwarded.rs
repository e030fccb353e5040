//! Addresses that proxies have noted: whatever stands before the last one that is not trusted
//! changes nothing, and who is not trusted is believed nothing.

use std::net::IpAddr;

use erlmcp::guard::forwarded::{ForwardedHeader, TrustedProxies};

/// The text of a header, with any other text before it.
pub fn forwarded(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (before, list) = text.split_once('\n').unwrap_or(("", text));
    let peer: IpAddr = [10, 0, 0, 1].into();
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let trusted = vec!["10.0.0.0/8".parse().expect("a network")];
        let proxies = TrustedProxies { networks: trusted.clone(), header };
        let client = proxies.walk(list, peer);
        assert_eq!(client, client.to_canonical());
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
        // Quotes may hold the two together, or be too many.
        let has_quotes = before.contains('"') || before.contains('\\');
        if client != peer && !is_trusted(client) && !has_quotes && before.len() < 1_000 {
            let longer = format!("{before},{list}");
            if longer.len() < 4_096 {
                assert_eq!(proxies.walk(&longer, peer), client, "{longer:?}");
            }
        }
        let nobody = TrustedProxies { networks: Vec::new(), header };
        assert_eq!(nobody.walk("", peer), peer);
    }
}
