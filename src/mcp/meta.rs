//! The `_meta` object of a request: what the modern era carries in every one, and the progress
//! token of both eras. Nothing in it is identity; nobody is trusted for what it says here.

use serde_json::Value;

use super::capability::ClientCapabilities;
use super::era::Version;
use super::errors::RpcError;
use super::{parameters, shape};
use crate::proto::jsonrpc::{Id, Params};

/// Key of the version a modern request speaks.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Key of the client's capabilities.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Key of the client's name and version.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// Key that asks for log messages of this level and above.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Key of the server's name and version in results.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Key that ties a notification to its `subscriptions/listen` request.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// Key that ties a message to the task it is about (2025-11-25, tasks).
pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// Severity of a log message (RFC 5424), least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Detail for debugging.
    Debug,
    /// General information.
    Info,
    /// Normal but notable.
    Notice,
    /// Something may be wrong.
    Warning,
    /// Something is wrong.
    Error,
    /// A part has failed.
    Critical,
    /// Act at once.
    Alert,
    /// Nothing works.
    Emergency,
}

impl LogLevel {
    const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// What a request says about itself beside its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestMeta {
    /// Progress is wanted under this token.
    pub progress_token: Option<Id>,
    /// Log messages of this level and above are wanted (modern era).
    pub log_level: Option<LogLevel>,
    /// What the client can do for the server while the request runs.
    pub capabilities: ClientCapabilities,
}

/// The version a message claims in its `_meta`, whatever it is.
pub fn claimed_version(params: &Params) -> Option<&Value> {
    params.get("_meta")?.as_object()?.get(PROTOCOL_VERSION)
}

impl RequestMeta {
    /// Reads the parts that both eras have.
    pub fn legacy(params: &Params) -> Result<Self, RpcError> {
        let Some(meta) = params.get("_meta") else { return Ok(Self::default()) };
        let Some(meta) = meta.as_object() else {
            return Err(RpcError::invalid_params("`_meta` must be an object"));
        };
        let progress_token = match meta.get("progressToken") {
            None => None,
            Some(token) => Some(Id::of(token).ok_or_else(|| {
                RpcError::invalid_params("`progressToken` must be a string or an integer")
            })?),
        };
        Ok(Self { progress_token, ..Self::default() })
    }

    /// Reads and checks what a modern request must carry. The version is compared elsewhere.
    pub fn modern(params: &Params) -> Result<Self, RpcError> {
        let Some(meta) = params.get("_meta").and_then(Value::as_object) else {
            return Err(RpcError::invalid_params(
                "`_meta` is missing: this protocol version needs it in every request",
            ));
        };
        shape::check(parameters::META, meta, Version::NEWEST)
            .map_err(|mismatch| RpcError::invalid_params(mismatch.at("_meta").to_string()))?;
        let declared = meta.get(CLIENT_CAPABILITIES).and_then(Value::as_object);
        let level = meta.get(LOG_LEVEL).and_then(Value::as_str);
        let capabilities = declared.map(|all| ClientCapabilities::read(all, Version::NEWEST));
        Ok(Self {
            log_level: level.and_then(LogLevel::from_name),
            capabilities: capabilities.unwrap_or_default(),
            ..Self::legacy(params)?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn params(meta: Value) -> Params {
        json!({ "_meta": meta }).as_object().unwrap().clone()
    }

    #[test]
    fn a_modern_request_must_carry_version_and_capabilities() {
        let good = json!({ PROTOCOL_VERSION: "2026-07-28", CLIENT_CAPABILITIES: {},
            LOG_LEVEL: "warning", "progressToken": 0 });
        let meta = RequestMeta::modern(&params(good.clone())).unwrap();
        assert_eq!(meta.progress_token, Some(Id::Number(0)));
        assert_eq!(meta.log_level, Some(LogLevel::Warning));
        for key in [PROTOCOL_VERSION, CLIENT_CAPABILITIES] {
            let mut broken = good.clone();
            broken.as_object_mut().unwrap().remove(key);
            assert_eq!(RequestMeta::modern(&params(broken)).unwrap_err().code, -32602, "{key}");
        }
        for (key, value) in [
            (LOG_LEVEL, json!("loud")),
            (CLIENT_INFO, json!(1)),
            (CLIENT_INFO, json!({"name": "a"})),
            (CLIENT_CAPABILITIES, json!({"sampling": true})),
            ("progressToken", json!(null)),
            (PROTOCOL_VERSION, json!(20260728)),
        ] {
            let mut broken = good.clone();
            broken[key] = value;
            assert_eq!(RequestMeta::modern(&params(broken)).unwrap_err().code, -32602, "{key}");
        }
        assert!(RequestMeta::modern(&Params::new()).is_err());
    }

    #[test]
    fn levels_are_ordered_by_severity() {
        assert!(LogLevel::Debug < LogLevel::Info && LogLevel::Alert < LogLevel::Emergency);
    }
}
