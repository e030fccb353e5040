//! The one table of refusals: what each is on HTTP, in JSON-RPC, in the audit record and in the
//! counters. A refusal tells a peer one public sentence and nothing else.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::rate::Quota;
use crate::base::counters::{Counter, Counters};
use crate::mcp::era::Era;
use crate::mcp::errors::{OVERLOADED, RpcError, SESSION_NOT_FOUND, TOO_MANY_REQUESTS};
use crate::proto::jsonrpc::{Fault, INVALID_REQUEST, PARSE_ERROR};

/// Why a request went no further.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The bytes are not the HTTP that we take; status and sentence of the decoder.
    Framing(u16, &'static str),
    /// `Host` names somebody else.
    ForeignHost,
    /// `Origin` is a page that may not call.
    ForeignOrigin,
    /// An administrator has blocked the address.
    Blocked,
    /// Nothing is at this path.
    NoSuchPath,
    /// The path is there, the method is not; the methods that are.
    MethodNotAllowed(&'static str),
    /// The message is longer than allowed.
    TooLarge,
    /// The body is not declared to be JSON.
    NotJson,
    /// The client takes neither JSON nor an event stream.
    NotAcceptable,
    /// Only WebSocket is spoken at this path.
    UpgradeRequired,
    /// No credentials were presented.
    NoCredentials,
    /// The presented credentials are not good; why, for the record.
    BadCredentials(&'static str),
    /// Whether the credentials are good cannot be found out at present.
    Undecided,
    /// A token bucket is empty; when to come again, and what its quota is if that is told.
    TooMany(Duration, Option<Quota>),
    /// Too many failures from this source; when to come again.
    LockedOut(Duration),
    /// A bound of the whole server is reached.
    Overloaded(&'static str),
    /// The audit record cannot be written, and nothing is done unrecorded.
    Unrecorded,
    /// The session of the request has ended or is not the caller's.
    NoSession,
    /// The message breaks a rule of form; HTTP status and error.
    Invalid(u16, RpcError),
    /// The caller may not; the error, mostly that of a thing that does not exist, and the rule of
    /// the policy that says so.
    Denied(RpcError, Option<Arc<str>>),
    /// The caller could with a token that has these scopes, with spaces between them.
    InsufficientScope(String),
    /// There is no such thing.
    NotFound(RpcError),
    /// The stream or request collides with one that is open.
    Conflict(&'static str),
}

impl Refusal {
    /// A message of a wrong form, answered with 400.
    pub fn invalid(error: RpcError) -> Self {
        Self::Invalid(400, error)
    }

    /// A request under the id of one that has no answer yet.
    pub const DUPLICATE_ID: Self = Self::Conflict("A request with this id is running");

    /// A message of the wrong form.
    pub fn malformed(fault: Fault) -> Self {
        Self::invalid(RpcError::new(fault.code(), fault.to_string()))
    }

    /// The HTTP status.
    pub fn status(&self, era: Era) -> u16 {
        match self {
            Self::Framing(status, _) | Self::Invalid(status, _) => *status,
            Self::ForeignHost => 421,
            Self::ForeignOrigin | Self::Blocked | Self::InsufficientScope(_) => 403,
            Self::NoSuchPath | Self::NoSession => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::TooLarge => 413,
            Self::NotJson => 415,
            Self::NotAcceptable => 406,
            Self::UpgradeRequired => 426,
            Self::NoCredentials | Self::BadCredentials(_) => 401,
            Self::TooMany(..) | Self::LockedOut(_) => 429,
            Self::Overloaded(_) | Self::Unrecorded | Self::Undecided => 503,
            Self::Conflict(_) => 409,
            Self::Denied(error, _) | Self::NotFound(error) => error.status(era),
        }
    }

    /// The JSON-RPC error.
    pub fn error(&self) -> RpcError {
        match self {
            Self::Framing(413, _) | Self::TooLarge => {
                RpcError::new(PARSE_ERROR, "Message too large")
            }
            Self::Framing(_, sentence) | Self::Conflict(sentence) => {
                RpcError::new(INVALID_REQUEST, *sentence)
            }
            Self::ForeignHost => RpcError::new(INVALID_REQUEST, "This host is not served here"),
            Self::ForeignOrigin => RpcError::new(INVALID_REQUEST, "This origin is not allowed"),
            Self::Blocked => RpcError::new(INVALID_REQUEST, "This address is blocked"),
            Self::NoSuchPath => RpcError::new(INVALID_REQUEST, "Not found"),
            Self::MethodNotAllowed(_) => RpcError::new(INVALID_REQUEST, "Method not allowed"),
            Self::NotJson => {
                RpcError::new(INVALID_REQUEST, "The Content-Type must be application/json")
            }
            Self::NotAcceptable => RpcError::new(
                INVALID_REQUEST,
                "The client must accept application/json or text/event-stream",
            ),
            Self::UpgradeRequired => {
                RpcError::new(INVALID_REQUEST, "Only WebSocket, version 13, is spoken here")
            }
            Self::NoCredentials => RpcError::new(INVALID_REQUEST, "Authentication is required"),
            Self::BadCredentials("token_expired") => {
                RpcError::new(INVALID_REQUEST, "The token has expired")
            }
            Self::BadCredentials(_) => {
                RpcError::new(INVALID_REQUEST, "The credentials are not valid")
            }
            Self::Undecided => later(
                OVERLOADED,
                "The credentials cannot be verified at this moment",
                UNDECIDED_WAIT,
            ),
            Self::TooMany(wait, _) => later(TOO_MANY_REQUESTS, "Too many requests", *wait),
            Self::LockedOut(wait) => {
                later(TOO_MANY_REQUESTS, "Too many failed attempts; try again later", *wait)
            }
            Self::Overloaded(sentence) => later(OVERLOADED, sentence, OVERLOAD_WAIT),
            Self::Unrecorded => {
                later(OVERLOADED, "The server cannot take requests at this moment", OVERLOAD_WAIT)
            }
            Self::NoSession => RpcError::new(SESSION_NOT_FOUND, "Session not found"),
            Self::InsufficientScope(_) => {
                RpcError::new(INVALID_REQUEST, "The token has not the scope that this needs")
            }
            Self::Invalid(_, error) | Self::Denied(error, _) | Self::NotFound(error) => {
                error.clone()
            }
        }
    }

    /// When to come again, for `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany(wait, _) | Self::LockedOut(wait) => Some(*wait),
            Self::Overloaded(_) | Self::Unrecorded => Some(OVERLOAD_WAIT),
            Self::Undecided => Some(UNDECIDED_WAIT),
            _ => None,
        }
    }

    /// The word of the audit record: the guide's event names where it has one.
    pub fn event(&self) -> &'static str {
        match self {
            Self::NoCredentials | Self::BadCredentials(_) | Self::Undecided => {
                "authentication_failure"
            }
            Self::TooMany(..) | Self::LockedOut(_) => "rate_limit_exceeded",
            Self::Denied(..)
            | Self::InsufficientScope(_)
            | Self::ForeignOrigin
            | Self::Blocked
            | Self::ForeignHost => "authorization_denied",
            Self::Overloaded(_) | Self::Unrecorded | Self::NoSession | Self::NotFound(_) => {
                "request"
            }
            _ => "invalid_input",
        }
    }

    /// What happened, for the record.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Framing(_, sentence) | Self::Conflict(sentence) => sentence,
            Self::ForeignHost => "foreign_host",
            Self::ForeignOrigin => "foreign_origin",
            Self::Blocked => "blocked_address",
            Self::NoSuchPath => "no_such_path",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::TooLarge => "too_large",
            Self::NotJson => "not_json",
            Self::NotAcceptable => "not_acceptable",
            Self::UpgradeRequired => "upgrade_required",
            Self::NoCredentials => "no_credentials",
            Self::BadCredentials(why) => why,
            Self::Undecided => "identity_provider_unavailable",
            Self::TooMany(..) => "too_many",
            Self::LockedOut(_) => "locked_out",
            Self::Overloaded(_) => "overloaded",
            Self::Unrecorded => "audit_unavailable",
            Self::NoSession => "no_session",
            Self::Invalid(_, _) => "invalid_message",
            Self::Denied(..) => "denied",
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::NotFound(_) => "not_found",
        }
    }

    /// The counter that it moves.
    pub fn counter<'c>(&self, counters: &'c Counters) -> Option<&'c Counter> {
        match self {
            // A client that has not been told yet that it must authenticate has not failed.
            Self::BadCredentials(_) => Some(&counters.authentication_failures),
            Self::Undecided => Some(&counters.identity_provider_failures),
            _ => match self.event() {
                "authorization_denied" => Some(&counters.authorization_denials),
                "rate_limit_exceeded" => Some(&counters.rate_limit_breaches),
                "invalid_input" => Some(&counters.invalid_input_errors),
                _ => None,
            },
        }
    }
}

/// What a client is told to wait when a bound of the whole server is reached.
const OVERLOAD_WAIT: Duration = Duration::from_secs(1);
/// The same when an issuer cannot be asked.
const UNDECIDED_WAIT: Duration = Duration::from_secs(5);

fn later(code: i64, message: &str, wait: Duration) -> RpcError {
    RpcError::new(code, message).with(json!({ "retryAfterSeconds": whole_seconds(wait) }))
}

/// Seconds, rounded up, at least one: what `Retry-After` can say.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_refusal_uses_a_code_that_the_specification_reserves() {
        for refusal in [
            Refusal::TooMany(Duration::from_millis(1), None),
            Refusal::LockedOut(Duration::from_secs(5)),
            Refusal::Overloaded("x"),
            Refusal::Unrecorded,
        ] {
            let error = refusal.error();
            assert!(!(-32_099..=-32_020).contains(&error.code), "{refusal:?}");
            assert!(error.data.is_some_and(|data| data["retryAfterSeconds"].as_u64() >= Some(1)));
        }
    }

    #[test]
    fn the_oversize_answer_is_the_one_of_the_guide() {
        for refusal in [Refusal::TooLarge, Refusal::Framing(413, "body")] {
            assert_eq!(refusal.status(Era::Legacy), 413);
            assert_eq!(refusal.error().code, -32700);
            assert_eq!(refusal.error().message, "Message too large");
        }
    }

    #[test]
    fn a_denial_cannot_be_told_from_absence() {
        let absent = Refusal::NotFound(RpcError::unknown_tool("x"));
        let denied = Refusal::Denied(RpcError::unknown_tool("x"), None);
        assert_eq!(absent.error(), denied.error());
        for era in [Era::Legacy, Era::Modern] {
            assert_eq!(absent.status(era), denied.status(era));
        }
        assert_eq!(denied.event(), "authorization_denied");
    }
}
