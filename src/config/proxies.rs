//! Reads which proxies are believed; it must never let everybody be one.

use super::limits::networks;
use super::reader::Reader;
use crate::guard::proxies::{ForwardedHeader, Proxies};

const HEADERS: [(&str, ForwardedHeader); 2] = [
    ("x-forwarded-for", ForwardedHeader::XForwardedFor),
    ("forwarded", ForwardedHeader::Forwarded),
];

/// Reads `trusted_proxies` and `forwarded_header`.
pub(super) fn read(reader: &mut Reader<'_>) -> Proxies {
    let trusted = networks(reader, "trusted_proxies");
    if trusted.iter().any(|network| network.prefix_len() == 0) {
        reader.context().error_at(
            &reader.path_of("trusted_proxies"),
            "everybody could say on whose behalf a request comes",
            "name the networks of your proxies, for example [\"10.0.0.0/8\"]",
        );
    }
    let header = reader.value("forwarded_header");
    if let (Some(value), true) = (&header, trusted.is_empty()) {
        let remedy = "name your proxies in trusted_proxies, or remove it";
        value.warning("has no effect while no proxy is trusted", remedy);
    }
    let header = header.and_then(|value| value.choice(&HEADERS));
    Proxies { trusted, header: header.unwrap_or(ForwardedHeader::XForwardedFor) }
}
