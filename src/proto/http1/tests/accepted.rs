//! Requests that must be understood, and how.

use super::{Event, head, outcome, request};

#[test]
fn targets_are_split_into_path_and_query() {
    for (line, path, query) in [
        ("GET / HTTP/1.1", "/", None),
        ("GET /mcp HTTP/1.1", "/mcp", None),
        ("GET /a/b;c=1?x=%20y&z=?/ HTTP/1.1", "/a/b;c=1", Some("x=%20y&z=?/")),
        ("GET /? HTTP/1.1", "/", Some("")),
        ("GET //other/x HTTP/1.1", "//other/x", None),
        ("GET /a:80@b HTTP/1.1", "/a:80@b", None),
        ("OPTIONS * HTTP/1.1", "*", None),
        ("GET http://h/x?y HTTP/1.1", "/x", Some("y")),
        ("GET HTTPS://H HTTP/1.1", "/", None),
        ("GET http://h?y HTTP/1.1", "/", Some("y")),
        ("X!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", "/", None),
    ] {
        let bytes = format!("{line}\r\nHost: h\r\n\r\n");
        let (text, body) = request(bytes.as_bytes());
        let (method, rest) = line.split_once(' ').unwrap();
        let (target, _) = rest.split_once(' ').unwrap();
        assert_eq!(
            text,
            format!(
                "{method} {target} path={path} query={query:?} 1.0=false length=None \
                 chunked=false continue=false keep=true [Host=h]"
            )
        );
        assert!(body.is_empty());
    }
}

#[test]
fn header_values_lose_surrounding_whitespace_only() {
    let bytes = b"GET / HTTP/1.1\r\nHost:h\r\nA: \t x \t y \t\r\nB:\r\nC: \r\n\r\n";
    let (text, _) = request(bytes);
    assert!(text.ends_with("[Host=h|A=x \t y|B=|C=]"), "{text}");
}

#[test]
fn headers_are_found_in_any_case_and_counted() {
    let head = head(
        b"GET / HTTP/1.1\r\nhOsT: h\r\nX-A: 1\r\nx-b: \xe9\r\nx-a: 2\r\nx-c: \xc3\xa9\r\n\r\n",
    );
    assert_eq!(head.header("host"), Some(&b"h"[..]));
    assert_eq!(head.header_str("x-a"), Some("1"));
    assert_eq!(head.headers_named("X-A").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!((head.count_of("X-a"), head.count_of("x")), (2, 0));
    assert_eq!(head.header("x-b"), Some(&b"\xe9"[..]));
    assert_eq!(head.header_str("x-b"), None);
    assert_eq!(head.header_str("x-c"), None);
    assert_eq!(head.header("y"), None);
}

#[test]
fn no_header_changes_the_method() {
    let bytes = b"POST / HTTP/1.1\r\nHost: h\r\nX-HTTP-Method-Override: DELETE\r\n\r\n";
    assert_eq!(head(bytes).method(), "POST");
}

#[test]
fn a_head_never_shows_its_headers_in_debug_output() {
    let head = head(b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer s3cret\r\n\r\n");
    assert!(!format!("{head:?}").contains("s3cret"));
}

#[test]
fn connections_stay_open_unless_told_otherwise() {
    for (version, connection, keep) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "connection: keep-alive, CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection:\tclose \r\n", false),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", false),
    ] {
        let bytes = format!("GET / HTTP/{version}\r\nHost: h\r\n{connection}\r\n");
        assert_eq!(head(bytes.as_bytes()).keep_alive(), keep, "{bytes:?}");
    }
}

#[test]
fn http_1_0_needs_no_host() {
    let (text, _) = request(b"GET / HTTP/1.0\r\n\r\n");
    assert!(text.contains("1.0=true"), "{text}");
}

#[test]
fn an_expectation_counts_only_where_a_body_follows() {
    for (version, length, expects) in [("1.1", "2", true), ("1.1", "0", false), ("1.0", "2", false)]
    {
        let bytes = format!(
            "POST / HTTP/{version}\r\nHost: h\r\nExpect: 100-Continue\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        assert_eq!(head(bytes.as_bytes()).expects_continue(), expects, "{bytes:?}");
    }
    assert!(!head(b"GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n").expects_continue());
}

#[test]
fn identity_is_no_content_coding() {
    request(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Encoding: Identity\r\n\r\n");
}

#[test]
fn one_empty_line_may_stand_before_each_request() {
    let bytes = b"\r\nGET /1 HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n\r\n";
    let outcome = outcome(bytes);
    assert_eq!((outcome.events.len(), outcome.error, outcome.waiting), (4, None, false));
}

#[test]
fn bodies_of_every_method_are_read_and_pipelined_requests_follow() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "POST", "TRACE"] {
        let bytes = format!(
            "{method} /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 34\r\n\r\n\
             GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n\
             GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
        );
        let outcome = outcome(bytes.as_bytes());
        let [Event::Head(first), Event::Body(body), Event::Head(second), Event::Body(_)] =
            &outcome.events[..]
        else {
            panic!("{outcome:?}");
        };
        assert!(first.starts_with(&format!("{method} /1 ")));
        assert!(body.starts_with(b"GET /evil") && body.ends_with(b"evil\r\n\r\n"));
        assert!(second.starts_with("GET /2 "));
    }
}

#[test]
fn limits_are_reached_exactly() {
    let target = format!("/{}", "a".repeat(99));
    request(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
    request(format!("{} / HTTP/1.1\r\nHost: h\r\n\r\n", "M".repeat(32)).as_bytes());
    request(format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(7)).as_bytes());
    let start = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
    let fill = "x".repeat(600 - start.len() - 4);
    request(format!("{start}{fill}\r\n\r\n").as_bytes());
    let longest = format!("{} {target} HTTP/1.1\r\nHost: h\r\n\r\n", "M".repeat(32));
    request(longest.as_bytes());
}
