//! Standard input and output: nothing but messages, both eras, and a clean end.

use std::fs;
use std::io::{BufRead as _, BufReader};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::fixture::{self, Gate};
use crate::harness::process::{Settings, has_ended, program, run, watch_last};
use crate::harness::stdio::StdioServer;
use crate::harness::tools::script_tool;
use crate::harness::{
    LEGACY, call, call_with_progress, initialize, modern_request, request, text_of,
};

fn server() -> StdioServer {
    server_with("")
}

fn server_with(more: &str) -> StdioServer {
    let rest = format!("{more}{}", fixture::everything());
    let directory = fixture::directory();
    directory.pipe("gate");
    StdioServer::start_in(directory, &Settings::with(&rest))
}

fn initialized(version: &str) -> StdioServer {
    let mut server = server();
    let answer = server.ask(&initialize(0, version));
    assert_eq!(answer["result"]["protocolVersion"], version);
    server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    server
}

fn echo(id: i64, text: &str) -> Value {
    request(id, "tools/call", call("echo", json!({ "text": text })))
}

// B71
#[test]
fn nothing_but_messages_is_on_standard_output_however_much_is_logged() {
    let mut server = server_with("\n[log]\nlevel = \"trace\"\n");
    server.ask(&initialize(0, LEGACY[3]));
    assert_eq!(text_of(&server.ask(&echo(1, "hello"))), "hello\n");
    server.ask(&request(2, "tools/call", call("no-such", json!({}))));
    let (status, messages, errors) = server.end();
    assert!(status.success());
    assert_eq!(messages, Vec::<Value>::new());
    assert!(errors.contains("stopped"), "{errors}");
}

// B71
#[test]
fn a_bad_configuration_is_told_on_standard_error_only() {
    let directory = fixture::directory();
    let path = directory.write("bad.toml", "[servre]\n");
    let output = run(&mut program(&["serve", "--stdio", "--config", path.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(78));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("server"));
}

#[test]
fn a_child_of_a_client_needs_no_configuration_and_writes_no_files() {
    let directory = fixture::directory();
    let home = directory.file("home");
    fs::create_dir(&home).unwrap();
    let mut command = program(&["serve", "--stdio"]);
    command.env("HOME", &home);
    let mut server = StdioServer::spawn(directory, command);
    let answer = server.ask(&modern_request(1, "tools/call", call("host_status", json!({}))));
    assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
    server.close_input();
    assert!(has_ended(&server.watch()));
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
}

// B33
#[test]
fn a_bad_line_is_answered_and_the_next_one_served() {
    let mut server = server();
    for (line, code) in [
        ("{bad json", -32700),
        ("\u{feff}{}", -32700),
        ("{}", -32600),
        ("[]", -32600),
        ("7", -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":9,"method":"ping","method":"ping"}"#, -32600),
    ] {
        server.line(line.as_bytes());
        let answer = server.message();
        assert_eq!(answer["error"]["code"], code, "{line}");
    }
    server.line(b"\xff\xfe");
    assert_eq!(server.message()["error"]["code"], -32700);
    assert_eq!(
        server.ask(&request(1, "ping", json!({}))),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}})
    );
}

// B72
#[test]
fn a_line_that_is_too_long_is_answered_under_its_id_and_the_next_one_served() {
    let mut server = server_with("\n[validation]\nmax_message_size = 2000\n");
    let long = "x".repeat(5_000);
    server
        .line(format!(r#"{{"jsonrpc":"2.0","id":"first","method":"a","x":"{long}"}}"#).as_bytes());
    let answer = server.message();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("first"), &json!(-32700)));
    assert_eq!(answer["error"]["message"], "Message too large");
    server.line(format!(r#"{{"x":"{{\"id\":1}}{long}","id":7}}"#).as_bytes());
    assert_eq!(server.message()["id"], 7, "the id may stand behind the long member");
    server.line(long.as_bytes());
    assert_eq!(server.message()["id"], Value::Null);
    let frame = request(1, "ping", json!({ "_meta": {"p": ""} })).to_string().len();
    let fits = request(1, "ping", json!({ "_meta": {"p": "x".repeat(2_000 - frame)} }));
    assert_eq!(fits.to_string().len(), 2_000);
    assert_eq!(server.ask(&fits)["result"], json!({}));
}

#[test]
fn empty_lines_and_line_ends_of_other_systems_do_no_harm() {
    let mut server = server();
    server.line(b"");
    let ping = request(1, "ping", json!({})).to_string();
    server.line(format!("{ping}\r").as_bytes());
    let mut answer = server.message();
    if answer["error"].is_object() {
        assert_eq!(answer["error"]["code"], -32700, "an empty line is no JSON");
        answer = server.message();
    }
    assert_eq!(answer["id"], 1);
}

#[test]
fn all_legacy_revisions_are_served() {
    for version in LEGACY {
        let mut server = initialized(version);
        let listed = server.ask(&request(1, "tools/list", json!({})));
        assert!(listed["result"]["tools"].as_array().unwrap().len() > 4);
        assert_eq!(text_of(&server.ask(&echo(2, version))).trim(), version);
        let (status, ..) = server.end();
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn the_modern_revision_is_served_without_a_handshake() {
    let mut server = server();
    let found = server.ask(&modern_request("probe", "server/discover", json!({})));
    assert_eq!(found["result"]["supportedVersions"], json!(["2026-07-28"]));
    let call = modern_request(0, "tools/call", call("echo", json!({"text": "x"})));
    assert_eq!(text_of(&server.ask(&call)), "x\n");
    let unknown = server.ask(&modern_request(1, "ping", json!({})));
    assert_eq!(unknown["error"]["code"], -32601);
}

#[test]
fn a_second_initialize_is_refused_and_the_session_goes_on() {
    let mut server = initialized(LEGACY[2]);
    let refused = server.ask(&initialize(1, LEGACY[3]));
    assert_eq!(refused["error"]["code"], -32600);
    assert_eq!(text_of(&server.ask(&echo(2, "still here"))), "still here\n");
}

#[test]
fn a_legacy_request_before_initialize_is_refused_and_a_ping_is_not() {
    let mut server = server();
    let refused = server.ask(&request(1, "tools/list", json!({})));
    assert_eq!(refused["error"]["code"], -32600);
    assert_eq!(server.ask(&request(2, "ping", json!({})))["result"], json!({}));
}

#[test]
fn the_end_of_input_ends_the_server_after_it_answered_what_runs() {
    let mut server = server();
    let mut gate = Gate::of(&server.directory);
    let held = call_with_progress("gated", json!({}), 1);
    let progress = server.ask(&modern_request(1, "tools/call", held));
    assert_eq!(progress["method"], "notifications/progress");
    server.close_input();
    gate.release("late");
    let (status, messages, _) = server.end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(text_of(&messages[0]), "released late\n");
}

#[test]
fn the_last_line_needs_no_end() {
    let mut server = server();
    server.bytes(request(1, "ping", json!({})).to_string().as_bytes());
    let (status, messages, _) = server.end();
    assert_eq!((status.code(), messages.len()), (Some(0), 1));
}

// B72
#[test]
fn an_answer_of_a_mebibyte_reaches_a_reader_who_begins_late() {
    let script = "head -c 1048575 /dev/zero | tr '\\0' x; echo";
    let tool = script_tool("big", script, "max_output_bytes = 2000000");
    let directory = fixture::directory();
    let mut server = StdioServer::start_unread_in(directory, &Settings::with(&tool));
    for id in 0..3 {
        server.send(&modern_request(id, "tools/call", call("big", json!({}))));
    }
    server.read();
    let mut ids: Vec<_> = (0..3)
        .map(|_| {
            let answer = server.message();
            assert_eq!(text_of(&answer).len(), 1 << 20);
            answer["id"].as_i64().unwrap()
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 2]);
    let (status, ..) = server.end();
    assert_eq!(status.code(), Some(0));
}

// B74
#[test]
fn a_request_torn_by_an_answer_is_not_lost() {
    let mut server = initialized(LEGACY[3]);
    let ping = request(2, "ping", json!({})).to_string();
    let (first, second) = ping.split_at(12);
    server.bytes(format!("{}\n{first}", echo(1, "between")).as_bytes());
    assert_eq!(text_of(&server.message()), "between\n");
    server.line(second.as_bytes());
    assert_eq!(server.message()["id"], 2);
}

// B56
#[test]
fn a_cancelled_call_ends_its_program_while_others_are_served() {
    for is_modern in [false, true] {
        let mut server = if is_modern { server() } else { initialized(LEGACY[3]) };
        let ask = |id: i64, params: Value| {
            if is_modern {
                modern_request(id, "tools/call", params)
            } else {
                request(id, "tools/call", params)
            }
        };
        let progress = server.ask(&ask(101, call_with_progress("hold", json!({}), 101)));
        let process = watch_last(progress["params"]["message"].as_str().unwrap());
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                            "params": {"requestId": 101}});
        server.send(&cancel);
        assert!(has_ended(&process));
        let answer = server.ask(&ask(102, call("echo", json!({"text": "x"}))));
        assert_eq!((&answer["id"], text_of(&answer)), (&json!(102), "x\n"), "no late response");
    }
}

#[test]
fn subscriptions_of_both_eras_are_heard() {
    let mut legacy = initialized(LEGACY[3]);
    let uri = "docs://manual/one.txt";
    legacy.ask(&request(1, "resources/subscribe", json!({ "uri": uri })));
    legacy.directory.write("docs/one.txt", "changed\n");
    let heard = legacy.message();
    assert_eq!(heard["method"], "notifications/resources/updated");
    assert_eq!(heard["params"]["uri"], uri);
    let mut modern = server();
    let wishes = json!({"notifications": {"resourceSubscriptions": [uri]}});
    let acknowledged = modern.ask(&modern_request("s", "subscriptions/listen", wishes));
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    modern.directory.write("docs/one.txt", "changed\n");
    let heard = modern.message();
    assert_eq!(heard["method"], "notifications/resources/updated");
    assert_eq!(heard["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "s");
    let (status, messages, _) = modern.end();
    assert_eq!(status.code(), Some(0));
    assert!(messages.iter().any(|message| message["id"] == "s"), "it ends with a result");
}

// B66
#[test]
fn a_server_that_is_killed_leaves_no_program_behind() {
    let mut server = server();
    let held = call_with_progress("hold", json!({}), 1);
    let progress = server.ask(&modern_request(1, "tools/call", held));
    let process = watch_last(progress["params"]["message"].as_str().unwrap());
    drop(server);
    assert!(has_ended(&process));
}

#[test]
fn a_client_that_closes_both_ends_ends_the_server_and_what_runs() {
    let mut settings = Settings::with(&fixture::everything());
    settings.server = "drain_seconds = 600".into();
    let mut server = StdioServer::start_unread_in(fixture::directory(), &settings);
    let mut output = BufReader::new(server.take_output());
    let held = call_with_progress("hold", json!({}), 1);
    server.send(&modern_request(1, "tools/call", held));
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let progress: Value = serde_json::from_str(&line).unwrap();
    let process = watch_last(progress["params"]["message"].as_str().unwrap());
    drop(output);
    server.close_input();
    assert!(has_ended(&server.watch()));
    assert!(has_ended(&process));
}

#[test]
fn a_client_that_stops_reading_does_not_keep_the_server_from_ending() {
    let script = "head -c 1048575 /dev/zero | tr '\\0' x; echo";
    let tool = script_tool("big", script, "max_output_bytes = 2000000");
    let directory = fixture::directory();
    let mut server = StdioServer::start_unread_in(directory, &Settings::with(&tool));
    for id in 0..3 {
        server.send(&modern_request(id, "tools/call", call("big", json!({}))));
    }
    server.wait_for_output();
    server.signal(Signal::TERM);
    assert!(has_ended(&server.watch()), "it waits for the reader");
}

#[test]
fn a_limited_client_gets_no_answer_to_a_notification_and_can_still_cancel() {
    let directory = fixture::directory();
    let limits = "max_attempts_per_second = 0.001\nburst = 2";
    let settings = Settings::with(&fixture::everything()).limited(limits);
    let mut server = StdioServer::start_in(directory, &settings);
    let held = call_with_progress("hold", json!({}), 1);
    let progress = server.ask(&modern_request(1, "tools/call", held));
    let process = watch_last(progress["params"]["message"].as_str().unwrap());
    assert_eq!(server.ask(&modern_request(2, "tools/list", json!({})))["id"], 2);
    let refused = server.ask(&modern_request(3, "tools/list", json!({})));
    assert_eq!(refused["id"], 3);
    assert!(refused["error"]["data"]["retryAfterSeconds"].is_u64(), "{refused}");
    for (method, params) in [
        ("notifications/initialized", json!({})),
        ("notifications/made-up", json!({"id": 9, "requestId": 9})),
        ("notifications/cancelled", json!({"requestId": 1})),
    ] {
        server.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }
    assert!(has_ended(&process), "the call was not cancelled");
    let next = server.ask(&modern_request(4, "tools/list", json!({})));
    assert_eq!(next["id"], 4, "a notification was answered");
    assert!(next["error"].is_object(), "{next}");
}
