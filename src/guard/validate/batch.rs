//! A batch (2025-03-26): an array of messages, each of which is checked as if it had come alone.

use std::sync::Arc;

use super::http::{Refused, legacy_call};
use super::{Incoming, Sorted, sort};
use crate::guard::rate::Metered;
use crate::guard::refusal::Refusal;
use crate::mcp::errors::RpcError;
use crate::mcp::legacy::session::Session;
use crate::mcp::methods::Method;
use crate::proto::json::JsonLimits;
use crate::proto::jsonrpc::{self, Malformed, Message};

/// Most messages of one batch.
const MOST_MESSAGES: usize = 100;

/// One message of a batch, or what is wrong with it.
pub type Element = Result<Message, Malformed>;

/// The messages of a batch.
///
/// # Errors
/// The text is no array of one to a hundred members.
pub fn split(text: &[u8], limits: JsonLimits) -> Result<Vec<Element>, Refusal> {
    let elements = jsonrpc::parse_batch(text, limits).map_err(Refusal::malformed)?;
    let wrong = |sentence: &str| Err(Refusal::invalid(RpcError::invalid_request(sentence)));
    match elements.len() {
        0 => wrong("The batch is empty"),
        1..=MOST_MESSAGES => Ok(elements),
        _ => wrong("The batch has more than 100 messages"),
    }
}

/// Checks one message of a batch in `session`.
pub fn check(
    metered: Metered,
    element: Element,
    session: &Arc<Session>,
) -> Result<Incoming, Box<Refused>> {
    let version = session.version;
    let refuse = |refusal, id, method| Box::new(Refused { refusal, id, version, method });
    let (id, name, params) = match sort(element) {
        Sorted::Request(id, name, params) => (id, name, params),
        Sorted::Notice(notice) => return Ok(Incoming::Notice(notice, Some(Arc::clone(session)))),
        Sorted::Broken(fault, id) => return Err(refuse(Refusal::malformed(fault), id, None)),
    };
    let method = Method::from_name(&name);
    if method == Some(Method::Initialize) {
        let error = RpcError::invalid_request("`initialize` cannot be part of a batch");
        return Err(refuse(Refusal::invalid(error), Some(id), method));
    }
    let for_answer = id.clone();
    legacy_call(metered, id, &name, params, version, Some(Arc::clone(session)))
        .map(Incoming::Call)
        .map_err(|refusal| refuse(refusal, Some(for_answer), method))
}
