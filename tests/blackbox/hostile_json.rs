//! Bodies that are JSON in name only, or too much of it.

use serde_json::json;

use crate::harness::http::{Request, Response};
use crate::harness::process::{Server, Settings};
use crate::harness::{MODERN, modern_request};

fn send(server: &Server, body: &str) -> Response {
    let headers = Request::post_bytes(body.as_bytes()).header("MCP-Protocol-Version", MODERN);
    server.send(&headers.header("Mcp-Method", "tools/list"))
}

#[test]
fn what_is_not_json_is_a_parse_error() {
    let server = Server::start(&Settings::default());
    for body in ["", "{bad json", "nul", "{\"a\":1,}", "{'a':1}", "\u{feff}{}", "{} {}", "[1"] {
        let response = send(&server, body);
        assert_eq!((response.status, response.code()), (400, -32700), "{body:?}");
        assert!(response.json()["id"].is_null());
    }
    let torn = Request::post_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}");
    assert_eq!(server.send(&torn).code(), -32700);
}

// B30, B32, C62
#[test]
fn what_is_not_a_message_is_an_invalid_request() {
    let server = Server::start(&Settings::default());
    for body in [
        "{}",
        "[]",
        "1",
        "\"text\"",
        "null",
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"Method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":7}"#,
    ] {
        let response = send(&server, body);
        assert_eq!((response.status, response.code()), (400, -32600), "{body}");
    }
}

// C61
#[test]
fn a_key_that_stands_twice_is_refused_wherever_it_stands() {
    let server = Server::start(&Settings::default());
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"rm"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":[{"b":1,"\u0062":2}]}}"#,
    ] {
        let response = send(&server, body);
        assert_eq!((response.status, response.code()), (400, -32600), "{body}");
    }
}

// C60, C64
#[test]
fn depth_and_number_of_values_are_bounded() {
    let server = Server::start(&Settings::default());
    let message = |value: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"x":{value}}}}}"#)
    };
    let deep = |depth: usize| message(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    for body in [deep(100), deep(100_000), message(&"[".repeat(100_000))] {
        let response = send(&server, &body);
        assert_eq!((response.status, response.code()), (400, -32600));
    }
    let wide = message(&format!("[{}0]", "0,".repeat(200_000)));
    assert_eq!(send(&server, &wide).code(), -32600);
    let names: Vec<_> = (0..200_000).map(|n| format!("\"k{n}\":0")).collect();
    assert_eq!(send(&server, &message(&format!("{{{}}}", names.join(",")))).code(), -32600);
    assert_eq!(server.modern(&modern_request(1, "tools/list", json!({}))).status, 200);
}

// C69
#[test]
fn ids_come_back_as_they_were() {
    let server = Server::start(&Settings::default());
    for id in [json!(0), json!(-7), json!("server-discover-probe-1"), json!(""), json!(i64::MAX)] {
        let response = server.modern(&modern_request(id.clone(), "tools/list", json!({})));
        assert_eq!((response.status, &response.json()["id"]), (200, &id));
    }
}
