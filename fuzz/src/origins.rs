//! Origins, hosts and their patterns: a pattern lets in what it says, whole labels of one domain.

use erlmcp::guard::origin::{Origin, is_served};
use erlmcp::guard::settings::{HostPattern, OriginPattern};

/// Two lines: a pattern, and what a client sent.
pub fn origins(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (pattern, sent) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(host) = HostPattern::parse(pattern) {
        assert_eq!(host.host, host.host.to_ascii_lowercase());
        assert!(!host.host.is_empty() && !host.host.contains(['*', '/', '@', '\\']));
        assert!(is_served(pattern, std::slice::from_ref(&host)), "a host does not match itself");
        if is_served(sent, std::slice::from_ref(&host)) {
            let sent = sent.to_ascii_lowercase();
            assert!(sent.starts_with(&host.host), "{sent:?} passes for {host:?}");
        }
    }
    let Ok(allowed) = OriginPattern::parse(pattern) else { return };
    assert!(!allowed.host.is_empty() && !allowed.host.contains(['*', '/', '@', '\\']));
    let Some(origin) = Origin::parse(sent) else { return };
    if origin.is_allowed_by(std::slice::from_ref(&allowed)) {
        let (_, authority) = sent.split_once("://").expect("an origin has a scheme");
        let host = HostPattern::parse(authority).expect("an origin has a host").host;
        let rest = host.strip_suffix(&allowed.host).expect("the host of the pattern");
        assert!(if allowed.wildcard { rest.ends_with('.') } else { rest.is_empty() });
    }
}
