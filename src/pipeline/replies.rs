//! What a request over HTTP is answered with when its road ends early, and the headers that depend
//! on who asks. It writes no bytes.

use std::sync::Arc;

use super::answer::{Body, Reply};
use super::exchange::{Ending, Exchange, Transport};
use super::road::Peer;
use super::services::Services;
use super::snapshot::HttpFace;
use crate::base::clock::Now;
use crate::guard::gate::Accepts;
use crate::guard::refusal::Refusal;
use crate::guard::validate::http::VERSION_HEADER;
use crate::mcp::era::Version;
use crate::proto::http1::Head;
use crate::proto::http1::response::HeaderBlock;
use crate::proto::jsonrpc::Id;

/// Bytes that are no request of ours, or never become one.
pub fn malformed(
    services: &Arc<Services>,
    refusal: &Refusal,
    head: Option<&Head>,
    peer: &Peer,
    now: Now,
) -> Reply {
    let snapshot = services.snapshot.load();
    let known = snapshot.face(peer.door).zip(head);
    let client = known.map(|(face, head)| face.endpoint.surface.proxies.client(head, peer.address));
    let address = client.unwrap_or(peer.address);
    let exchange = Exchange::begin(services, Transport::Http, Some(address), now);
    let cors = known.and_then(|(face, head)| cors_of(face, head));
    // What had no head has no id either, as the transport tells it in each of its revisions.
    let version = head.map_or(Version::NEWEST, version_of);
    let reply = refuse(exchange, refusal, None, version, cors);
    let has_body = head.is_none_or(|head| head.method() != "HEAD");
    let body = if has_body { reply.body } else { Body::Empty };
    Reply { close: true, body, ..reply }
}

/// Ends an exchange with a refusal and makes its reply.
pub(super) fn refuse(
    exchange: Exchange,
    refusal: &Refusal,
    id: Option<&Id>,
    version: Version,
    cors: Option<HeaderBlock>,
) -> Reply {
    let mut reply = Reply::refusal(refusal, id, version);
    let snapshot = exchange.services().snapshot.load();
    let face = snapshot.http.as_ref().or(snapshot.websocket.as_ref());
    if let Some(challenge) = face.and_then(|it| it.challenge.value(refusal)) {
        reply.headers.push(("WWW-Authenticate", challenge));
    }
    reply.headers.push(("X-Request-Id", exchange.id().to_string()));
    exchange.finish(&Ending::Refused(refusal, version.era()));
    Reply { cors, ..reply }
}

/// What a browser is told that asks before it calls.
pub(super) fn preflight(exchange: Exchange, face: &HttpFace, head: &Head, origin: &str) -> Reply {
    exchange.finish(&Ending::Done);
    let requested = head.header_str("access-control-request-headers");
    Reply { cors: Some(face.cors.preflight(origin, requested)), ..Reply::empty(204) }
}

/// Which methods there are.
pub(super) fn allowed(
    exchange: Exchange,
    methods: &'static str,
    cors: Option<HeaderBlock>,
) -> Reply {
    exchange.finish(&Ending::Done);
    let headers = vec![("Allow", methods.to_owned())];
    Reply { headers, cors, ..Reply::empty(204) }
}

/// Where to get a token: told to anybody, for nobody can know it before.
pub(super) fn metadata(exchange: Exchange, face: &HttpFace, cors: Option<HeaderBlock>) -> Reply {
    exchange.finish(&Ending::Done);
    let document = face.metadata.clone().unwrap_or_default();
    Reply { cors, ..Reply::json(200, document) }
}

/// What a page is told on every response, if it is one that may call.
pub(super) fn cors_of(face: &HttpFace, head: &Head) -> Option<HeaderBlock> {
    let origin = face.endpoint.allowed_origin(head).ok().flatten()?;
    Some(face.cors.response(&origin))
}

/// The revision that a head claims, before its body is read.
pub(super) fn version_of(head: &Head) -> Version {
    Version::claimed(head.header_str(VERSION_HEADER))
}

/// A reply with one JSON-RPC message, in a form that the client takes.
pub(super) fn reply_with(status: u16, json: Vec<u8>, accepts: Accepts) -> Reply {
    // A status that is no success would be lost on whoever looks at events only.
    let is_json = accepts.json && (!accepts.prefers_events || status != 200);
    let body = if is_json { Body::Json(json) } else { Body::Event(json) };
    Reply { body, ..Reply::empty(status) }
}
