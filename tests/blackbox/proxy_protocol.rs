//! Proxies that say of each connection whom it is from (the PROXY protocol), over every listener.

use std::fs;

use serde_json::json;

use crate::harness::http::{Connection, Request};
use crate::harness::process::{Server, Settings};
use crate::harness::tools::ECHO;
use crate::harness::{ADMIN, USER, modern_request, tls};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

fn ask() -> Request {
    Request::modern(&modern_request(1, "tools/list", json!({})))
}

fn with(http: &str, rest: &str) -> Settings {
    let http = format!("{http}\nproxy_protocol = [\"127.0.0.1\"]");
    Settings { http, ..Settings::with(&format!("{ECHO}{rest}")) }
}

/// The addresses in the audit log, after so many requests.
fn addresses(server: &Server, count: usize) -> Vec<String> {
    // Records are written behind the answers; a request without a header would ask in vain.
    for _ in 0..1_000 {
        let log = server.directory.read("state/audit.log");
        let records = log.lines().filter(|line| line.contains("\"method\":\"tools/list\""));
        let addresses: Vec<String> = records
            .filter_map(|record| record.split_once("\"address\":\"")?.1.split('"').next())
            .map(str::to_owned)
            .collect();
        if addresses.len() == count {
            return addresses;
        }
        server.counter("requests_finished");
    }
    panic!("no {count} records in {}", server.directory.read("state/audit.log"));
}

#[test]
fn a_connection_is_from_whom_the_proxy_names() {
    let server = Server::start(&with("tls = false", ""));
    let block = [203, 0, 113, 9, 198, 51, 100, 7, 0xdc, 4, 1, 0xbb];
    let headers = [
        (V1.to_vec(), "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n".to_vec(), "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(0x21, 0x11, &block), "203.0.113.9"),
        (v2(0x21, 0x11, &[&block[..], b"\x03\x00\x04abcd"].concat()), "203.0.113.9"),
        (v2(0x20, 0x00, b""), "127.0.0.1"),
    ];
    for (header, _) in &headers {
        let mut connection = Connection::plain_behind(header, server.address());
        assert_eq!(connection.exchange(&ask()).status, 200);
        assert_eq!(connection.exchange(&ask()).status, 200);
        // It is said once, and of all requests.
        connection.write(V1);
        assert_eq!(connection.response().status, 400);
    }
    let expected: Vec<&str> = headers.iter().flat_map(|(_, from)| [*from, *from]).collect();
    assert_eq!(addresses(&server, expected.len()), expected);
}

#[test]
fn however_it_is_cut_it_means_the_same() {
    let server = Server::start(&with("tls = false", ""));
    let block = [203, 0, 113, 9, 198, 51, 100, 7, 0xdc, 4, 1, 0xbb];
    for header in [V1.to_vec(), v2(0x21, 0x11, &block)] {
        let stream = [&header, ask().bytes().as_slice()].concat();
        for cut in [1, 5, 12, 15, header.len() - 1, header.len(), header.len() + 1] {
            let mut connection = Connection::plain(server.address()).unrecorded();
            connection.write(&stream[..cut]);
            // Until it has been read, or another connection would not be served.
            assert_eq!(server.counter("proxy_protocol_failures"), 0);
            connection.write(&stream[cut..]);
            assert_eq!(connection.response().status, 200, "{cut}");
        }
    }
}

#[test]
fn it_stands_before_tls_and_lines_and_websocket_too() {
    let tcp =
        "[transports.tcp]\nlisten = \"127.0.0.1:0\"\nproxy_protocol = [\"127.0.0.1\"]\n[tls]\n";
    let mut server = Server::start(&with("tls = true", tcp));
    let authority = fs::read(server.authority()).unwrap();
    let config = tls::client(&authority);
    let mut connection = Connection::tls_behind(V1, server.address(), config.clone());
    assert_eq!(connection.exchange(&ask()).status, 200);
    let tcp = server.tcp_address();
    let mut lines = Connection::tls_behind(V1, tcp, config);
    let mut message = modern_request(1, "tools/list", json!({}));
    message["params"]["_meta"]["erlmcp/authorization"] = format!("Bearer {ADMIN}").into();
    lines.write(format!("{message}\n").as_bytes());
    assert!(String::from_utf8_lossy(&lines.through(b"\n")).contains("\"tools\""));
    assert_eq!(addresses(&server, 2), ["192.0.2.1", "192.0.2.1"]);
    // Without it, not even the handshake begins.
    let mut hello = Connection::plain(server.address());
    hello.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert!(hello.rest().is_empty());
    assert_eq!(server.counter("proxy_protocol_failures"), 1);
    assert_eq!(server.counter("tls_handshake_failures"), 0);
}

#[test]
fn what_begins_otherwise_is_closed_without_a_word() {
    let limits = "[limits]\nhead_timeout_ms = 300\n";
    let server = Server::start(&with("tls = false", limits));
    let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat();
    let beginnings = [
        ask().bytes(),
        b"PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1".to_vec(),
        b" PROXY UNKNOWN\r\n".to_vec(),
        long,
        v2(0x21, 0x12, &[0; 12]),
        v2(0x21, 0x11, &[0; 4]),
        SIGNATURE.to_vec(),
    ];
    for beginning in &beginnings {
        let mut connection = Connection::plain(server.address());
        connection.write(beginning);
        let said = connection.rest();
        assert!(said.is_empty(), "{}: {}", beginning.escape_ascii(), said.escape_ascii());
    }
    assert_eq!(server.counter("proxy_protocol_failures"), beginnings.len() as u64);
}

#[test]
fn a_stranger_cannot_choose_its_address() {
    let http = "tls = false\nproxy_protocol = [\"10.0.0.0/8\"]";
    let server = Server::start(&Settings { http: http.into(), ..Settings::with(ECHO) });
    let mut connection = Connection::plain_behind(V1, server.address());
    connection.write(b"\r\n\r\n");
    assert_eq!(connection.response().status, 400);
    assert_eq!(server.send(&ask()).status, 200);
    assert_eq!(addresses(&server, 1), ["127.0.0.1"]);
}

#[test]
fn limits_lockout_and_blocks_are_those_of_the_client() {
    let limits = "[limits]\nmax_connections_per_address = 2\n";
    let lockout = "max_failures = 3\nbackoff_levels = [0]\nmax_attempts_per_second = 10000";
    let server = Server::start(&with("tls = false", limits).limited(lockout));
    let connect = |last: u8| {
        let header = format!("PROXY TCP4 192.0.2.{last} 127.0.0.1 1 2\r\n");
        Connection::plain_behind(header.as_bytes(), server.address())
    };
    let wrong = ask().key("wrong-key-0123456789abcdef0123456789");
    let mut guesser = connect(1);
    for _ in 0..3 {
        assert_eq!(guesser.exchange(&wrong).status, 401);
    }
    assert_eq!(guesser.exchange(&ask().key(USER)).status, 429);
    let mut open: Vec<Connection> = (2..6).map(connect).collect();
    for connection in &mut open {
        assert_eq!(connection.exchange(&ask()).status, 200);
    }
    // The proxy itself has no bound of clients.
    let mut second = connect(2);
    assert_eq!(second.exchange(&ask()).status, 200);
    assert!(connect(2).is_closed(), "the third of one client");
    server.administer(&["block", "192.0.2.2"]);
    assert!(open[0].is_closed() && second.is_closed());
    assert_eq!(open[1].exchange(&ask()).status, 200);
}
