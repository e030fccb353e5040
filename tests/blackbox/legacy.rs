//! The handshake revisions over HTTP: negotiation, sessions, and how their answers differ.

use serde_json::{Value, json};

use crate::harness::fixture::{self, Gate};
use crate::harness::http::{Events, Request};
use crate::harness::process::{Server, Session, Settings, has_ended, watch_last};
use crate::harness::{
    ADMIN, LEGACY, MODERN, USER, call, call_with_progress, initialize, request, text_of,
};

fn stream(session: &Session<'_>, message: &Value) -> Events {
    session.server.connect().stream(&session.post(message))
}

#[test]
fn every_revision_is_negotiated_and_others_get_the_newest() {
    let server = fixture::server();
    for (asked, given) in [
        (LEGACY[0], LEGACY[0]),
        (LEGACY[1], LEGACY[1]),
        (LEGACY[2], LEGACY[2]),
        (LEGACY[3], LEGACY[3]),
        (MODERN, LEGACY[3]),
        ("2024-10-07", LEGACY[3]),
        ("2031-01-01", LEGACY[3]),
    ] {
        let response = server.send(&Request::post(&initialize(0, asked)));
        assert_eq!(response.status, 200, "{asked}");
        let json = response.json();
        assert_eq!((&json["id"], &json["result"]["protocolVersion"]), (&json!(0), &json!(given)));
        assert!(json["result"]["serverInfo"]["name"].is_string());
        assert!(json["result"]["capabilities"]["tools"].is_object());
        assert_eq!(json["result"].get("resultType"), None, "that is of the modern revision");
    }
}

#[test]
fn each_revision_lists_calls_reads_and_gets() {
    let server = fixture::server();
    for version in LEGACY {
        let session = server.session(version);
        let ask = |method: &str, params: Value| {
            let response = session.send(&request("a", method, params));
            assert_eq!(response.status, 200, "{version} {method}: {response:?}");
            response.json()["result"].clone()
        };
        assert!(ask("tools/list", json!({}))["tools"].as_array().unwrap().len() > 4);
        let said = ask("tools/call", call("echo", json!({"text": version})));
        assert_eq!(said["content"][0]["text"], format!("{version}\n"));
        let read = ask("resources/read", json!({"uri": "docs://manual/one.txt"}));
        assert_eq!(read["contents"][0]["text"], "the first file\n");
        let prompt =
            ask("prompts/get", json!({"name": "explain", "arguments": {"topic": "disks"}}));
        assert_eq!(prompt["messages"][0]["role"], "user");
        assert_eq!(ask("ping", json!({})), json!({}));
        let without_params = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        assert_eq!(session.send(&without_params).status, 200);
    }
}

// C11, C13
#[test]
fn session_ids_are_long_random_and_made_by_the_server() {
    let server = fixture::server();
    let ids: Vec<_> = (0..20)
        .map(|_| {
            let asked = Request::post(&initialize(0, LEGACY[3]))
                .header("Mcp-Session-Id", "0123456789abcdef0123456789abcdef");
            server.send(&asked).header("mcp-session-id").unwrap().to_owned()
        })
        .collect();
    for (index, id) in ids.iter().enumerate() {
        assert!(id.len() >= 32 && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
        assert_ne!(id, "0123456789abcdef0123456789abcdef");
        assert!(!ids[..index].contains(id), "{id} was given out twice");
    }
}

// B7
#[test]
fn a_stale_session_on_initialize_is_ignored() {
    let server = fixture::server();
    let session = server.session(LEGACY[3]);
    assert_eq!(server.send(&session.bare("DELETE")).status, 204);
    let asked = session.post(&initialize(0, LEGACY[2]));
    for asked in [
        session.post(&initialize(0, LEGACY[2])),
        asked.and_header("Mcp-Session-Id", "another"),
        session.post(&initialize(0, LEGACY[2])).header("Mcp-Session-Id", "\u{e9}"),
    ] {
        let response = server.send(&asked);
        assert_eq!(response.status, 200);
        assert_ne!(response.header("mcp-session-id"), Some(session.id.as_str()));
    }
}

#[test]
fn a_session_is_named_once_whatever_is_asked_of_it() {
    let server = fixture::server();
    let session = server.session(LEGACY[3]);
    for asked in
        [session.bare("GET"), session.bare("DELETE"), session.post(&request(1, "ping", json!({})))]
    {
        let response = server.send(&asked.and_header("Mcp-Session-Id", &session.id));
        assert_eq!((response.status, response.code()), (400, -32600));
    }
    assert_eq!(session.send(&request(2, "ping", json!({}))).status, 200);
}

// B21
#[test]
fn headers_that_mirror_the_body_do_not_mislead_in_any_revision() {
    let server = fixture::server();
    let echo = request(1, "tools/call", call("echo", json!({ "text": "x" })));
    for version in LEGACY {
        let session = server.session(version);
        let ask = || session.post(&echo);
        for wrong in [
            ask().header("Mcp-Name", "dangerous"),
            ask().header("Mcp-Name", ""),
            ask().header("Mcp-Name", "echo").and_header("Mcp-Name", "echo"),
            ask().header("Mcp-Method", "tools/list"),
            ask().header("Mcp-Method", "tools/call").and_header("Mcp-Method", "ping"),
        ] {
            let response = server.send(&wrong);
            assert_eq!((response.status, response.code()), (400, -32020), "{version}");
        }
        let right = ask().header("Mcp-Name", "echo").header("Mcp-Method", "tools/call");
        assert_eq!(text_of(&server.send(&right).json()), "x\n", "{version}");
    }
    // Nor without a session, and not for what has no session yet.
    let without = Request::post(&echo).header("Mcp-Name", "dangerous");
    assert_eq!(server.send(&without).code(), -32020);
    let hello = Request::post(&initialize(0, LEGACY[3])).header("Mcp-Method", "ping");
    assert_eq!(server.send(&hello).code(), -32020);
}

// B17
#[test]
fn requests_before_the_client_says_that_it_is_initialized_are_answered() {
    let server = fixture::server();
    let response = server.send(&Request::post(&initialize(0, LEGACY[3])));
    let id = response.header("mcp-session-id").unwrap();
    for (method, params) in [
        ("tools/list", json!({})),
        ("ping", json!({})),
        ("logging/setLevel", json!({"level": "info"})),
    ] {
        let asked = Request::post(&request(1, method, params)).header("Mcp-Session-Id", id);
        assert_eq!(server.send(&asked).status, 200, "{method}");
    }
}

// B1, B2
#[test]
fn a_session_that_is_over_or_never_was_is_not_found() {
    let server = fixture::server();
    let session = server.session(LEGACY[3]);
    assert_eq!(session.send(&request(1, "ping", json!({}))).status, 200);
    let ended = server.send(&session.bare("DELETE"));
    assert_eq!((ended.status, ended.body.len()), (204, 0));
    let post = session.post(&request("the id", "tools/list", json!({})));
    for asked in [post.clone(), post.header("Mcp-Session-Id", "no-such-session")] {
        let response = server.send(&asked);
        assert_eq!((response.status, response.code()), (404, -32001));
        assert_eq!(response.json()["id"], "the id");
    }
    for method in ["GET", "DELETE"] {
        assert_eq!(server.send(&session.bare(method)).status, 404, "{method}");
    }
}

// C12, B13
#[test]
fn the_session_of_somebody_else_is_not_found() {
    let server = fixture::server();
    let session = Session::open(&server, LEGACY[3], USER);
    for asked in [
        session.post(&request(1, "ping", json!({}))),
        session.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})),
        session.bare("GET"),
        session.bare("DELETE"),
    ] {
        assert_eq!(server.send(&asked.clone().key(ADMIN)).status, 404, "{asked:?}");
    }
    assert_eq!(session.send(&request(1, "ping", json!({}))).status, 200, "its owner still has it");
}

// B8
#[test]
fn sessions_of_one_user_are_bounded_and_others_still_get_theirs() {
    let server = Server::start(&Settings::with("[limits]\nmax_sessions_per_user = 3\n"));
    let sessions: Vec<_> = (0..3).map(|_| Session::open(&server, LEGACY[3], USER)).collect();
    let refused = server.send(&Request::post(&initialize(0, LEGACY[3])).key(USER));
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    Session::open(&server, LEGACY[3], ADMIN);
    assert_eq!(server.send(&sessions[0].bare("DELETE")).status, 204);
    Session::open(&server, LEGACY[3], USER);
    assert_eq!(sessions[1].send(&request(1, "ping", json!({}))).status, 200);
}

// B28
#[test]
fn an_id_that_is_running_is_refused_in_the_same_session_only() {
    let server = fixture::server();
    let mut gate = Gate::of(&server.directory);
    let (session, other) = (server.session(LEGACY[3]), server.session(LEGACY[3]));
    let message = request(1, "tools/call", call_with_progress("gated", json!({}), 1));
    let mut first = stream(&session, &message);
    first.notification("notifications/progress");
    let refused = session.send(&request(1, "tools/call", call("echo", json!({"text": "x"}))));
    assert_eq!((refused.status, refused.code()), (409, -32600));
    assert_eq!(refused.json()["id"], 1);
    // Whatever is asked under it, and however soon that would be answered.
    let quick = session.send(&request(1, "ping", json!({})));
    assert_eq!((quick.status, quick.code()), (409, -32600));
    let elsewhere = other.send(&request(1, "tools/call", call("echo", json!({"text": "x"}))));
    assert_eq!(elsewhere.status, 200);
    gate.release("the first");
    assert_eq!(text_of(&first.message().unwrap()), "released the first\n");
    let again = session.send(&request(1, "tools/call", call("echo", json!({"text": "x"}))));
    assert_eq!(again.status, 200, "the id is free again");
}

// B56, B38
#[test]
fn a_cancelled_call_ends_its_program_and_is_not_answered() {
    let server = fixture::server();
    let session = server.session(LEGACY[3]);
    let hold = |id: i64| {
        let message = request(id, "tools/call", call_with_progress("hold", json!({}), id));
        let mut events = stream(&session, &message);
        let progress = events.notification("notifications/progress");
        (events, watch_last(progress["message"].as_str().unwrap()))
    };
    let (mut cancelled, process) = hold(101);
    let cancel = |id: i64| {
        let message = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                             "params": {"requestId": id, "reason": "test"}});
        assert_eq!(session.send(&message).status, 202);
    };
    cancel(999);
    let other = server.session(LEGACY[3]);
    let foreign = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                         "params": {"requestId": 101}});
    assert_eq!(other.send(&foreign).status, 202);
    let echo = request(5, "tools/call", call("echo", json!({"text": "beside"})));
    assert_eq!(text_of(&session.send(&echo).json()), "beside\n");
    assert!(!process_has_ended_now(&process), "only its own session cancels it");
    cancel(101);
    assert!(has_ended(&process));
    assert_eq!(cancelled.message(), None);
}

fn process_has_ended_now(process: &std::os::fd::OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).unwrap() == 1
}

#[test]
fn arguments_that_break_the_schema_are_an_error_or_a_result_by_revision() {
    let server = fixture::server();
    for version in LEGACY {
        let session = server.session(version);
        let response = session.send(&request(1, "tools/call", call("echo", json!({"text": 7}))));
        assert_eq!(response.status, 200);
        let json = response.json();
        if version == LEGACY[3] {
            assert_eq!(json["result"]["isError"], true, "{version}: {json}");
        } else {
            assert_eq!(json["error"]["code"], -32602, "{version}: {json}");
        }
    }
}

#[test]
fn an_absent_resource_and_an_unknown_method_have_the_codes_of_their_revisions() {
    let server = fixture::server();
    for version in LEGACY {
        let session = server.session(version);
        let absent = json!({"uri": "docs://manual/absent.txt"});
        let response = session.send(&request(1, "resources/read", absent));
        assert_eq!((response.status, response.code()), (200, -32002), "{version}");
        for method in ["foo/bar", "server/discover", "subscriptions/listen"] {
            let response = session.send(&request(1, method, json!({})));
            assert_eq!((response.status, response.code()), (200, -32601), "{version} {method}");
        }
    }
}

#[test]
fn structured_results_are_for_the_revisions_that_know_them() {
    let server = fixture::server();
    for version in LEGACY {
        let session = server.session(version);
        let response = session.send(&request(1, "tools/call", call("host_status", json!({}))));
        let json = response.json();
        let knows = version >= "2025-06-18";
        assert_eq!(json["result"].get("structuredContent").is_some(), knows, "{version}");
        assert!(json["result"]["content"][0]["text"].is_string());
    }
}

#[test]
fn a_version_header_that_is_unknown_is_refused() {
    let server = fixture::server();
    let session = server.session(LEGACY[3]);
    let ping = session.post(&request(1, "ping", json!({})));
    assert_eq!(server.send(&ping.clone().without("MCP-Protocol-Version")).status, 200);
    for version in ["1.0", "2031-01-01", "", "latest"] {
        let response = server.send(&ping.clone().header("MCP-Protocol-Version", version));
        assert_eq!(response.status, 400, "{version}");
    }
}

// B31
#[test]
fn responses_and_notifications_are_accepted_and_never_answered() {
    let server = fixture::server();
    let session = server.session(LEGACY[3]);
    for message in [
        json!({"jsonrpc": "2.0", "id": 77, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 77, "error": {"code": -1, "message": "no"}}),
        json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}),
        json!({"jsonrpc": "2.0", "method": "notifications/made/up", "params": {}}),
        json!({"jsonrpc": "2.0", "error": {"code": -1, "message": "what was that?"}}),
    ] {
        let response = session.send(&message);
        assert_eq!((response.status, response.body.len()), (202, 0), "{message}");
    }
    // JSON-RPC 2.0 says so that the id could not be read, MCP without an id.
    let unread = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -1, "message": "what?"}});
    let response = server.connect().unrecorded().exchange(&session.post(&unread));
    assert_eq!((response.status, response.body.len()), (202, 0));
    // What is none is refused under no id: that of a response is one of ours.
    for message in [
        json!({"jsonrpc": "2.0", "id": 77, "result": {}, "error": {}}),
        json!({"jsonrpc": "2.0", "id": 77, "error": "text"}),
        json!({"id": 77, "result": {}}),
        json!({"jsonrpc": "2.0", "result": {}}),
    ] {
        let response = session.send(&message);
        assert_eq!((response.status, response.code()), (400, -32600), "{message}");
        assert_eq!(response.json().get("id").unwrap_or(&json!(null)), &json!(null), "{message}");
    }
}

#[test]
fn log_messages_follow_the_level_of_the_session() {
    let server = fixture::server();
    let session = server.session(LEGACY[3]);
    let heard = || {
        let response = session.send(&request(1, "tools/call", call("steps", json!({}))));
        response.messages().len() - 1
    };
    let set = |level: &str| session.send(&request(2, "logging/setLevel", json!({"level": level})));
    set("error");
    assert_eq!(heard(), 0);
    set("debug");
    assert_eq!(heard(), 1);
    let other = server.session(LEGACY[3]);
    let response = other.send(&request(1, "tools/call", call("steps", json!({}))));
    assert_eq!(response.messages().len(), 1, "nobody else asked");
    assert_eq!(set("loud").code(), -32602);
}

#[test]
fn an_id_and_a_place_are_free_again_as_soon_as_the_answer_is_there() {
    let rest = format!("\n[limits]\ncalls_per_user = 1\n{}", fixture::everything());
    let server = fixture::server_with(&Settings::with(&rest));
    let session = server.session(LEGACY[3]);
    let read = request(1, "resources/read", json!({"uri": "docs://manual/one.txt"}));
    let asked = session.post(&read).header("Accept", "application/json");
    let mut connection = server.connect();
    for round in 0..300 {
        let response = connection.exchange(&asked);
        assert_eq!(response.status, 200, "round {round}: {response:?}");
    }
}
