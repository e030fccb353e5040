//! Tests of the patterns; they must never need a network.

use super::{HostPattern, OriginPattern, PatternError, Scheme};

#[test]
fn an_origin_is_read_in_lower_case_with_the_port_of_its_scheme() {
    let origin = OriginPattern::parse("HTTPS://App.Example.COM").unwrap();
    assert_eq!(origin.scheme, Scheme::Https);
    assert_eq!((origin.host.as_str(), origin.port), ("app.example.com", 443));
    assert!(!origin.wildcard);
    assert_eq!(OriginPattern::parse("http://localhost").unwrap().port, 80);
    assert_eq!(OriginPattern::parse("http://[::1]:3000").unwrap().host, "[::1]");
}

#[test]
fn a_wildcard_is_the_whole_first_label() {
    let origin = OriginPattern::parse("https://*.example.com:8443").unwrap();
    assert!(origin.wildcard);
    assert_eq!((origin.host.as_str(), origin.port), ("example.com", 8443));
}

#[test]
fn an_origin_that_is_none_is_refused_for_its_own_reason() {
    let cases = [
        ("*", PatternError::Everything),
        ("https://*", PatternError::Everything),
        ("https://*:443", PatternError::Everything),
        ("null", PatternError::Scheme),
        ("app.example.com", PatternError::Scheme),
        ("ftp://example.com", PatternError::Scheme),
        ("https://example.com/", PatternError::MoreThanHost),
        ("https://example.com?x", PatternError::MoreThanHost),
        ("https://user@example.com", PatternError::MoreThanHost),
        ("https://*example.com", PatternError::Wildcard),
        ("https://a.*.example.com", PatternError::Wildcard),
        ("https://*.*.example.com", PatternError::Wildcard),
        ("https://*.com", PatternError::WideWildcard),
        ("https://*.10.0.0.1", PatternError::WideWildcard),
        ("https://*.[::1]", PatternError::WideWildcard),
        ("https://", PatternError::Host),
        ("https://a..b", PatternError::Host),
        ("https://bücher.example", PatternError::Host),
        ("https://example.com.", PatternError::Host),
        ("https://[::1", PatternError::Host),
        ("https://example.com:0", PatternError::Port),
        ("https://example.com:+1", PatternError::Port),
        ("https://example.com:99999", PatternError::Port),
        ("https://example.com:", PatternError::Port),
    ];
    for (text, reason) in cases {
        assert_eq!(OriginPattern::parse(text), Err(reason), "{text}");
    }
}

#[test]
fn a_host_may_carry_a_port() {
    let host = HostPattern::parse("MCP.example.com:8080").unwrap();
    assert_eq!((host.host.as_str(), host.port), ("mcp.example.com", Some(8080)));
    let address = HostPattern::parse("[fe80::1]").unwrap();
    assert_eq!((address.host.as_str(), address.port), ("[fe80::1]", None));
    assert_eq!(HostPattern::parse("*"), Err(PatternError::Everything));
    assert_eq!(HostPattern::parse("*.example.com"), Err(PatternError::Wildcard));
    assert_eq!(HostPattern::parse("https://x"), Err(PatternError::MoreThanHost));
    assert_eq!(HostPattern::parse(""), Err(PatternError::Host));
    assert_eq!(HostPattern::parse("::1"), Err(PatternError::Host));
}
