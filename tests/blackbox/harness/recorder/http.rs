//! The messages of an HTTP connection.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::Value;

use super::{Conversation, MODERN, is_modern, is_on};
use crate::harness::LEGACY;
use crate::harness::http::Response;

type Shared = Arc<Mutex<Conversation>>;

/// The conversations of all sessions, by their ids or the addresses of their streams; neither is
/// ever given out twice.
static SESSIONS: LazyLock<Mutex<HashMap<String, Shared>>> = LazyLock::new(Mutex::default);

/// Hears both directions of a connection. Answers come in the order of the requests.
#[derive(Default)]
pub struct HttpRecorder {
    sent: Vec<u8>,
    conversation: Shared,
    /// What is answered is a document about the server (RFC 8615), and no message.
    is_document: bool,
    /// Nothing is to be heard.
    is_deaf: bool,
}

impl HttpRecorder {
    /// Hears nothing from now on: what is sent has no requests that can be told apart.
    pub fn turn_deaf(&mut self) {
        self.is_deaf = true;
    }

    fn is_on(&self) -> bool {
        is_on() && !self.is_deaf
    }

    /// Bytes are about to be written.
    pub fn sent(&mut self, bytes: &[u8]) {
        if self.is_on() {
            self.sent.extend_from_slice(bytes);
        }
    }

    /// The head of a response has come.
    pub fn answered(&mut self, head: &Response) {
        if !self.is_on() || head.status < 200 {
            return;
        }
        let request = Request::take(&mut self.sent);
        self.conversation = request.conversation();
        self.is_document = ["/.well-known/", "/ws"].iter().any(|it| request.target.starts_with(it));
        if let Some(id) = head.header("mcp-session-id") {
            let conversation = Arc::clone(&self.conversation);
            SESSIONS.lock().unwrap().entry(id.into()).or_insert(conversation);
        }
        let is_posted = request.stream().is_some();
        let Some(message) = request.message else { return };
        let mut conversation = self.conversation.lock().unwrap();
        // What is posted to a stream is judged there.
        if head.status == 202 && !is_posted {
            conversation.accepted(&message);
        }
        conversation.sent(message);
    }

    /// The body of a response has come.
    pub fn body(&self, response: &Response) {
        let is_json = response.header("content-type") == Some("application/json");
        let is_stream = response.header("content-type") == Some("text/event-stream");
        let is_said = !response.body.is_empty() && !self.is_document;
        if self.is_on() && is_said && (is_json || is_stream) {
            response.messages().iter().for_each(|message| self.received(message));
        }
    }

    /// The rest of a connection has come: what begins behind a head may be a message.
    pub fn rest(&self, bytes: &[u8]) {
        for (at, _) in bytes.windows(4).enumerate().filter(|(_, window)| window == b"\r\n\r\n") {
            let mut values = serde_json::Deserializer::from_slice(&bytes[at + 4..]).into_iter();
            if let Some(Ok(message)) = values.next() {
                self.received(&message);
            }
        }
    }

    /// The address has come that the messages of this stream are posted to (2024-11-05).
    pub fn endpoint(&self, address: &str) {
        if is_on() {
            let conversation = Arc::clone(&self.conversation);
            SESSIONS.lock().unwrap().insert(address.into(), conversation);
        }
    }

    /// A message has come.
    pub fn received(&self, message: &Value) {
        if self.is_on() {
            self.conversation.lock().unwrap().received(message);
        }
    }
}

/// What a test sent, as far as it is a request: tests send anything.
struct Request {
    target: String,
    headers: Vec<(String, String)>,
    message: Option<Value>,
}

impl Request {
    /// Takes the first request of these bytes, even if the server did not wait for its body.
    fn take(bytes: &mut Vec<u8>) -> Self {
        let head = through(bytes, b"\r\n\r\n").unwrap_or_else(|| std::mem::take(bytes));
        let head = String::from_utf8_lossy(&head).into_owned();
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let headers = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut request = Self { target, headers, message: None };
        let body = if request.header("transfer-encoding").is_some() {
            chunks(bytes)
        } else {
            let length = request.header("content-length").and_then(|length| length.parse().ok());
            bytes.drain(..length.unwrap_or(0).min(bytes.len())).collect()
        };
        request.message = serde_json::from_slice(&body).ok();
        request
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The conversation of the stream that it is posted to, if it is posted to one.
    fn stream(&self) -> Option<Shared> {
        SESSIONS.lock().unwrap().get(&self.target).map(Arc::clone)
    }

    /// The conversation of its session; its own, if it is modern, has none or asks for one.
    fn conversation(&self) -> Shared {
        let version = self.header("mcp-protocol-version");
        if let Some(stream) = self.stream() {
            return stream;
        }
        let session = self.header("mcp-session-id").and_then(|id| {
            let sessions = SESSIONS.lock().unwrap();
            sessions.get(id).map(Arc::clone)
        });
        match (&self.message, session) {
            (Some(message), _) if is_modern(message) => own(Some(MODERN)),
            (Some(message), _) if message["method"] == "initialize" => own(None),
            (_, Some(session)) => session,
            // A version that no handshake can agree on claims to be modern.
            (_, None) => own(version.map(|version| {
                LEGACY.into_iter().find(|legacy| *legacy == version).unwrap_or(MODERN)
            })),
        }
    }
}

fn own(revision: Option<&str>) -> Shared {
    Arc::new(Mutex::new(Conversation::of(revision.map(str::to_owned))))
}

/// Takes what stands up to and with this end.
fn through(bytes: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    let at = bytes.windows(end.len()).position(|window| window == end)?;
    Some(bytes.drain(..at + end.len()).collect())
}

/// Takes a body in chunks, and its trailer, as far as it is well formed.
fn chunks(bytes: &mut Vec<u8>) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = through(bytes, b"\r\n") {
        let line = String::from_utf8_lossy(&line).into_owned();
        let size = line.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        if size == 0 {
            while through(bytes, b"\r\n").is_some_and(|line| line.len() > 2) {}
            break;
        }
        body.extend(bytes.drain(..size.min(bytes.len())));
        through(bytes, b"\r\n");
    }
    body
}
