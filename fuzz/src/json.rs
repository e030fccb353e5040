//! The JSON and JSON-RPC parsers beside serde_json's: what ours accept, it reads the same.

use erlmcp::proto::json::{self, JsonLimits};
use erlmcp::proto::jsonrpc::{self, Id, Meant, Message};
use serde_json::Value;

const LIMITS: JsonLimits = JsonLimits { depth: 16, nodes: 1_000 };

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn nodes(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(nodes).sum::<usize>(),
        _ => 1,
    }
}

fn written(id: &Id) -> Value {
    let mut out = Vec::new();
    id.write(&mut out);
    serde_json::from_slice(&out).expect("an id is written as JSON")
}

/// One message.
pub fn jsonrpc(data: &[u8]) {
    let value = json::parse(data, LIMITS);
    if let Ok(value) = &value {
        assert_eq!(serde_json::from_slice::<Value>(data).ok().as_ref(), Some(value));
        assert!(depth(value) <= LIMITS.depth, "too deep");
        assert!(nodes(value) <= LIMITS.nodes, "too many values");
        let mut out = Vec::new();
        json::write_value(&mut out, value);
        assert_eq!(json::parse(&out, LIMITS).as_ref(), Ok(value), "written, it reads otherwise");
    }
    if let Ok(elements) = jsonrpc::parse_batch(data, LIMITS) {
        let whole = value.as_ref().expect("a batch is JSON within the same limits");
        assert_eq!(whole.as_array().map(Vec::len), Some(elements.len()));
    }
    match jsonrpc::parse(data, LIMITS) {
        Ok(message) => {
            let alone = jsonrpc::parse_batch(&[b"[", data, b"]"].concat(), JsonLimits::default());
            assert_eq!(alone, Ok(vec![Ok(jsonrpc::parse(data, LIMITS).expect("once more"))]));
            let value = value.expect("a message is JSON within the same limits");
            assert!(value.is_object());
            let id = match &message {
                Message::Request { id, .. } => Some(id),
                Message::Response { id, .. } => id.as_ref(),
                Message::Notification { .. } => None,
            };
            if let Some(id) = id {
                assert_eq!(Some(&written(id)), value.get("id"), "another id");
                assert_eq!(written(id), id.to_value());
            }
        }
        Err(refused) => {
            assert!(refused.fault.code() < 0 && !refused.fault.to_string().is_empty());
            let (Meant::Request(id) | Meant::Response(id)) = &refused.meant;
            if let Some(id) = id {
                written(id);
            }
        }
    }
}
