//! Streams of a legacy session: the standalone one, subscriptions, and taking one up again.

use serde_json::{Value, json};

use crate::harness::fixture::{self, Gate};
use crate::harness::http::{Events, Request};
use crate::harness::process::{Server, Session, Settings};
use crate::harness::tools::script_tool;
use crate::harness::{LEGACY, call, call_with_progress, request, text_of};

const ONE: &str = "docs://manual/one.txt";

fn standalone(session: &Session<'_>) -> Events {
    session.server.connect().stream(&session.bare("GET"))
}

fn subscribe(session: &Session<'_>, method: &str, uri: &str) {
    let response = session.send(&request(1, method, json!({ "uri": uri })));
    assert_eq!(response.json()["result"], json!({}), "{response:?}");
}

// B48
#[test]
fn a_stream_without_a_session_is_refused_at_once() {
    let server = fixture::server();
    let response = server.send(&Request::bare("GET"));
    assert_eq!(response.status, 405);
    assert!(response.header("allow").unwrap().contains("POST"));
    for accept in ["application/json", "text/html", ""] {
        let response = server.send(&Request::bare("GET").header("Accept", accept));
        assert_eq!(response.status, 405, "{accept:?}: there is none in any form");
        assert!(response.header("allow").is_some());
    }
    let session = server.session(LEGACY[3]);
    let json_only = session.bare("GET").header("Accept", "application/json");
    assert_eq!(server.send(&json_only).status, 406);
}

// C12
#[test]
fn a_second_stream_is_refused_and_the_first_is_unharmed() {
    let server = fixture::server();
    let session = server.session(LEGACY[3]);
    let mut first = standalone(&session);
    assert_eq!(server.send(&session.bare("GET")).status, 409);
    subscribe(&session, "resources/subscribe", ONE);
    server.directory.write("docs/one.txt", "changed\n");
    assert_eq!(first.notification("notifications/resources/updated")["uri"], ONE);
}

#[test]
fn a_subscription_is_heard_until_it_is_taken_back() {
    let server = fixture::server();
    for version in LEGACY {
        let session = server.session(version);
        let mut events = standalone(&session);
        let two = "docs://manual/sub/two.md";
        subscribe(&session, "resources/subscribe", ONE);
        subscribe(&session, "resources/subscribe", two);
        subscribe(&session, "resources/unsubscribe", ONE);
        server.directory.write("docs/one.txt", version);
        server.directory.write("docs/sub/two.md", version);
        let params = events.notification("notifications/resources/updated");
        assert_eq!(params["uri"], two, "{version}");
        assert_eq!(server.send(&session.bare("DELETE")).status, 204);
        // One write may be heard more than once; then the stream ends with its session.
        while let Some(message) = events.message() {
            assert_eq!(message["params"]["uri"], two, "{version}");
        }
    }
}

#[test]
fn a_subscription_to_nothing_is_refused() {
    let server = fixture::server();
    let session = server.session(LEGACY[3]);
    for uri in ["nothing://at/all", "docs://manual/../secret.txt"] {
        let response = session.send(&request(1, "resources/subscribe", json!({ "uri": uri })));
        assert!([-32002, -32602].contains(&response.code()), "{uri}");
    }
}

#[test]
fn a_reload_with_another_tool_is_heard_on_the_standalone_stream() {
    let mut server = fixture::server();
    let id = server.session(LEGACY[3]).id;
    let asked = Request::bare("GET").header("Mcp-Session-Id", &id);
    let mut events = server.connect().stream(&asked);
    let more = format!("{}{}", fixture::everything(), script_tool("another", "echo x", ""));
    server.reload(&Settings::with(&more));
    events.notification("notifications/tools/list_changed");
}

fn gated(session: &Session<'_>, id: i64) -> Events {
    let message = request(id, "tools/call", call_with_progress("gated", json!({}), id));
    session.server.connect().stream(&session.post(&message))
}

fn resume(session: &Session<'_>, last: &str) -> Events {
    let asked = session.bare("GET").header("Last-Event-ID", last);
    session.server.connect().stream(&asked)
}

#[test]
fn the_result_of_a_call_whose_connection_broke_is_delivered_to_who_comes_back() {
    let server = fixture::server();
    let mut gate = Gate::of(&server.directory);
    let session = server.session(LEGACY[3]);
    let mut events = gated(&session, 42);
    let priming = events.event().unwrap();
    assert_eq!(priming.message(), None, "{priming:?}");
    let progress = events.event().unwrap();
    assert_eq!(progress.message().unwrap()["method"], "notifications/progress");
    drop(events);
    gate.release("after all");
    let mut resumed = resume(&session, progress.id.as_ref().unwrap());
    let answer = resumed.event().unwrap();
    assert!(answer.id.is_some());
    let message = answer.message().unwrap();
    assert_eq!((&message["id"], text_of(&message)), (&json!(42), "released after all\n"));
    assert_eq!(resumed.event(), None);
    // From the beginning everything comes again.
    let mut again = resume(&session, priming.id.as_ref().unwrap());
    assert_eq!(again.event().unwrap(), progress);
    assert_eq!(again.event().unwrap().message(), Some(message));
    assert_eq!(again.event(), None);
}

#[test]
fn only_the_revision_that_knows_priming_is_primed() {
    let server = fixture::server();
    for version in LEGACY {
        let session = server.session(version);
        let message = request(1, "tools/call", call_with_progress("steps", json!({}), 1));
        let mut events = server.connect().stream(&session.post(&message));
        let first = events.event().unwrap();
        assert_eq!(first.message().is_none(), version == LEGACY[3], "{version}: {first:?}");
        while events.event().is_some() {}
    }
}

// B54
#[test]
fn a_stream_of_another_session_cannot_be_resumed() {
    let server = fixture::server();
    let mut gate = Gate::of(&server.directory);
    let (mine, other) = (server.session(LEGACY[3]), server.session(LEGACY[3]));
    let mut events = gated(&mine, 1);
    let id = events.event().unwrap().id.unwrap();
    events.notification("notifications/progress");
    for last in [id.as_str(), "999-0", "x", "-1", "1-99999999999999999999", ""] {
        let response = server.send(&other.bare("GET").header("Last-Event-ID", last));
        assert_eq!(response.status, 400, "{last}: {response:?}");
    }
    gate.release("mine");
    assert_eq!(text_of(&events.message().unwrap()), "released mine\n");
}

#[test]
fn a_call_goes_on_when_its_client_leaves_and_its_session_can_end_it() {
    let server = fixture::server();
    let session = server.session(LEGACY[2]);
    let message = request(1, "tools/call", call_with_progress("hold", json!({}), 1));
    let mut events = server.connect().stream(&session.post(&message));
    let progress = events.notification("notifications/progress");
    let process = crate::harness::process::watch_last(progress["message"].as_str().unwrap());
    drop(events);
    let echo = session.send(&request(2, "tools/call", call("echo", json!({"text": "x"}))));
    assert_eq!(echo.status, 200);
    let conflict = session.send(&request(1, "tools/call", call("echo", json!({"text": "x"}))));
    assert_eq!(conflict.status, 409, "the first still runs");
    assert_eq!(server.send(&session.bare("DELETE")).status, 204);
    assert!(crate::harness::process::has_ended(&process));
}

// B57
#[test]
fn a_call_without_a_session_ends_when_its_client_leaves() {
    let server = fixture::server();
    let message = request(1, "tools/call", call_with_progress("hold", json!({}), 1));
    let asked = Request::post(&message).header("MCP-Protocol-Version", LEGACY[2]);
    let mut events = server.connect().stream(&asked);
    let progress = events.notification("notifications/progress");
    let process = crate::harness::process::watch_last(progress["message"].as_str().unwrap());
    drop(events);
    assert!(crate::harness::process::has_ended(&process), "nobody can come back for its answer");
}

// B42
#[test]
fn what_is_said_to_a_stream_that_nobody_reads_is_bounded_and_the_answer_survives() {
    let line = "x".repeat(1_000);
    let script = format!(
        "n=0; while [ $n -lt 3000 ]; do n=$((n+1)); echo \"progress $n 9999 {line}\" >&2; done; \
         echo finished"
    );
    let tool = script_tool("loud", &script, "progress = true\nmax_output_bytes = 8000000");
    let rest = format!("\n[limits]\nstream_bytes = 65536\nreplay_bytes = 65536\n{tool}");
    let server = Server::start(&Settings::with(&rest));
    let session = server.session(LEGACY[3]);
    let message = request(1, "tools/call", call_with_progress("loud", json!({}), 1));
    let response = session.send(&message);
    let messages = response.messages();
    let (answer, progress) = messages.split_last().unwrap();
    assert_eq!(text_of(answer), "finished\n");
    let steps: Vec<_> =
        progress.iter().map(|message| message["params"]["progress"].as_f64().unwrap()).collect();
    assert!(steps.is_sorted(), "progress never goes back");
    let is_progress = |message: &Value| message["method"] == "notifications/progress";
    assert!(progress.iter().all(is_progress));
}

#[test]
fn a_refused_call_leaves_no_stream_behind() {
    let rest = format!("\n[limits]\ncalls_per_user = 1\n{}", fixture::everything());
    let server = fixture::server_with(&Settings::with(&rest));
    let mut gate = Gate::of(&server.directory);
    let (busy, refused) = (server.session(LEGACY[3]), server.session(LEGACY[3]));
    let mut running = gated(&busy, 1);
    running.notification("notifications/progress");
    let opens = |stream: usize| {
        let mut connection = server.connect();
        let asked = refused.bare("GET").header("Last-Event-ID", &format!("{stream}-0"));
        connection.write(&asked.bytes());
        connection.response_head().status == 200
    };
    for stream in 1..40 {
        let message = request(7, "tools/call", call_with_progress("gated", json!({}), 1));
        assert_eq!(refused.send(&message).status, 503);
        assert!(!opens(stream), "stream {stream} is there still");
    }
    gate.release("at last");
    assert_eq!(text_of(&running.message().unwrap()), "released at last\n");
}

#[test]
fn an_idle_session_ends_and_an_open_stream_or_a_running_call_keeps_one() {
    let limits = "\n[limits]\nsession_idle_seconds = 1\nkeepalive_seconds = 2\n";
    let server = fixture::server_with(&Settings::with(&(fixture::everything() + limits)));
    let mut gate = Gate::of(&server.directory);
    let [idle, reading, calling] = [(); 3].map(|()| server.session(LEGACY[3]));
    let mut call = gated(&calling, 1);
    call.notification("notifications/progress");
    let mut events = standalone(&reading);
    // A sign of life comes later than the time that a session may be idle.
    assert_eq!(events.chunk().as_deref(), Some(":\n\n"));
    let ping = request("the id", "ping", json!({}));
    let over = idle.send(&ping);
    assert_eq!((over.status, over.code()), (404, -32001));
    assert_eq!(over.json()["id"], "the id");
    for session in [&reading, &calling] {
        assert_eq!(session.send(&ping).status, 200);
    }
    gate.release("now");
}

#[test]
fn a_session_ends_after_its_lifetime_used_or_not() {
    let server = Server::start(&Settings::with("[limits]\nsession_lifetime_seconds = 1\n"));
    let session = server.session(LEGACY[3]);
    let mut events = standalone(&session);
    let until = std::time::Instant::now() + crate::harness::DEADLINE;
    while session.send(&request(1, "ping", json!({}))).status != 404 {
        assert!(std::time::Instant::now() < until, "it never ends");
    }
    assert_eq!(events.message(), None, "its stream ends with it");
}
