//! Is it a message, and one that this server can understand here? Bytes become a call whose form is
//! right. What the call is about, and whether it may be made, is not asked here.

pub mod batch;
pub mod http;
pub mod lines;
pub mod params;
pub mod uri;

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use super::rate::Metered;
use super::refusal::Refusal;
use crate::base::principal::Principal;
use crate::base::transport::Transport;
use crate::mcp::era::Version;
use crate::mcp::legacy::session::Session;
use crate::mcp::meta::RequestMeta;
use crate::mcp::methods::Method;
use crate::proto::jsonrpc::{Fault, Id, Malformed, Meant, Message, Params};

/// Token: a request of the right form. Made only here.
#[derive(Debug)]
pub struct Call {
    metered: Metered,
    id: Id,
    method: Method,
    params: Params,
    version: Version,
    meta: RequestMeta,
    session: Option<Arc<Session>>,
}

impl Call {
    /// Who makes it.
    pub fn principal(&self) -> &Arc<Principal> {
        self.metered.principal()
    }

    /// What it came over.
    pub fn transport(&self) -> Transport {
        self.metered.transport()
    }

    /// Where it is from; `None` over stdio.
    pub fn address(&self) -> Option<IpAddr> {
        self.metered.address()
    }

    /// The id to answer under.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The parameters, of the types that the method takes.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Takes the parameters out.
    pub fn take_params(&mut self) -> Params {
        std::mem::take(&mut self.params)
    }

    /// The version it speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// What it says beside its parameters.
    pub fn meta(&self) -> &RequestMeta {
        &self.meta
    }

    /// The session it belongs to (legacy).
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// The name or URI of the thing it is about.
    pub fn target(&self) -> Option<&str> {
        let parameter = match self.method {
            Method::Subscribe | Method::Unsubscribe => "uri",
            method => method.target_parameter()?,
        };
        self.params.get(parameter)?.as_str()
    }
}

/// A message of the right form that wants no answer.
#[derive(Debug, PartialEq)]
pub enum Notice {
    /// Stop the request with this id.
    Cancelled(Id),
    /// The answer to a request of ours: a result, or the client's sentence for why there is none.
    Answered(Id, Result<Value, String>),
    /// What would be that and cannot be taken, and why; with the id of our request, if it was read.
    Unfit(Option<Id>, Refusal),
    /// Anything else, which means nothing to us: `initialized`, unknown notices.
    Other,
}

/// What a message turned out to be.
#[derive(Debug)]
pub enum Incoming {
    /// A request.
    Call(Box<Call>),
    /// No request; with the session it came in.
    Notice(Notice, Option<Arc<Session>>),
    /// An array of messages, in a session whose revision has them (2025-03-26).
    Batch(Metered, Arc<Session>),
}

/// What was read, by what becomes of it.
pub enum Sorted {
    /// A request: it is answered.
    Request(Id, String, Params),
    /// It wants no answer.
    Notice(Notice),
    /// It is no message; it is answered under this id, if that was read.
    Broken(Fault, Option<Id>),
}

/// Tells what is answered from what is not.
pub fn sort(read: Result<Message, Malformed>) -> Sorted {
    match read {
        Ok(Message::Request { id, method, params }) => Sorted::Request(id, method, params),
        Ok(Message::Notification { method, params }) => Sorted::Notice(notice(&method, &params)),
        Ok(Message::Response { id, outcome }) => Sorted::Notice(answer(id, outcome)),
        Err(Malformed { fault, meant: Meant::Request(id) }) => Sorted::Broken(fault, id),
        Err(Malformed { fault, meant: Meant::Response(id) }) => {
            Sorted::Notice(Notice::Unfit(id, Refusal::malformed(fault)))
        }
    }
}

/// The notice that a response is.
fn answer(id: Option<Id>, outcome: Result<Value, Value>) -> Notice {
    // What could not be read there, nobody here waits for.
    let Some(id) = id else { return Notice::Other };
    let sentence = |error: Value| {
        let message = error.get("message").and_then(Value::as_str);
        message.unwrap_or("no reason given").to_owned()
    };
    Notice::Answered(id, outcome.map_err(sentence))
}

/// The notice that a notification is.
fn notice(method: &str, params: &Params) -> Notice {
    match (method, params.get("requestId").and_then(Id::of)) {
        ("notifications/cancelled", Some(id)) => Notice::Cancelled(id),
        _ => Notice::Other,
    }
}
