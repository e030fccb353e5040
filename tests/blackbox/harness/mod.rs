//! The built program as a stranger meets it: a process with a configuration in a directory of its
//! own, and clients that send exact bytes. It names nothing of the library.

pub mod admin;
pub mod fixture;
pub mod http;
pub mod lines;
pub mod process;
pub mod provider;
mod recorder;
pub mod request;
pub mod secrets;
mod session;
pub mod stdio;
pub mod tls;
pub mod tools;
pub mod websocket;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take. A test that reaches it has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The key of the administrator in the test configuration.
pub const ADMIN: &str = "admin-key-0123456789abcdef0123456789";
/// The key of a user with the role `user`.
pub const USER: &str = "user-key-0123456789abcdef01234567890";
/// The key of a user without a role of their own.
pub const GUEST: &str = "guest-key-0123456789abcdef0123456789";

/// The legacy revisions, oldest first.
pub const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The modern revision.
pub const MODERN: &str = "2026-07-28";

/// A request as a message.
pub fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

/// The same with the metadata of the modern revision.
pub fn modern_request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    let mut message = request(id, method, params);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "blackbox", "version": "1" },
    });
    let params = message["params"].as_object_mut().unwrap();
    let entry = params.entry("_meta").or_insert_with(|| json!({})).as_object_mut().unwrap();
    for (key, value) in meta.as_object().unwrap() {
        entry.entry(key.clone()).or_insert_with(|| value.clone());
    }
    message
}

/// `initialize` for this revision.
pub fn initialize(id: impl Into<Value>, version: &str) -> Value {
    request(
        id,
        "initialize",
        json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": { "name": "blackbox", "version": "1" },
        }),
    )
}

/// The same for a client that can do these things.
pub fn initialize_with(id: impl Into<Value>, version: &str, capabilities: Value) -> Value {
    let mut message = initialize(id, version);
    message["params"]["capabilities"] = capabilities;
    message
}

/// A modern request of a client that can do these things.
pub fn modern_with(id: impl Into<Value>, method: &str, mut params: Value, can: Value) -> Value {
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = can;
    modern_request(id, method, params)
}

/// The call of a tool.
pub fn call(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

/// The same, asking for progress under this token.
pub fn call_with_progress(name: &str, arguments: Value, token: impl Into<Value>) -> Value {
    let token: Value = token.into();
    json!({ "name": name, "arguments": arguments, "_meta": { "progressToken": token } })
}

/// A connection over which messages go both ways.
pub trait Messages {
    fn send(&mut self, message: &Value);

    /// The next message, or array of messages.
    fn message(&mut self) -> Value;

    /// Sends a request and reads up to its answer.
    fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        loop {
            let message = self.message();
            if message.get("method").is_none() {
                return message;
            }
        }
    }
}

/// The call of `echo` in a handshake revision.
pub fn echo(id: i64, text: &str) -> Value {
    request(id, "tools/call", call("echo", json!({ "text": text })))
}

/// What `echo` said.
pub fn said(message: &Value) -> &str {
    text_of(message).trim_end()
}

/// The code of an error.
pub fn code(message: &Value) -> i64 {
    message["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {message}"))
}

/// Tries again and again until it holds, but not for ever.
pub fn until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "it does not come to hold");
    }
}

/// The text of a tool's result.
pub fn text_of(message: &Value) -> &str {
    message["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {message}"))
}
