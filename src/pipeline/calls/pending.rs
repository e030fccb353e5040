//! A call whose answer comes later, from another thread. Whoever ends it first ends it: the
//! handler, the deadline or the client's leaving; the others find nothing to do.

use std::sync::Arc;

use parking_lot::Mutex;

use super::outcome::Outcome;
use super::permits::Permit;
use super::task::Task;
use super::tool_places::ToolPlace;
use crate::base::cancel::{Cancellation, Cause};
use crate::mcp::era::Era;
use crate::mcp::errors::RpcError;
use crate::mcp::legacy::session::Session;
use crate::mcp::outlet::{Outlet, Weight};
use crate::pipeline::batch::Gathering;
use crate::pipeline::exchange::{Ending, Exchange};
use crate::proto::jsonrpc::Id;

/// Who waits for an answer, and where it goes.
#[derive(Clone, Debug)]
pub struct Addressee {
    /// The id to answer under.
    pub id: Id,
    /// How errors are told.
    pub era: Era,
    /// The session in which the request is registered.
    pub session: Option<Arc<Session>>,
    /// The stream that takes the answer.
    pub outlet: Arc<Outlet>,
    /// The client reads requests on it (handshake revisions).
    pub takes_requests: bool,
}

/// Where the answer goes.
#[derive(Debug)]
pub enum Destination {
    /// A stream of its own, which ends with the answer.
    Own(Addressee),
    /// The one stream of the connection.
    Shared(Addressee),
    /// The answers of the batch that it is part of.
    Gathered(Addressee, Arc<Gathering>),
    /// A task, whose client asks for it.
    Task(Arc<Task>),
}

impl Destination {
    /// Who waits, unless nobody does.
    pub fn addressee(&self) -> Option<&Addressee> {
        match self {
            Self::Own(addressee) | Self::Shared(addressee) | Self::Gathered(addressee, _) => {
                Some(addressee)
            }
            Self::Task(_) => None,
        }
    }
}

/// A call that waits; see the module.
#[derive(Debug)]
pub struct Pending {
    exchange: Mutex<Option<Exchange>>,
    destination: Destination,
    cancellation: Arc<Cancellation>,
    permit: Mutex<Option<Permit>>,
}

impl Pending {
    /// A call that waits, registered in its session by its caller.
    pub fn new(
        exchange: Exchange,
        destination: Destination,
        cancellation: Arc<Cancellation>,
        permit: Option<Permit>,
    ) -> Self {
        Self {
            exchange: Mutex::new(Some(exchange)),
            destination,
            cancellation,
            permit: Mutex::new(permit),
        }
    }

    /// Where its answer goes.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// What ends it early.
    pub fn cancellation(&self) -> &Arc<Cancellation> {
        &self.cancellation
    }

    /// What a run of the handler holds, so that it counts for its tool as long as it runs.
    pub fn tool_place(&self) -> Option<Arc<ToolPlace>> {
        self.permit.lock().as_ref()?.tool_place()
    }

    /// What a task needs that takes over from this call: an exchange of its own, and the place
    /// among the calls that wait. `None` if the call has ended.
    pub fn hand_over(&self) -> Option<(Exchange, Option<Permit>)> {
        let exchange = self.exchange.lock().as_ref().map(Exchange::as_task)?;
        Some((exchange, self.permit.lock().take()))
    }

    /// Ends the call with what the handler came to; a cancelled call gets no answer. True if this
    /// was the answer.
    pub fn complete(&self, outcome: Outcome) -> bool {
        let Some(exchange) = self.exchange.lock().take() else { return false };
        match self.cancellation.cause() {
            Some(Cause::Client) => {
                exchange.finish(&Ending::Cancelled);
                self.give_back();
                if let Destination::Gathered(_, gathering) = &self.destination {
                    gathering.pass();
                }
                self.leave();
                false
            }
            Some(Cause::Deadline) => {
                exchange.finish(&Ending::TimedOut);
                self.answer(Outcome::Error(too_long()));
                false
            }
            Some(Cause::Shutdown) if !matches!(outcome, Outcome::Result(_)) => {
                exchange.finish(&Ending::Cancelled);
                self.answer(outcome);
                true
            }
            Some(Cause::Shutdown) | None => {
                exchange.finish(&outcome.ending());
                self.answer(outcome);
                true
            }
        }
    }

    /// True if nobody waits for an answer any more.
    pub fn is_over(&self) -> bool {
        self.exchange.lock().is_none()
    }

    fn answer(&self, outcome: Outcome) {
        // A client may use the id and the place again as soon as it has the answer.
        match &self.destination {
            Destination::Task(task) => task.finish(outcome),
            Destination::Own(addressee) | Destination::Shared(addressee) => {
                let mut json = Vec::new();
                let status = outcome.write(&mut json, &addressee.id, addressee.era);
                self.give_back();
                addressee.outlet.push(json, Weight::Answer(status));
            }
            Destination::Gathered(addressee, gathering) => {
                self.give_back();
                gathering.answer(&outcome, &addressee.id, addressee.era);
            }
        }
        self.leave();
    }

    /// Gives back what the client could miss.
    fn give_back(&self) {
        if let Some(Addressee { id, session: Some(session), .. }) = self.destination.addressee() {
            session.end(id);
        }
        if let Some(permit) = &mut *self.permit.lock() {
            permit.give_back_own();
        }
    }

    /// Ends the stream, and counts for the end of the server until then.
    fn leave(&self) {
        if let Destination::Own(addressee) = &self.destination {
            addressee.outlet.end();
        }
        self.permit.lock().take();
    }
}

/// What a call comes to that ran past its time.
pub fn too_long() -> RpcError {
    RpcError::internal("The call took too long and was given up")
}
