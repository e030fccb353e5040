//! A body over HTTP: which era it speaks, whether head and body agree, and whether its form is
//! right. The head alone is never believed.

use std::sync::Arc;

use serde_json::Value;

use super::params;
use super::{Call, Incoming, Notice, answer, notice};
use crate::base::principal::Principal;
use crate::guard::rate::Metered;
use crate::guard::refusal::Refusal;
use crate::mcp::capability::{ClientCapabilities, ClientCapability};
use crate::mcp::era::{Era, Version};
use crate::mcp::errors::RpcError;
use crate::mcp::legacy::session::Session;
use crate::mcp::meta::{RequestMeta, claimed_version};
use crate::mcp::methods::Method;
use crate::mcp::mirror;
use crate::proto::http1::Head;
use crate::proto::json::JsonLimits;
use crate::proto::jsonrpc::{self, Fault, Id, Malformed, Meant, Message, Params};

/// The header that names the version of a request.
pub const VERSION_HEADER: &str = "mcp-protocol-version";
const METHOD_HEADER: &str = "mcp-method";
const NAME_HEADER: &str = "mcp-name";
const SESSION_HEADER: &str = "mcp-session-id";

/// A refusal with the id it is answered under and the revision it is answered in.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The id of the request, if it was read.
    pub id: Option<Id>,
    /// The revision of the request, as far as it was known.
    pub version: Version,
    /// The method it named, if it was read and is one.
    pub method: Option<Method>,
}

/// The one value of a header; `None` if it is absent, `Err` if it is repeated or not plain ASCII.
fn single<'h>(head: &'h Head, name: &str) -> Result<Option<&'h str>, RpcError> {
    match head.count_of(name) {
        0 => Ok(None),
        1 => head
            .header_str(name)
            .map(Some)
            .ok_or_else(|| RpcError::header_mismatch(name, "has characters that are not allowed")),
        _ => Err(RpcError::header_mismatch(name, "is repeated")),
    }
}

/// The session that a request without a body is about.
///
/// # Errors
/// The header is repeated or not plain ASCII.
pub fn session_id(head: &Head) -> Result<Option<&str>, Refusal> {
    single(head, SESSION_HEADER).map_err(|_| {
        Refusal::invalid(RpcError::invalid_request("The Mcp-Session-Id header is not valid"))
    })
}

/// Checks a body. `find_session` gives the caller's own live session of an id.
pub fn check(
    metered: Metered,
    head: &Head,
    body: &[u8],
    limits: JsonLimits,
    find_session: impl Fn(&str, &Arc<Principal>) -> Option<Arc<Session>>,
) -> Result<Incoming, Box<Refused>> {
    let header = single(head, VERSION_HEADER);
    let version = Version::claimed(header.clone().unwrap_or(None));
    let message = match jsonrpc::parse(body, limits) {
        Ok(message) => message,
        Err(malformed) => {
            return no_message(metered, head, (header, version), malformed, find_session);
        }
    };
    let id = match &message {
        Message::Request { id, .. } => Some(id.clone()),
        _ => None,
    };
    let method = match &message {
        Message::Request { method, .. } => Method::from_name(method),
        _ => None,
    };
    let checked = header.map_err(Refusal::invalid).and_then(|header| match version.era() {
        Era::Legacy => legacy(metered, head, header, message, find_session),
        Era::Modern => modern(metered, head, header.unwrap_or_default(), message),
    });
    checked.map_err(|refusal| refused(refusal, id, version, method))
}

/// A body that is no message: a batch, a response that cannot be taken, or nothing.
fn no_message(
    metered: Metered,
    head: &Head,
    (header, version): (Result<Option<&str>, RpcError>, Version),
    malformed: Malformed,
    find_session: impl Fn(&str, &Arc<Principal>) -> Option<Arc<Session>>,
) -> Result<Incoming, Box<Refused>> {
    let Malformed { fault, meant } = malformed;
    let is_batch = fault == Fault::Batch;
    let is_of_session = is_batch || matches!(meant, Meant::Response(_));
    let session_id = single(head, SESSION_HEADER).ok().flatten().filter(|_| is_of_session);
    let session = session_id.and_then(|id| find_session(id, metered.principal()));
    let is_legacy = version.era() == Era::Legacy;
    match (meant, session) {
        (Meant::Response(id), Some(session)) if is_legacy => {
            let notice = Notice::Unfit(id, Refusal::malformed(fault));
            Ok(Incoming::Notice(notice, Some(session)))
        }
        (_, None) if is_batch && is_legacy && session_id.is_some() => {
            Err(refused(Refusal::NoSession, None, version, None))
        }
        (_, Some(session)) if is_batch && session.version.has_batches() => {
            match is_told_alike(head, header, session.version) {
                Ok(()) => Ok(Incoming::Batch(metered, session)),
                Err(error) => Err(refused(Refusal::invalid(error), None, session.version, None)),
            }
        }
        (meant, _) => Err(refused(Refusal::malformed(fault), meant.id().cloned(), version, None)),
    }
}

/// The head of a batch claims nothing that the batch is not: others may have believed it.
fn is_told_alike(
    head: &Head,
    header: Result<Option<&str>, RpcError>,
    version: Version,
) -> Result<(), RpcError> {
    if header?.is_some_and(|claimed| claimed != version.name()) {
        let what = "does not name the version of the session";
        return Err(RpcError::header_mismatch("MCP-Protocol-Version", what));
    }
    for name in [METHOD_HEADER, NAME_HEADER] {
        if head.count_of(name) > 0 {
            return Err(RpcError::header_mismatch(shown(name), "cannot speak for a batch"));
        }
    }
    Ok(())
}

fn refused(
    refusal: Refusal,
    id: Option<Id>,
    version: Version,
    method: Option<Method>,
) -> Box<Refused> {
    Box::new(Refused { refusal, id, version, method })
}

fn legacy(
    metered: Metered,
    head: &Head,
    header: Option<&str>,
    message: Message,
    find_session: impl Fn(&str, &Arc<Principal>) -> Option<Arc<Session>>,
) -> Result<Incoming, Refusal> {
    let is_initialize =
        matches!(&message, Message::Request { method, .. } if method == "initialize");
    // A client that begins anew may still send the id of its old session.
    let session_id = if is_initialize { None } else { session_id(head)? };
    let session = match session_id {
        None => None,
        Some(id) => Some(find_session(id, metered.principal()).ok_or(Refusal::NoSession)?),
    };
    let version = match &session {
        Some(session) => session.version,
        None => header.and_then(Version::from_name).unwrap_or(Version::ASSUMED),
    };
    match message {
        Message::Request { id, method, params } => {
            if claimed_version(&params).is_some() {
                let error = RpcError::header_mismatch(
                    "MCP-Protocol-Version",
                    "does not name the version of the body",
                );
                return Err(Refusal::invalid(error));
            }
            says_the_same(head, &method, &params, false).map_err(Refusal::invalid)?;
            legacy_call(metered, id, &method, params, version, session).map(Incoming::Call)
        }
        Message::Notification { method, params } => {
            Ok(Incoming::Notice(notice(&method, &params), session))
        }
        Message::Response { id, outcome } => Ok(Incoming::Notice(answer(id, outcome), session)),
    }
}

/// A request of a handshake revision; also over stdio.
pub(super) fn legacy_call(
    metered: Metered,
    id: Id,
    method: &str,
    params: Params,
    version: Version,
    session: Option<Arc<Session>>,
) -> Result<Box<Call>, Refusal> {
    let method = Method::from_name(method)
        .filter(|method| method.is_in(version))
        .ok_or_else(|| Refusal::Invalid(200, RpcError::unknown_method()))?;
    let needs_session =
        matches!(method, Method::SetLevel | Method::Subscribe | Method::Unsubscribe);
    if session.as_ref().is_some_and(|session| session.runs(&id)) {
        return Err(Refusal::DUPLICATE_ID);
    }
    if needs_session && session.is_none() {
        let error = RpcError::invalid_request("This request needs a session: initialize first");
        return Err(Refusal::invalid(error));
    }
    let version = match method {
        Method::Initialize => {
            let requested = params.get("protocolVersion").and_then(Value::as_str);
            requested.map_or(version, Version::negotiate)
        }
        _ => version,
    };
    let mut meta = RequestMeta::legacy(&params).map_err(|error| Refusal::Invalid(200, error))?;
    check_params(method, &params, version, 200)?;
    meta.capabilities = match (&session, params.get("capabilities").and_then(Value::as_object)) {
        (Some(session), _) => session.capabilities,
        (None, Some(declared)) => ClientCapabilities::read(declared, version),
        (None, None) => ClientCapabilities::default(),
    };
    Ok(Box::new(Call { metered, id, method, params, version, meta, session }))
}

fn modern(
    metered: Metered,
    head: &Head,
    header: &str,
    message: Message,
) -> Result<Incoming, Refusal> {
    let version = match &message {
        Message::Request { params, .. } | Message::Notification { params, .. } => {
            version_of(header, params).map_err(Refusal::invalid)?
        }
        Message::Response { .. } => {
            let error = RpcError::invalid_request("Responses cannot be posted");
            return Err(Refusal::invalid(error));
        }
    };
    let Message::Request { id, method, params } = message else {
        return Ok(Incoming::Notice(Notice::Other, None));
    };
    let meta = RequestMeta::modern(&params).map_err(Refusal::invalid)?;
    says_the_same(head, &method, &params, true).map_err(Refusal::invalid)?;
    let known = Method::from_name(&method);
    modern_call(metered, id, known, params, meta, Ok(version))
        .map(|call| Incoming::Call(Box::new(call)))
}

/// A message speaks one version, in its head and in its body, and one that there is. What says
/// nothing of it in its body is told so where it must.
fn version_of(header: &str, params: &Params) -> Result<Version, RpcError> {
    let claimed = claimed_version(params).and_then(Value::as_str);
    if claimed.is_some_and(|claimed| claimed != header) {
        let what = "does not name the version of the body";
        return Err(RpcError::header_mismatch("MCP-Protocol-Version", what));
    }
    claimed_or(header)
}

/// The version a modern request speaks, or the name it gave.
pub(super) fn claimed_or(name: &str) -> Result<Version, RpcError> {
    Version::from_name(name)
        .filter(|version| version.era() == Era::Modern)
        .ok_or_else(|| RpcError::unsupported_version(name))
}

/// A modern request whose metadata is in order; also over stdio.
pub(super) fn modern_call(
    metered: Metered,
    id: Id,
    method: Option<Method>,
    params: Params,
    meta: RequestMeta,
    version: Result<Version, RpcError>,
) -> Result<Call, Refusal> {
    let version = version.map_err(Refusal::invalid)?;
    let method = method
        .filter(|method| method.is_in(version))
        .ok_or_else(|| Refusal::Invalid(404, RpcError::unknown_method()))?;
    check_params(method, &params, version, 400)?;
    let needs_tasks = method.is_about_tasks() || params::listens_to_tasks(method, &params);
    if needs_tasks && !meta.capabilities.has(ClientCapability::Tasks) {
        let error = RpcError::missing_capability(ClientCapability::Tasks, version);
        return Err(Refusal::invalid(error));
    }
    Ok(Call { metered, id, method, params, version, meta, session: None })
}

fn check_params(
    method: Method,
    params: &Params,
    version: Version,
    type_status: u16,
) -> Result<(), Refusal> {
    params::check(method, params, version).map_err(|fault| match fault {
        params::Fault::Type(error) => Refusal::Invalid(type_status, error),
        params::Fault::Hostile(error) => Refusal::invalid(error),
    })
}

/// The headers that mirror method and target of a request say what its body says. The modern era
/// must have them (`is_needed`); where another client sends them, they are not to mislead either.
fn says_the_same(
    head: &Head,
    method: &str,
    params: &Params,
    is_needed: bool,
) -> Result<(), RpcError> {
    if is_needed || head.count_of(METHOD_HEADER) > 0 {
        mirrored(head, METHOD_HEADER, Some(method), false)?;
    }
    // What this era does not have is called unknown, and not wrongly mirrored.
    let era = if is_needed { Era::Modern } else { Era::Legacy };
    let known = Method::from_name(method).filter(|known| known.span().reaches(era));
    match known.and_then(Method::target_parameter) {
        Some(parameter) if is_needed || head.count_of(NAME_HEADER) > 0 => {
            let value = params.get(parameter).and_then(Value::as_str);
            mirrored(head, NAME_HEADER, value, true)
        }
        _ => Ok(()),
    }
}

/// A header as it is written to people.
fn shown(name: &str) -> &'static str {
    if name == METHOD_HEADER { "Mcp-Method" } else { "Mcp-Name" }
}

/// Compares a mirrored header with its source in the body.
fn mirrored(
    head: &Head,
    name: &str,
    body: Option<&str>,
    may_be_encoded: bool,
) -> Result<(), RpcError> {
    let header =
        single(head, name)?.ok_or_else(|| RpcError::header_mismatch(shown(name), "is missing"))?;
    let agrees =
        body.is_some_and(
            |body| {
                if may_be_encoded { mirror::says(header, body) } else { header == body }
            },
        );
    if agrees {
        Ok(())
    } else {
        Err(RpcError::header_mismatch(shown(name), "does not say what the body says"))
    }
}

#[cfg(test)]
mod tests;
