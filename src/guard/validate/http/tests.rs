//! Heads and bodies of both eras, matching and not.

use serde_json::json;

use super::*;
use crate::guard::rate::uncounted;
use crate::proto::buffer::Buffer;
use crate::proto::http1::{Decoded, HttpLimits, RequestDecoder};

fn head(headers: &[&str]) -> Head {
    let text = format!("POST /mcp HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", headers.join("\r\n"));
    let mut input = Buffer::default();
    input.extend(text.as_bytes());
    match RequestDecoder::new().decode(&mut input, &HttpLimits::default()) {
        Ok(Decoded::Head(head)) => head,
        other => panic!("{text}: {other:?}"),
    }
}

fn verdict(headers: &[&str], body: Value) -> Result<Incoming, Box<Refused>> {
    let body = body.to_string();
    check(uncounted(), &head(headers), body.as_bytes(), JsonLimits::default(), |_, _| None)
}

fn refusal(headers: &[&str], body: Value) -> (u16, i64) {
    let refused = verdict(headers, body.clone()).expect_err(&format!("{headers:?} {body}"));
    (refused.refusal.status(refused.version.era()), refused.refusal.error().code)
}

fn call(method: &str, name: &str) -> Value {
    json!({"jsonrpc":"2.0","id":1,"method":method,"params":{"name":name,"_meta":{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{}}}})
}

const VERSION: &str = "MCP-Protocol-Version: 2026-07-28";
const METHOD: &str = "Mcp-Method: tools/call";

#[test]
fn a_modern_request_passes_when_head_and_body_agree() {
    for headers in [
        [VERSION, METHOD, "Mcp-Name: echo"],
        ["mcp-protocol-VERSION:  2026-07-28 ", METHOD, "mcp-name: =?base64?ZWNobw==?="],
    ] {
        let Ok(Incoming::Call(call)) = verdict(&headers, call("tools/call", "echo")) else {
            panic!("{headers:?}")
        };
        assert_eq!(call.target(), Some("echo"));
        assert_eq!(call.version(), Version::V2026_07_28);
    }
}

#[test]
fn a_modern_request_whose_head_says_something_else_is_a_mismatch() {
    for headers in [
        &[VERSION, METHOD, "Mcp-Name: printEnv"][..],
        &[VERSION, METHOD, "Mcp-Name: ECHO"],
        &[VERSION, METHOD],
        &[VERSION, "Mcp-Method: Tools/Call", "Mcp-Name: echo"],
        &[VERSION, "Mcp-Name: echo"],
        &[VERSION, METHOD, METHOD, "Mcp-Name: echo"],
        &[VERSION, METHOD, "Mcp-Name: echo", "Mcp-Name: echo"],
        &[VERSION, VERSION, METHOD, "Mcp-Name: echo"],
        &[VERSION, METHOD, "Mcp-Name: =?base64?ZWNobw=?="],
        &["MCP-Protocol-Version: 2027-01-01", METHOD, "Mcp-Name: echo"],
        &[METHOD, "Mcp-Name: echo"],
        &["MCP-Protocol-Version: 2025-11-25", METHOD, "Mcp-Name: echo"],
    ] {
        assert_eq!(refusal(headers, call("tools/call", "echo")), (400, -32020), "{headers:?}");
    }
}

#[test]
fn versions_and_methods_that_are_not_served_have_their_answers() {
    let mut future = call("tools/call", "echo");
    future["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2031-01-01");
    let headers = ["MCP-Protocol-Version: 2031-01-01", METHOD, "Mcp-Name: echo"];
    assert_eq!(refusal(&headers, future), (400, -32022));
    for method in ["initialize", "ping", "logging/setLevel", "no/such", "resources/subscribe"] {
        let header = format!("Mcp-Method: {method}");
        assert_eq!(refusal(&[VERSION, &header], call(method, "x")), (404, -32601), "{method}");
    }
    let mut bare = call("tools/call", "echo");
    bare["params"].as_object_mut().unwrap().remove("_meta");
    assert_eq!(refusal(&[VERSION, METHOD, "Mcp-Name: echo"], bare), (400, -32602));
}

#[test]
fn a_legacy_request_is_known_by_its_head() {
    let list = json!({"jsonrpc":"2.0","id":1,"method":"tools/list"});
    for (headers, version) in
        [(&[][..], Version::ASSUMED), (&["MCP-Protocol-Version: 2025-11-25"], Version::V2025_11_25)]
    {
        let Ok(Incoming::Call(call)) = verdict(headers, list.clone()) else { panic!() };
        assert_eq!(call.version(), version);
    }
    assert_eq!(refusal(&["Mcp-Session-Id: gone"], list), (404, -32001));
    let unknown = json!({"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"});
    assert_eq!(refusal(&[], unknown), (200, -32601));
    let level =
        json!({"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}});
    assert_eq!(refusal(&[], level), (400, -32600));
}

#[test]
fn initialize_ignores_an_old_session_and_negotiates() {
    let body = json!({"jsonrpc":"2.0","id":0,"method":"initialize","params":{
        "protocolVersion":"2026-07-28","capabilities":{},"clientInfo":{"name":"c","version":"1"}}});
    let Ok(Incoming::Call(call)) = verdict(&["Mcp-Session-Id: stale"], body) else { panic!() };
    assert_eq!(call.version(), Version::V2025_11_25);
}

#[test]
fn notices_are_told_from_requests() {
    let cancelled =
        json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}});
    let Ok(Incoming::Notice(notice, None)) = verdict(&[], cancelled) else { panic!() };
    assert_eq!(notice, Notice::Cancelled(Id::Number(7)));
    let response = json!({"jsonrpc":"2.0","id":1,"result":{}});
    let Ok(Incoming::Notice(answered, None)) = verdict(&[], response.clone()) else { panic!() };
    assert_eq!(answered, Notice::Answered(Id::Number(1), Ok(json!({}))));
    let error = json!({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}});
    let Ok(Incoming::Notice(answered, None)) = verdict(&[], error) else { panic!() };
    assert_eq!(answered, Notice::Answered(Id::Number(1), Err("no".into())));
    assert_eq!(refusal(&[VERSION], response), (400, -32600));
    assert_eq!(refusal(&[VERSION], json!([call("tools/call", "echo")])), (400, -32600));
}
