//! Bytes that two readers could read differently are refused, and the connection ends.

use serde_json::json;

use crate::harness::http::Request;
use crate::harness::modern_request;
use crate::harness::process::{Server, Settings};

fn ask() -> Request {
    Request::modern(&modern_request(1, "tools/list", json!({})))
}

/// The request with its lines changed, followed by one that must never be served.
fn with(change: impl FnOnce(String) -> String) -> Vec<u8> {
    let text = change(String::from_utf8(ask().bytes()).unwrap());
    [text.into_bytes(), ask().bytes()].concat()
}

fn with_header(line: &str) -> Vec<u8> {
    with(|text| text.replacen("\r\n", &format!("\r\n{line}\r\n"), 1))
}

fn chunked(body: &str) -> Vec<u8> {
    let asked = ask().without("Content-Length").header("Transfer-Encoding", "chunked");
    [asked.head(), body.as_bytes().to_vec(), ask().bytes()].concat()
}

fn assert_refused(server: &Server, bytes: &[u8]) {
    let shown = String::from_utf8_lossy(bytes);
    let mut connection = server.connect();
    connection.write(bytes);
    let response = connection.response();
    assert_eq!(response.status, 400, "{shown}");
    assert_eq!(response.header("connection"), Some("close"), "{shown}");
    assert!(connection.is_closed(), "something more was served: {shown}");
}

// C42
#[test]
fn two_ways_to_tell_the_length_are_one_too_many() {
    let server = Server::start(&Settings::default().over_tls());
    let length = ask().body.len();
    for bytes in [
        with_header("Transfer-Encoding: chunked"),
        with_header(&format!("Content-Length: {length}")),
        with_header("Content-Length: 5"),
        with(|text| text.replace(&format!("{length}\r\n"), &format!("{length}, {length}\r\n"))),
        with(|text| text.replace("Content-Length: ", "Content-Length: +")),
        with(|text| text.replace("Content-Length: ", "Content-Length: 0x")),
        with(|text| text.replace("Content-Length: ", "Content-Length : ")),
        with(|text| text.replace("Content-Length: ", "Content-Length: -")),
        with(|text| text.replace("Content-Length: ", "Content_Length: 5\r\nContent-Length\t: ")),
    ] {
        assert_refused(&server, &bytes);
    }
}

// C42
#[test]
fn an_encoding_that_is_not_plainly_chunked_is_refused() {
    let server = Server::start(&Settings::default());
    for value in ["chunked, identity", "xchunked", "\"chunked\"", "chunked, chunked", "gzip"] {
        let asked = ask().without("Content-Length").header("Transfer-Encoding", value);
        let mut connection = server.connect();
        connection.write(&[asked.head(), b"0\r\n\r\n".to_vec(), ask().bytes()].concat());
        let response = connection.response();
        assert!([400, 501].contains(&response.status), "{value}: {response:?}");
        assert!(connection.is_closed(), "{value}");
    }
    let asked = ask().without("Content-Length").header("Transfer-Encoding", "chunked");
    let old = String::from_utf8(asked.head()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    assert_refused(&server, format!("{old}0\r\n\r\n").as_bytes());
}

#[test]
fn lines_that_are_folded_bare_or_torn_are_refused() {
    let server = Server::start(&Settings::default());
    for bytes in [
        with_header("X-Folded: a\r\n b"),
        with_header(" X-First: a"),
        with_header("X-Bare: a\rb"),
        with_header("X-Nul: a\0b"),
        with_header("X Name: a"),
        with_header("NoColon"),
        with_header(": nameless"),
        with(|text| text.replacen("\r\n", "\n", 1)),
        with(|text| text.replace("\r\n", "\n")),
        with(|text| text.replacen("HTTP/1.1", "HTTP/1.1 ", 1)),
        with(|text| text.replacen("POST /mcp", "POST  /mcp", 1)),
        with(|text| text.replacen("Host: localhost\r\n", "", 1)),
        with_header("Host: localhost"),
    ] {
        assert_refused(&server, &bytes);
    }
}

// C43
#[test]
fn chunks_that_lie_about_their_size_are_refused() {
    let server = Server::start(&Settings::default());
    for body in [
        "-1\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "1_0\r\n",
        "fffffffffffffffff\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "\r\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nHost: evil.example\r\n\r\n",
        "0\r\nAuthorization: Bearer x\r\n\r\n",
    ] {
        assert_refused(&server, &chunked(body));
    }
    // What surrounds the data has a bound, however good the data is.
    let message = String::from_utf8(ask().body).unwrap();
    let tiny: String =
        message.chars().map(|c| format!("1;{}\r\n{c}\r\n", "x".repeat(300))).collect();
    let length = message.len();
    for flood in [
        format!("{length:x};{}\r\n{message}\r\n0\r\n\r\n", "x".repeat(100_000)),
        format!("{tiny}0\r\n\r\n"),
        format!("{length:x}\r\n{message}\r\n0\r\n{}\r\n", "X-A: b\r\n".repeat(10_000)),
    ] {
        let mut connection = server.connect();
        connection.write(&chunked(&flood));
        let response = connection.response();
        assert_eq!(response.status, 400);
        assert!(String::from_utf8_lossy(&response.body).contains("framing"), "{response:?}");
    }
}

// C45
#[test]
fn a_body_where_none_belongs_is_never_taken_for_a_request() {
    let server = Server::start(&Settings::default());
    for method in ["GET", "DELETE", "OPTIONS", "PUT"] {
        let smuggled = ask().bytes();
        let asked = Request::bare(method).header("Content-Length", &smuggled.len().to_string());
        let mut connection = server.connect();
        connection.write(&[asked.head(), smuggled].concat());
        assert!(connection.response().status >= 400, "{method}");
        // The next answer, if there is one, is the one to what came behind the body.
        connection.write(&ask().target("/none").bytes());
        let rest = {
            connection.finish_writing();
            String::from_utf8(connection.rest()).unwrap()
        };
        assert!(!rest.contains("HTTP/1.1 200"), "{method}: {rest}");
    }
}

#[test]
fn what_is_no_http_is_told_so_once() {
    let server = Server::start(&Settings::default());
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /mcp HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /mcp\r\n\r\n",
        b"{\"jsonrpc\":\"2.0\"}\r\n\r\n",
    ] {
        let mut connection = server.connect();
        connection.write(bytes);
        connection.finish_writing();
        let rest = String::from_utf8(connection.rest()).unwrap();
        assert_eq!(rest.matches("\r\nDate: ").count(), 1, "{rest}");
        assert!(rest.starts_with("HTTP/1.1 400") || rest.starts_with("HTTP/1.1 505"), "{rest}");
    }
    assert_eq!(server.send(&ask()).status, 200);
}
