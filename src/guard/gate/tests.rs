//! Heads as strangers send them, and what the gate says.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::guard::settings::{HostPattern, OriginPattern};
use crate::proto::buffer::Buffer;
use crate::proto::http1::{Decoded, HttpLimits, RequestDecoder};

fn head(request_line: &str, headers: &[&str]) -> Head {
    let mut text = format!("{request_line} HTTP/1.1\r\n");
    if !headers.iter().any(|h| h.to_ascii_lowercase().starts_with("host:")) {
        text.push_str("Host: localhost:8443\r\n");
    }
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    let mut input = Buffer::default();
    input.extend(text.as_bytes());
    match RequestDecoder::new().decode(&mut input, &HttpLimits::default()) {
        Ok(Decoded::Head(head)) => head,
        other => panic!("{text}: {other:?}"),
    }
}

fn endpoint() -> Endpoint {
    Endpoint {
        metadata_path: Some("/public/mcp".into()),
        paths: Paths {
            endpoint: Some("/mcp".into()),
            events: Some("/sse".into()),
            websocket: Some("/ws".into()),
        },
        scheme: Scheme::Https,
        surface: HttpSurface {
            allowed_hosts: vec![HostPattern::parse("localhost").unwrap()],
            allowed_origins: vec![OriginPattern::parse("https://*.example.com").unwrap()],
            allowed_methods: vec![],
            allowed_headers: vec![],
            preflight_max_age: Duration::ZERO,
            proxies: crate::guard::proxies::Proxies::default(),
        },
    }
}

fn verdict(request_line: &str, headers: &[&str]) -> Result<Passage, Refusal> {
    endpoint().admit(&head(request_line, headers), IpAddr::V4(Ipv4Addr::LOCALHOST))
}

const JSON: &str = "Content-Type: application/json";

#[test]
fn a_message_to_the_endpoint_enters_with_or_without_a_slash_at_the_end() {
    for path in ["/mcp", "/mcp/", "/mcp?x=1"] {
        let passage = verdict(&format!("POST {path}"), &[JSON]);
        assert!(matches!(passage, Ok(Passage::Enter(_, Purpose::Message, _))), "{path}");
    }
    for path in ["/", "/mcp//", "/mcp/x", "/MCP", "/%6dcp", "/mcp%2f", "/servers/x/mcp"] {
        let refusal = verdict(&format!("POST {path}"), &[JSON]).unwrap_err();
        assert_eq!(refusal, Refusal::NoSuchPath, "{path}");
    }
}

#[test]
fn a_foreign_host_is_refused_on_every_method_and_path() {
    for line in ["POST /mcp", "GET /mcp", "DELETE /mcp", "OPTIONS /mcp", "GET /"] {
        let refusal = verdict(line, &["Host: evil.example", JSON]).unwrap_err();
        assert_eq!(refusal, Refusal::ForeignHost, "{line}");
    }
}

#[test]
fn a_foreign_origin_is_refused_on_every_method() {
    for line in ["POST /mcp", "GET /mcp", "DELETE /mcp", "OPTIONS /mcp"] {
        for origin in
            ["Origin: https://evil.com", "Origin: null", "Origin:", "Origin: https://example.com"]
        {
            let refusal = verdict(line, &[origin, JSON]).unwrap_err();
            assert_eq!(refusal, Refusal::ForeignOrigin, "{line} {origin}");
        }
    }
    let twice = ["Origin: https://a.example.com", "Origin: https://a.example.com", JSON];
    assert_eq!(verdict("POST /mcp", &twice).unwrap_err(), Refusal::ForeignOrigin);
    for origin in ["Origin: https://a.example.com", "Origin: https://localhost:8443"] {
        assert!(verdict("POST /mcp", &[origin, JSON]).is_ok(), "{origin}");
    }
}

#[test]
fn a_preflight_is_told_from_other_options_requests() {
    let origin = "Origin: https://a.example.com";
    let asked = [origin, "Access-Control-Request-Method: POST"];
    assert!(matches!(verdict("OPTIONS /mcp", &asked), Ok(Passage::Preflight(_))));
    for headers in [&[origin][..], &["Access-Control-Request-Method: POST"]] {
        assert!(matches!(verdict("OPTIONS /mcp", headers), Ok(Passage::Methods(_))));
    }
}

#[test]
fn other_methods_do_not_exist_whatever_a_header_says() {
    for line in ["PUT /mcp", "TRACE /mcp", "PATCH /mcp", "HEAD /mcp", "post /mcp"] {
        let refusal = verdict(line, &[JSON]).unwrap_err();
        assert!(matches!(refusal, Refusal::MethodNotAllowed(_)), "{line}");
    }
    for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        let refusal = verdict("POST /mcp", &[JSON, &format!("{header}: POST")]).unwrap_err();
        assert!(matches!(refusal, Refusal::MethodNotAllowed(_)), "{header}");
    }
}

#[test]
fn only_json_is_taken_and_said_so_once() {
    for good in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        assert!(verdict("POST /mcp", &[&format!("Content-Type: {good}")]).is_ok(), "{good}");
    }
    for bad in ["text/plain", "application/jsonx", "application/json; charset=utf-16", ""] {
        let refusal = verdict("POST /mcp", &[&format!("Content-Type: {bad}")]).unwrap_err();
        assert_eq!(refusal, Refusal::NotJson, "{bad}");
    }
    assert_eq!(verdict("POST /mcp", &[]).unwrap_err(), Refusal::NotJson);
    assert_eq!(verdict("POST /mcp", &[JSON, JSON]).unwrap_err(), Refusal::NotJson);
}

#[test]
fn answers_take_a_form_that_the_client_takes() {
    let both = Accepts { json: true, events: true, prefers_events: false };
    let rather_events = Accepts { prefers_events: true, ..both };
    let json = Accepts { events: false, ..both };
    for (accept, expected) in [
        ("application/json, text/event-stream", both),
        ("text/event-stream, application/json;q=0.5", rather_events),
        ("text/event-stream, application/json", rather_events),
        ("application/json;q=0.2, text/event-stream;q=0.25", rather_events),
        ("text/event-stream;q=0.9, application/json", both),
        ("*/*", both),
        ("application/json", json),
        ("text/event-stream", Accepts { json: false, ..rather_events }),
        ("application/json, text/event-stream;q=0", json),
        ("application/json, text/event-stream;q=0.000", json),
        ("application/json, text/event-stream;q=nonsense", json),
    ] {
        let passage = verdict("POST /mcp", &[JSON, &format!("Accept: {accept}")]);
        let Ok(Passage::Enter(_, _, accepts)) = passage else { panic!("{accept}") };
        assert_eq!(accepts, expected, "{accept}");
    }
    let html = verdict("POST /mcp", &[JSON, "Accept: text/html"]).unwrap_err();
    assert_eq!(html, Refusal::NotAcceptable);
    for nothing in [&["Accept:"][..], &["Accept: , "], &[]] {
        let passage = verdict("POST /mcp", &[&[JSON], nothing].concat());
        let Ok(Passage::Enter(_, _, accepts)) = passage else { panic!("{nothing:?}") };
        assert_eq!(accepts, both, "{nothing:?}");
    }
    let no_text = verdict("POST /mcp", &[JSON, "Accept: \u{e9}"]).unwrap_err();
    assert_eq!(no_text, Refusal::NotAcceptable);
}

#[test]
fn a_page_of_another_site_holds_no_stream() {
    let stream = |site: &[&str]| verdict("GET /mcp", site);
    for site in ["cross-site", "same-site", "", "Same-Origin", "none, cross-site"] {
        let refusal = stream(&[&format!("Sec-Fetch-Site: {site}")]).unwrap_err();
        assert_eq!(refusal, Refusal::ForeignOrigin, "{site}");
    }
    let twice = stream(&["Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"]).unwrap_err();
    assert_eq!(twice, Refusal::ForeignOrigin);
    for good in [&[][..], &["Sec-Fetch-Site: same-origin"], &["Sec-Fetch-Site: none"]] {
        assert!(stream(good).is_ok(), "{good:?}");
    }
}
