//! Parameters that hold everything a revision has, and every way to break one thing in them.

use erlmcp::guard::validate::params::{self, Fault};
use erlmcp::mcp::era::{Era, Version};
use erlmcp::mcp::meta::RequestMeta;
use erlmcp::mcp::methods::Method;
use serde_json::{Map, Value, json};

/// True if the server takes the parameters for what the method has in this revision.
pub(crate) fn are_taken(method: &str, params: &Map<String, Value>, version: Version) -> bool {
    let meta = match version.era() {
        Era::Legacy => RequestMeta::legacy(params),
        Era::Modern => RequestMeta::modern(params),
    };
    let method = Method::from_name(method).expect("a method of the server");
    // That a URI or a name leads elsewhere is no matter of its form.
    let is_of_form = !matches!(params::check(method, params, version), Err(Fault::Type(_)));
    meta.is_ok() && is_of_form
}

/// Parameters of a method with every member that a revision has for it.
pub(crate) fn complete(method: &str, version: Version) -> Value {
    let mut params = match method {
        "initialize" => json!({
            "protocolVersion": version.name(), "capabilities": capabilities(),
            "clientInfo": client()
        }),
        "logging/setLevel" => json!({ "level": "info" }),
        "tools/call" => json!({ "name": "a", "arguments": { "b": 1 }, "task": { "ttl": 1 } }),
        "prompts/get" => json!({ "name": "a", "arguments": { "b": "c" } }),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            json!({ "uri": "a://b" })
        }
        "completion/complete" => json!({
            "ref": { "type": "ref/prompt", "name": "a", "title": "b" },
            "argument": { "name": "c", "value": "d" },
            "context": { "arguments": { "e": "f" } }
        }),
        "subscriptions/listen" => json!({ "notifications": {
            "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
            "resourceSubscriptions": ["a://b"]
        }}),
        "tasks/get" | "tasks/result" | "tasks/cancel" => json!({ "taskId": "a" }),
        "ping" | "server/discover" => json!({}),
        _ if method.ends_with("/list") => json!({ "cursor": "a" }),
        _ => panic!("{method} has no parameters here"),
    };
    if version.era() == Era::Modern && matches!(method, "tools/call" | "prompts/get") {
        params["inputResponses"] = json!({ "a": { "roots": [] } });
        params["requestState"] = json!("b");
    }
    if version.has_requested_tasks() && method.starts_with("tasks/") && method != "tasks/list" {
        return params; // The schema has no `_meta` for these; the server judges it as elsewhere.
    }
    params["_meta"] = match version.era() {
        Era::Legacy => json!({ "progressToken": 1 }),
        Era::Modern => json!({
            "progressToken": "a",
            "io.modelcontextprotocol/protocolVersion": version.name(),
            "io.modelcontextprotocol/clientCapabilities": capabilities(),
            "io.modelcontextprotocol/clientInfo": client(),
            "io.modelcontextprotocol/logLevel": "info",
        }),
    };
    params
}

fn client() -> Value {
    json!({
        "name": "a", "version": "1", "title": "A", "description": "b", "websiteUrl": "https://a.b",
        "icons": [{
            "src": "https://a.b/c", "mimeType": "image/png", "sizes": ["any"], "theme": "dark"
        }]
    })
}

fn capabilities() -> Value {
    json!({
        "experimental": { "a": {} },
        "extensions": { "c/d": {} },
        "roots": { "listChanged": true },
        "sampling": { "context": {}, "tools": {} },
        "elicitation": { "form": {}, "url": {} },
        "tasks": {
            "list": {}, "cancel": {},
            "requests": { "sampling": { "createMessage": {} }, "elicitation": { "create": {} } }
        }
    })
}

/// The same value with one thing in it left out or replaced by something of each type.
pub(crate) fn broken(value: &Value) -> Vec<Value> {
    let mut broken = Vec::new();
    each_place(value, &mut Vec::new(), &mut |place| {
        let (name, parents) = place.split_last().expect("a place below the whole");
        let parent = format_pointer(parents);
        let mut without = value.clone();
        match without.pointer_mut(&parent).expect("it is there") {
            Value::Object(members) => drop(members.remove(name)),
            Value::Array(items) => items.clear(),
            _ => unreachable!("only these have something below them"),
        }
        broken.push(without);
        for other in others() {
            let mut replaced = value.clone();
            *replaced.pointer_mut(&format_pointer(place)).expect("it is there") = other;
            broken.push(replaced);
        }
    });
    broken
}

fn others() -> [Value; 9] {
    let (empty, text) = (json!(""), json!("x"));
    let (list, object) = (json!([[]]), json!({ "x": 0 }));
    [json!(null), json!(false), json!(7), json!(1.5), empty, text, list, json!({}), object]
}

fn each_place(value: &Value, place: &mut Vec<String>, visit: &mut impl FnMut(&[String])) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, it)| (name.clone(), it)).collect(),
        Value::Array(items) => items.iter().map(|item| ("0".to_owned(), item)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in below {
        place.push(name);
        visit(place);
        // What an answer to a question means is looked at where it is needed.
        if place.last().is_some_and(|name| name != "inputResponses") {
            each_place(value, place, visit);
        }
        place.pop();
    }
}

fn format_pointer(place: &[String]) -> String {
    let step = |name: &String| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    place.iter().map(step).collect()
}
