//! Web pages: which may call, what they are told, and that the others are refused everywhere.

use serde_json::json;

use crate::harness::http::{Request, Response};
use crate::harness::modern_request;
use crate::harness::process::{Server, Settings};

const PAGE: &str = "https://app.example.com";

fn ask() -> Request {
    Request::modern(&modern_request(1, "tools/list", json!({})))
}

fn settings() -> Settings {
    let http = "tls = false\n\
                allowed_origins = [\"https://app.example.com\", \"https://*.yourdomain.com\"]";
    Settings { http: http.into(), ..Settings::default() }
}

fn list_of(response: &Response, name: &str) -> Vec<String> {
    let value = response.header(name).unwrap_or_else(|| panic!("{name} of {response:?}"));
    value.split(',').map(|item| item.trim().to_ascii_lowercase()).collect()
}

// C2, B97
#[test]
fn a_foreign_page_is_refused_on_every_method() {
    let server = Server::start(&settings());
    for method in ["POST", "GET", "DELETE", "OPTIONS"] {
        for origin in [
            "https://evil.example",
            "https://evilyourdomain.com",
            "https://a.yourdomain.com.evil.com",
            "http://a.yourdomain.com",
            "http://a.yourdomain.com:443",
            "https://yourdomain.com",
            "https://user@a.yourdomain.com",
            "https://a.yourdomain.com/",
            "https://a.yourdomain.com https://evil.example",
            "https://evil.example#.yourdomain.com",
            "https://.yourdomain.com",
            "https://*.yourdomain.com",
            "https://app.example.com.",
            "https://app.example.com:8443",
            "null",
            "",
            "file://",
        ] {
            let asked = ask()
                .method(method)
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST");
            let response = server.send(&asked);
            assert_eq!(response.status, 403, "{method} {origin}");
            assert_eq!(response.header("access-control-allow-origin"), None);
        }
        let two = ask().method(method).header("Origin", PAGE).and_header("Origin", PAGE);
        assert!([400, 403].contains(&server.send(&two).status));
    }
    for origin in [PAGE, "https://a.yourdomain.com", "https://a.b.yourdomain.com"] {
        assert_eq!(server.send(&ask().header("Origin", origin)).status, 200, "{origin}");
    }
    assert_eq!(server.send(&ask()).status, 200, "a program sends no Origin");
}

// C2
#[test]
fn a_foreign_page_is_refused_before_it_is_asked_who_it_is() {
    let server = Server::start(&settings());
    let asked = ask().anonymous().header("Origin", "https://evil.example");
    assert_eq!(server.send(&asked).status, 403);
}

// B94, B95
#[test]
fn a_preflight_needs_no_key_and_is_not_counted() {
    let limits = "max_attempts_per_second = 0.01\nburst = 1\naddress_attempts_per_second = 0.01";
    let server = Server::start(&settings().limited(limits));
    let wanted = "mcp-protocol-version, mcp-session-id, last-event-id, authorization, mcp-method, \
                  mcp-name, content-type, mcp-param-region, x-api-key";
    for round in 0..10 {
        let asked = Request::bare("OPTIONS")
            .anonymous()
            .header("Origin", PAGE)
            .header("Access-Control-Request-Method", "DELETE")
            .header("Access-Control-Request-Headers", wanted);
        let response = server.send(&asked);
        assert_eq!(response.status, 204, "round {round}");
        assert_eq!(response.header("access-control-allow-origin"), Some(PAGE));
        let headers = list_of(&response, "access-control-allow-headers");
        for header in wanted.split(", ") {
            assert!(headers.iter().any(|known| known == header), "{header} in {headers:?}");
        }
        let methods = list_of(&response, "access-control-allow-methods");
        assert!(["post", "get", "delete"].iter().all(|m| methods.iter().any(|known| known == m)));
        assert_eq!(response.header("access-control-max-age"), Some("86400"));
        assert_eq!(response.header("access-control-allow-credentials"), None);
    }
}

// B94, B96, C100
#[test]
fn a_page_can_read_its_errors_and_the_headers_that_matter() {
    let limits = "max_attempts_per_second = 0.01\nburst = 2\naddress_attempts_per_second = 1000";
    let server = Server::start(&settings().limited(limits));
    let asked = || ask().header("Origin", PAGE);
    let mut seen = Vec::new();
    for request in [
        asked(),
        asked().anonymous(),
        asked().target("/none"),
        asked().method("PUT"),
        asked().header("Accept", "text/html"),
        asked().header("Content-Type", "text/plain"),
        asked().header("Content-Length", "99999999"),
        asked().header("Mcp-Method", "other"),
        asked(),
    ] {
        let response = server.send(&request);
        assert_eq!(response.header("access-control-allow-origin"), Some(PAGE), "{response:?}");
        assert!(list_of(&response, "vary").contains(&"origin".to_owned()));
        let exposed = list_of(&response, "access-control-expose-headers");
        for header in ["mcp-session-id", "www-authenticate", "retry-after"] {
            assert!(exposed.iter().any(|known| known == header), "{header} in {exposed:?}");
        }
        seen.push(response.status);
    }
    assert_eq!(seen, [200, 401, 404, 405, 406, 415, 413, 400, 429]);
    let plain = server.send(&ask().target("/none"));
    assert_eq!(plain.header("access-control-allow-origin"), None);
}
