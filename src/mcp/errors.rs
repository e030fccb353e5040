//! JSON-RPC errors of MCP: code, public sentence, data. What they say is for strangers.

use serde_json::{Value, json};

use super::capability::ClientCapability;
use super::era::{Era, Version};
use crate::proto::jsonrpc::{INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND};

/// A mirrored header does not say what the body says (2026-07-28, Streamable HTTP).
pub const HEADER_MISMATCH: i64 = -32020;
/// The client has not declared a capability that the request needs (2026-07-28, errors).
pub const MISSING_CAPABILITY: i64 = -32021;
/// A modern request names a version that is not served (2026-07-28, versioning).
pub const UNSUPPORTED_VERSION: i64 = -32022;
/// Session ended or never known; what the reference SDKs send with 404.
pub const SESSION_NOT_FOUND: i64 = -32001;
/// Too many requests. Positive: all of -32768..-32000 is the specification's.
pub const TOO_MANY_REQUESTS: i64 = 429;
/// No more capacity at this moment. Positive, like the one above.
pub const OVERLOADED: i64 = 503;

/// An error response in the making.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// JSON-RPC error code.
    pub code: i64,
    /// One public sentence.
    pub message: String,
    /// Machine-readable detail.
    pub data: Option<Value>,
}

impl RpcError {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same with data.
    #[must_use]
    pub fn with(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// -32600.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(INVALID_REQUEST, message)
    }

    /// -32602.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// -32603.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(INTERNAL_ERROR, message)
    }

    /// -32601.
    pub fn unknown_method() -> Self {
        Self::new(METHOD_NOT_FOUND, "Method not found")
    }

    /// No such tool, or none that this caller may see: the two must look the same.
    pub fn unknown_tool(name: &str) -> Self {
        Self::invalid_params(format!("Unknown tool: {}", shown(name)))
    }

    /// No such prompt, or none that this caller may see.
    pub fn unknown_prompt(name: &str) -> Self {
        Self::invalid_params(format!("Unknown prompt: {}", shown(name)))
    }

    /// No such resource, or none that this caller may see.
    pub fn unknown_resource(uri: &str, version: Version) -> Self {
        Self::new(version.resource_not_found_code(), "Resource not found")
            .with(json!({ "uri": shown(uri) }))
    }

    /// No such task, or another caller's: the two must look the same.
    pub fn unknown_task() -> Self {
        Self::invalid_params("Unknown task, or it has expired")
    }

    /// The client has not declared what the request needs.
    pub fn missing_capability(capability: ClientCapability, version: Version) -> Self {
        let sentence = format!("The client does not support {}", capability.name());
        match version.era() {
            Era::Modern => Self::new(MISSING_CAPABILITY, sentence)
                .with(json!({ "requiredCapabilities": capability.required() })),
            Era::Legacy => Self::invalid_request(sentence),
        }
    }

    /// -32022 with the versions that are served.
    pub fn unsupported_version(requested: &str) -> Self {
        let supported: Vec<_> = Version::modern().map(Version::name).collect();
        Self::new(UNSUPPORTED_VERSION, "Unsupported protocol version")
            .with(json!({ "supported": supported, "requested": shown(requested) }))
    }

    /// -32020 naming the header.
    pub fn header_mismatch(header: &str, what: &str) -> Self {
        Self::new(HEADER_MISMATCH, format!("Header mismatch: {header} {what}"))
    }

    /// The error object.
    pub fn to_value(&self) -> Value {
        match &self.data {
            None => json!({ "code": self.code, "message": self.message }),
            Some(data) => json!({ "code": self.code, "message": self.message, "data": data }),
        }
    }

    /// The HTTP status this error has in `era`, when nothing before it settled one.
    pub fn status(&self, era: Era) -> u16 {
        match (era, self.code) {
            (_, TOO_MANY_REQUESTS) => 429,
            (_, OVERLOADED) => 503,
            (Era::Modern, METHOD_NOT_FOUND) => 404,
            (Era::Modern, HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION) => 400,
            _ => 200,
        }
    }
}

/// What a peer sent, fit to be shown to it again: at most 128 characters, none of them control
/// characters.
pub fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(128)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if shown.len() < text.len() && text.chars().nth(128).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_again_is_short_and_without_control_characters() {
        assert_eq!(shown("a\r\nb"), "a\u{fffd}\u{fffd}b");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), 129);
    }

    #[test]
    fn a_missing_resource_has_the_code_of_the_era() {
        assert_eq!(RpcError::unknown_resource("a:b", Version::V2025_11_25).code, -32002);
        let modern = RpcError::unknown_resource("a:b", Version::V2026_07_28);
        assert_eq!((modern.code, modern.data), (-32602, Some(json!({"uri": "a:b"}))));
    }
}
