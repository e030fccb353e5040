//! The audit log: one record per request, refused ones too, and nothing in it that is secret.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::fixture;
use crate::harness::http::Request;
use crate::harness::process::{Server, Session, Settings};
use crate::harness::{ADMIN, GUEST, MODERN, USER, call, modern_request, request};

const WRONG: &str = "wrong-key-0123456789abcdef0123456789";
const ARGUMENT: &str = "argument-text-of-the-test";

fn ask() -> Request {
    Request::modern(&modern_request(1, "tools/list", json!({})))
}

fn outcome(record: &Value) -> (&str, &str, u64) {
    let text = |key: &str| record[key].as_str().unwrap_or_default();
    (text("event"), text("outcome"), record["status"].as_u64().unwrap_or_default())
}

// B134, B135, C103
#[test]
fn every_request_has_one_record_whatever_became_of_it() {
    let limits = "max_attempts_per_second = 0.01\nburst = 6\naddress_attempts_per_second = 1000";
    let server = fixture::server_with(&Settings::with(&fixture::everything()).limited(limits));
    let echo = |text: Value| modern_request(1, "tools/call", call("echo", json!({"text": text})));
    let asked = [
        (ask(), ("request", "success", 0)),
        (Request::modern(&echo(json!(ARGUMENT))), ("request", "success", 0)),
        (Request::modern(&echo(json!(7))), ("request", "tool_error", 0)),
        (ask().anonymous(), ("authentication_failure", "refused", 401)),
        (ask().key(WRONG), ("authentication_failure", "refused", 401)),
        (ask().header("Origin", "https://evil.example"), ("authorization_denied", "refused", 403)),
        (ask().header("Host", "evil.example"), ("authorization_denied", "refused", 421)),
        (ask().target("/none"), ("invalid_input", "refused", 404)),
        (ask().method("PUT"), ("invalid_input", "refused", 405)),
        (ask().header("Content-Type", "text/plain"), ("invalid_input", "refused", 415)),
        (ask().header("Content-Length", "99999999"), ("invalid_input", "refused", 413)),
        (ask().header("X-Wide", &"x".repeat(20_000)), ("invalid_input", "refused", 431)),
        (ask().header("Content-Length", "x"), ("invalid_input", "refused", 400)),
        (Request::post_bytes(b"{bad").key(ADMIN), ("invalid_input", "refused", 400)),
        (
            Request::modern(&modern_request(1, "tools/call", call("dangerous", json!({}))))
                .key(GUEST),
            ("authorization_denied", "refused", 200),
        ),
        (
            Request::modern(&modern_request(1, "tools/call", call("no-such", json!({})))),
            ("request", "refused", 200),
        ),
        (ask(), ("request", "success", 0)),
        (ask(), ("rate_limit_exceeded", "refused", 429)),
    ];
    for (asked, (_, _, status)) in &asked {
        let response = server.send(asked);
        assert!(*status == 0 || response.status == u16::try_from(*status).unwrap());
    }
    let stopped = server.stop();
    let records = stopped.audit();
    let outcomes: Vec<_> = records.iter().map(outcome).collect();
    let expected: Vec<_> = asked.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, expected);
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record["number"], json!(index + 1));
        assert_eq!(record["address"], "127.0.0.1");
        assert!(record["time"].as_str().unwrap().ends_with('Z'), "{record}");
    }
    assert_eq!((&records[1]["user"], &records[1]["target"]), (&json!("root"), &json!("echo")));
    assert_eq!(records[14]["user"], "visitor");
}

// B122, B132
#[test]
fn neither_log_holds_a_key_a_session_or_an_argument() {
    let rest = format!("{}\n[log]\nlevel = \"trace\"\n", fixture::everything());
    let server = fixture::server_with(&Settings::with(&rest).over_tls());
    let sessions: Vec<_> = ["2025-06-18", "2025-11-25"]
        .map(|version| {
            let session = Session::open(&server, version, USER);
            for message in [
                request(1, "tools/call", call("echo", json!({"text": ARGUMENT}))),
                request(2, "tools/call", call(&format!("no-{ARGUMENT}"), json!({}))),
                request(3, "ping", json!({})),
            ] {
                session.send(&message);
            }
            assert_eq!(server.send(&session.bare("DELETE")).status, 204);
            session.send(&request(4, "ping", json!({})));
            session.id.clone()
        })
        .to_vec();
    for key in [ADMIN, USER, GUEST] {
        for asked in [ask().key(key), ask().anonymous().header("X-API-Key", key)] {
            server.send(&asked);
            server.send(&asked.target(&format!("/mcp?api_key={key}")));
        }
    }
    server.send(&ask().key(WRONG));
    server.send(&Request::post_bytes(format!("{{{ARGUMENT}").as_bytes()));
    server.send(&ask().header("Mcp-Name", ARGUMENT).header("Mcp-Method", ARGUMENT));
    let stopped = server.stop();
    let audit = stopped.directory.read("state/audit.log");
    let log = stopped.stderr.join("\n");
    assert!(audit.lines().count() > 20);
    let secrets = [ADMIN, USER, GUEST, WRONG].map(str::to_owned);
    for secret in secrets.iter().chain(&sessions) {
        for (name, text) in [("audit", &audit), ("log", &log)] {
            assert!(!text.contains(secret.as_str()), "the {name} holds {secret}");
        }
    }
    let beyond_names = audit.replace(&format!("\"target\":\"no-{ARGUMENT}\""), "");
    assert!(!beyond_names.contains(ARGUMENT), "{beyond_names}");
    assert!(!log.contains(ARGUMENT), "{log}");
}

#[test]
fn the_last_line_tells_the_counters_of_the_guide() {
    let server = fixture::server();
    server.send(&ask());
    server.send(&ask().key(WRONG));
    server.send(&ask().target("/none"));
    server.send(
        &Request::modern(&modern_request(1, "tools/call", call("dangerous", json!({})))).key(GUEST),
    );
    let stopped = server.stop();
    let last = stopped.stderr.last().unwrap();
    assert!(last.contains("stopped"), "{last}");
    for counter in ["authentication_failures=", "authorization_denials=1", "invalid_input_errors=1"]
    {
        assert!(last.contains(counter), "{counter} in {last}");
    }
}

// B136
#[test]
fn nothing_is_done_that_cannot_be_recorded_and_the_server_still_ends() {
    let audit = "[audit.backend_config]\nlog_path = \"/dev/full\"\n";
    let mut server = Server::start(&Settings::with(audit));
    server.send(&ask());
    server.wait_for("audit log cannot be written");
    let response = server.send(&ask());
    assert_eq!(response.status, 503, "{response:?}");
    assert!(response.header("retry-after").is_some());
    server.signal(rustix::process::Signal::TERM);
    server.wait();
}

#[test]
fn a_header_that_names_nothing_known_is_not_recorded_as_a_method() {
    let server = Server::start(&Settings::default());
    // B138
    for n in 0..50 {
        let message = modern_request(1, &format!("made/up{n}"), json!({}));
        server.send(&Request::modern(&message).header("MCP-Protocol-Version", MODERN));
    }
    let records = server.stop().audit();
    assert_eq!(records.len(), 50);
    assert!(records.iter().all(|record| record.get("method").is_none()));
}

#[test]
fn a_signal_writes_the_counters_to_the_log_and_the_server_goes_on() {
    let mut server = Server::start(&Settings::default());
    for count in 1..3 {
        assert_eq!(server.send(&ask()).status, 200);
        server.signal(Signal::USR1);
        let line = server.wait_for("counters: ");
        assert!(line.contains(&format!("requests_finished={count}")), "{line}");
    }
    server.stop();
}

#[test]
fn a_request_whose_client_leaves_in_the_middle_of_it_has_one_record() {
    let server = Server::start(&Settings::default());
    let asked = ask().header("Expect", "100-continue");
    let mut connection = server.connect();
    connection.write(&asked.head());
    assert_eq!(connection.response().status, 100);
    connection.write(&asked.body[..10]);
    drop(connection);
    server.audited("aborted", 1);
    let mut records = server.stop().audit();
    records.retain(|record| record["status"] != 405);
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!((&records[0]["user"], &records[0]["outcome"]), (&json!("root"), &json!("aborted")));
}

#[test]
fn a_body_that_comes_too_slowly_is_refused_and_has_one_record() {
    let server = Server::start(&Settings::with("\n[limits]\nbody_timeout_ms = 100\n"));
    let mut connection = server.connect();
    connection.write(&ask().head());
    connection.write(b"{");
    assert_eq!(connection.response().status, 408);
    assert!(connection.is_closed());
    let records = server.stop().audit();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!((&records[0]["user"], &records[0]["status"]), (&json!("root"), &json!(408)));
}

#[test]
fn chunks_beyond_the_limit_are_refused_readably_for_a_page_and_have_one_record() {
    const PAGE: &str = "https://app.example.com";
    let mut settings = Settings::with("\n[validation]\nmax_message_size = 1024\n");
    settings.http = format!("tls = false\nallowed_origins = [\"{PAGE}\"]");
    let server = Server::start(&settings);
    let asked = ask().without("Content-Length").header("Transfer-Encoding", "chunked");
    let mut connection = server.connect();
    connection.write(&asked.header("Origin", PAGE).head());
    connection.write(format!("1388\r\n{}\r\n0\r\n\r\n", "x".repeat(5_000)).as_bytes());
    let response = connection.response();
    assert_eq!(response.status, 413);
    assert_eq!(response.header("access-control-allow-origin"), Some(PAGE));
    let records = server.stop().audit();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!((&records[0]["user"], &records[0]["status"]), (&json!("root"), &json!(413)));
}
