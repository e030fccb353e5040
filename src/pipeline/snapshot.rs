//! One configuration, built and immutable: what all requests that begin while it is in force are
//! judged by. A reload makes the next one.

use std::sync::Arc;
use std::time::Duration;

use super::calls::tasks::TaskLimits;
use crate::backend::catalog::Catalog;
use crate::base::clock::{Now, unix_seconds};
use crate::base::principal::Principal;
use crate::base::wildcard::Wildcard;
use crate::guard::authn::Authentication;
use crate::guard::authz::rule::{Caller, Place, Thing};
use crate::guard::authz::{Policy, View};
use crate::guard::challenge::Challenge;
use crate::guard::cors::Cors;
use crate::guard::gate::Endpoint;
use crate::guard::rate::RateLimiter;
use crate::guard::validate::Call;
use crate::mcp::legacy::table::SessionLimits;
use crate::mcp::methods::{Method, Permission};
use crate::mcp::outlet::OutletLimits;
use crate::mcp::subscriptions::Change;
use crate::proto::http1::HttpLimits;
use crate::proto::http1::response::HeaderBlock;
use crate::proto::json::JsonLimits;

/// A listener by which requests of HTTP come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// That of Streamable HTTP.
    Http,
    /// One for WebSocket alone.
    WebSocket,
}

/// The configuration in force.
#[derive(Debug)]
pub struct Snapshot {
    /// Which configuration it is: 1 at the start, one more with each reload.
    pub number: u64,
    /// What clients are told about the server.
    pub identity: Identity,
    /// What is offered.
    pub catalog: Catalog,
    /// Who may do what.
    pub policy: Policy,
    /// How callers prove who they are.
    pub authentication: Authentication,
    /// How much they may ask.
    pub rate: Arc<RateLimiter>,
    /// Bounds of one JSON text.
    pub json: JsonLimits,
    /// Longest message in bytes.
    pub message_bytes: usize,
    /// The schemes of URIs that may be asked for, if not all.
    pub uri_schemes: Option<Vec<String>>,
    /// The HTTP endpoint, if there is one.
    pub http: Option<HttpFace>,
    /// The same of a listener for WebSocket alone.
    pub websocket: Option<HttpFace>,
    /// Bounds of legacy sessions.
    pub sessions: SessionLimits,
    /// Bounds of a stream that cannot be resumed.
    pub outlet: OutletLimits,
    /// Bounds of calls that wait.
    pub calls: CallLimits,
    /// Bounds of tasks.
    pub tasks: TaskLimits,
}

impl Snapshot {
    /// True if a principal could still prove itself, at this moment.
    pub fn vouches_for(&self, principal: &Principal) -> bool {
        self.authentication.vouches_for(principal, unix_seconds(), Now::read())
    }

    /// True if a principal may call this tool, and so may see what came of its calls.
    pub fn may_call(&self, principal: &Principal, tool: &str) -> bool {
        self.catalog.tool(tool).is_some_and(|tool| {
            let thing = Thing::Tool(&tool.name);
            self.policy.allows(principal, Method::ToolsCall, thing, tool.permission)
        })
    }

    /// True if a principal may hear of a change.
    pub fn may_hear(&self, principal: &Principal, change: &Change) -> bool {
        let (method, thing) = match change {
            Change::Tools => (Method::ToolsList, Thing::None),
            Change::Prompts => (Method::PromptsList, Thing::None),
            Change::Resources => (Method::ResourcesList, Thing::None),
            Change::Resource(uri) => (Method::ResourcesRead, Thing::Resource(uri)),
        };
        self.policy.allows(principal, method, thing, Permission::Read)
    }

    /// What is at a door.
    pub fn face(&self, door: Door) -> Option<&HttpFace> {
        match door {
            Door::Http => self.http.as_ref(),
            Door::WebSocket => self.websocket.as_ref(),
        }
    }

    /// The policy as it is for who makes a call.
    pub fn view_of<'s>(&'s self, call: &'s Call) -> View<'s> {
        let place = Place::At(call.transport(), call.address());
        self.policy.for_caller(Caller { principal: call.principal(), place })
    }
}

/// What clients are told about the server.
#[derive(Debug)]
pub struct Identity {
    /// `Implementation`, as JSON.
    pub info: Vec<u8>,
    /// For the client's model.
    pub instructions: Option<String>,
    /// Items in one page of a list.
    pub page_size: usize,
}

/// Bounds of calls that wait for an answer.
#[derive(Clone, Debug)]
pub struct CallLimits {
    /// Most at once.
    pub calls: usize,
    /// Most of one principal at once.
    pub calls_per_principal: usize,
    /// Bytes that the messages of all of them may have together.
    pub bytes: usize,
    /// Most of the tools that a pattern means at once.
    pub calls_per_tool: Vec<(Wildcard, usize)>,
    /// A call that takes longer is given up; time that its client takes to answer does not count.
    pub timeout: Duration,
    /// How long a client may take to answer what a call asks.
    pub input_timeout: Duration,
    /// Most resources one session or listen request may subscribe to.
    pub subscriptions: usize,
}

/// The HTTP endpoint, prepared.
#[derive(Debug)]
pub struct HttpFace {
    /// Path, hosts, origins.
    pub endpoint: Endpoint,
    /// What browsers are told.
    pub cors: Cors,
    /// How callers without a good token are challenged.
    pub challenge: Challenge,
    /// What is told of the endpoint as a protected resource.
    pub metadata: Option<Vec<u8>>,
    /// On every response.
    pub headers: HeaderBlock,
    /// Bounds of one request.
    pub limits: HttpLimits,
}
