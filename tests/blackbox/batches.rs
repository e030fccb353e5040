//! Batches, which only 2025-03-26 has: each message is judged, counted and recorded as if it had
//! come alone, and the answers come as one array.

use serde_json::{Value, json};

use crate::harness::fixture::{self, Gate};
use crate::harness::http::Request;
use crate::harness::process::{Session, Settings};
use crate::harness::{ADMIN, GUEST, LEGACY, MODERN, call, initialize, request};

const VERSION: &str = LEGACY[1];

fn notification(method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": method })
}

fn send(session: &Session<'_>, batch: &Value) -> Vec<Value> {
    let response = session.send(batch);
    assert_eq!(response.status, 200, "{response:?}");
    response.json().as_array().unwrap().clone()
}

/// The answers by their ids.
fn by_id(answers: &[Value], id: impl Into<Value>) -> &Value {
    let id = id.into();
    answers.iter().find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("{answers:?}"))
}

#[test]
fn requests_are_answered_together_and_notifications_not_at_all() {
    let server = fixture::server();
    let session = server.session(VERSION);
    let batch = json!([
        request(1, "ping", json!({})),
        notification("notifications/anything"),
        request("two", "tools/call", call("echo", json!({ "text": "hello" }))),
        request(3, "no/such", json!({})),
        request(4, "tools/call", call("missing", json!({}))),
        5,
        { "jsonrpc": "2.0", "id": 6 },
    ]);
    let answers = send(&session, &batch);
    assert_eq!(answers.len(), 6);
    assert_eq!(by_id(&answers, 1)["result"], json!({}));
    assert_eq!(by_id(&answers, "two")["result"]["content"][0]["text"], "hello\n");
    assert_eq!(by_id(&answers, 3)["error"]["code"], -32601);
    assert_eq!(by_id(&answers, 4)["error"]["code"], -32602);
    assert_eq!(by_id(&answers, Value::Null)["error"]["code"], -32600);
    assert_eq!(by_id(&answers, 6)["error"]["code"], -32600);
    assert_eq!(server.audited("\"target\":\"echo\"", 1).len(), 1);
    assert_eq!(server.audited("\"target\":\"missing\"", 1).len(), 1);
}

#[test]
fn only_notifications_and_answers_are_accepted_without_a_word() {
    let server = fixture::server();
    let session = server.session(VERSION);
    let batch = json!([
        notification("notifications/initialized"),
        { "jsonrpc": "2.0", "id": 99, "result": {} },
    ]);
    let response = session.send(&batch);
    assert_eq!((response.status, response.body.len()), (202, 0));
}

#[test]
fn other_revisions_have_no_batches() {
    let server = fixture::server();
    let batch = json!([request(1, "ping", json!({}))]);
    for version in LEGACY {
        let response = server.session(version).send(&batch);
        let expected = if version == VERSION { 200 } else { 400 };
        assert_eq!(response.status, expected, "{version}");
    }
    // B1: as for a single message, who has a session that is over begins a new one.
    let over = server.session(VERSION);
    assert_eq!(server.send(&over.bare("DELETE")).status, 204);
    let response = over.send(&batch);
    assert_eq!((response.status, response.code()), (404, -32001));
    let without = server.send(&Request::post(&batch));
    assert_eq!((without.status, without.code()), (400, -32600), "no session, no batch");
    let modern = Request::post(&batch).header("MCP-Protocol-Version", MODERN);
    assert_eq!(server.send(&modern).status, 400);
}

#[test]
fn a_batch_that_claims_another_era_in_its_head_is_refused() {
    let server = fixture::server();
    let session = server.session(VERSION);
    let batch = json!([request(1, "tools/call", call("echo", json!({ "text": "smuggled" })))]);
    for claimed in [MODERN, LEGACY[3], "1999-01-01", "", "x"] {
        let asked = session.post(&batch).header("MCP-Protocol-Version", claimed);
        let response = server.send(&asked.header("Mcp-Method", "tools/list"));
        assert_eq!(response.status, 400, "{claimed:?}");
        assert!(!String::from_utf8_lossy(&response.body).contains("smuggled"), "{claimed:?}");
    }
    for (name, value) in [("Mcp-Method", "tools/call"), ("Mcp-Name", "echo")] {
        let response = server.send(&session.post(&batch).header(name, value));
        assert_eq!((response.status, response.code()), (400, -32020), "{name}");
    }
    assert_eq!(send(&session, &batch).len(), 1);
}

#[test]
fn a_batch_is_bounded_and_is_no_way_to_begin_a_session() {
    let server = fixture::server();
    let session = server.session(VERSION);
    for wrong in [json!([]), Value::from(vec![request(1, "ping", json!({})); 101])] {
        let response = session.send(&wrong);
        assert_eq!((response.status, response.code()), (400, -32600), "{response:?}");
    }
    let ids: Vec<Value> = (0..100).map(|id| request(id, "ping", json!({}))).collect();
    assert_eq!(send(&session, &Value::from(ids)).len(), 100);
    let answers = send(&session, &json!([initialize(1, VERSION), request(2, "ping", json!({}))]));
    assert_eq!(by_id(&answers, 1)["error"]["code"], -32600);
    assert_eq!(by_id(&answers, 2)["result"], json!({}));
}

#[test]
fn each_message_is_counted_and_each_is_permitted_or_not() {
    let limited = Settings::with(&fixture::everything())
        .limited("max_attempts_per_second = 0.001\nburst = 4\naddress_attempts_per_second = 1000");
    let server = fixture::server_with(&limited);
    // The handshake takes two of the four.
    let session = server.session(VERSION);
    let pings: Vec<Value> = (0..5).map(|id| request(id, "ping", json!({}))).collect();
    let answers = send(&session, &Value::from(pings));
    let refused = answers.iter().filter(|answer| answer["error"]["code"] == 429).count();
    assert_eq!((answers.len(), refused), (5, 3), "{answers:?}");

    let server = fixture::server();
    let guest = Session::open(&server, VERSION, GUEST);
    let batch = json!([
        request(1, "tools/call", call("dangerous", json!({}))),
        request(2, "tools/call", call("echo", json!({ "text": "x" }))),
    ]);
    let answers = send(&guest, &batch);
    assert_eq!(by_id(&answers, 1)["error"]["code"], -32602);
    assert_eq!(by_id(&answers, 2)["result"]["content"][0]["text"], "x\n");
}

#[test]
fn two_messages_of_a_batch_cannot_share_an_id() {
    let server = fixture::server();
    let mut gate = Gate::of(&server.directory);
    let session = server.session(VERSION);
    let batch = json!([
        request(1, "tools/call", call("gated", json!({}))),
        request(1, "tools/call", call("echo", json!({ "text": "x" }))),
    ]);
    let message = session.post(&batch);
    let mut connection = server.connect();
    connection.write(&message.bytes());
    server.audited("\"outcome\":\"refused\"", 1);
    gate.release("now");
    let response = connection.response().json();
    let answers = response.as_array().unwrap();
    let errors = answers.iter().filter(|answer| answer["error"]["code"] == -32600).count();
    assert_eq!((answers.len(), errors), (2, 1), "{answers:?}");
}

#[test]
fn a_call_of_a_batch_may_ask_and_may_be_cancelled() {
    let server = fixture::handlers("");
    let able = json!({ "sampling": {}, "roots": {} });
    let session = Session::open_with(&server, VERSION, ADMIN, able);
    let batch = json!([
        request(1, "tools/call", call("test_input_required_result_sampling", json!({}))),
        request(2, "tools/call", call("test_input_required_result_list_roots", json!({}))),
        request(3, "ping", json!({})),
    ]);
    let mut events = server.connect().stream(&session.post(&batch));
    let (first, second) = (events.message().unwrap(), events.message().unwrap());
    let (sampling, roots) =
        if first["method"] == "roots/list" { (second, first) } else { (first, second) };
    let answer = json!({
        "jsonrpc": "2.0", "id": sampling["id"],
        "result": {
            "role": "assistant", "model": "m", "content": { "type": "text", "text": "Paris" }
        }
    });
    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 2 }
    });
    assert_eq!(session.send(&json!([answer, cancel])).status, 202);
    let answers = loop {
        let message = events.message().unwrap();
        if message["method"] == "notifications/cancelled" {
            assert_eq!(message["params"]["requestId"], roots["id"]);
            continue;
        }
        break message;
    };
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 2, "the cancelled one has none: {answers:?}");
    assert_eq!(by_id(answers, 1)["result"]["content"][0]["text"], "Paris");
    assert_eq!(by_id(answers, 3)["result"], json!({}));
    assert_eq!(events.message(), None);
}

#[test]
fn over_stdio_the_answers_are_one_line() {
    let mut server = fixture::handlers_over_stdio();
    let batch = json!([
        request(1, "ping", json!({})),
        request(2, "tools/call", call("test_tool_with_progress", json!({}))),
    ]);
    let refused = server.ask(&initialize(0, LEGACY[2]));
    assert_eq!(refused["result"]["protocolVersion"], LEGACY[2]);
    assert_eq!(server.ask(&batch)["error"]["code"], -32600);
    let mut server = fixture::handlers_over_stdio();
    server.ask(&initialize(0, VERSION));
    server.send(&batch);
    let answers = server.messages();
    assert_eq!(answers.len(), 2);
    assert_eq!(by_id(&answers, 2)["result"]["content"][0]["text"], "Reported three steps.");
}

#[test]
fn to_answer_is_never_too_much() {
    let rate = "max_attempts_per_second = 0.001\nburst = 4\naddress_attempts_per_second = 1000";
    let settings = Settings::with("[host]\nenabled = false\n").limited(rate);
    let server = fixture::handlers_with(&settings);
    let session = Session::open_with(&server, VERSION, ADMIN, json!({ "roots": {} }));
    let tool = call("test_input_required_result_list_roots", json!({}));
    let message = request(1, "tools/call", tool);
    let mut events = server.connect().stream(&session.post(&message));
    let asked = events.message().unwrap();
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": [] } });
    let batch = json!([notification("notifications/anything"), answer]);
    assert_eq!(session.send(&batch).status, 202);
    assert_eq!(events.message().unwrap()["id"], 1);
}

#[test]
fn the_answers_that_wait_for_the_last_one_have_a_bound_in_bytes() {
    let settings =
        Settings::with(&format!("{}\n[limits]\nstream_bytes = 65536\n", fixture::everything()));
    let server = fixture::server_with(&settings);
    let session = server.session(VERSION);
    let echo =
        |id: i64| request(id, "tools/call", call("echo", json!({ "text": "x".repeat(30_000) })));
    let answers = send(&session, &Value::from((1..=4).map(echo).collect::<Vec<_>>()));
    let refused = answers.iter().filter(|answer| answer["error"]["code"] == -32603);
    assert_eq!((answers.len(), refused.count()), (4, 2), "{answers:?}");
}
