//! What a connection is given to send: a whole reply, or a stream to read from. Nothing here knows
//! how bytes are written.

use std::sync::Arc;

use super::event_sessions::EventPlace;
use super::upgrades::Upgrade;
use crate::base::cancel::{Cancellation, Cause};
use crate::guard::gate::{Accepts, handshake};
use crate::guard::rate::Quota;
use crate::guard::refusal::{Refusal, whole_seconds};
use crate::mcp::era::Version;
use crate::mcp::legacy::session::STANDALONE;
use crate::mcp::outlet::{Outlet, Taken};
use crate::mcp::subscriptions::Listener;
use crate::proto::http1::response::HeaderBlock;
use crate::proto::jsonrpc::{ErrorId, Id, write_error};

/// The body of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// None.
    Empty,
    /// One JSON-RPC message.
    Json(Vec<u8>),
    /// One JSON-RPC message as an event stream of one event, for clients that take nothing else.
    Event(Vec<u8>),
}

/// A whole HTTP response.
#[derive(Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Headers beside those that every response has.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Body,
    /// What a browser is told.
    pub cors: Option<HeaderBlock>,
    /// What is left to the caller, if that is told.
    pub quota: Option<Quota>,
    /// The connection cannot go on after it.
    pub close: bool,
}

impl Reply {
    /// A reply without a body.
    pub fn empty(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Body::Empty);
        Self { status, headers, body, cors: None, quota: None, close: false }
    }

    /// A JSON reply.
    pub fn json(status: u16, json: Vec<u8>) -> Self {
        Self { body: Body::Json(json), ..Self::empty(status) }
    }

    /// The reply of a refusal, with the headers that go with it.
    pub fn refusal(refusal: &Refusal, id: Option<&Id>, version: Version) -> Self {
        let mut reply =
            Self::json(refusal.status(version.era()), refusal_line(refusal, id, version));
        if let Refusal::MethodNotAllowed(methods) = refusal {
            reply.headers.push(("Allow", (*methods).into()));
        }
        if matches!(refusal, Refusal::UpgradeRequired) {
            reply.headers.push(("Connection", "Upgrade".into()));
            reply.headers.push(("Upgrade", "websocket".into()));
            reply.headers.push(("Sec-WebSocket-Version", handshake::VERSION.into()));
        }
        if let Refusal::TooMany(_, quota) = refusal {
            reply.quota = *quota;
        }
        if let Some(wait) = refusal.retry_after() {
            reply.headers.push(("Retry-After", whole_seconds(wait).to_string()));
        }
        reply
    }
}

/// What a request is answered with.
#[derive(Debug)]
pub enum Answer {
    /// At once.
    Reply(Reply),
    /// By what comes out of an outlet.
    Stream(Box<Streamed>),
    /// At once; then WebSocket is spoken.
    Upgrade(Box<Upgrade>),
}

impl Answer {
    /// Tells what is left to the caller, unless the answer tells that itself.
    pub(super) fn tell(&mut self, quota: Option<Quota>) {
        match self {
            Self::Reply(reply) => reply.quota = reply.quota.or(quota),
            Self::Stream(streamed) => streamed.quota = quota,
            Self::Upgrade(upgrade) => upgrade.reply.quota = quota,
        }
    }
}

/// A stream that a connection reads. Dropping it means that the client has left.
#[derive(Debug)]
pub struct Streamed {
    /// The stream.
    pub outlet: Arc<Outlet>,
    /// The right to read it.
    pub ticket: u64,
    /// Its number in the session, if its events can be resumed.
    pub number: Option<u64>,
    /// What it begins with.
    pub opening: Opening,
    /// The forms of answer that the client takes; a lone answer may be sent as JSON.
    pub accepts: Accepts,
    /// What a browser is told.
    pub cors: Option<HeaderBlock>,
    /// What is left to the caller, if that is told.
    pub quota: Option<Quota>,
    /// What the leaving of the client cancels: a call whose stream nobody can come back to.
    pub cancellation: Option<Arc<Cancellation>>,
    /// The subscription that lives as long as the stream (modern era).
    pub listener: Option<Arc<Listener>>,
    /// The session that lives as long as the stream (2024-11-05).
    pub place: Option<EventPlace>,
}

/// What a stream of events begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Its first message.
    Nothing,
    /// An empty event that carries an id (2025-11-25).
    Priming,
    /// The path that messages are posted to (2024-11-05): such a stream goes on behind an answer.
    Endpoint(String),
}

impl Streamed {
    /// True if a client that loses its connection can have the rest of it.
    pub fn can_be_resumed(&self) -> bool {
        self.accepts.events && self.number.is_some_and(|number| number != STANDALONE)
    }

    /// True if an answer is the last message of it.
    pub fn ends_with_answer(&self) -> bool {
        !matches!(self.opening, Opening::Endpoint(_))
    }

    /// Takes what waits, up to about `bytes`.
    pub fn take(&self, bytes: usize) -> Taken {
        self.outlet.take(self.ticket, bytes)
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.outlet.detach(self.ticket);
        if let Some(cancellation) = &self.cancellation {
            cancellation.cancel(Cause::Client);
        }
    }
}

/// The error response of a refusal: a whole line where a transport has no statuses.
pub fn refusal_line(refusal: &Refusal, id: Option<&Id>, version: Version) -> Vec<u8> {
    let error = refusal.error();
    let mut json = Vec::new();
    let id = match ErrorId::from(id) {
        ErrorId::Null if !version.has_null_ids() => ErrorId::Absent,
        id => id,
    };
    write_error(&mut json, id, error.code, &error.message, error.data.as_ref());
    json
}
