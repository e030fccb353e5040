//! What the modern revision serves: lists, tools, resources, prompts, and calls that take time.

use serde_json::{Value, json};

use crate::harness::fixture::{self, Gate};
use crate::harness::http::Request;
use crate::harness::process::{Server, Settings, has_ended, watch_last};
use crate::harness::tools::script_tool;
use crate::harness::{call, call_with_progress, modern_request, text_of};

fn result(server: &Server, method: &str, params: Value) -> Value {
    let response = server.modern(&modern_request(1, method, params));
    assert_eq!(response.status, 200, "{response:?}");
    let json = response.json();
    json.get("result").unwrap_or_else(|| panic!("{json}")).clone()
}

fn names(list: &Value, member: &str) -> Vec<String> {
    let text = |item: &Value| item[member].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(text).collect()
}

#[test]
fn lists_come_in_pages_that_together_are_the_whole_in_a_stable_order() {
    let mut settings = Settings::with(&fixture::everything());
    settings.server = "page_size = 2".into();
    let server = fixture::server_with(&settings);
    let pages = || {
        let mut all = Vec::new();
        let mut params = json!({});
        loop {
            let page = result(&server, "tools/list", params);
            let tools = names(&page["tools"], "name");
            assert!((1..=2).contains(&tools.len()), "{page}");
            all.extend(tools);
            let Some(cursor) = page.get("nextCursor") else { return all };
            params = json!({ "cursor": cursor });
        }
    };
    let all = pages();
    assert_eq!(all, pages());
    for tool in ["echo", "dangerous", "hold", "gated", "steps", "host_status"] {
        assert_eq!(all.iter().filter(|name| *name == tool).count(), 1, "{tool} in {all:?}");
    }
}

// C69
#[test]
fn a_cursor_that_was_not_given_out_for_this_list_is_refused() {
    let mut settings = Settings::with(&fixture::everything());
    settings.server = "page_size = 1".into();
    let server = fixture::server_with(&settings);
    let cursor = result(&server, "tools/list", json!({}))["nextCursor"].clone();
    let cursor = cursor.as_str().unwrap();
    let mut tampered = cursor.to_owned();
    let last = tampered.pop().unwrap();
    tampered.push(if last == 'A' { 'B' } else { 'A' });
    for bad in [json!({"a": 1}), json!(7), json!("x"), json!(tampered), json!(null)] {
        let response = server.modern(&modern_request(1, "tools/list", json!({"cursor": bad})));
        assert_eq!(response.code(), -32602, "{bad}");
    }
    let elsewhere = modern_request(1, "resources/list", json!({"cursor": cursor}));
    assert_eq!(server.modern(&elsewhere).code(), -32602, "a cursor of another list");
    let message = modern_request(1, "tools/list", json!({"cursor": cursor}));
    let other = server.send(&Request::modern(&message).key(crate::harness::USER));
    assert_eq!(other.code(), -32602, "a cursor of another user");
}

#[test]
fn files_are_listed_read_and_described_by_a_template() {
    let server = fixture::server();
    let listed = result(&server, "resources/list", json!({}));
    let uris = names(&listed["resources"], "uri");
    assert_eq!(uris, ["docs://manual/one.txt", "docs://manual/sub/two.md"]);
    let read = result(&server, "resources/read", json!({"uri": "docs://manual/sub/two.md"}));
    assert_eq!(
        read["contents"],
        json!([{"uri": "docs://manual/sub/two.md", "mimeType": "text/markdown",
                "text": "# the second file\n"}])
    );
    let templates = result(&server, "resources/templates/list", json!({}));
    assert_eq!(templates["resourceTemplates"][0]["uriTemplate"], "docs://manual/{+path}");
}

// C74, C75, C76
#[test]
fn nothing_outside_of_the_root_can_be_read() {
    let server = fixture::server();
    let docs = server.directory.file("docs");
    std::os::unix::fs::symlink(server.directory.file("secret.txt"), docs.join("link.txt")).unwrap();
    std::os::unix::fs::symlink(server.directory.path(), docs.join("up")).unwrap();
    server.directory.write("docs_secret/hidden.txt", "beside\n");
    for uri in [
        "docs://manual/../secret.txt",
        "docs://manual/%2e%2e/secret.txt",
        "docs://manual/sub/../../secret.txt",
        "docs://manual/..%2fsecret.txt",
        "docs://manual/%252e%252e/secret.txt",
        "docs://manual//etc/passwd",
        "docs://manual/one.txt%00.md",
        "docs://manual/link.txt",
        "docs://manual/up/secret.txt",
        "docs://manual/sub",
        "docs://manual/",
        "docs://manual_secret/hidden.txt",
        "file:///etc/passwd",
        "../../etc/passwd",
        "/etc/passwd",
    ] {
        let response = server.modern(&modern_request(1, "resources/read", json!({"uri": uri})));
        assert!([200, 400].contains(&response.status), "{uri}: {response:?}");
        assert_eq!(response.code(), -32602, "{uri}");
        let text = String::from_utf8(response.body).unwrap();
        assert!(!text.contains("outside") && !text.contains("beside"), "{text}");
        let path = server.directory.path().to_str().unwrap();
        assert!(!text.contains(path), "{text}");
    }
}

#[test]
fn prompts_are_listed_filled_and_completed() {
    let server = fixture::server();
    let listed = result(&server, "prompts/list", json!({}));
    assert_eq!(listed["prompts"][0]["name"], "explain");
    assert_eq!(listed["prompts"][0]["arguments"][0]["required"], true);
    let params = json!({"name": "explain", "arguments": {"topic": "disks"}});
    let filled = result(&server, "prompts/get", params);
    assert_eq!(filled["messages"][0]["content"]["text"], "Explain disks.");
    let missing = modern_request(1, "prompts/get", json!({"name": "explain"}));
    assert_eq!(server.modern(&missing).code(), -32602);
    let params = json!({"ref": {"type": "ref/prompt", "name": "explain"},
                        "argument": {"name": "topic", "value": "net"}});
    let completed = result(&server, "completion/complete", params);
    assert_eq!(completed["completion"]["values"], json!(["network", "netfilter"]));
}

// C78, C79
#[test]
fn arguments_reach_the_program_as_they_are_or_not_at_all() {
    let server = fixture::server();
    for text in ["$(id)", "`id`; id | id && id > /tmp/x", "a\nb", "'\"\\", "*", "{text}", "é€"] {
        let said = result(&server, "tools/call", call("echo", json!({"text": text})));
        assert_eq!(said["content"][0]["text"], format!("{text}\n"));
    }
    for text in ["-n", "--version", "a\u{0}b"] {
        let said = result(&server, "tools/call", call("echo", json!({"text": text})));
        assert_eq!(said["isError"], true, "{text:?}: {said}");
    }
}

#[test]
fn arguments_that_break_the_schema_are_told_to_the_model_and_start_nothing() {
    let server = fixture::server();
    for arguments in [json!({}), json!({"text": 7}), json!({"text": null})] {
        let said = result(&server, "tools/call", call("echo", arguments.clone()));
        assert_eq!(said["isError"], true, "{arguments}");
    }
    for (params, status) in
        [(json!({"name": "echo", "arguments": []}), 400), (call("no-such", json!({})), 200)]
    {
        let response = server.modern(&modern_request(1, "tools/call", params));
        assert_eq!((response.status, response.code()), (status, -32602));
    }
}

#[test]
fn a_result_that_breaks_the_schema_of_the_tool_is_no_success() {
    let schema = "output = \"json\"\nread_only = true\n\
                  output_schema = { type = \"object\", required = [\"n\"], \
                  properties = { n = { type = \"integer\" } } }";
    let tools = [
        script_tool("good", "echo '{\"n\": 18446744073709551615}'", schema),
        script_tool("bad", "echo '{\"n\": \"text\"}'", schema),
        script_tool("torn", "echo '{\"n\":'", schema),
    ];
    let server = Server::start(&Settings::with(&tools.concat()));
    let good = server.modern(&modern_request(1, "tools/call", call("good", json!({}))));
    let text = String::from_utf8(good.body).unwrap();
    assert!(text.contains("\"structuredContent\":{\"n\":18446744073709551615}"), "{text}");
    for tool in ["bad", "torn"] {
        let response = server.modern(&modern_request(1, "tools/call", call(tool, json!({}))));
        let json = response.json();
        let failed = json.get("error").is_some() || json["result"]["isError"] == true;
        assert!(failed && json["result"].get("structuredContent").is_none(), "{tool}: {json}");
    }
}

// B44
#[test]
fn progress_and_the_answer_come_over_one_stream_that_then_ends() {
    let server = fixture::server();
    let params = call_with_progress("steps", json!({}), 0);
    let mut events =
        server.connect().stream(&Request::modern(&modern_request(1, "tools/call", params)));
    assert_eq!(events.head.header("x-accel-buffering"), Some("no"));
    for step in 1..=3 {
        let progress = events.notification("notifications/progress");
        let message = format!("step {step}");
        assert_eq!(
            progress,
            json!({"progressToken": 0, "progress": step, "total": 3, "message": message})
        );
    }
    let answer = events.message().unwrap();
    assert_eq!((&answer["id"], text_of(&answer)), (&json!(1), "finished\n"));
    assert_eq!(events.message(), None);
    let mut connection = events.into_connection();
    let next = connection.exchange(&Request::modern(&modern_request(2, "tools/list", json!({}))));
    assert_eq!(next.json()["id"], 2, "the connection is kept");
}

#[test]
fn log_messages_come_only_to_who_asked_for_their_level() {
    let server = fixture::server();
    let heard = |level: Option<&str>| {
        let mut params = call("steps", json!({}));
        if let Some(level) = level {
            params["_meta"] = json!({"io.modelcontextprotocol/logLevel": level});
        }
        let response = server.modern(&modern_request(1, "tools/call", params));
        let mut messages = response.messages();
        assert_eq!(text_of(&messages.pop().unwrap()), "finished\n");
        messages
    };
    assert_eq!(heard(None), Vec::<Value>::new());
    assert_eq!(heard(Some("error")), Vec::<Value>::new());
    let messages = heard(Some("info"));
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["method"], "notifications/message");
    assert_eq!(messages[0]["params"]["data"], "a line of the log");
    let mut loud = call("steps", json!({}));
    loud["_meta"] = json!({"io.modelcontextprotocol/logLevel": "loud"});
    assert_eq!(server.modern(&modern_request(1, "tools/call", loud)).code(), -32602);
}

// B57, B65
#[test]
fn a_client_that_leaves_cancels_its_call_and_the_program_is_gone() {
    for settings in [Settings::default(), Settings::default().over_tls()] {
        let server = fixture::server_with(&Settings { rest: fixture::everything(), ..settings });
        let params = call_with_progress("hold", json!({}), "p");
        let message = modern_request(1, "tools/call", params);
        let mut events = server.connect().stream(&Request::modern(&message));
        let progress = events.notification("notifications/progress");
        let process = watch_last(progress["message"].as_str().unwrap());
        drop(events);
        assert!(has_ended(&process), "the program still runs");
        let records = server.stop().audit();
        assert_eq!(records[0]["outcome"], "cancelled", "{records:?}");
    }
}

// B57
#[test]
fn a_client_that_leaves_before_anything_was_said_cancels_its_call_too() {
    let server = fixture::server();
    let script = "echo $$ > '@/started'; exec sleep 600";
    let rest = format!("{}{}", fixture::everything(), script_tool("silent", script, ""));
    let mut server = server;
    server.directory.pipe("started");
    server.reload(&Settings::with(&rest));
    let mut connection = server.connect();
    let message = modern_request(1, "tools/call", call("silent", json!({})));
    connection.write(&Request::modern(&message).header("Accept", "application/json").bytes());
    let process = watch_last(&server.directory.read("started"));
    drop(connection);
    assert!(has_ended(&process), "the program still runs");
}

// B41
#[test]
fn a_tool_has_a_time_of_its_own_and_its_program_ends_with_it() {
    let script = "echo \"progress 1 pid $$\" >&2; exec sleep 600";
    let tool = script_tool("slow", script, "progress = true\ntimeout_ms = 300");
    let server = Server::start(&Settings::with(&tool));
    let params = call_with_progress("slow", json!({}), 1);
    let mut events =
        server.connect().stream(&Request::modern(&modern_request(1, "tools/call", params)));
    let progress = events.notification("notifications/progress");
    let process = watch_last(progress["message"].as_str().unwrap());
    let answer = events.message().unwrap();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(has_ended(&process));
}

// B60
#[test]
fn every_call_has_a_hard_end_even_while_it_reports_progress() {
    let script = "n=0; while :; do n=$((n+1)); echo \"progress $n\" >&2; sleep 0.05; done";
    let tool = script_tool("restless", script, "progress = true");
    let limits = "\n[limits]\ncall_timeout_seconds = 1\n";
    let server = Server::start(&Settings::with(&format!("{limits}{tool}")));
    let params = call_with_progress("restless", json!({}), 1);
    let response = server.modern(&modern_request(1, "tools/call", params));
    let messages = response.messages();
    assert!(messages.len() > 2, "{messages:?}");
    let answer = messages.last().unwrap();
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
}

// B56, C56
#[test]
fn one_user_cannot_take_all_places() {
    let limits = "\n[limits]\ncalls_per_user = 2\n";
    let rest = format!("{limits}{}", fixture::everything());
    let server = fixture::server_with(&Settings::with(&rest));
    let mut gate = Gate::of(&server.directory);
    let params = || call_with_progress("gated", json!({}), 1);
    let mut running: Vec<_> = (0..2)
        .map(|id| {
            let message = modern_request(id, "tools/call", params());
            let mut events = server.connect().stream(&Request::modern(&message));
            events.notification("notifications/progress");
            events
        })
        .collect();
    let refused = server.modern(&modern_request(3, "tools/call", params()));
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some() && refused.code() > 0);
    gate.release("1");
    gate.release("2");
    for events in &mut running {
        assert!(text_of(&events.message().unwrap()).starts_with("released"));
        assert_eq!(events.message(), None);
    }
    gate.release("3");
    let served = server.modern(&modern_request(4, "tools/call", params())).json();
    assert_eq!(text_of(&served), "released 3\n");
}
