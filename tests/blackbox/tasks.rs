//! Tasks of 2026-07-28: the server decides, the client asks how they stand.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::fixture;
use crate::harness::http::Request;
use crate::harness::process::{Server, Settings};
use crate::harness::tools::script_tool;
use crate::harness::{DEADLINE, USER, call, modern_with, text_of};

fn able() -> Value {
    json!({
        "elicitation": {},
        "extensions": { "io.modelcontextprotocol/tasks": {} }
    })
}

fn message(method: &str, params: Value) -> Value {
    modern_with(1, method, params, able())
}

/// The result of a modern request of a client that takes tasks.
fn ask(server: &Server, method: &str, params: Value) -> Value {
    let response = server.modern(&message(method, params));
    assert_eq!(response.status, 200, "{method}: {response:?}");
    response.json()["result"].clone()
}

/// Begins a task and gives its id.
fn begin(server: &Server, tool: &str, arguments: Value) -> String {
    let created = ask(server, "tools/call", call(tool, arguments));
    assert_eq!(created["resultType"], "task", "{created}");
    created["taskId"].as_str().unwrap().to_owned()
}

fn get(server: &Server, id: &str) -> Value {
    ask(server, "tasks/get", json!({ "taskId": id }))
}

/// Asks until the task is in this state.
fn wait_for(server: &Server, id: &str, state: &str) -> Value {
    let until = Instant::now() + DEADLINE;
    loop {
        let task = get(server, id);
        if task["status"] == state {
            return task;
        }
        assert!(Instant::now() < until, "it is never {state}: {task}");
    }
}

fn slow(seconds: u64) -> Value {
    json!({ "seconds": seconds, "label": "job" })
}

#[test]
fn a_call_becomes_a_task_whose_result_is_asked_for() {
    let server = fixture::handlers("");
    let created = ask(&server, "tools/call", call("slow_compute", slow(0)));
    for key in ["createdAt", "lastUpdatedAt", "taskId"] {
        assert!(created[key].is_string(), "{created}");
    }
    assert_eq!((&created["ttlMs"], &created["pollIntervalMs"]), (&json!(3_600_000), &json!(1000)));
    for key in ["task", "result", "error", "requestState", "ttl"] {
        assert_eq!(created.get(key), None);
    }
    let id = created["taskId"].as_str().unwrap();
    let done = wait_for(&server, id, "completed");
    assert_eq!(done["resultType"], "complete");
    assert_eq!(done["result"]["content"][0]["text"], "job: computed for 0 s");
    assert_eq!(done["statusMessage"], "computing", "what the handler said last");
}

#[test]
fn failures_of_the_tool_are_results_and_those_of_the_protocol_are_errors() {
    let server = fixture::handlers("");
    let failing = begin(&server, "failing_job", json!({}));
    let broken = begin(&server, "protocol_error_job", json!({}));
    let failed = wait_for(&server, &broken, "failed");
    assert_eq!(failed["error"], json!({ "code": -32603, "message": "The job broke down" }));
    assert_eq!(failed.get("result"), None);
    let completed = wait_for(&server, &failing, "completed");
    assert_eq!(completed["result"]["isError"], true);
}

#[test]
fn who_has_not_declared_tasks_waits_or_is_told_what_is_missing() {
    let server = fixture::handlers("");
    let plain = |tool: &str, arguments| {
        server.modern(&modern_with(1, "tools/call", call(tool, arguments), json!({})))
    };
    let waited = plain("slow_compute", slow(0)).json();
    assert_eq!(text_of(&waited), "job: computed for 0 s");
    for (method, params) in [
        ("tools/call", call("failing_job", json!({}))),
        ("tasks/get", json!({ "taskId": "x" })),
        ("tasks/update", json!({ "taskId": "x", "inputResponses": {} })),
        ("tasks/cancel", json!({ "taskId": "x" })),
        ("subscriptions/listen", json!({ "notifications": { "taskIds": ["x"] } })),
    ] {
        let response = server.modern(&modern_with(1, method, params, json!({})));
        assert_eq!((response.status, response.code()), (400, -32021), "{method}: {response:?}");
        let extensions = &response.json()["error"]["data"]["requiredCapabilities"]["extensions"];
        assert_eq!(*extensions, json!({ "io.modelcontextprotocol/tasks": {} }), "{method}");
    }
}

#[test]
fn a_task_is_there_for_its_owner_only() {
    let server = fixture::handlers("");
    let id = begin(&server, "slow_compute", slow(600));
    for (method, params) in [
        ("tasks/get", json!({ "taskId": id })),
        ("tasks/cancel", json!({ "taskId": id })),
        ("tasks/update", json!({ "taskId": id, "inputResponses": {} })),
    ] {
        let strange = server.send(&Request::modern(&message(method, params.clone())).key(USER));
        let mut unknown = params;
        unknown["taskId"] = json!("0123456789abcdef0123456789abcdef");
        let absent = server.modern(&message(method, unknown));
        assert_eq!(strange.code(), -32602, "{method}");
        assert_eq!(strange.json(), absent.json(), "the two cannot be told apart");
    }
    assert_eq!(get(&server, &id)["status"], "working");
}

#[test]
fn cancelling_stops_the_handler_and_may_be_repeated() {
    let server = fixture::handlers("");
    let id = begin(&server, "slow_compute", slow(600));
    for _ in 0..2 {
        let acknowledged = ask(&server, "tasks/cancel", json!({ "taskId": id }));
        assert_eq!(acknowledged["resultType"], "complete");
        assert_eq!(acknowledged.get("taskId"), None);
        assert_eq!(get(&server, &id)["status"], "cancelled");
    }
    let records = server.audited("\"outcome\":\"cancelled\"", 1);
    assert_eq!(
        (&records[0]["task"], &records[0]["target"]),
        (&json!(true), &json!("slow_compute"))
    );
}

#[test]
fn a_task_asks_through_itself() {
    let server = fixture::handlers("");
    let id = begin(&server, "multi_input", json!({}));
    let asked = wait_for(&server, &id, "input_required");
    let keys: Vec<&String> = asked["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["first", "second"]);
    let answer = |key: &str, name: Value| {
        let responses = json!({ key: { "action": "accept", "content": { "name": name } } });
        let params = json!({ "taskId": id, "inputResponses": responses });
        assert_eq!(ask(&server, "tasks/update", params)["resultType"], "complete");
    };
    answer("unknown", json!("x"));
    answer("first", json!("Agnes"));
    let left = get(&server, &id);
    assert_eq!(left["status"], "input_required");
    assert_eq!(left["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["second"]);
    // What breaks the requested schema is asked again, under a key that was never used.
    answer("second", json!(5));
    let until = Instant::now() + DEADLINE;
    let again = loop {
        let task = get(&server, &id);
        if let Some(requests) = task["inputRequests"].as_object()
            && !requests.contains_key("second")
        {
            break requests.keys().next().unwrap().clone();
        }
        assert!(Instant::now() < until, "{task}");
    };
    answer("second", json!("too late"));
    answer(&again, json!("Joe"));
    let done = wait_for(&server, &id, "completed");
    let text = done["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Agnes") && text.contains("Joe"), "{text}");
}

#[test]
fn what_is_asked_before_the_task_is_asked_in_the_call() {
    let server = fixture::handlers("");
    let first = ask(&server, "tools/call", call("test_tool_with_task", json!({})));
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(first.get("taskId"), None);
    let mut again = call("test_tool_with_task", json!({}));
    again["requestState"] = first["requestState"].clone();
    again["inputResponses"] =
        json!({ "user_name": { "action": "accept", "content": { "name": "Agnes" } } });
    let created = ask(&server, "tools/call", again);
    assert_eq!((&created["resultType"], created.get("requestState")), (&json!("task"), None));
    let done = wait_for(&server, created["taskId"].as_str().unwrap(), "completed");
    assert_eq!(done["result"]["content"][0]["text"], "Hello, Agnes!");
}

#[test]
fn its_changes_are_heard_by_who_listens_and_owns_it() {
    let server = fixture::handlers("");
    let id = begin(&server, "confirm_delete", json!({ "filename": "a.txt" }));
    wait_for(&server, &id, "input_required");
    let wishes = json!({ "notifications": { "taskIds": [id, "another"] } });
    let mut own =
        server.connect().stream(&Request::modern(&message("subscriptions/listen", wishes.clone())));
    let honoured = own.message().unwrap()["params"]["notifications"].clone();
    assert_eq!(honoured, json!({ "taskIds": [id] }));
    let stranger = Request::modern(&message("subscriptions/listen", wishes)).key(USER);
    let honoured = server.connect().stream(&stranger).message().unwrap();
    assert_eq!(honoured["params"]["notifications"], json!({}));
    let responses = json!({ "confirm": { "action": "decline" } });
    ask(&server, "tasks/update", json!({ "taskId": id, "inputResponses": responses }));
    let mut states = Vec::new();
    while states.last() != Some(&json!("completed")) {
        let told = own.notification("notifications/tasks");
        assert_eq!(told["taskId"], id);
        assert_eq!(told["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
        states.push(told["status"].clone());
        if told["status"] == "completed" {
            let text = told["result"]["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("Declined"), "{text}");
        }
    }
    assert!(states.contains(&json!("working")), "{states:?}");
}

#[test]
fn tasks_are_bounded_and_finished_ones_make_room() {
    let server = fixture::handlers("[limits]\nmax_tasks_per_user = 2\n");
    let finished = begin(&server, "slow_compute", slow(0));
    wait_for(&server, &finished, "completed");
    let running: Vec<_> = (0..2).map(|_| begin(&server, "slow_compute", slow(600))).collect();
    let response = server.modern(&message("tasks/get", json!({ "taskId": finished })));
    assert_eq!(response.code(), -32602, "it made room");
    let response = server.modern(&message("tools/call", call("slow_compute", slow(600))));
    assert_eq!((response.status, response.code()), (503, 503), "{response:?}");
    // Another user has a bound of their own.
    let other = Request::modern(&message("tools/call", call("slow_compute", slow(600)))).key(USER);
    assert_eq!(server.send(&other).json()["result"]["resultType"], "task");
    ask(&server, "tasks/cancel", json!({ "taskId": running[0] }));
    begin(&server, "slow_compute", slow(600));
}

#[test]
fn a_result_that_is_too_large_to_keep_is_not_kept() {
    let server = fixture::handlers("[limits]\ntask_result_bytes = 1024\n");
    let arguments = json!({ "seconds": 0, "label": "x".repeat(2_000) });
    let id = begin(&server, "slow_compute", arguments);
    let failed = wait_for(&server, &id, "failed");
    assert!(failed["error"]["message"].as_str().unwrap().contains("too large"), "{failed}");
    let id = begin(&server, "slow_compute", slow(0));
    wait_for(&server, &id, "completed");
}

#[test]
fn a_task_is_gone_when_its_time_is_over() {
    let server = fixture::handlers("[limits]\ntask_seconds = 1\n");
    let running = begin(&server, "slow_compute", slow(600));
    let finished = begin(&server, "slow_compute", slow(0));
    wait_for(&server, &finished, "completed");
    for id in [running, finished] {
        let until = Instant::now() + DEADLINE;
        let asked = message("tasks/get", json!({ "taskId": id }));
        while server.modern(&asked).json()["error"]["code"] != -32602 {
            assert!(Instant::now() < until, "it stays");
        }
    }
    assert_eq!(server.audited("\"outcome\":\"timeout\"", 1).len(), 1);
}

#[test]
fn who_may_not_call_the_tool_any_more_may_not_see_its_task() {
    let mut server = fixture::handlers("");
    let id = begin(&server, "slow_compute", slow(600));
    assert_eq!(get(&server, &id)["status"], "working");
    let mut settings = Settings::with("[host]\nenabled = false\n");
    settings.roles = "user_roles = { root = [], user_123 = [\"user\"] }".into();
    server.reload(&settings);
    let response = server.modern(&message("tasks/get", json!({ "taskId": id })));
    assert_eq!(response.code(), -32602, "{response:?}");
}

#[test]
fn the_end_of_the_server_does_not_wait_for_answers() {
    let server = fixture::handlers("");
    let id = begin(&server, "confirm_delete", json!({ "filename": "a.txt" }));
    wait_for(&server, &id, "input_required");
    let stopped = server.stop();
    let ended = stopped.audit().into_iter().filter(|record| record["task"] == true).count();
    assert_eq!(ended, 1);
}

#[test]
fn a_command_becomes_a_task_and_ends_with_it() {
    let tool = script_tool(
        "backup",
        "echo 'progress 1 2 half way' >&2; exec sleep 600",
        "progress = true\ntasks = \"optional\"",
    );
    let server = Server::start(&Settings::with(&tool));
    let id = begin(&server, "backup", json!({}));
    let until = Instant::now() + DEADLINE;
    while get(&server, &id)["statusMessage"] != "half way" {
        assert!(Instant::now() < until);
    }
    let running = server.children().len();
    assert_eq!(running, 1);
    ask(&server, "tasks/cancel", json!({ "taskId": id }));
    while !server.children().is_empty() {
        assert!(Instant::now() < until, "it outlives its task");
    }
}

#[test]
fn results_of_one_user_push_out_none_of_another() {
    let limits = "[limits]\ntask_result_bytes = 8192\ntask_result_bytes_per_user = 4096\n";
    let server = fixture::handlers(limits);
    let theirs = Request::modern(&message("tools/call", call("slow_compute", slow(0)))).key(USER);
    let theirs = server.send(&theirs).json()["result"]["taskId"].clone();
    let get = Request::modern(&message("tasks/get", json!({ "taskId": theirs }))).key(USER);
    let status = || server.send(&get).json()["result"]["status"].clone();
    let until = Instant::now() + DEADLINE;
    while status() != "completed" {
        assert!(Instant::now() < until, "it never ends");
    }
    let large = || json!({ "seconds": 0, "label": "x".repeat(3_000) });
    let ids: Vec<_> = (0..3)
        .map(|_| {
            let id = begin(&server, "slow_compute", large());
            wait_for(&server, &id, "completed");
            id
        })
        .collect();
    assert_eq!(status(), "completed");
    let response = server.modern(&message("tasks/get", json!({ "taskId": ids[0] })));
    assert_eq!(response.code(), -32602, "their own made room: {response:?}");
}

#[test]
fn a_listener_hears_of_the_end_even_if_the_result_is_too_large_for_its_stream() {
    let server = fixture::handlers("[limits]\nstream_bytes = 65536\n");
    let arguments = json!({ "seconds": 1, "label": "x".repeat(100_000) });
    let id = begin(&server, "slow_compute", arguments);
    let wishes = json!({ "notifications": { "taskIds": [id] } });
    let listen = Request::modern(&message("subscriptions/listen", wishes));
    let mut events = server.connect().stream(&listen);
    let told = loop {
        let told = events.message().unwrap();
        if told["params"]["status"] == "completed" {
            break told;
        }
    };
    assert_eq!(told["params"].get("result"), None);
    let task = wait_for(&server, &id, "completed");
    assert!(task["result"].to_string().len() > 100_000);
}

#[test]
fn who_may_not_call_a_tool_any_more_hears_nothing_of_its_tasks() {
    let mut server = fixture::handlers("");
    let id = begin(&server, "slow_compute", slow(3));
    // What it says while it begins may be heard: until the change they may.
    let until = Instant::now() + DEADLINE;
    while get(&server, &id)["statusMessage"] != "computing" {
        assert!(Instant::now() < until, "it never begins");
    }
    let wishes = json!({ "notifications": { "taskIds": [id] } });
    let listen = Request::modern(&message("subscriptions/listen", wishes));
    let mut events = server.connect().stream(&listen);
    events.message().unwrap();
    let mut settings = Settings::with("[host]\nenabled = false\n");
    settings.roles = "user_roles = { root = [], user_123 = [\"user\"] }".into();
    server.reload(&settings);
    server.audited("\"method\":\"tools/call\"", 2);
    server.signal(Signal::TERM);
    while let Some(told) = events.message() {
        assert_ne!(told["method"], "notifications/tasks", "{told}");
    }
}
