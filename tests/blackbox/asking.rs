//! A handler that asks its client in the middle of a call: by requests on the call's stream in the
//! handshake revisions, by `input_required` since 2026-07-28. The handlers are the same.

use serde_json::{Value, json};

use crate::harness::fixture;
use crate::harness::http::{Events, Request};
use crate::harness::process::{Server, Session, Settings};
use crate::harness::{ADMIN, LEGACY, USER, call, initialize_with, modern_with, request, text_of};

/// What a client can do that can do everything.
fn everything() -> Value {
    json!({ "elicitation": {}, "sampling": {}, "roots": {} })
}

fn able<'s>(server: &'s Server, version: &str) -> Session<'s> {
    Session::open_with(server, version, ADMIN, everything())
}

/// Calls a tool of a session; what comes is read as it comes.
fn begin(session: &Session<'_>, id: i64, tool: &str) -> Events {
    let message = request(id, "tools/call", call(tool, json!({})));
    session.server.connect().stream(&session.post(&message))
}

fn respond(session: &Session<'_>, asked: &Value, result: Value) {
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
    let response = session.send(&answer);
    assert_eq!((response.status, response.body.len()), (202, 0), "{response:?}");
}

fn accept(content: Value) -> Value {
    json!({ "action": "accept", "content": content })
}

fn said(text: &str) -> Value {
    json!({
        "role": "assistant", "model": "m", "stopReason": "endTurn",
        "content": { "type": "text", "text": text }
    })
}

/// The next message that is none of the empty events at the start of a stream.
fn next(events: &mut Events) -> Value {
    events.message().unwrap()
}

#[test]
fn a_handshake_client_is_asked_on_the_stream_of_its_call() {
    let server = fixture::handlers("");
    for version in LEGACY {
        let session = able(&server, version);
        let mut events = begin(&session, 7, "test_input_required_result_sampling");
        let asked = next(&mut events);
        assert_eq!(asked["method"], "sampling/createMessage", "{version}");
        assert_eq!(asked["params"]["maxTokens"], 100);
        respond(&session, &asked, said("Paris"));
        let answer = next(&mut events);
        assert_eq!((&answer["id"], text_of(&answer)), (&json!(7), "Paris"), "{version}");
        assert_eq!(events.message(), None);

        let mut events = begin(&session, 8, "test_input_required_result_list_roots");
        let asked = next(&mut events);
        assert_eq!(asked["method"], "roots/list");
        respond(&session, &asked, json!({ "roots": [{ "uri": "file:///srv/data" }] }));
        assert_eq!(text_of(&next(&mut events)), "Roots: file:///srv/data");
    }
}

#[test]
fn a_person_is_asked_in_the_revisions_that_have_forms() {
    let server = fixture::handlers("");
    for version in LEGACY {
        let session = able(&server, version);
        let tool = "test_input_required_result_elicitation";
        if version < "2025-06-18" {
            let message = request(1, "tools/call", call(tool, json!({})));
            let refused = session.send(&message).json();
            assert_eq!(refused["error"]["code"], -32600, "{version}: {refused}");
            continue;
        }
        let mut events = begin(&session, 1, tool);
        let asked = next(&mut events);
        assert_eq!(asked["method"], "elicitation/create");
        let has_mode = asked["params"].get("mode").is_some();
        assert_eq!(has_mode, version == LEGACY[3], "the mode came with the last of them");
        respond(&session, &asked, accept(json!({ "name": "Agnes" })));
        assert_eq!(text_of(&next(&mut events)), "Hello, Agnes!");
    }
}

#[test]
fn several_things_are_asked_at_once_and_answered_in_any_order() {
    let server = fixture::handlers("");
    let session = able(&server, LEGACY[3]);
    let mut events = begin(&session, 1, "test_input_required_result_multiple_inputs");
    let mut asked: Vec<Value> = (0..3).map(|_| next(&mut events)).collect();
    asked.sort_by_key(|asked| asked["method"].to_string());
    let ids: std::collections::BTreeSet<String> =
        asked.iter().map(|asked| asked["id"].to_string()).collect();
    assert_eq!(ids.len(), 3, "each has an id of its own");
    respond(&session, &asked[2], said("Hail"));
    respond(&session, &asked[0], accept(json!({ "name": "Joe" })));
    respond(&session, &asked[1], json!({ "roots": [] }));
    assert_eq!(text_of(&next(&mut events)), "Hail Joe, 0 roots");
}

#[test]
fn values_that_break_the_requested_schema_are_asked_for_again() {
    let server = fixture::handlers("");
    let session = able(&server, LEGACY[3]);
    let mut events = begin(&session, 1, "test_input_required_result_elicitation");
    let first = next(&mut events);
    for wrong in [accept(json!({ "name": 5 })), accept(json!({})), json!({ "action": "maybe" })] {
        respond(&session, &first, wrong.clone());
        // An answer counts once: the next ones find nobody who waits under this id.
        if wrong["content"]["name"] == 5 {
            let again = next(&mut events);
            assert_eq!(again["params"], first["params"]);
            assert_ne!(again["id"], first["id"]);
            respond(&session, &again, json!({ "action": "decline" }));
        }
    }
    assert_eq!(text_of(&next(&mut events)), "Hello, -!");
}

// B31
#[test]
fn an_answer_that_cannot_be_taken_ends_the_call_at_once() {
    let server = fixture::handlers("");
    let session = able(&server, LEGACY[3]);
    for (place, unfit) in [
        json!({ "result": {}, "error": {} }),
        json!({ "error": "text" }),
        json!({ "result": deep(200) }),
    ]
    .into_iter()
    .enumerate()
    {
        let id = i64::try_from(place).unwrap();
        let mut events = begin(&session, id, "test_input_required_result_sampling");
        let asked = next(&mut events);
        let mut answer = unfit;
        answer["jsonrpc"] = json!("2.0");
        answer["id"] = asked["id"].clone();
        let response = session.send(&answer);
        assert_eq!((response.status, response.code()), (400, -32600), "{answer}");
        let told = next(&mut events);
        assert_eq!(told["id"], id);
        assert!(told.to_string().contains("its answer cannot be taken"), "{told}");
    }
}

/// Arrays in one another.
fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(0), |inner, _| json!([inner]))
}

#[test]
fn a_client_that_cannot_answer_ends_the_call_with_its_own_words() {
    let server = fixture::handlers("");
    let session = able(&server, LEGACY[2]);
    let mut events = begin(&session, 1, "test_input_required_result_sampling");
    let asked = next(&mut events);
    let error = json!({ "code": -1, "message": "User rejected sampling request" });
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error });
    assert_eq!(session.send(&answer).status, 202);
    let failed = next(&mut events);
    assert_eq!(failed["error"]["code"], -32603);
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("User rejected sampling request"), "{message}");
}

// B31
#[test]
fn an_answer_counts_only_from_the_session_that_was_asked() {
    let server = fixture::handlers("");
    let session = able(&server, LEGACY[3]);
    let mut events = begin(&session, 1, "test_input_required_result_elicitation");
    let asked = next(&mut events);
    for stranger in [able(&server, LEGACY[3]), Session::open(&server, LEGACY[3], USER)] {
        respond(&stranger, &asked, accept(json!({ "name": "Mallory" })));
    }
    let without = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": accept(json!({})) });
    assert_eq!(server.send(&Request::post(&without)).status, 202);
    respond(&session, &json!({ "id": 99 }), accept(json!({ "name": "nobody" })));
    respond(&session, &asked, accept(json!({ "name": "Agnes" })));
    assert_eq!(text_of(&next(&mut events)), "Hello, Agnes!");
}

#[test]
fn whoever_reads_no_events_or_has_no_session_is_not_asked() {
    let server = fixture::handlers("");
    let session = able(&server, LEGACY[3]);
    let message =
        request(1, "tools/call", call("test_input_required_result_elicitation", json!({})));
    let json_only = session.post(&message).header("Accept", "application/json");
    let without = Request::post(&message).header("MCP-Protocol-Version", LEGACY[3]);
    for asked in [json_only, without] {
        let response = server.send(&asked);
        assert_eq!((response.status, response.code()), (200, -32600), "{response:?}");
        let message = response.json()["error"]["message"].to_string();
        assert!(message.contains("elicitation"), "{message}");
    }
}

#[test]
fn a_call_that_rests_can_be_cancelled_and_takes_its_question_back() {
    let server = fixture::handlers("");
    for version in LEGACY {
        let session = able(&server, version);
        let mut events = begin(&session, 5, "test_input_required_result_list_roots");
        let asked = next(&mut events);
        let cancel = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 5 }
        });
        assert_eq!(session.send(&cancel).status, 202);
        let taken_back = next(&mut events);
        assert_eq!(taken_back["method"], "notifications/cancelled", "{version}");
        assert_eq!(taken_back["params"]["requestId"], asked["id"]);
        assert_eq!(events.message(), None, "a cancelled call has no answer");
        respond(&session, &asked, json!({ "roots": [] }));
        // The id is free again, and a call that rests ends with its session.
        let mut events = begin(&session, 5, "test_input_required_result_sampling");
        assert_eq!(next(&mut events)["method"], "sampling/createMessage");
        assert_eq!(server.send(&session.bare("DELETE")).status, 204);
        assert_eq!(events.message(), None, "{version}");
    }
    assert_eq!(server.audited("\"outcome\":\"cancelled\"", 8).len(), 8);
}

#[test]
fn a_client_that_does_not_answer_in_time_is_told_so() {
    let server = fixture::handlers("[limits]\ninput_timeout_seconds = 1\n");
    let session = able(&server, LEGACY[3]);
    let mut events = begin(&session, 1, "test_input_required_result_elicitation");
    let asked = next(&mut events);
    let taken_back = next(&mut events);
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    let answer = next(&mut events);
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32603)));
    assert_eq!(server.audited("\"outcome\":\"timeout\"", 1).len(), 1);
}

#[test]
fn calls_that_rest_keep_no_thread_from_working() {
    let server = fixture::handlers("");
    let session = able(&server, LEGACY[3]);
    // More than there are handler threads.
    let mut resting: Vec<Events> =
        (0..40).map(|id| begin(&session, id, "test_input_required_result_elicitation")).collect();
    let asked: Vec<Value> = resting.iter_mut().map(next).collect();
    let working = request(100, "tools/call", call("test_tool_with_progress", json!({})));
    assert_eq!(text_of(&session.send(&working).json()), "Reported three steps.");
    for (number, (events, asked)) in resting.iter_mut().zip(&asked).enumerate() {
        respond(&session, asked, accept(json!({ "name": format!("{number}") })));
        assert_eq!(text_of(&next(events)), format!("Hello, {number}!"));
    }
}

#[test]
fn rights_that_are_taken_away_while_a_call_rests_end_it() {
    let mut server = fixture::handlers("");
    let id = {
        let session = able(&server, LEGACY[3]);
        session.id.clone()
    };
    let dressed = |request: Request| {
        request.header("Mcp-Session-Id", &id).header("MCP-Protocol-Version", LEGACY[3])
    };
    let message =
        request(1, "tools/call", call("test_input_required_result_elicitation", json!({})));
    let mut events = server.connect().stream(&dressed(Request::post(&message)));
    let asked = next(&mut events);
    let mut settings = Settings::with("[host]\nenabled = false\n");
    settings.roles = "user_roles = { root = [], user_123 = [\"user\"] }".into();
    server.reload(&settings);
    let result = accept(json!({ "name": "Agnes" }));
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
    assert_eq!(server.send(&dressed(Request::post(&answer))).status, 202);
    let refused = next(&mut events);
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(1), &json!(-32602)));
}

#[test]
fn a_connection_that_breaks_while_its_call_rests_loses_nothing() {
    let server = fixture::handlers("");
    let session = able(&server, LEGACY[3]);
    let mut events = begin(&session, 1, "test_input_required_result_elicitation");
    let priming = events.event().unwrap();
    let asked = next(&mut events);
    drop(events);
    let resume = session.bare("GET").header("Last-Event-ID", priming.id.as_ref().unwrap());
    let mut events = server.connect().stream(&resume);
    assert_eq!(next(&mut events), asked, "the question comes again");
    respond(&session, &asked, accept(json!({ "name": "Agnes" })));
    assert_eq!(text_of(&next(&mut events)), "Hello, Agnes!");
}

// SEP-1699
#[test]
fn a_client_is_let_go_and_gets_its_answer_when_it_comes_back() {
    let server = fixture::handlers("");
    let session = able(&server, LEGACY[3]);
    let mut events = begin(&session, 1, "test_reconnection");
    let priming = events.event().unwrap();
    assert_eq!(events.event(), None, "the stream ends before the answer");
    let resume = session.bare("GET").header("Last-Event-ID", priming.id.as_ref().unwrap());
    let mut events = server.connect().stream(&resume);
    assert_eq!(text_of(&next(&mut events)), "Here is what you came back for.");
    // Who cannot come back is not let go.
    let again = request(2, "tools/call", call("test_reconnection", json!({})));
    for version in &LEGACY[..3] {
        let response = able(&server, version).send(&again);
        assert_eq!(text_of(&response.json()), "Here is what you came back for.", "{version}");
    }
    let json_only = session.post(&again).header("Accept", "application/json");
    let response = server.send(&json_only);
    assert_eq!(text_of(&response.json()), "Here is what you came back for.");
}

/// A modern call of a client that can do everything, with these inputs.
fn modern_call(id: i64, tool: &str, more: &Value) -> Value {
    let mut params = call(tool, json!({}));
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    modern_with(id, "tools/call", params, everything())
}

fn again(state: &Value, key: &str, result: Value) -> Value {
    json!({ "requestState": state, "inputResponses": { key: result } })
}

#[test]
fn a_modern_client_is_asked_by_a_result_and_calls_again() {
    let server = fixture::handlers("");
    let tool = "test_input_required_result_multi_round";
    let first = server.modern(&modern_call(1, tool, &json!({}))).json()["result"].clone();
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(first["inputRequests"]["step1"]["method"], "elicitation/create");
    let state = &first["requestState"];
    let inputs = again(state, "step1", accept(json!({ "name": "Agnes" })));
    let second = server.modern(&modern_call(2, tool, &inputs)).json()["result"].clone();
    assert_eq!(second["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["step2"]);
    assert_ne!(second["requestState"], *state);
    let inputs = again(&second["requestState"], "step2", accept(json!({ "color": "blue" })));
    let third = server.modern(&modern_call(3, tool, &inputs)).json();
    assert_eq!(text_of(&third), "Agnes likes blue");
    assert_eq!(third["result"]["resultType"], "complete");
    // Nothing of the answers can be read in the state.
    for part in ["Agnes", "step1", "name"] {
        assert!(!second["requestState"].as_str().unwrap().contains(part));
    }
}

#[test]
fn a_request_state_is_good_for_its_caller_and_its_request_only() {
    let server = fixture::handlers("");
    let tool = "test_input_required_result_elicitation";
    let first = server.modern(&modern_call(1, tool, &json!({}))).json();
    let state = &first["result"]["requestState"];
    let inputs = again(state, "user_name", accept(json!({ "name": "Agnes" })));
    let good = modern_call(2, tool, &inputs);

    let other_tool = modern_call(3, "test_input_required_result_request_state", &inputs);
    let mut other_arguments = good.clone();
    other_arguments["params"]["arguments"] = json!({ "x": 1 });
    let touched = format!("{}-TAMPERED", state.as_str().unwrap());
    let tampered = modern_call(4, tool, &again(&touched.into(), "user_name", accept(json!({}))));
    let empty = modern_call(5, tool, &again(&"".into(), "user_name", accept(json!({}))));
    for wrong in [other_tool, tampered, empty] {
        let response = server.modern(&wrong);
        assert_eq!((response.status, response.code()), (400, -32602), "{response:?}");
        assert!(response.json()["error"]["message"].as_str().unwrap().contains("requestState"));
    }
    // Arguments that the schema of the tool refuses are refused before, as a result.
    assert_ne!(text_of_or_error(&server.modern(&other_arguments).json()), "Hello, Agnes!");
    let stranger = server.send(&Request::modern(&good).key(USER));
    assert_eq!((stranger.status, stranger.code()), (400, -32602), "{stranger:?}");
    assert_eq!(text_of(&server.modern(&good).json()), "Hello, Agnes!");
}

fn text_of_or_error(message: &Value) -> String {
    message["error"]["message"]
        .as_str()
        .or(message["result"]["content"][0]["text"].as_str())
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_request_state_does_not_outlive_its_time() {
    let server = fixture::handlers("[limits]\ninput_timeout_seconds = 1\n");
    let tool = "test_input_required_result_elicitation";
    let first = server.modern(&modern_call(1, tool, &json!({}))).json();
    let state = &first["result"]["requestState"];
    let inputs = again(state, "user_name", accept(json!({ "name": "Agnes" })));
    let until = std::time::Instant::now() + crate::harness::DEADLINE;
    loop {
        let response = server.modern(&modern_call(2, tool, &inputs));
        if response.status == 400 {
            assert_eq!(response.code(), -32602);
            let message = response.json()["error"]["message"].to_string();
            assert!(message.contains("expired"), "{message}");
            return;
        }
        assert!(std::time::Instant::now() < until, "it never expires");
        std::thread::yield_now();
    }
}

#[test]
fn what_a_modern_client_has_not_declared_is_not_asked() {
    let server = fixture::handlers("");
    let message =
        modern_with(1, "tools/call", call("test_missing_capability", json!({})), json!({}));
    let response = server.modern(&message);
    assert_eq!((response.status, response.code()), (400, -32021), "{response:?}");
    let data = &response.json()["error"]["data"];
    assert_eq!(*data, json!({ "requiredCapabilities": { "sampling": {} } }));
}

#[test]
fn malformed_answers_are_errors_and_unfit_ones_are_asked_again() {
    let server = fixture::handlers("");
    let tool = "test_input_required_result_elicitation";
    for wrong in [json!(null), json!([]), json!({ "user_name": 12345 }), json!("x")] {
        let response = server.modern(&modern_call(1, tool, &json!({ "inputResponses": wrong })));
        assert_eq!((response.status, response.code()), (400, -32602), "{response:?}");
    }
    let response = server.modern(&modern_call(1, tool, &json!({ "requestState": 5 })));
    assert_eq!((response.status, response.code()), (400, -32602));
    for unfit in [json!({ "action": "accept" }), accept(json!({})), accept(json!({ "name": 5 }))] {
        let inputs = json!({ "inputResponses": { "user_name": unfit } });
        let result = server.modern(&modern_call(1, tool, &inputs)).json()["result"].clone();
        assert_eq!(result["resultType"], "input_required");
    }
}

#[test]
fn a_prompt_asks_too() {
    let server = fixture::handlers("");
    let params = json!({ "name": "test_input_required_result_prompt" });
    let ask = |params: &Value| {
        let message = modern_with(1, "prompts/get", params.clone(), everything());
        server.modern(&message).json()["result"].clone()
    };
    let first = ask(&params);
    assert_eq!(first["resultType"], "input_required");
    let mut again = params;
    again["requestState"] = first["requestState"].clone();
    again["inputResponses"] = json!({ "user_context": accept(json!({ "context": "disks" })) });
    let filled = ask(&again);
    assert!(filled["messages"][0]["content"]["text"].as_str().unwrap().contains("disks"));
}

#[test]
fn over_stdio_both_eras_are_asked() {
    let mut server = fixture::handlers_over_stdio();
    let tool = "test_input_required_result_elicitation";
    let first = server.ask(&modern_call(1, tool, &json!({})));
    let state = &first["result"]["requestState"];
    let inputs = again(state, "user_name", accept(json!({ "name": "Agnes" })));
    assert_eq!(text_of(&server.ask(&modern_call(2, tool, &inputs))), "Hello, Agnes!");
    let mut server = fixture::handlers_over_stdio();
    server.ask(&initialize_with(0, LEGACY[2], everything()));
    let asked = server.ask(&request(1, "tools/call", call(tool, json!({}))));
    assert_eq!(asked["method"], "elicitation/create");
    let answer = json!({
        "jsonrpc": "2.0", "id": asked["id"], "result": accept(json!({ "name": "Joe" }))
    });
    assert_eq!(text_of(&server.ask(&answer)), "Hello, Joe!");
    // When the input ends, nobody will answer.
    server.ask(&request(2, "tools/call", call(tool, json!({}))));
    let (status, messages, errors) = server.end();
    assert!(status.success(), "{errors}");
    assert_eq!(messages.len(), 1);
    let why = messages[0]["error"]["message"].as_str().unwrap();
    assert!(why.contains("did not answer"), "{why}");
}
