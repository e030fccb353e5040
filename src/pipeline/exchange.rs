//! One request from its first byte to its one end, and that end: `finish` consumes the exchange,
//! writes the audit record and moves the counters. Nothing else does.

use std::net::IpAddr;
use std::sync::Arc;

use super::record::{Record, opened};
use super::services::Services;
use crate::base::clock::Now;
use crate::base::ids::RequestId;
use crate::base::principal::{AuthMethod, Principal};
pub use crate::base::transport::Transport;
use crate::guard::refusal::Refusal;
use crate::mcp::era::Era;
use crate::mcp::errors::{RpcError, shown};
use crate::mcp::methods::Method;
use crate::proto::object::Object;

/// A request under way.
#[derive(Debug)]
pub struct Exchange {
    services: Arc<Services>,
    id: RequestId,
    started: Now,
    transport: Transport,
    address: Option<IpAddr>,
    principal: Option<Arc<Principal>>,
    method: Option<Method>,
    target: Option<String>,
    /// Of its message.
    bytes: usize,
    is_task: bool,
    is_finished: bool,
}

/// How a request ended.
#[derive(Debug)]
pub enum Ending<'e> {
    /// It was answered.
    Done,
    /// It was answered with a result that says the tool failed.
    ToolError,
    /// A guard refused it.
    Refused(&'e Refusal, Era),
    /// It was let in, and failed with this error.
    Failed(&'e RpcError),
    /// The client did not want the answer any more.
    Cancelled,
    /// It took too long.
    TimedOut,
    /// The connection ended before the request was whole.
    Aborted,
}

impl Exchange {
    /// A request that begins at `now`.
    pub fn begin(
        services: &Arc<Services>,
        transport: Transport,
        address: Option<IpAddr>,
        now: Now,
    ) -> Self {
        Self {
            id: services.request_ids.next(),
            services: Arc::clone(services),
            started: now,
            transport,
            address,
            principal: None,
            method: None,
            target: None,
            bytes: 0,
            is_task: false,
            is_finished: false,
        }
    }

    /// The exchange of the task that this one becomes.
    pub fn as_task(&self) -> Self {
        Self {
            id: self.services.request_ids.next(),
            services: Arc::clone(&self.services),
            started: Now::read(),
            principal: self.principal.clone(),
            target: self.target.clone(),
            is_task: true,
            is_finished: false,
            ..*self
        }
    }

    /// The id that the peer is told.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// The shared parts.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Notes who it is from.
    pub fn set_principal(&mut self, principal: &Arc<Principal>) {
        self.principal = Some(Arc::clone(principal));
    }

    /// Notes the length of its message, in bytes.
    pub fn set_bytes(&mut self, bytes: usize) {
        self.bytes = bytes;
    }

    /// The length of its message, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Notes what it asks for.
    pub fn set_call(&mut self, method: Method, target: Option<&str>) {
        self.method = Some(method);
        self.target = target.map(shown);
    }

    /// Ends the request: one audit record, the counters, and no more.
    pub fn finish(mut self, ending: &Ending<'_>) {
        self.end(ending);
    }

    fn end(&mut self, ending: &Ending<'_>) {
        self.is_finished = true;
        let counters = &self.services.counters;
        counters.requests_finished.increment();
        if let Ending::Refused(refusal, _) = ending
            && let Some(counter) = refusal.counter(counters)
        {
            counter.increment();
        }
        if matches!(ending, Ending::Failed(_) | Ending::TimedOut) {
            counters.internal_errors.increment();
        }
        let event = match ending {
            Ending::Refused(refusal, _) => refusal.event(),
            _ => "request",
        };
        let has_proved = |principal: &Arc<Principal>| {
            !matches!(principal.method, AuthMethod::None | AuthMethod::Local)
        };
        let is_authenticated = self.principal.as_ref().is_some_and(has_proved);
        let record = Record::new(event, is_authenticated, self.members(ending));
        if !self.services.audit.record(record) {
            counters.audit_records_lost.increment();
        }
    }

    fn members(&self, ending: &Ending<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let mut object = Object::open(&mut out);
        object.text("request", &self.id.to_string()).text("transport", self.transport.name());
        if let Some(address) = self.address {
            object.text("address", &address.to_string());
        }
        if let Some(principal) = &self.principal {
            object.text("user", &principal.user).text("authentication", principal.method.name());
            let key = principal.api_key.as_ref();
            object.optional_text("api_key", key.and_then(|key| key.label.as_deref()));
        }
        object.optional_text("method", self.method.map(Method::name));
        object.optional_text("target", self.target.as_deref());
        if self.is_task {
            object.boolean("task", true);
        }
        let (outcome, reason) = match ending {
            Ending::Done => ("success", None),
            Ending::ToolError => ("tool_error", None),
            Ending::Refused(refusal, _) => ("refused", Some(refusal.reason())),
            Ending::Failed(_) => ("error", None),
            Ending::Cancelled => ("cancelled", None),
            Ending::TimedOut => ("timeout", None),
            Ending::Aborted => ("aborted", None),
        };
        object.text("outcome", outcome).optional_text("reason", reason);
        match ending {
            Ending::Refused(refusal, era) => {
                if self.transport == Transport::Http {
                    object.number("status", u64::from(refusal.status(*era)));
                }
                object.value("code", &refusal.error().code.into());
                if let Refusal::Denied(_, rule) = refusal {
                    object.optional_text("rule", rule.as_deref());
                }
            }
            Ending::Failed(error) => {
                object.value("code", &error.code.into());
            }
            _ => {}
        }
        let duration = Now::read().since(self.started).as_micros();
        object.number("duration_us", u64::try_from(duration).unwrap_or(u64::MAX));
        object.close();
        opened(out)
    }
}

impl Drop for Exchange {
    /// A request that nobody ended was left in the middle: by a peer that went, or by a panic.
    fn drop(&mut self) {
        if !self.is_finished {
            self.end(&Ending::Aborted);
        }
    }
}
