//! Writes down what the tests and the server say to each other, for `tests/message_schemas.rs`.
//!
//! If `ERLMCP_RECORD` names a folder, each message becomes a line of JSON in a file there: who it
//! is `from`, the `revision` that it belongs to (null as long as nobody named one), the method that
//! it `answers`, and the `message`. All that the server says is written. What a test says is
//! written once the server has accepted it, because tests say wrong things on purpose.

mod http;
mod lines;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use serde_json::{Value, json};

pub use http::HttpRecorder;
pub use lines::{LineRecorder, Recorded};

use super::MODERN;

static RECORDING: LazyLock<Option<Mutex<File>>> = LazyLock::new(|| {
    let folder = std::env::var_os("ERLMCP_RECORD")?;
    let path = Path::new(&folder).join("messages.jsonl");
    Some(Mutex::new(OpenOptions::new().create(true).append(true).open(path).unwrap()))
});

fn is_on() -> bool {
    RECORDING.is_some()
}

/// The messages under one numbering of requests: those of a session, of a request without one, or
/// of a process.
#[derive(Default)]
struct Conversation {
    /// The revision that was agreed on or, before that, the first that was declared.
    revision: Option<String>,
    asked: HashMap<String, Asked>,
    /// The server knows the revision only from what it has read, and from no header.
    is_bare: bool,
}

/// A request that was sent.
struct Asked {
    revision: Option<String>,
    method: String,
    /// `None` once it is written down.
    message: Option<Value>,
}

impl Conversation {
    fn of(revision: Option<String>) -> Self {
        Self { revision, ..Self::default() }
    }

    fn sent(&mut self, message: Value) {
        if let Value::Array(batch) = message {
            return batch.into_iter().for_each(|message| self.sent(message));
        }
        let revision =
            if is_modern(&message) { Some(MODERN.into()) } else { self.revision.clone() };
        if self.revision.is_none() {
            self.revision.clone_from(&revision);
        }
        let Some(method) = message["method"].as_str().map(str::to_owned) else { return };
        if message["id"].is_string() || message["id"].is_number() {
            let id = message["id"].to_string();
            self.asked.insert(id, Asked { revision, method, message: Some(message) });
        }
    }

    fn received(&mut self, message: &Value) {
        if let Some(batch) = message.as_array() {
            return batch.iter().for_each(|message| self.received(message));
        }
        let is_answer = message.get("method").is_none();
        let asked = self.asked.get_mut(&message["id"].to_string()).filter(|_| is_answer);
        let Some(asked) = asked else {
            let is_unread = self.is_bare && is_answer && !self.has_answer();
            let revision = self.revision.as_deref().filter(|_| !is_unread);
            return write("server", revision, None, message);
        };
        if let Some(agreed) = message["result"]["protocolVersion"].as_str() {
            asked.revision = Some(agreed.into());
            self.revision.clone_from(&asked.revision);
        }
        if message.get("result").is_some()
            && let Some(request) = asked.message.take()
        {
            write("client", asked.revision.as_deref(), None, &request);
        }
        write("server", asked.revision.as_deref(), Some(&asked.method), message);
    }

    /// True once the server has read a request and answered it.
    fn has_answer(&self) -> bool {
        self.asked.values().any(|asked| asked.message.is_none())
    }

    /// The server took a message that has no answer.
    fn accepted(&self, message: &Value) {
        if let Some(batch) = message.as_array() {
            return batch.iter().for_each(|message| self.accepted(message));
        }
        write("client", self.revision.as_deref(), None, message);
    }
}

/// Only the modern revision names itself in every message.
fn is_modern(message: &Value) -> bool {
    message["params"]["_meta"].get("io.modelcontextprotocol/protocolVersion").is_some()
}

fn write(from: &str, revision: Option<&str>, answers: Option<&str>, message: &Value) {
    let record =
        json!({ "from": from, "revision": revision, "answers": answers, "message": message });
    if let Some(file) = &*RECORDING {
        file.lock().unwrap().write_all(format!("{record}\n").as_bytes()).unwrap();
    }
}
