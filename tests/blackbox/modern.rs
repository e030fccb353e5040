//! The modern revision over HTTP: its envelope, its headers, and what it no longer has.

use serde_json::{Value, json};

use crate::harness::fixture;
use crate::harness::http::Request;
use crate::harness::process::{Server, Settings};
use crate::harness::{LEGACY, MODERN, call, modern_request, request};

fn echo() -> Request {
    Request::modern(&modern_request(1, "tools/call", call("echo", json!({"text": "x"}))))
}

#[test]
fn discovery_tells_versions_and_capabilities_and_how_long_that_holds() {
    let server = fixture::server();
    let result = server.modern(&modern_request(1, "server/discover", json!({}))).json();
    let result = &result["result"];
    assert_eq!(result["supportedVersions"], json!([MODERN]));
    assert_eq!(result["resultType"], "complete");
    assert!(result["ttlMs"].is_u64() && result["cacheScope"] == "private", "{result}");
    for capability in ["tools", "resources", "prompts", "completions", "logging"] {
        assert!(result["capabilities"][capability].is_object(), "{capability} of {result}");
    }
    assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string());
}

// B146
#[test]
fn what_is_not_offered_is_not_advertised() {
    let server = Server::start(&Settings::with("[host]\nenabled = false\n"));
    let result = server.modern(&modern_request(1, "server/discover", json!({}))).json();
    let capabilities = &result["result"]["capabilities"];
    for capability in ["tools", "resources", "prompts", "completions"] {
        assert!(capabilities.get(capability).is_none(), "{capability} of {capabilities}");
    }
}

#[test]
fn every_result_says_that_it_is_complete_and_lists_how_they_are_cached() {
    let server = fixture::server();
    for (method, params, is_cacheable) in [
        ("tools/list", json!({}), true),
        ("resources/list", json!({}), true),
        ("resources/templates/list", json!({}), true),
        ("resources/read", json!({"uri": "docs://manual/one.txt"}), true),
        ("prompts/list", json!({}), true),
        ("prompts/get", json!({"name": "explain", "arguments": {"topic": "disks"}}), false),
        ("tools/call", call("echo", json!({"text": "x"})), false),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "explain"},
                   "argument": {"name": "topic", "value": "net"}}),
            false,
        ),
    ] {
        let response = server.modern(&modern_request(1, method, params));
        assert_eq!(response.status, 200, "{method}: {response:?}");
        assert_eq!(response.header("mcp-session-id"), None);
        let json = response.json();
        let result = &json["result"];
        assert_eq!(result["resultType"], "complete", "{method}");
        if is_cacheable {
            assert!(result["ttlMs"].is_u64(), "{method}: {result}");
            assert_eq!(result["cacheScope"], "private", "{method}");
        }
    }
}

// B21
#[test]
fn headers_that_disagree_with_the_body_are_refused() {
    let server = fixture::server();
    assert_eq!(server.send(&echo()).status, 200);
    let encoded = echo().header("Mcp-Name", "=?base64?ZWNobw==?=");
    assert_eq!(server.send(&encoded).status, 200, "the same name, encoded");
    for (what, asked) in [
        ("another name", echo().header("Mcp-Name", "dangerous")),
        ("no name", echo().without("Mcp-Name")),
        ("two names", echo().and_header("Mcp-Name", "echo")),
        ("a name in other letters", echo().header("Mcp-Name", "Echo")),
        ("a badly encoded name", echo().header("Mcp-Name", "=?base64?ZWNobw?=")),
        ("another method", echo().header("Mcp-Method", "tools/list")),
        ("no method", echo().without("Mcp-Method")),
        ("two methods", echo().and_header("Mcp-Method", "tools/call")),
        ("another modern version", echo().header("MCP-Protocol-Version", "2031-01-01")),
        ("a legacy version", echo().header("MCP-Protocol-Version", LEGACY[3])),
        ("no version", echo().without("MCP-Protocol-Version")),
        ("two versions", echo().and_header("MCP-Protocol-Version", MODERN)),
    ] {
        let response = server.send(&asked);
        assert_eq!((response.status, response.code()), (400, -32020), "{what}");
        assert_eq!(response.json()["id"], 1, "{what}");
    }
    let read = modern_request(1, "resources/read", json!({"uri": "docs://manual/one.txt"}));
    let other = Request::modern(&read).header("Mcp-Name", "docs://manual/sub/two.md");
    assert_eq!(server.send(&other).code(), -32020);
}

#[test]
fn a_mirrored_parameter_must_say_what_the_argument_says() {
    let tool = r#"
[[tools]]
name = "regional"
description = "Says where."
command = ["/bin/echo", "{region}"]
processes = 8192
read_only = true
[tools.input_schema]
type = "object"
required = ["region"]
properties.region = { type = "string", x-mcp-header = "Region" }
properties.zone = { type = "string", x-mcp-header = "Zone" }
"#;
    let server = Server::start(&Settings::with(tool));
    let asked = Request::modern(&modern_request(
        1,
        "tools/call",
        call("regional", json!({"region": "eu"})),
    ));
    let right = asked.clone().header("Mcp-Param-Region", "eu");
    assert_eq!(server.send(&right).status, 200);
    let repeated = ["eu", "us"].map(|second| right.clone().and_header("mcp-param-region", second));
    let wrong = asked.clone().header("Mcp-Param-Region", "us");
    // Of what the body does not say there must be no header, not even two.
    let zone = right.clone().header("Mcp-Param-Zone", "a");
    let zones = zone.clone().and_header("Mcp-Param-Zone", "a");
    for refused in repeated.into_iter().chain([asked, wrong, zone, zones]) {
        let response = server.send(&refused);
        assert_eq!((response.status, response.code()), (400, -32020));
    }
}

// B22
#[test]
fn a_request_without_its_metadata_is_refused() {
    let server = fixture::server();
    let full = modern_request(1, "tools/list", json!({}));
    for key in ["protocolVersion", "clientCapabilities"] {
        let mut message = full.clone();
        let meta = message["params"]["_meta"].as_object_mut().unwrap();
        assert!(meta.remove(&format!("io.modelcontextprotocol/{key}")).is_some());
        let response = server.modern(&message);
        assert_eq!((response.status, response.code()), (400, -32602), "{key}");
    }
    let bare = request(1, "tools/list", json!({}));
    assert_eq!(server.modern(&bare).code(), -32602);
    let mut anonymous = full;
    let meta = anonymous["params"]["_meta"].as_object_mut().unwrap();
    meta.remove("io.modelcontextprotocol/clientInfo");
    assert_eq!(server.modern(&anonymous).status, 200, "who the client is need not be told");
}

#[test]
fn an_unknown_version_is_told_which_are_known() {
    let server = fixture::server();
    let mut message = modern_request(1, "tools/list", json!({}));
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2031-01-01");
    let asked = Request::modern(&message).header("MCP-Protocol-Version", "2031-01-01");
    let response = server.send(&asked);
    assert_eq!((response.status, response.code()), (400, -32022));
    let data = response.json()["error"]["data"].clone();
    assert_eq!(data, json!({"supported": [MODERN], "requested": "2031-01-01"}));
}

#[test]
fn an_unknown_version_is_told_of_whatever_the_body_says() {
    let server = fixture::server();
    for version in ["1999-01-01", "2099-01-01", "", "x y"] {
        for message in [
            request(1, "tools/list", json!({})),
            request(1, "initialize", json!({})),
            json!({"jsonrpc": "2.0", "method": "notifications/anything"}),
        ] {
            let asked = Request::post(&message).header("MCP-Protocol-Version", version);
            let response = server.send(&asked);
            assert_eq!((response.status, response.code()), (400, -32022), "{version:?} {message}");
            assert_eq!(response.json()["error"]["data"]["supported"], json!([MODERN]));
        }
    }
    let notice = |version: &str| {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": version});
        let message = json!({
            "jsonrpc": "2.0", "method": "notifications/anything", "params": {"_meta": meta}
        });
        server.send(&Request::post(&message).header("MCP-Protocol-Version", MODERN))
    };
    assert_eq!(notice(MODERN).status, 202);
    let other = notice("2099-01-01");
    assert_eq!((other.status, other.code()), (400, -32020));
}

#[test]
fn methods_that_are_gone_or_never_were_are_not_found() {
    let server = fixture::server();
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "sampling/createMessage",
        "foo/bar",
    ] {
        let response = server.modern(&modern_request(1, method, json!({"uri": "a:b"})));
        assert_eq!((response.status, response.code()), (404, -32601), "{method}");
        assert_eq!(response.json()["id"], 1);
    }
}

// B31, B37
#[test]
fn notifications_are_accepted_and_responses_and_batches_are_not() {
    let server = fixture::server();
    let send = |body: &Value| {
        let asked = Request::post(body).header("MCP-Protocol-Version", MODERN);
        server.send(&asked.header("Mcp-Method", "notifications/cancelled"))
    };
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                              "params": {"requestId": 1}});
    let response = send(&notification);
    assert_eq!((response.status, response.body.len()), (202, 0));
    for refused in [
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
        json!([modern_request(1, "tools/list", json!({}))]),
        json!([]),
    ] {
        let response = send(&refused);
        assert_eq!((response.status, response.code()), (400, -32600), "{refused}");
    }
}

// B48
#[test]
fn there_is_only_post() {
    let server = fixture::server();
    for method in ["GET", "DELETE"] {
        let asked = Request::bare(method)
            .header("MCP-Protocol-Version", MODERN)
            .header("Mcp-Session-Id", "0123456789abcdef0123456789abcdef");
        let response = server.send(&asked);
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), Some("POST"), "{method}");
    }
    let with_session = Request::modern(&modern_request(1, "tools/list", json!({})))
        .header("Mcp-Session-Id", "0123456789abcdef0123456789abcdef")
        .header("Last-Event-ID", "1-1");
    let response = server.send(&with_session);
    assert_eq!((response.status, response.header("mcp-session-id")), (200, None));
}
