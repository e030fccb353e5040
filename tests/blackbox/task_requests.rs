//! Tasks of 2025-11-25: the client asks for them with its call, and waits for the result by
//! `tasks/result`.

use serde_json::{Value, json};

use crate::harness::fixture;
use crate::harness::http::{Events, Request};
use crate::harness::process::{Server, Session};
use crate::harness::{ADMIN, LEGACY, USER, call, initialize_with, request, text_of};

const NEWEST: &str = LEGACY[3];

fn able(server: &Server) -> Session<'_> {
    Session::open_with(server, NEWEST, ADMIN, json!({ "elicitation": {} }))
}

fn as_task(tool: &str, arguments: Value) -> Value {
    let mut params = call(tool, arguments);
    params["task"] = json!({ "ttl": 60_000 });
    params
}

fn ask(session: &Session<'_>, method: &str, params: Value) -> Value {
    session.send(&request(1, method, params)).json()
}

fn begin(session: &Session<'_>, tool: &str, arguments: Value) -> String {
    let created = ask(session, "tools/call", as_task(tool, arguments));
    let task = &created["result"]["task"];
    assert_eq!((&task["status"], &task["ttl"]), (&json!("working"), &json!(60_000)), "{created}");
    task["taskId"].as_str().unwrap().to_owned()
}

/// Waits for the result; what comes before it is read as it comes.
fn result(session: &Session<'_>, id: i64, task: &str) -> Events {
    let message = request(id, "tasks/result", json!({ "taskId": task }));
    session.server.connect().stream(&session.post(&message))
}

fn slow(seconds: u64) -> Value {
    json!({ "seconds": seconds, "label": "job" })
}

#[test]
fn the_capability_and_the_support_of_each_tool_are_told() {
    let server = fixture::handlers("");
    let response = server.send(&Request::post(&initialize_with(0, NEWEST, json!({}))));
    let capabilities = &response.json()["result"]["capabilities"];
    let told = json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } });
    assert_eq!(capabilities["tasks"], told);
    for version in LEGACY {
        let session = server.session(version);
        let listed = ask(&session, "tools/list", json!({}));
        let tools = listed["result"]["tools"].as_array().unwrap();
        let support = |name: &str| {
            let tool = tools.iter().find(|tool| tool["name"] == name)?;
            Some(tool["execution"]["taskSupport"].clone())
        };
        let is_newest = version == NEWEST;
        assert_eq!(
            support("slow_compute"),
            Some(if is_newest { json!("optional") } else { Value::Null })
        );
        // Where there are no tasks, what is one always cannot be called.
        assert_eq!(support("failing_job"), is_newest.then(|| json!("required")), "{version}");
        assert_eq!(support("greet"), Some(Value::Null));
    }
}

#[test]
fn the_result_is_that_of_the_call_and_names_its_task() {
    let server = fixture::handlers("");
    let session = able(&server);
    let id = begin(&session, "slow_compute", slow(1));
    let message = request(7, "tasks/result", json!({ "taskId": id }));
    let answer = session.send(&message).json();
    assert_eq!((&answer["id"], text_of(&answer)), (&json!(7), "job: computed for 1 s"));
    let related = &answer["result"]["_meta"]["io.modelcontextprotocol/related-task"];
    assert_eq!(*related, json!({ "taskId": id }));
    let done = ask(&session, "tasks/get", json!({ "taskId": id }));
    assert_eq!(done["result"]["status"], "completed");
    assert_eq!(done["result"].get("result"), None, "it is asked for on its own");
    assert_eq!(
        text_of(&session.send(&message).json()),
        "job: computed for 1 s",
        "as often as wanted"
    );
}

#[test]
fn an_error_of_the_call_is_the_answer_of_its_task() {
    let server = fixture::handlers("");
    let session = able(&server);
    let id = begin(&session, "protocol_error_job", json!({}));
    let answer = ask(&session, "tasks/result", json!({ "taskId": id }));
    assert_eq!(answer["error"], json!({ "code": -32603, "message": "The job broke down" }));
    let failed = ask(&session, "tasks/get", json!({ "taskId": id }));
    assert_eq!(failed["result"]["status"], "failed");
}

#[test]
fn a_task_asks_on_the_stream_of_who_waits_for_its_result() {
    let server = fixture::handlers("");
    let session = able(&server);
    let id = begin(&session, "confirm_delete", json!({ "filename": "a.txt" }));
    let mut events = result(&session, 5, &id);
    let asked = events.message().unwrap();
    assert_eq!(asked["method"], "elicitation/create");
    let related = &asked["params"]["_meta"]["io.modelcontextprotocol/related-task"];
    assert_eq!(*related, json!({ "taskId": id }));
    let status = ask(&session, "tasks/get", json!({ "taskId": id }));
    assert_eq!(status["result"]["status"], "input_required");
    let answer = json!({
        "jsonrpc": "2.0", "id": asked["id"],
        "result": { "action": "accept", "content": { "confirm": true } }
    });
    assert_eq!(session.send(&answer).status, 202);
    let done = events.message().unwrap();
    assert!(text_of(&done).contains("a.txt: Accepted"), "{done}");
}

#[test]
fn a_call_as_a_task_and_a_call_without_one_keep_to_what_the_tool_says() {
    let server = fixture::handlers("");
    let session = able(&server);
    for refused in [as_task("greet", json!({ "name": "x" })), call("failing_job", json!({}))] {
        assert_eq!(ask(&session, "tools/call", refused)["error"]["code"], -32601);
    }
    for wrong in [json!(5), json!({ "ttl": "soon" }), json!({ "ttl": -1 })] {
        let mut params = call("slow_compute", slow(0));
        params["task"] = wrong;
        assert_eq!(ask(&session, "tools/call", params)["error"]["code"], -32602);
    }
    let waited = ask(&session, "tools/call", call("slow_compute", slow(0)));
    assert_eq!(text_of(&waited), "job: computed for 0 s");
    // In a revision without tasks the wish means nothing.
    let old = server.session(LEGACY[2]);
    let waited = ask(&old, "tools/call", as_task("slow_compute", slow(0)));
    assert_eq!(text_of(&waited), "job: computed for 0 s");
    assert_eq!(ask(&old, "tasks/list", json!({}))["error"]["code"], -32601);
}

#[test]
fn cancelling_is_an_order_and_holds_once() {
    let server = fixture::handlers("");
    let session = able(&server);
    let id = begin(&session, "slow_compute", slow(600));
    let cancelled = ask(&session, "tasks/cancel", json!({ "taskId": id }));
    assert_eq!(cancelled["result"]["status"], "cancelled");
    let again = ask(&session, "tasks/cancel", json!({ "taskId": id }));
    assert_eq!(again["error"]["code"], -32602);
    let answer = ask(&session, "tasks/result", json!({ "taskId": id }));
    assert!(answer["error"]["message"].as_str().unwrap().contains("cancelled"));
}

#[test]
fn who_waits_for_a_task_that_is_cancelled_is_told_at_once() {
    let server = fixture::handlers("");
    let session = able(&server);
    let id = begin(&session, "confirm_delete", json!({ "filename": "a.txt" }));
    let mut events = result(&session, 5, &id);
    assert_eq!(events.message().unwrap()["method"], "elicitation/create");
    ask(&session, "tasks/cancel", json!({ "taskId": id }));
    assert_eq!(events.message().unwrap()["method"], "notifications/cancelled");
    let answer = events.message().unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(5), &json!(-32603)));
}

#[test]
fn each_caller_lists_their_own_page_by_page() {
    let server = fixture::handlers("");
    let text =
        server.directory.read("erlmcp.toml").replace("[server]\n", "[server]\npage_size = 2\n");
    let mut server = server;
    server.reload_text(&text);
    let session = able(&server);
    let mut ids: Vec<String> = (0..5).map(|_| begin(&session, "slow_compute", slow(600))).collect();
    let stranger = Session::open(&server, NEWEST, USER);
    let theirs = begin(&stranger, "slow_compute", slow(600));
    let mut listed = Vec::new();
    let mut params = json!({});
    loop {
        let page = ask(&session, "tasks/list", params)["result"].clone();
        let tasks = page["tasks"].as_array().unwrap();
        assert!(tasks.len() <= 2);
        listed.extend(tasks.iter().map(|task| task["taskId"].as_str().unwrap().to_owned()));
        match page.get("nextCursor") {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => break,
        }
    }
    listed.sort();
    ids.sort();
    assert_eq!(listed, ids);
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        let strange = ask(&session, method, json!({ "taskId": theirs }));
        assert_eq!(strange["error"]["code"], -32602, "{method}");
    }
}

#[test]
fn a_change_is_told_on_the_standalone_stream() {
    let server = fixture::handlers("");
    let session = able(&server);
    let mut standalone = server.connect().stream(&session.bare("GET"));
    let id = begin(&session, "slow_compute", slow(0));
    loop {
        let told = standalone.notification("notifications/tasks/status");
        assert_eq!(told["taskId"], id);
        if told["status"] == "completed" {
            return;
        }
    }
}

#[test]
fn over_stdio_a_task_asks_beside_the_answers() {
    let mut server = fixture::handlers_over_stdio();
    server.ask(&initialize_with(0, NEWEST, json!({ "elicitation": {} })));
    let created = server.ask(&request(
        1,
        "tools/call",
        as_task("confirm_delete", json!({ "filename": "a" })),
    ));
    let id = created["result"]["task"]["taskId"].clone();
    server.send(&request(2, "tasks/result", json!({ "taskId": id })));
    let asked = loop {
        let message = server.message();
        if message["method"] == "elicitation/create" {
            break message;
        }
        assert_eq!(message["method"], "notifications/tasks/status", "{message}");
    };
    server.send(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "action": "decline" } }));
    let answer = loop {
        let message = server.message();
        if message["id"] == 2 {
            break message;
        }
    };
    assert!(text_of(&answer).contains("Declined"), "{answer}");
    assert!(server.end().0.success());
}

#[test]
fn where_nobody_is_told_apart_nobody_lists_tasks() {
    let text = "[server]\nstate_directory = \"@/state\"\n\
        [transports.http]\nlisten = \"127.0.0.1:0\"\ntls = false\n\
        [authentication]\nenabled = false\n[authorization]\nenabled = false\n\
        [rate_limiting]\nenabled = false\n[host]\nenabled = false\n";
    let server = fixture::handlers_of(text);
    let hello = server.send(&Request::post(&initialize_with(0, NEWEST, json!({})))).json();
    let told = json!({ "cancel": {}, "requests": { "tools": { "call": {} } } });
    assert_eq!(hello["result"]["capabilities"]["tasks"], told);
    let session = able(&server);
    let id = begin(&session, "slow_compute", slow(600));
    assert_eq!(ask(&session, "tasks/list", json!({}))["error"]["code"], -32601);
    let task = ask(&session, "tasks/get", json!({ "taskId": id }));
    assert_eq!(task["result"]["status"], "working");
}
