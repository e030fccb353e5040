//! How much each may ask, what it is told of that, and who a request is from behind proxies.

use serde_json::{Value, json};

use crate::harness::http::{Request, Response};
use crate::harness::process::{ECHO, Server, Session, Settings, script_tool};
use crate::harness::{ADMIN, GUEST, LEGACY, USER, call, modern_request, request};
use crate::tokens::{AUDIENCE, ISSUER, Issuer, echo};

fn ping(key: &str) -> Request {
    Request::modern(&modern_request(1, "tools/list", json!({}))).key(key)
}

fn number(response: &Response, name: &str) -> u64 {
    response.header(name).unwrap_or_else(|| panic!("no {name}: {response:?}")).parse().unwrap()
}

// B126
#[test]
fn callers_are_told_what_is_left_to_them() {
    let limits = "max_attempts_per_second = 0.01\nburst = 10\naddress_attempts_per_second = 1000";
    let server = Server::start(&Settings::default().limited(limits));
    for left in (0..10).rev() {
        let response = server.send(&ping(USER));
        assert_eq!(response.status, 200);
        assert_eq!(number(&response, "ratelimit-limit"), 10);
        assert_eq!(number(&response, "ratelimit-remaining"), left);
        assert!((90..=1_000).contains(&number(&response, "ratelimit-reset")));
    }
    let refused = server.send(&ping(USER));
    assert_eq!(refused.status, 429);
    assert_eq!(number(&refused, "ratelimit-remaining"), 0);
    assert_eq!(number(&refused, "ratelimit-reset"), number(&refused, "retry-after"));
    assert_eq!(
        number(&server.send(&ping(GUEST)), "ratelimit-remaining"),
        9,
        "others are not counted"
    );
    let quiet = Settings::default().limited("limit_headers = false");
    let server = Server::start(&quiet);
    assert_eq!(server.send(&ping(USER)).header("ratelimit-limit"), None);
}

#[test]
fn roles_have_rates_of_their_own() {
    let limits = "max_attempts_per_second = 0.01\nburst = 2\naddress_attempts_per_second = 1000\n\
                  roles = { admin = 100, guest = 1 }";
    let server = Server::start(&Settings::default().limited(limits));
    let limit = |key| number(&server.send(&ping(key)), "ratelimit-limit");
    assert_eq!((limit(ADMIN), limit(USER), limit(GUEST)), (100, 2, 1));
    assert_eq!(server.send(&ping(GUEST)).status, 429);
}

#[test]
fn a_dear_tool_has_a_rate_of_its_own_by_every_way() {
    let limits = "max_attempts_per_second = 1000\ntools = { \"dear*\" = 0.01 }";
    let rest = format!("{ECHO}{}", script_tool("dear_one", "echo done", "read_only = true"));
    let server = Server::start(&Settings::with(&rest).limited(limits));
    let dear = || modern_request(1, "tools/call", call("dear_one", json!({})));
    let send = |message: &Value| server.send(&Request::modern(message).key(USER));
    assert_eq!(send(&dear()).status, 200);
    let refused = send(&dear());
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(number(&refused, "retry-after") > 10);
    assert_eq!(
        send(&modern_request(1, "tools/call", call("echo", json!({"text":"x"})))).status,
        200
    );
    let session = Session::open(&server, LEGACY[1], USER);
    let batch = json!([
        request(1, "tools/call", call("dear_one", json!({}))),
        request(2, "tools/call", call("echo", json!({ "text": "x" }))),
    ]);
    let answers = session.send(&batch).json();
    let answers = answers.as_array().unwrap();
    let of = |id: u64| answers.iter().find(|one| one["id"] == id).unwrap();
    assert!(of(1)["error"]["data"]["retryAfterSeconds"].as_u64().unwrap() > 10, "{answers:?}");
    assert!(of(2).get("result").is_some());
    // Others have theirs.
    assert_eq!(server.send(&Request::modern(&dear()).key(ADMIN)).status, 200);
}

#[test]
fn behind_a_trusted_proxy_the_client_is_who_the_proxy_says() {
    let limits = "max_failures = 3\nbackoff_levels = [0]\naddress_attempts_per_second = 1000";
    let mut settings = Settings::default().limited(limits);
    settings.http = "tls = false\ntrusted_proxies = [\"127.0.0.0/8\"]".into();
    let server = Server::start(&settings);
    let from = |key: &str, list: &str| server.send(&ping(key).header("X-Forwarded-For", list));
    for _ in 0..3 {
        // What a client has written itself stands before what the proxy noted.
        assert_eq!(from("a wrong key", "198.51.100.7, 192.0.2.1").status, 401);
    }
    assert_eq!(from("a wrong key", "198.51.100.8, 192.0.2.1").status, 429);
    assert_eq!(from("a wrong key", "192.0.2.2").status, 401, "another client is not");
    assert_eq!(server.send(&ping(USER)).status, 200, "nor is who comes without a proxy");
    let records = server.audited("\"address\":\"192.0.2.1\"", 4);
    assert_eq!(records[3]["reason"], "locked_out");
    // Nobody else is believed.
    let mut settings = Settings::default().limited(limits);
    settings.http = "tls = false\ntrusted_proxies = [\"10.0.0.0/8\"]".into();
    let server = Server::start(&settings);
    for client in 1..4 {
        let forged = ping("a wrong key").header("X-Forwarded-For", &format!("192.0.2.{client}"));
        assert_eq!(server.send(&forged).status, 401);
    }
    let forged = ping("a wrong key").header("X-Forwarded-For", "192.0.2.9");
    assert_eq!(server.send(&forged).status, 429);
}

// B113
#[test]
fn the_next_token_of_a_user_is_taken_while_its_neighbour_guesses() {
    let issuer = Issuer::new();
    let limits = "max_failures = 2\nbackoff_levels = [0]\naddress_attempts_per_second = 1000";
    let settings = issuer.settings("").limited(limits);
    let server = Server::start(&settings);
    let token =
        |seconds: u64| issuer.token(|claims| claims["exp"] = json!(crate::tokens::now() + seconds));
    assert_eq!(server.send(&echo(&token(600))).status, 200);
    for _ in 0..2 {
        assert_eq!(server.send(&ping("a wrong key")).status, 401);
    }
    assert_eq!(server.send(&ping("a wrong key")).status, 429, "it is locked out");
    assert_eq!(server.send(&echo(&token(700))).status, 200, "a new token of a known user is not");
    let stranger = Issuer::new();
    let forged = |sub: &str| {
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": sub, "exp": crate::tokens::now() + 600,
        });
        stranger.sign(&json!({ "alg": "RS256", "kid": "key-2024-01" }), &claims)
    };
    assert_eq!(server.send(&echo(&forged("somebody"))).status, 429);
    for _ in 0..2 {
        assert_eq!(server.send(&echo(&forged("user_123"))).status, 401);
    }
    assert_eq!(server.send(&echo(&forged("user_123"))).status, 429, "nor is it a way to guess");
}
