//! How much each caller may ask: by role, tool and method, and at once; and what it is told of it.

use serde_json::{Value, json};

use crate::harness::fixture::{self, Gate};
use crate::harness::http::{Request, Response};
use crate::harness::process::{Server, Session, Settings};
use crate::harness::stdio::StdioServer;
use crate::harness::tools::{ECHO, gated_tool, script_tool};
use crate::harness::{
    ADMIN, GUEST, USER, call, call_with_progress, modern_request, request, text_of,
};

/// A second is long in these: what is used up in a test does not come back within it.
const SLOW: &str = "max_attempts_per_second = 0.01\naddress_attempts_per_second = 10000\n";

fn list(key: &str) -> Request {
    Request::modern(&modern_request(1, "tools/list", json!({}))).key(key)
}

fn tool(name: &str) -> Request {
    let arguments = if name == "echo" { json!({ "text": "x" }) } else { json!({}) };
    Request::modern(&modern_request(1, "tools/call", call(name, arguments)))
}

fn number(response: &Response, name: &str) -> u64 {
    let value = response.header(name).unwrap_or_else(|| panic!("{name} of {response:?}"));
    value.parse().unwrap()
}

/// Limit and remaining.
fn quota(response: &Response) -> (u64, u64) {
    (number(response, "ratelimit-limit"), number(response, "ratelimit-remaining"))
}

/// How many of so many requests are served before one is refused.
fn served(server: &Server, most: usize, asked: impl Fn() -> Request) -> usize {
    let mut connection = server.connect();
    (0..most).take_while(|_| connection.exchange(&asked()).status == 200).count()
}

// B126
#[test]
fn the_ninth_tenth_and_eleventh_of_ten_say_what_is_left() {
    let limits = format!("{SLOW}burst = 10");
    let server = Server::start(&Settings::default().over_tls().limited(&limits));
    let mut connection = server.connect();
    for n in 1..=11_u64 {
        let response = connection.exchange(&list(ADMIN));
        assert_eq!(response.status, if n <= 10 { 200 } else { 429 });
        assert_eq!(quota(&response), (10, 10_u64.saturating_sub(n)), "of the {n}th");
        let reset = number(&response, "ratelimit-reset");
        assert!((1..=1000).contains(&reset) && reset >= n.min(10) * 100 - 99, "{reset}");
        let waits = response.header("retry-after").map(|value| value.parse::<u64>().unwrap());
        assert_eq!(waits.is_some(), n > 10);
        assert!(waits.is_none_or(|wait| (1..=100).contains(&wait)), "{waits:?}");
    }
    assert_eq!(quota(&connection.exchange(&list(USER))), (10, 9), "another caller has its own");
}

#[test]
fn every_metered_answer_says_what_is_left_and_no_other() {
    let limits = format!("{SLOW}burst = 100");
    let server = Server::start(&Settings::with(ECHO).limited(&limits));
    let session = Session::open(&server, "2025-11-25", ADMIN);
    let notice = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let unknown = request(3, "tools/call", call("absent", json!({})));
    let echo = request(2, "tools/call", call("echo", json!({ "text": "x" })));
    let stream = session.bare("GET").header("Accept", "text/event-stream");
    let asked: [(Request, u16); 6] = [
        (session.post(&notice), 202),
        (session.post(&echo), 200),
        (session.post(&unknown), 200),
        (session.post(&json!({ "jsonrpc": "1.0" })), 400),
        (tool("echo"), 200),
        (session.bare("DELETE"), 204),
    ];
    let first = quota(&server.connect().stream(&stream).head).1;
    for (n, (asked, status)) in (1..).zip(asked) {
        let response = server.send(&asked);
        assert_eq!(response.status, status, "{asked:?} {response:?}");
        assert_eq!(quota(&response), (100, first - n), "{asked:?}");
    }
    for asked in [list("wrong"), list(ADMIN).anonymous(), list(ADMIN).target("/other")] {
        assert_eq!(server.send(&asked).header("ratelimit-limit"), None);
    }
}

#[test]
fn what_is_left_can_be_kept_secret() {
    let limits = format!("{SLOW}burst = 1\nlimit_headers = false");
    let server = Server::start(&Settings::default().limited(&limits));
    for status in [200, 429] {
        let response = server.send(&list(ADMIN));
        assert_eq!(response.status, status);
        for name in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
            assert_eq!(response.header(name), None);
        }
    }
}

// B94
#[test]
fn a_page_may_read_what_is_left_and_its_preflights_are_not_counted() {
    let page = "https://app.example.com";
    let http = format!("tls = false\nallowed_origins = [\"{page}\"]");
    let limits = "max_attempts_per_second = 0.01\nburst = 2\naddress_attempts_per_second = 0.01";
    let settings = Settings { http, ..Settings::default() };
    let server = Server::start(&settings.limited(limits));
    let asks = || list(ADMIN).header("Origin", page);
    let preflight = Request::bare("OPTIONS")
        .anonymous()
        .header("Origin", page)
        .header("Access-Control-Request-Method", "POST");
    for n in 0..5 {
        for _ in 0..5 {
            let response = server.send(&preflight);
            assert_eq!((response.status, response.header("ratelimit-limit")), (204, None));
        }
        let response = server.send(&asks());
        assert_eq!(response.status, if n < 2 { 200 } else { 429 });
        assert_eq!(quota(&response).0, 2);
        let exposed = response.header("access-control-expose-headers").unwrap();
        for name in ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"] {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
}

// B127
#[test]
fn each_role_has_a_rate_and_who_has_none_falls_into_the_common_one() {
    let limits = format!("{SLOW}burst = 4\nroles = {{ admin = 0.03, user = 0.02, guest = 0.001 }}");
    let other = "other-key-0123456789abcdef0123456789";
    let both = "both-key-0123456789abcdef0123456789a";
    let keys = format!(
        "{{ key = \"{other}\", user = \"o\", roles = [\"nothing\"] }},\n\
         {{ key = \"{both}\", user = \"b\", roles = [\"guest\", \"user\"] }},"
    );
    let roles = "roles = { guest = [\"read\"], user = [\"read\"], admin = [\"read\"], \
                 nothing = [\"read\"] }\n\
                 user_roles = { root = [\"admin\"], user_123 = [\"user\"] }";
    let settings = Settings { keys, roles: roles.into(), ..Settings::default() };
    let server = Server::start(&settings.limited(&limits));
    for (key, most) in [(ADMIN, 12), (USER, 8), (GUEST, 1), (other, 4), (both, 8)] {
        assert_eq!(served(&server, 20, || list(key)), most, "{key}");
    }
}

// C97
#[test]
fn a_costly_tool_has_a_rate_for_each_caller_and_others_are_free() {
    let limits = "max_attempts_per_second = 1000\naddress_attempts_per_second = 10000\n\
                  tools = { \"costly_*\" = 0.01, costly_a = 0.02 }";
    let more = "read_only = true";
    let tools = ["costly_a", "costly_b", "cheap"].map(|name| script_tool(name, "echo done", more));
    let server = Server::start(&Settings::with(&tools.concat()).limited(limits));
    let first = server.send(&tool("costly_a"));
    assert_eq!((first.status, text_of(&first.json())), (200, "done\n"));
    for name in ["costly_a", "costly_b"] {
        let refused = server.send(&tool(name));
        assert_eq!(refused.status, 429, "{name}");
        assert_eq!(quota(&refused), (1, 0), "of the tool, not of the caller");
        assert!((1..=100).contains(&number(&refused, "retry-after")));
        let error = &refused.json()["error"];
        let wait = error["data"]["retryAfterSeconds"].as_u64();
        assert_eq!(wait, Some(number(&refused, "retry-after")));
        assert!(error["code"].as_i64().unwrap() > 0);
        assert_eq!(refused.json()["id"], 1);
    }
    assert_eq!(server.send(&tool("cheap")).status, 200);
    assert_eq!(server.send(&tool("costly_b").key(GUEST)).status, 200, "another caller");
    assert_eq!(server.audited("rate_limit_exceeded", 2).len(), 2);
}

#[test]
fn a_method_has_a_rate_over_http_in_batches_and_in_lines() {
    let limits = "max_attempts_per_second = 1000\naddress_attempts_per_second = 10000\n\
                  methods = { \"tools/call\" = 0.01, \"prompts/*\" = 0.01 }";
    let settings = Settings::with(ECHO).limited(limits);
    let server = Server::start(&settings);
    assert_eq!(served(&server, 5, || tool("echo")), 1);
    assert_eq!(served(&server, 5, || list(ADMIN)), 5);

    let session = Session::open(&server, "2025-03-26", USER);
    let echo = |id: u64| request(id, "tools/call", call("echo", json!({ "text": "x" })));
    let batch = json!([echo(1), echo(2), request(3, "ping", json!({}))]);
    let answered = server.send(&session.post(&batch));
    let answers: Vec<Value> =
        answered.messages().iter().flat_map(|it| it.as_array().unwrap().clone()).collect();
    let of = |id: u64| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert!(of(1)["result"].is_object() && of(3)["result"].is_object(), "{answers:?}");
    assert!(of(2)["error"]["data"]["retryAfterSeconds"].as_u64() >= Some(1), "{answers:?}");

    let mut lines = StdioServer::start_in(fixture::directory(), &settings);
    let ask = |id: u64| modern_request(id, "tools/call", call("echo", json!({ "text": "x" })));
    assert_eq!(text_of(&lines.ask(&ask(1))), "x\n");
    let refused = lines.ask(&ask(2));
    assert!(refused["error"]["data"]["retryAfterSeconds"].as_u64() >= Some(1), "{refused}");
    assert!(lines.ask(&modern_request(3, "tools/list", json!({})))["result"].is_object());
}

// C97
#[test]
fn a_tool_has_a_bound_of_calls_at_once_whoever_makes_them() {
    let rest =
        format!("\n[limits]\ncalls_per_tool = {{ \"gat*\" = 2 }}\n{}{ECHO}", gated_tool("gated"));
    let server = fixture::server_with(&Settings::with(&rest));
    let mut gate = Gate::of(&server.directory);
    let params = || call_with_progress("gated", json!({}), 1);
    let ask = |id: u64| modern_request(id, "tools/call", params());
    let mut running: Vec<_> = (0..2)
        .map(|id| {
            let mut events = server.connect().stream(&Request::modern(&ask(id)));
            events.notification("notifications/progress");
            events
        })
        .collect();
    let refused = server.modern(&ask(3));
    assert_eq!(refused.status, 503);
    assert!(number(&refused, "retry-after") >= 1 && refused.code() > 0);
    assert_eq!(server.send(&tool("echo")).status, 200, "another tool has places");
    gate.release("1");
    gate.release("2");
    for events in &mut running {
        assert!(text_of(&events.message().unwrap()).starts_with("released"));
    }
    for word in ["3", "4", "5"] {
        gate.release(word);
        let served = server.modern(&ask(4)).json();
        assert_eq!(text_of(&served), format!("released {word}\n"), "each place comes back");
    }
}
