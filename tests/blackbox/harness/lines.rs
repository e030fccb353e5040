//! A client that speaks by lines over TCP.

use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::{Value, json};

use super::http::Connection;
use super::process::Server;
use super::recorder::LineRecorder;
use super::{Messages, initialize, secrets};

/// Where a credential stands.
pub const CREDENTIAL: &str = "erlmcp/authorization";

/// A message that says who it is from.
pub fn by(mut message: Value, key: &str) -> Value {
    secrets::keep(key);
    message["params"]["_meta"][CREDENTIAL] = json!(format!("Bearer {key}"));
    message
}

/// A connection.
pub struct Lines {
    connection: Connection,
    recorder: LineRecorder,
}

impl Lines {
    /// A connection without TLS.
    pub fn plain(server: &mut Server) -> Self {
        let connection = Connection::plain(server.tcp_address());
        Self { connection, recorder: LineRecorder::default() }
    }

    /// The same with TLS.
    pub fn tls(server: &mut Server, config: Arc<ClientConfig>) -> Self {
        let connection = Connection::tls(server.tcp_address(), config);
        Self { connection, recorder: LineRecorder::default() }
    }

    /// A connection on which this revision was agreed on by a user with this key.
    pub fn session(server: &mut Server, version: &str, key: &str) -> Self {
        let mut lines = Self::plain(server);
        let hello = lines.ask(&by(initialize("hello", version), key));
        assert_eq!(hello["result"]["protocolVersion"], version, "{hello}");
        lines.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        lines
    }

    /// Sends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.recorder.sent(bytes);
        self.connection.write(bytes);
    }

    /// Sends nothing more.
    pub fn shut(&mut self) {
        self.recorder.finish();
        self.connection.finish_writing();
    }

    /// True if the server closes without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.connection.is_closed()
    }
}

impl Messages for Lines {
    fn send(&mut self, message: &Value) {
        self.bytes(format!("{message}\n").as_bytes());
    }

    /// The next line, which must be a message or an array of messages.
    fn message(&mut self) -> Value {
        let line = self.connection.through(b"\n");
        let message = serde_json::from_slice(&line).unwrap();
        self.recorder.received(&message);
        message
    }
}
