//! A line over stdio or another byte stream: the same rules without a head. Which era a message is
//! of, its own metadata says.

use std::sync::Arc;

use serde_json::Value;

use super::http::{Refused, claimed_or, legacy_call, modern_call};
use super::{Incoming, Sorted, sort};
use crate::guard::rate::Metered;
use crate::guard::refusal::Refusal;
use crate::mcp::era::{Era, Version};
use crate::mcp::errors::RpcError;
use crate::mcp::legacy::session::Session;
use crate::mcp::meta::{RequestMeta, claimed_version};
use crate::mcp::methods::Method;
use crate::proto::jsonrpc::{self, Malformed, Message};

/// Checks what was read in a line; `session` is the session of this stream, if `initialize` has
/// opened one.
pub fn check(
    metered: Metered,
    read: Result<Message, Malformed>,
    session: Option<&Arc<Session>>,
) -> Result<Incoming, Box<Refused>> {
    let spoken = session.map_or(Version::ASSUMED, |session| session.version);
    let refuse = |refusal, id, version, method| Box::new(Refused { refusal, id, version, method });
    let (id, name, params) = match sort(read) {
        Sorted::Request(id, name, params) => (id, name, params),
        Sorted::Notice(notice) => return Ok(Incoming::Notice(notice, session.cloned())),
        Sorted::Broken(fault, id) => {
            let session = session.filter(|session| session.version.has_batches());
            if let Some(session) = session.filter(|_| fault == jsonrpc::Fault::Batch) {
                return Ok(Incoming::Batch(metered, Arc::clone(session)));
            }
            return Err(refuse(Refusal::malformed(fault), id, spoken, None));
        }
    };
    let method = Method::from_name(&name);
    let for_answer = id.clone();
    let claimed = claimed_version(&params).and_then(Value::as_str).map(str::to_owned);
    let (version, checked) = match claimed {
        Some(claimed) => {
            let call = RequestMeta::modern(&params).map_err(Refusal::invalid).and_then(|meta| {
                modern_call(metered, id, method, params, meta, claimed_or(&claimed))
            });
            (Version::NEWEST, call.map(Box::new))
        }
        None if session.is_none() && !may_come_first(method) => {
            let error = RpcError::invalid_request(
                "The session is not initialized and the request has no protocol version in `_meta`",
            );
            (spoken, Err(Refusal::invalid(error)))
        }
        None => {
            let call = legacy_call(metered, id, &name, params, spoken, session.cloned());
            (spoken, call)
        }
    };
    checked
        .map(Incoming::Call)
        .map_err(|refusal| refuse(refusal, Some(for_answer), version, method))
}

/// What a handshake client may send before its `initialize` is answered. A method that no era
/// knows may come too, to be told so.
fn may_come_first(method: Option<Method>) -> bool {
    match method {
        None | Some(Method::Initialize | Method::Ping) => true,
        // Without metadata it is answered as the handshake revisions answer it: unknown.
        Some(method) => !method.span().reaches(Era::Legacy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::rate::uncounted;
    use crate::proto::json::JsonLimits;

    fn verdict(line: &str) -> Result<Incoming, Box<Refused>> {
        check(uncounted(), jsonrpc::parse(line.as_bytes(), JsonLimits::default()), None)
    }

    fn code(line: &str) -> i64 {
        verdict(line).expect_err(line).refusal.error().code
    }

    #[test]
    fn each_message_says_its_era_itself() {
        let modern = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{}}}}"#;
        let Ok(Incoming::Call(call)) = verdict(modern) else { panic!("modern") };
        assert_eq!(call.version().era(), Era::Modern);
        assert!(verdict(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).is_ok());
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#), -32601);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#), -32601);
        assert_eq!(code(&modern.replace("2026-07-28", "2031-01-01")), -32022);
        assert_eq!(code(&modern.replace("tools/list", "ping")), -32601);
    }
}
