//! What proxies say of whom a request is from: the last word is found, whatever a client wrote.

use std::net::{IpAddr, Ipv4Addr};

use erlmcp::guard::proxies::Proxies;
use erlmcp::proto::forwarded::{Elements, ForwardedHeader};

/// Lines of one header; the first byte says which.
pub fn forwarded(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let (header, added) = match kind % 2 {
        0 => (ForwardedHeader::XForwardedFor, "192.0.2.9"),
        _ => (ForwardedHeader::Forwarded, "by=\"a,\\\"b\";for=192.0.2.9"),
    };
    let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
    let lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    let elements = Elements::new(header, lines.iter().copied());
    let count = elements.clone().count();
    let commas = rest.iter().filter(|byte| **byte == b',').count();
    assert!((lines.len()..=lines.len() + commas).contains(&count), "{count} elements");

    let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let proxies = Proxies { trusted: vec!["10.0.0.0/8".parse().expect("a network")], header };
    assert_eq!(proxies.walk(client, elements.clone()), client, "a stranger is believed");
    let found = proxies.walk(proxy, elements.clone());
    assert!(found == proxy || elements.flatten().any(|one| one.to_canonical() == found));

    let last = lines.last().copied().unwrap_or_default();
    let line = [last, b", ", added.as_bytes()].concat();
    let elements = Elements::new(header, lines.iter().copied().chain([line.as_slice()]));
    assert_eq!(proxies.walk(proxy, elements), client, "what the proxy added is not found");
}
