//! Who is let in over HTTPS, who is not, and what guessing costs.

use serde_json::json;

use crate::harness::http::{Request, Response};
use crate::harness::process::{Server, Settings};
use crate::harness::websocket::upgrade;
use crate::harness::{ADMIN, GUEST, USER, modern_request};

const WRONG: &str = "wrong-key-0123456789abcdef0123456789";

fn ask() -> Request {
    Request::modern(&modern_request(1, "tools/list", json!({})))
}

fn retry_after(response: &Response) -> u64 {
    response.header("retry-after").unwrap().parse().unwrap()
}

#[test]
fn a_key_is_taken_from_either_header_and_a_wrong_or_missing_one_is_challenged() {
    let server = Server::start(&Settings::default().over_tls());
    assert_eq!(server.send(&ask()).status, 200);
    assert_eq!(server.send(&ask().anonymous().header("X-API-Key", ADMIN)).status, 200);
    assert_eq!(server.send(&ask().header("Authorization", &format!("bearer {ADMIN}"))).status, 200);
    for refused in [
        ask().anonymous(),
        ask().key(WRONG),
        ask().key(""),
        ask().header("Authorization", ADMIN),
        ask().header("Authorization", &format!("Basic {ADMIN}")),
        ask().anonymous().header("X-API-Key", WRONG),
        ask().key(&ADMIN.to_uppercase()),
        ask().key(&ADMIN[..ADMIN.len() - 1]),
        ask().and_header("Authorization", "Bearer x"),
        ask().header("X-API-Key", WRONG),
        // C36
        ask().anonymous().target(&format!("/mcp?api_key={ADMIN}")),
    ] {
        let response = server.send(&refused);
        assert_eq!(response.status, 401, "{refused:?}");
        let challenge = response.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        let body = String::from_utf8_lossy(&response.body).into_owned();
        assert!(!body.contains("result"), "{body}");
    }
}

// B86
#[test]
fn a_challenge_never_repeats_what_the_client_sent() {
    let server = Server::start(&Settings::default());
    let asked = ask().anonymous().header("Host", "localhost").target("/mcp?x=evil.example");
    let response = server.send(&asked);
    let text = format!("{response:?}{}", String::from_utf8_lossy(&response.body));
    assert!(!text.contains("evil.example"), "{text}");
}

// B113
#[test]
fn a_guesser_is_locked_out_and_a_good_key_beside_it_is_not() {
    let limits = "max_failures = 3\nbackoff_levels = [0]\nblock_duration_ms = 300000\n\
                  max_attempts_per_second = 10000";
    let server = Server::start(&Settings::default().over_tls().limited(limits));
    assert_eq!(server.send(&ask()).status, 200, "the administrator is known here now");
    for _ in 0..3 {
        assert_eq!(server.send(&ask().key(WRONG)).status, 401);
    }
    for locked in [ask().key(WRONG), ask().key(USER)] {
        let response = server.send(&locked);
        assert_eq!(response.status, 429);
        assert!((1..=300).contains(&retry_after(&response)));
        let wait = &response.json()["error"]["data"]["retryAfterSeconds"];
        assert_eq!(wait.as_u64(), Some(retry_after(&response)));
    }
    assert_eq!(server.send(&ask()).status, 200, "a known good key is not locked out");
}

// B113
#[test]
fn a_good_login_between_guesses_does_not_forgive_them() {
    let limits = "max_failures = 3\nbackoff_levels = [0]\nblock_duration_ms = 300000\n\
                  max_attempts_per_second = 10000";
    let server = Server::start(&Settings::default().limited(limits));
    for _ in 0..3 {
        assert_eq!(server.send(&ask()).status, 200);
        assert_eq!(server.send(&ask().key(WRONG)).status, 401);
    }
    assert_eq!(server.send(&ask().key(WRONG)).status, 429);
}

#[test]
fn who_presents_nothing_is_told_to_authenticate_however_often_it_asks() {
    let limits = "max_failures = 5\nmax_attempts_per_second = 1\nburst = 2\n\
                  address_attempts_per_second = 2";
    let server = Server::start(&Settings::default().over_tls().limited(limits));
    let mut closed = 0;
    for round in 0..20 {
        let mut connection = server.connect();
        for _ in 0..2 {
            let response = connection.exchange(&ask().anonymous());
            assert_eq!(response.status, 401, "round {round}");
            assert!(response.header("www-authenticate").is_some());
            if response.header("connection") == Some("close") {
                closed += 1;
                break;
            }
        }
    }
    assert!(closed >= 10, "who asks too fast has to come back for each answer: {closed}");
}

#[test]
fn who_asks_for_nothing_that_there_is_has_a_rate_too() {
    let limits = "max_attempts_per_second = 1000\nburst = 5\naddress_attempts_per_second = 5";
    let server = Server::start(&Settings::default().limited(limits));
    let mut connection = server.connect();
    let mut seen = Vec::new();
    for target in ["/none", "/.env", "/admin", "/none", "/x", "/y", "/z"] {
        let response = connection.exchange(&ask().anonymous().target(target));
        seen.push(response.status);
        if response.header("connection") == Some("close") {
            break;
        }
    }
    assert_eq!(seen, [404, 404, 404, 404, 404, 429]);
    assert!(connection.is_closed());
}

// B114
#[test]
fn a_ticket_passes_the_lockout_of_its_source() {
    let limits = "max_failures = 3\nbackoff_levels = [0]\nblock_duration_ms = 300000\n\
                  max_attempts_per_second = 10000";
    let mut settings = Settings::default().limited(limits);
    settings.rest.push_str("[transports.websocket]\n");
    let server = Server::start(&settings);
    let host = format!("localhost:{}", server.address().port());
    let page = format!("http://{host}");
    let dressed = |asked: Request| asked.header("Host", &host).header("Origin", &page);
    let ticket = || {
        let response = server.send(&dressed(Request::post_bytes(b"").target("/ws")));
        response.json()["ticket"].as_str().unwrap().to_owned()
    };
    let open = |ticket: &str| {
        let protocols = format!("mcp, erlmcp.ticket.{ticket}");
        let asked = dressed(upgrade().anonymous()).header("Sec-WebSocket-Protocol", &protocols);
        let mut connection = server.connect();
        connection.write(&asked.bytes());
        connection.response_head().status
    };
    assert_eq!(open(&ticket()), 101);
    for _ in 0..3 {
        assert_eq!(server.send(&ask().key(WRONG)).status, 401);
    }
    assert_eq!(server.send(&ask().key(WRONG)).status, 429, "its source is locked out");
    assert_eq!(open(&ticket()), 101);
    assert_eq!(open("0123456789abcdef0123456789abcdef"), 429, "and guessing tickets is no way in");
}

#[test]
fn to_present_nothing_is_no_failed_attempt() {
    let limits = "max_failures = 5\naddress_attempts_per_second = 1000";
    let server = Server::start(&Settings::default().limited(limits));
    for _ in 0..20 {
        assert_eq!(server.send(&ask().anonymous()).status, 401);
    }
    assert_eq!(server.send(&ask()).status, 200);
}

// B27, B126
#[test]
fn the_request_beyond_the_burst_waits_and_others_do_not() {
    let limits = "max_attempts_per_second = 0.01\nburst = 3\naddress_attempts_per_second = 1000";
    let server = Server::start(&Settings::default().over_tls().limited(limits));
    for _ in 0..3 {
        assert_eq!(server.send(&ask()).status, 200);
    }
    let response = server.send(&ask());
    assert_eq!(response.status, 429);
    assert!(retry_after(&response) >= 1);
    let error = &response.json()["error"];
    assert_eq!(error["data"]["retryAfterSeconds"].as_u64(), Some(retry_after(&response)));
    assert!(error["code"].as_i64().unwrap() > 0, "{error}");
    assert_eq!(server.send(&ask().key(USER)).status, 200, "another user has a bucket of their own");
}

// B127
#[test]
fn one_address_has_a_bound_whoever_it_says_it_is() {
    let limits = "max_attempts_per_second = 0.01\nburst = 4\naddress_attempts_per_second = 1\n\
                  max_failures = 1000\nbackoff_levels = [0]";
    let server = Server::start(&Settings::default().limited(limits));
    let keys = [ADMIN, USER, GUEST];
    let statuses: Vec<_> =
        (0..12).map(|n| server.send(&ask().key(keys[n % keys.len()])).status).collect();
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert!(served < 12 && statuses[0] == 200, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
}

#[test]
fn where_failures_are_many_a_newcomer_waits_longest_and_good_keys_never() {
    let limits = "max_failures = 1000\nbackoff_levels = [0, 60000]\nmax_failures_per_minute = 2\n\
                  max_attempts_per_second = 10000";
    let http = "tls = false\ntrusted_proxies = [\"127.0.0.1\"]".into();
    let server = Server::start(&Settings { http, ..Settings::default() }.limited(limits));
    let from = |host: u8, key: &str| {
        server.send(&ask().key(key).header("X-Forwarded-For", &format!("192.0.2.{host}")))
    };
    for host in 1..=2 {
        assert_eq!(from(host, WRONG).status, 401);
        assert_eq!(from(host, USER).status, 200, "a first failure costs nothing");
    }
    assert_eq!(from(3, WRONG).status, 401);
    let waits = from(3, WRONG);
    assert_eq!(waits.status, 429);
    assert!((2..=60).contains(&retry_after(&waits)), "{waits:?}");
    assert_eq!(from(4, USER).status, 200, "who has not failed is served");
    assert_eq!(from(1, USER).status, 200);
}

#[test]
fn an_expired_key_is_refused_and_the_record_says_so() {
    let late = "late-key-0123456789abcdef0123456789";
    let entry = |date: &str| format!("{{ key = \"{late}\", user = \"l\", expires = \"{date}\" }}");
    for (date, status) in [("2001-01-01T00:00:00Z", 401), ("2999-01-01T00:00:00Z", 200)] {
        let server = Server::start(&Settings { keys: entry(date), ..Settings::default() });
        assert_eq!(server.send(&ask().key(late)).status, status, "{date}");
        if status == 401 {
            server.audited("api_key_expired", 1);
        }
    }
}

#[test]
fn a_key_is_good_from_its_networks_only_and_its_label_is_recorded() {
    let key = "laptop-key-0123456789abcdef0123456789";
    let settings = |networks: &str| Settings {
        http: "tls = false\ntrusted_proxies = [\"127.0.0.1\"]".into(),
        keys: format!(
            "{{ key = \"{key}\", user = \"root\", label = \"laptop\", networks = [{networks}] }},"
        ),
        ..Settings::default()
    };
    let mut server = Server::start(&settings("\"203.0.113.0/24\", \"2001:db8::/32\""));
    let from =
        |request: Request, address: &str| request.key(key).header("X-Forwarded-For", address);
    for (address, status) in [
        ("203.0.113.7", 200),
        ("2001:db8::7", 200),
        ("::ffff:203.0.113.7", 200),
        ("203.0.114.7", 401),
        ("2001:db9::7", 401),
        ("127.0.0.1", 401),
    ] {
        assert_eq!(server.send(&from(ask(), address)).status, status, "{address}");
    }
    assert_eq!(server.audited("\"api_key\":\"laptop\"", 3)[0]["user"], "root");
    let refused = server.audited("api_key_from_elsewhere", 3);
    assert_eq!(refused[0]["event"], "authentication_failure");
    // What a reload takes from a key is taken from who listens, too.
    let wishes = json!({ "notifications": { "toolsListChanged": true } });
    let listen = Request::modern(&modern_request(1, "subscriptions/listen", wishes));
    let mut events = server.connect().stream(&from(listen, "203.0.113.7"));
    events.notification("notifications/subscriptions/acknowledged");
    server.reload(&settings("\"198.51.100.0/24\""));
    assert_eq!(events.message(), None);
    assert_eq!(server.send(&from(ask(), "203.0.113.7")).status, 401);
    assert_eq!(server.send(&from(ask(), "198.51.100.7")).status, 200);
}
