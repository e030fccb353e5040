//! The parameters of requests: what is taken holds what its method needs, in every revision.

use erlmcp::guard::validate::params::{self, Fault};
use erlmcp::guard::validate::uri;
use erlmcp::mcp::era::Version;
use erlmcp::mcp::meta::RequestMeta;
use erlmcp::mcp::methods::Method;
use erlmcp::proto::json::JsonLimits;
use erlmcp::proto::jsonrpc::{self, Message, Params};
use serde_json::Value;

const LIMITS: JsonLimits = JsonLimits { depth: 16, nodes: 1_000 };

/// A request, in each revision that has its method.
pub fn parameters(data: &[u8]) {
    let Ok(Message::Request { method, params, .. }) = jsonrpc::parse(data, LIMITS) else { return };
    for meta in [RequestMeta::legacy(&params), RequestMeta::modern(&params)] {
        if let Err(error) = meta {
            assert!(error.code == -32602 && !error.message.is_empty());
        }
    }
    let Some(method) = Method::from_name(&method) else { return };
    for version in Version::ALL.into_iter().filter(|version| method.is_in(*version)) {
        let verdict = params::check(method, &params, version);
        let mut more = params.clone();
        if more.insert("no table names it".into(), Value::Null).is_none() {
            assert_eq!(params::check(method, &more, version), verdict, "it means nothing");
        }
        match verdict {
            Ok(()) => holds(method, &params),
            Err(Fault::Type(error) | Fault::Hostile(error)) => {
                assert!(error.code == -32602 && !error.message.is_empty());
            }
        }
    }
}

fn holds(method: Method, params: &Params) {
    let is_text = |key: &str| params.get(key).is_some_and(Value::is_string);
    let is_object = |key: &str| params.get(key).is_none_or(Value::is_object);
    match method {
        Method::ToolsCall | Method::PromptsGet => {
            let name = params.get("name").and_then(Value::as_str).expect("a name");
            assert!(name.len() <= 256 && !name.chars().any(char::is_control));
            assert!(is_object("arguments"));
        }
        Method::Initialize => {
            assert!(is_text("protocolVersion") && is_object("capabilities"));
            let client = params.get("clientInfo").expect("who the client is");
            assert!(client["name"].is_string() && client["version"].is_string());
        }
        Method::TasksGet | Method::TasksCancel | Method::TasksResult | Method::TasksUpdate => {
            assert!(is_text("taskId"));
        }
        Method::Complete => {
            let of = |member: &str, key: &str| params[member][key].is_string();
            assert!(of("argument", "name") && of("argument", "value") && of("ref", "type"));
        }
        _ => assert!(params::uris(method, params).into_iter().all(|it| uri::check(it).is_ok())),
    }
}
