//! Behind a proxy: whose address counts, and that nobody can choose it.

use serde_json::json;

use crate::harness::http::Request;
use crate::harness::process::{Server, Settings};
use crate::harness::{ADMIN, USER, modern_request};

const WRONG: &str = "wrong-key-0123456789abcdef0123456789";
const LIMITS: &str = "max_failures = 3\nbackoff_levels = [0]\nmax_attempts_per_second = 10000";

fn ask() -> Request {
    Request::modern(&modern_request(1, "tools/list", json!({})))
}

fn behind(proxies: &str, header: &str) -> Server {
    let http = format!("tls = false\ntrusted_proxies = [{proxies}]\n{header}");
    Server::start(&Settings { http, ..Settings::default() }.limited(LIMITS))
}

/// The addresses in the audit log, after so many requests.
fn addresses(server: &Server, count: usize) -> Vec<String> {
    let records = server.audited("\"method\":\"tools/list\"", count);
    records.iter().map(|record| record["address"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_client_is_whom_the_last_trusted_proxy_names() {
    let server = behind("\"127.0.0.1\", \"10.0.0.0/8\"", "");
    let lines = [
        ("192.0.2.1", "192.0.2.1"),
        ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.7", "192.0.2.1"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, unknown", "127.0.0.1"),
        ("192.0.2.1, junk, 10.0.0.7", "10.0.0.7"),
        ("", "127.0.0.1"),
    ];
    for (line, _) in lines {
        assert_eq!(server.send(&ask().header("X-Forwarded-For", line)).status, 200);
    }
    let two = ask().header("X-Forwarded-For", "203.0.113.9");
    server.send(&two.and_header("X-Forwarded-For", "192.0.2.2"));
    server.send(&ask().header("Forwarded", "for=192.0.2.3"));
    let mut expected: Vec<&str> = lines.iter().map(|(_, client)| *client).collect();
    expected.extend(["192.0.2.2", "127.0.0.1"]);
    assert_eq!(addresses(&server, expected.len()), expected);
}

#[test]
fn forwarded_is_read_where_it_is_the_header_of_the_proxies() {
    let server = behind("\"127.0.0.1\"", "forwarded_header = \"forwarded\"");
    let lines = [
        ("for=203.0.113.9, for=192.0.2.1;proto=https", "192.0.2.1"),
        ("for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
        ("for=\", for=192.0.2.1", "192.0.2.1"),
        ("for=_hidden", "127.0.0.1"),
        ("for=192.0.2.1;for=192.0.2.2", "127.0.0.1"),
    ];
    for (line, _) in lines {
        let asked = ask().header("Forwarded", line).header("X-Forwarded-For", "203.0.113.1");
        assert_eq!(server.send(&asked).status, 200);
    }
    let expected: Vec<&str> = lines.iter().map(|(_, client)| *client).collect();
    assert_eq!(addresses(&server, expected.len()), expected);
}

// B113
#[test]
fn a_guesser_behind_a_proxy_is_locked_out_alone() {
    let server = behind("\"127.0.0.1\"", "");
    let from = |address: &str, key: &str| ask().key(key).header("X-Forwarded-For", address);
    for n in 0..3 {
        // What it writes itself changes nothing.
        let line = format!("203.0.113.{n}, 192.0.2.1");
        assert_eq!(server.send(&from(&line, WRONG)).status, 401);
    }
    assert_eq!(server.send(&from("192.0.2.1", USER)).status, 429);
    assert_eq!(server.send(&from("203.0.113.1, 192.0.2.1", USER)).status, 429);
    assert_eq!(server.send(&from("192.0.2.2", ADMIN)).status, 200);
    assert_eq!(server.send(&from("192.0.2.2", WRONG)).status, 401);
}

#[test]
fn a_stranger_cannot_choose_its_address() {
    for http in ["tls = false", "tls = false\ntrusted_proxies = [\"10.0.0.0/8\"]"] {
        let settings = Settings { http: http.into(), ..Settings::default() };
        let server = Server::start(&settings.limited(LIMITS));
        for n in 0..3 {
            let line = format!("192.0.2.{n}");
            assert_eq!(server.send(&ask().key(WRONG).header("X-Forwarded-For", &line)).status, 401);
        }
        assert_eq!(
            server.send(&ask().key(WRONG).header("X-Forwarded-For", "192.0.2.9")).status,
            429
        );
        let asked = ask().key(USER).header("X-Forwarded-For", "10.0.0.1");
        assert_eq!(server.send(&asked).status, 429);
    }
}

#[test]
fn connections_are_counted_by_the_address_they_come_from() {
    let http = "tls = false\ntrusted_proxies = [\"127.0.0.1\"]";
    let rest = "[limits]\nmax_connections_per_address = 2\n";
    let server = Server::start(&Settings { http: http.into(), ..Settings::with(rest) });
    let mut open: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for (n, connection) in open.iter_mut().enumerate() {
        let asked = ask().header("X-Forwarded-For", &format!("192.0.2.{n}"));
        assert_eq!(connection.exchange(&asked).status, 200);
    }
    assert!(server.connect().is_closed());
}
