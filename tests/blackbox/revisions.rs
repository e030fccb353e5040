//! Each revision from end to end: every method is answered and every notification is sent.
//! What the messages must look like is for `tests/message_schemas.rs` to say.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::harness::fixture;
use crate::harness::http::{Events, Request};
use crate::harness::process::{Directory, Server, Session, Settings};
use crate::harness::stdio::StdioServer;
use crate::harness::tools::script_tool;
use crate::harness::{LEGACY, call, call_with_progress, initialize, modern_request, request};

const ONE: &str = "docs://manual/one.txt";
const UPDATED: &str = "notifications/resources/updated";
const LISTS: [&str; 3] = [
    "notifications/resources/list_changed",
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
];

/// What every revision answers.
fn asked() -> Vec<(&'static str, Value)> {
    let of_prompt = json!({"ref": {"type": "ref/prompt", "name": "explain"},
                           "argument": {"name": "topic", "value": "net"}});
    vec![
        ("tools/list", json!({})),
        ("tools/call", call("echo", json!({"text": "x"}))),
        ("tools/call", call("host_status", json!({}))),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": ONE })),
        ("resources/read", json!({"uri": "docs://manual/bytes.bin"})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "explain", "arguments": {"topic": "disks"}})),
        ("completion/complete", of_prompt),
    ]
}

/// What the legacy revisions answer besides.
fn asked_of_legacy() -> Vec<(&'static str, Value)> {
    let mut asked = asked();
    asked.extend([
        ("ping", json!({})),
        ("logging/setLevel", json!({"level": "debug"})),
        ("resources/subscribe", json!({ "uri": ONE })),
        ("resources/unsubscribe", json!({ "uri": ONE })),
        ("resources/subscribe", json!({ "uri": ONE })),
    ]);
    asked
}

fn directory() -> Directory {
    let directory = fixture::directory();
    directory.pipe("gate");
    fs::write(directory.file("docs/bytes.bin"), b"\x00\xff\x80").unwrap();
    directory
}

fn server() -> Server {
    Server::start_in(directory(), &Settings::with(&fixture::everything()))
}

fn is_result(message: &Value, asked: &str) {
    assert!(message["result"].is_object(), "{asked}: {message}");
}

/// A call that tells of its progress and logs a line.
fn is_told_of(messages: &[Value]) {
    for method in ["notifications/progress", "notifications/message"] {
        let is_told = messages.iter().any(|message| message["method"] == method);
        assert!(is_told, "no {method} in {messages:?}");
    }
}

/// Reads until every one of these notifications was heard, in whichever order they come.
fn hear(events: &mut Events, expected: &[&str]) {
    let mut missing: BTreeSet<&str> = expected.iter().copied().collect();
    while !missing.is_empty() {
        let message = events.message().unwrap_or_else(|| panic!("no {missing:?} was heard"));
        missing.remove(message["method"].as_str().unwrap_or_default());
    }
}

/// Changes a resource and then each of the lists.
fn hear_all_changes(server: &mut Server, events: &mut Events) {
    server.directory.write("docs/one.txt", "changed\n");
    hear(events, &[UPDATED]);
    server.directory.write("docs/three.txt", "new\n");
    let more = format!("{}{}", fixture::everything(), script_tool("another", "echo x", ""));
    server.reload(&Settings::with(&more.replace("name = \"explain\"", "name = \"describe\"")));
    hear(events, &LISTS);
}

fn walk_legacy_session(session: &Session<'_>) {
    for (method, params) in asked_of_legacy() {
        is_result(&session.send(&request(1, method, params)).json(), method);
    }
    let steps = call_with_progress("steps", json!({}), "token");
    is_told_of(&session.send(&request(2, "tools/call", steps)).messages());
}

#[test]
fn the_legacy_revisions_over_http() {
    for version in LEGACY {
        let mut server = server();
        let session = server.session(version);
        let mut events = server.connect().stream(&session.bare("GET"));
        walk_legacy_session(&session);
        hear_all_changes(&mut server, &mut events);
    }
}

#[test]
fn the_modern_revision_over_http() {
    let mut server = server();
    let asked = asked().into_iter().chain([("server/discover", json!({}))]);
    for (method, params) in asked {
        is_result(&server.modern(&modern_request(1, method, params)).json(), method);
    }
    let mut steps = call_with_progress("steps", json!({}), "token");
    steps["_meta"]["io.modelcontextprotocol/logLevel"] = json!("debug");
    is_told_of(&server.modern(&modern_request(2, "tools/call", steps)).messages());
    let wishes = json!({"notifications": {"resourceSubscriptions": [ONE],
        "resourcesListChanged": true, "toolsListChanged": true, "promptsListChanged": true}});
    let message = modern_request("s", "subscriptions/listen", wishes);
    let mut events = server.connect().stream(&Request::modern(&message));
    events.notification("notifications/subscriptions/acknowledged");
    hear_all_changes(&mut server, &mut events);
}

#[test]
fn the_legacy_revisions_over_stdio() {
    for version in LEGACY {
        let mut server =
            StdioServer::start_in(directory(), &Settings::with(&fixture::everything()));
        is_result(&server.ask(&initialize(0, version)), version);
        server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        for (method, params) in asked_of_legacy() {
            is_result(&server.ask(&request(1, method, params)), method);
        }
    }
}

#[test]
fn the_modern_revision_over_stdio() {
    let mut server = StdioServer::start_in(directory(), &Settings::with(&fixture::everything()));
    for (method, params) in asked() {
        is_result(&server.ask(&modern_request(1, method, params)), method);
    }
}
