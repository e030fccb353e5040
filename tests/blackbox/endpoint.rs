//! The endpoint: hosts, paths, methods, forms and sizes, and the headers of every response.

use serde_json::json;

use crate::harness::http::{Connection, Request, Response};
use crate::harness::process::{Server, Settings};
use crate::harness::websocket::{WebSocket, upgrade};
use crate::harness::{ADMIN, LEGACY, call, modern_request};

fn ask() -> Request {
    Request::modern(&modern_request(1, "tools/list", json!({})))
}

fn with_body(bytes: &[u8]) -> Request {
    ask().header("Content-Length", &bytes.len().to_string()).with_bytes(bytes)
}

impl Request {
    fn with_bytes(mut self, bytes: &[u8]) -> Self {
        self.body = bytes.to_vec();
        self
    }
}

// C1, B93
#[test]
fn a_foreign_host_is_refused_on_every_method_and_path() {
    let server = Server::start(&Settings {
        http: "tls = false\nallowed_hosts = [\"mcp.example.com\", \"one.example.com:8443\"]".into(),
        ..Settings::default()
    });
    let port = server.address().port();
    for method in ["POST", "GET", "DELETE", "OPTIONS", "PUT"] {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "169.254.1.1",
            "one.example.com",
            "one.example.com:80",
        ] {
            for target in ["/mcp", "/", "/other"] {
                let asked = ask().method(method).header("Host", host).target(target);
                let response = server.send(&asked);
                assert_eq!(response.status, 421, "{method} {host} {target}");
            }
        }
    }
    let own = format!("localhost:{port}");
    for host in ["localhost", "127.0.0.1", &own, "mcp.example.com", "one.example.com:8443"] {
        assert_eq!(server.send(&ask().header("Host", host)).status, 200, "{host}");
    }
}

// B91
#[test]
fn localhost_is_both_of_its_addresses() {
    let settings = Settings { listen: "localhost:0".into(), ..Settings::default() };
    let server = Server::start(&settings);
    let port = server.address().port();
    for address in ["127.0.0.1", "[::1]"] {
        let address = format!("{address}:{port}").parse().unwrap();
        assert_eq!(Connection::plain(address).exchange(&ask()).status, 200, "{address}");
    }
}

// C6
#[test]
fn there_is_one_path_and_a_slash_at_its_end_is_the_same() {
    let server = Server::start(&Settings::default());
    // B82
    for target in ["/mcp", "/mcp/", "/mcp?x=1"] {
        assert_eq!(server.send(&ask().target(target)).status, 200, "{target}");
    }
    for target in ["/", "/mcp//", "/MCP", "/mcp/x", "/x/../mcp", "/%6dcp", "//mcp", "/metrics"] {
        let response = server.send(&ask().target(target));
        assert_eq!(response.status, 404, "{target}");
    }
}

// C59
#[test]
fn other_methods_are_refused_and_told_which_are_not() {
    let server = Server::start(&Settings::default());
    for method in ["PUT", "PATCH", "HEAD", "TRACE", "post"] {
        let response = server.send(&ask().method(method));
        assert_eq!(response.status, 405, "{method}");
        assert!(response.header("allow").unwrap().contains("POST"), "{method}");
    }
    for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        assert_eq!(server.send(&ask().header(header, "DELETE")).status, 405, "{header}");
    }
    let asked = server.send(&Request::bare("OPTIONS"));
    assert_eq!((asked.status, asked.body.len()), (204, 0));
    assert_eq!(asked.header("allow"), Some("POST, GET, DELETE, OPTIONS"));
    // What is asked for over TLS must come over it, and HEAD has no body whatever is wrong.
    assert_eq!(server.send(&ask().target("https://localhost/mcp")).status, 421);
    assert_eq!(server.send(&ask().target("http://localhost/mcp")).status, 200);
    let head = Request::bare("HEAD");
    for asked in [head.clone().header("Expect", "x"), head.header("Content-Length", "99999999")] {
        let mut connection = server.connect();
        connection.write(&asked.bytes());
        let text = String::from_utf8(connection.rest()).unwrap();
        assert!(text.starts_with("HTTP/1.1 4") && text.ends_with("\r\n\r\n"), "{text}");
    }
    let connect = ask().method("CONNECT").target("localhost:443");
    assert!([400, 405].contains(&server.send(&connect).status));
}

// B81
#[test]
fn the_answer_has_a_form_that_the_client_takes() {
    let server = Server::start(&Settings::default());
    for (accept, form) in [
        ("application/json", "application/json"),
        ("text/event-stream", "text/event-stream"),
        ("*/*", "application/json"),
        ("application/json, text/event-stream", "application/json"),
        ("text/event-stream, application/json", "text/event-stream"),
        ("text/event-stream;q=0.5, application/json", "application/json"),
        ("application/json;q=0, text/event-stream", "text/event-stream"),
        ("application/json;q=0, */*", "text/event-stream"),
        ("*/*, text/event-stream;q=0", "application/json"),
        ("text/*;q=0.9, application/*;q=0.1, text/event-stream;q=0", "application/json"),
    ] {
        let response = server.send(&ask().header("Accept", accept));
        assert_eq!(response.status, 200, "{accept}");
        assert_eq!(response.header("content-type"), Some(form), "{accept}");
        assert!(response.json()["result"]["tools"].is_array());
    }
    assert_eq!(server.send(&ask().without("Accept")).status, 200);
    assert_eq!(server.send(&ask().header("Accept", "text/html")).status, 406);
}

// B100, C3, C53
#[test]
fn only_json_without_an_encoding_is_taken() {
    let server = Server::start(&Settings::default());
    for good in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(server.send(&ask().header("Content-Type", good)).status, 200, "{good}");
    }
    for bad in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "json",
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "application/jsonp",
        "",
    ] {
        assert_eq!(server.send(&ask().header("Content-Type", bad)).status, 415, "{bad}");
    }
    assert_eq!(server.send(&ask().without("Content-Type")).status, 415);
    let twice = ask().and_header("Content-Type", "application/json");
    assert_eq!(server.send(&twice).status, 415);
    assert_eq!(server.send(&ask().header("Content-Encoding", "gzip")).status, 415);
}

// B90
#[test]
fn a_message_over_the_limit_is_refused_before_it_is_read() {
    let server = Server::start(&Settings::with("[validation]\nmax_message_size = 2000"));
    let padded = |length: usize| {
        let message = modern_request(7, "tools/list", json!({"_meta": {"padding": ""}}));
        let missing = length - message.to_string().len();
        let padding = "x".repeat(missing);
        modern_request(7, "tools/list", json!({"_meta": {"padding": padding}})).to_string()
    };
    let fits = padded(2000);
    assert_eq!(fits.len(), 2000);
    assert_eq!(server.send(&with_body(fits.as_bytes())).status, 200);
    let over = padded(2001);
    let response = server.send(&with_body(over.as_bytes()));
    assert_eq!(response.status, 413);
    assert_eq!(response.code(), -32700);
    assert_eq!(response.json()["error"]["message"], "Message too large");
    // The head is enough: nothing of the body was sent.
    let mut connection = server.connect();
    connection.write(&ask().header("Content-Length", "11000000").head());
    assert_eq!(connection.response().status, 413);
    assert!(connection.is_closed());
    let mut connection = server.connect();
    connection
        .write(&ask().without("Content-Length").header("Transfer-Encoding", "chunked").head());
    connection.write(format!("7d1\r\n{over}\r\n0\r\n\r\n").as_bytes());
    assert_eq!(connection.response().status, 413);
}

// C49
#[test]
fn long_targets_and_heads_are_refused() {
    let server = Server::start(&Settings::default());
    let long = format!("/mcp?{}", "x".repeat(9_000));
    assert_eq!(server.send(&ask().target(&long)).status, 414);
    let wide = ask().header("X-Wide", &"x".repeat(20_000));
    assert_eq!(server.send(&wide).status, 431);
    let many = (0..100).fold(ask(), |asked, n| asked.header(&format!("X-{n}"), "x"));
    assert_eq!(server.send(&many).status, 431);
}

fn assert_secure(response: &Response) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("permissions-policy", "geolocation=(), microphone=(), camera=()"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name} of {response:?}");
    }
    assert!(response.header("cache-control").is_some_and(|value| value.contains("no-store")));
}

// C101
#[test]
fn every_response_has_the_security_headers() {
    let limits = "max_attempts_per_second = 0.01\nburst = 4\naddress_attempts_per_second = 1000";
    let server = Server::start(&Settings::default().over_tls().limited(limits));
    let origin = format!("https://localhost:{}", server.address().port());
    let host = format!("localhost:{}", server.address().port());
    let preflight = ask()
        .method("OPTIONS")
        .header("Host", &host)
        .header("Origin", &origin)
        .header("Access-Control-Request-Method", "POST");
    let mut seen = Vec::new();
    for asked in [
        ask(),
        ask().anonymous(),
        ask().header("Origin", "https://evil.example"),
        ask().target("/none"),
        ask().method("PUT"),
        ask().header("Accept", "text/html"),
        ask().header("Content-Type", "text/plain"),
        ask().header("Content-Length", "99999999"),
        ask().target(&format!("/{}", "x".repeat(9_000))),
        ask().header("Host", "evil.example"),
        ask().header("X-Wide", &"x".repeat(20_000)),
        ask().header("Mcp-Method", "other"),
        Request::bare("GET"),
        preflight,
        Request::post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})),
        Request::modern(&modern_request(1, "tools/call", call("host_status", json!({})))),
        ask(),
    ] {
        let response = server.send(&asked);
        assert_secure(&response);
        seen.push(response.status);
    }
    for status in [200, 202, 204, 400, 401, 403, 404, 405, 406, 413, 414, 415, 421, 429, 431] {
        assert!(seen.contains(&status), "{status} is not among {seen:?}");
    }
    let mut stream = server.connect();
    stream.write(b"nonsense\r\n\r\n");
    assert_secure(&stream.response());
}

// C101, B96: what has no length is written by other code.
#[test]
fn streams_and_upgrades_have_the_security_headers_too() {
    let mut settings = Settings::with("[transports.websocket]\n").over_tls();
    settings.http.push_str("\nsse_path = \"/sse\"");
    let server = Server::start(&settings);
    let origin = format!("https://localhost:{}", server.address().port());
    let of_page = |asked: Request| {
        let host = origin.strip_prefix("https://").unwrap();
        asked.header("Host", host).header("Origin", &origin)
    };
    let wishes = json!({ "notifications": { "toolsListChanged": true } });
    let listen = Request::modern(&modern_request(1, "subscriptions/listen", wishes));
    let session = server.session(LEGACY[3]);
    let events = Request::bare("GET").target("/sse");
    for asked in [listen, session.bare("GET"), events] {
        let head = server.connect().stream(&of_page(asked)).head;
        assert_secure(&head);
        assert_eq!(head.header("access-control-allow-origin"), Some(origin.as_str()), "{head:?}");
        let exposed = head.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
        assert!(exposed.contains("mcp-session-id"), "{exposed}");
        assert!(head.header("vary").unwrap().to_ascii_lowercase().contains("origin"), "{head:?}");
    }
    assert_secure(&WebSocket::over(server.connect(), &of_page(upgrade().key(ADMIN))).head);
    let mut socket = server.connect();
    let plain = socket.exchange(&upgrade().key(ADMIN).without("Upgrade"));
    assert_eq!(plain.status, 426);
    assert_secure(&plain);
}

#[test]
fn transport_security_is_promised_only_where_there_is_some() {
    let server = Server::start(&Settings::default());
    for asked in [ask(), ask().anonymous(), ask().target("/none")] {
        let response = server.send(&asked);
        assert_eq!(response.header("strict-transport-security"), None, "{response:?}");
        assert_eq!(response.header("x-frame-options"), Some("DENY"), "{response:?}");
    }
}
