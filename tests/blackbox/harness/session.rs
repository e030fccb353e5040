//! A session of the handshake revisions over HTTP.

use serde_json::{Value, json};

use super::http::{Request, Response};
use super::initialize_with;
use super::process::Server;

/// A legacy session over HTTP.
pub struct Session<'s> {
    pub server: &'s Server,
    pub id: String,
    pub version: String,
    key: &'static str,
}

impl<'s> Session<'s> {
    pub fn open(server: &'s Server, version: &str, key: &'static str) -> Self {
        Self::open_with(server, version, key, json!({}))
    }

    /// A session of a client that can do these things.
    pub fn open_with(
        server: &'s Server,
        version: &str,
        key: &'static str,
        capabilities: Value,
    ) -> Self {
        let message = initialize_with(0, version, capabilities);
        let response = server.send(&Request::post(&message).key(key));
        assert_eq!(response.status, 200, "{response:?}");
        let id = response.header("mcp-session-id").unwrap().to_owned();
        let session = Self { server, id, version: version.into(), key };
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(session.send(&ready).status, 202);
        session
    }

    /// A message of this session as a request.
    pub fn post(&self, message: &Value) -> Request {
        self.dress(Request::post(message))
    }

    /// A request of this session without a body.
    pub fn bare(&self, method: &str) -> Request {
        self.dress(Request::bare(method))
    }

    fn dress(&self, request: Request) -> Request {
        request
            .key(self.key)
            .header("Mcp-Session-Id", &self.id)
            .header("MCP-Protocol-Version", &self.version)
    }

    pub fn send(&self, message: &Value) -> Response {
        self.server.send(&self.post(message))
    }
}
