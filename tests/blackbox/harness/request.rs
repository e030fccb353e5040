//! What an HTTP client sends: any bytes, and by default those of the administrator.

use serde_json::Value;

use super::{ADMIN, MODERN, secrets};

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// A request of the administrator without a body.
    pub fn bare(method: &str) -> Self {
        let request = Self {
            method: method.into(),
            target: "/mcp".into(),
            headers: vec![("Host".into(), "localhost".into())],
            body: Vec::new(),
        };
        request.header("Accept", "application/json, text/event-stream").key(ADMIN)
    }

    /// POST of these bytes.
    pub fn post_bytes(body: &[u8]) -> Self {
        let mut request = Self::bare("POST").header("Content-Type", "application/json");
        request.body = body.to_vec();
        request.header("Content-Length", &body.len().to_string())
    }

    /// POST of a message.
    pub fn post(message: &Value) -> Self {
        Self::post_bytes(message.to_string().as_bytes())
    }

    /// POST of a message with the headers that the modern revision wants.
    pub fn modern(message: &Value) -> Self {
        let method = message["method"].as_str().unwrap_or_default();
        let mut request =
            Self::post(message).header("MCP-Protocol-Version", MODERN).header("Mcp-Method", method);
        let target = match method {
            "tools/call" | "prompts/get" => &message["params"]["name"],
            "resources/read" => &message["params"]["uri"],
            "tasks/get" | "tasks/update" | "tasks/cancel" => &message["params"]["taskId"],
            _ => &Value::Null,
        };
        if let Some(target) = target.as_str() {
            request = request.header("Mcp-Name", target);
        }
        request
    }

    /// With this header instead of one of the same name.
    pub fn header(self, name: &str, value: &str) -> Self {
        let mut request = self.without(name);
        request.headers.push((name.into(), value.into()));
        request
    }

    /// With one more header of this name.
    pub fn and_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    pub fn anonymous(self) -> Self {
        self.without("Authorization")
    }

    pub fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    pub fn target(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    /// The head as bytes.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            secrets::keep_header(name, value);
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// All of it as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
    }
}
