//! Reads which proxies are believed; it must never let everybody be one.

use ipnet::IpNet;

use super::limits::networks;
use super::reader::Reader;
use crate::guard::proxies::{ForwardedHeader, Proxies};

const HEADERS: [(&str, ForwardedHeader); 2] = [
    ("x-forwarded-for", ForwardedHeader::XForwardedFor),
    ("forwarded", ForwardedHeader::Forwarded),
];

/// Reads `proxy_protocol`: the proxies that say of each connection whom it is from.
pub(super) fn of_connections(reader: &mut Reader<'_>) -> Vec<IpNet> {
    trusted(reader, "proxy_protocol")
}

/// Reads `trusted_proxies` and `forwarded_header`: those that say it of each request.
pub(super) fn of_requests(reader: &mut Reader<'_>) -> Proxies {
    let trusted = trusted(reader, "trusted_proxies");
    let header = reader.value("forwarded_header");
    if let (Some(value), true) = (&header, trusted.is_empty()) {
        let remedy = "name your proxies in trusted_proxies, or remove it";
        value.warning("has no effect while no proxy is trusted", remedy);
    }
    let header = header.and_then(|value| value.choice(&HEADERS));
    Proxies { trusted, header: header.unwrap_or(ForwardedHeader::XForwardedFor) }
}

fn trusted(reader: &mut Reader<'_>, key: &'static str) -> Vec<IpNet> {
    let trusted = networks(reader, key);
    if trusted.iter().any(|network| network.prefix_len() == 0) {
        reader.context().error_at(
            &reader.path_of(key),
            "everybody could say on whose behalf they come",
            "name the networks of your proxies, for example [\"10.0.0.0/8\"]",
        );
    }
    trusted
}
