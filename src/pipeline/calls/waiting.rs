//! How a granted call begins to wait: it gets a place among the calls that wait, is registered in
//! its session, and goes to a handler thread or to the task that it asks for.

use std::sync::Arc;

use super::outcome::Outcome;
use super::parked::{Parked, Script};
use super::pending::{Addressee, Destination, Pending};
use super::task::Task;
use crate::backend::asking::Round;
use crate::backend::task::TaskPhase;
use crate::base::cancel::Cancellation;
use crate::base::clock::Now;
use crate::guard::refusal::Refusal;
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::era::Era;
use crate::mcp::errors::RpcError;
use crate::mcp::legacy::session::BeginError;
use crate::mcp::outlet::Outlet;
use crate::pipeline::batch::Gathering;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::road::CallParts;
use crate::pipeline::snapshot::Snapshot;
use crate::pipeline::work::dispatch::{Blocking, TaskChoice};

/// A call that is about to wait.
#[derive(Debug)]
pub(in crate::pipeline) struct Waiting {
    pub(in crate::pipeline) exchange: Exchange,
    pub(in crate::pipeline) snapshot: Arc<Snapshot>,
    pub(in crate::pipeline) parts: CallParts,
}

/// What hears of a call and takes its answer.
#[derive(Debug)]
pub(in crate::pipeline) struct Heard {
    /// The stream.
    pub(in crate::pipeline) outlet: Arc<Outlet>,
    /// It is of this call alone, and ends with it.
    pub(in crate::pipeline) is_own: bool,
    /// The client reads requests on it (handshake revisions).
    pub(in crate::pipeline) takes_requests: bool,
    /// The batch that the call is part of.
    pub(in crate::pipeline) gathering: Option<Arc<Gathering>>,
}

/// The call comes back with what is wrong.
pub(in crate::pipeline) type Begun = Result<(), Box<(Waiting, Refusal)>>;

impl Waiting {
    /// Hands the call to a handler thread.
    pub(in crate::pipeline) fn begin(
        self,
        work: Blocking,
        heard: Heard,
        cancellation: &Arc<Cancellation>,
        now: Now,
    ) -> Begun {
        let script = self.script(&work, &heard);
        let snapshot = Arc::clone(&self.snapshot);
        let services = Arc::clone(self.exchange.services());
        let pending = self.register(heard, cancellation, &work.tool)?;
        let deadline = now.plus(snapshot.calls.timeout);
        let round = work.inputs.map(|inputs| inputs.round).unwrap_or_default();
        let parked = Parked::new(pending, script, services, snapshot, round);
        match work.tasks {
            TaskChoice::AtOnce(ttl) => parked.become_task(Round::default(), ttl),
            TaskChoice::Never | TaskChoice::WhenHandlerSays => parked.start(deadline),
        }
        Ok(())
    }

    /// Waits for what a task comes to.
    pub(in crate::pipeline) fn wait_for(
        self,
        task: &Arc<Task>,
        heard: Heard,
        cancellation: &Arc<Cancellation>,
    ) -> Begun {
        let services = Arc::clone(self.exchange.services());
        let pending = Arc::new(self.register(heard, cancellation, "")?);
        services.calls.register(cancellation);
        let waiter = Arc::downgrade(&pending);
        cancellation.on_cancel(move || {
            if let Some(pending) = waiter.upgrade() {
                pending.complete(Outcome::Error(RpcError::internal("The call was cancelled")));
            }
        });
        task.wait(pending);
        Ok(())
    }

    fn register(
        self,
        heard: Heard,
        cancellation: &Arc<Cancellation>,
        tool: &str,
    ) -> Result<Pending, Box<(Self, Refusal)>> {
        let calls = &self.exchange.services().calls;
        let (key, bytes) = (&self.parts.principal.key, self.exchange.bytes());
        let permit = match calls.admit_tool(key, tool, bytes, &self.snapshot.calls) {
            Ok(permit) => permit,
            Err(refusal) => return Err(Box::new((self, refusal))),
        };
        if let Some(session) = &self.parts.session
            && let Err(error) = session.begin(&self.parts.id, cancellation)
        {
            let refusal = match error {
                BeginError::DuplicateId => Refusal::DUPLICATE_ID,
                BeginError::Closed => Refusal::NoSession,
            };
            return Err(Box::new((self, refusal)));
        }
        let addressee = Addressee {
            id: self.parts.id,
            era: self.parts.version.era(),
            session: self.parts.session,
            outlet: heard.outlet,
            takes_requests: heard.takes_requests,
        };
        let destination = match heard.gathering {
            Some(gathering) => Destination::Gathered(addressee, gathering),
            None if heard.is_own => Destination::Own(addressee),
            None => Destination::Shared(addressee),
        };
        Ok(Pending::new(self.exchange, destination, Arc::clone(cancellation), Some(permit)))
    }

    fn script(&self, work: &Blocking, heard: &Heard) -> Script {
        let parts = &self.parts;
        let can_be_asked = match parts.version.era() {
            Era::Modern => true,
            Era::Legacy => heard.takes_requests && parts.session.is_some(),
        };
        Script {
            run: Arc::clone(&work.run),
            binding: work.inputs.as_ref().map(|inputs| inputs.binding.clone()),
            principal: Arc::clone(&parts.principal),
            version: parts.version,
            wishes: parts.wishes.clone(),
            capabilities: if can_be_asked {
                parts.capabilities
            } else {
                ClientCapabilities::default()
            },
            tool: work.tool.clone(),
            outlet: Some(Arc::clone(&heard.outlet)),
            phase: match work.tasks {
                TaskChoice::Never => TaskPhase::Never,
                TaskChoice::WhenHandlerSays | TaskChoice::AtOnce(_) => TaskPhase::Possible,
            },
        }
    }
}
