//! A call whose answer comes later, from another thread. Whoever ends it first ends it: the
//! handler, the deadline or the client's leaving; the others find nothing to do.

use std::sync::Arc;

use parking_lot::Mutex;

use super::calls::Permit;
use super::exchange::{Ending, Exchange};
use crate::base::cancel::{Cancellation, Cause};
use crate::base::clock::Now;
use crate::mcp::era::Era;
use crate::mcp::errors::RpcError;
use crate::mcp::legacy::session::Session;
use crate::mcp::outlet::{Outlet, Weight};
use crate::pipeline::services::Expire;
use crate::proto::jsonrpc::{Id, write_error, write_result};

/// What a handler came to.
#[derive(Debug)]
pub enum Outcome {
    /// A result, as JSON.
    Result(Vec<u8>),
    /// A result of a tool that says that it failed.
    ToolError(Vec<u8>),
    /// An error.
    Error(RpcError),
}

impl Outcome {
    /// Appends the response under `id`, and gives the HTTP status it has in `era`.
    pub fn write(&self, out: &mut Vec<u8>, id: &Id, era: Era) -> u16 {
        match self {
            Self::Result(result) | Self::ToolError(result) => {
                write_result(out, id, result);
                200
            }
            Self::Error(error) => {
                write_error(out, Some(id), error.code, &error.message, error.data.as_ref());
                error.status(era)
            }
        }
    }

    /// How the request ends that came to this.
    pub fn ending(&self) -> Ending<'_> {
        match self {
            Self::Result(_) => Ending::Done,
            Self::ToolError(_) => Ending::ToolError,
            Self::Error(error) => Ending::Failed(error),
        }
    }
}

/// Where the answer goes.
#[derive(Debug)]
pub enum Destination {
    /// A stream of its own, which ends with the answer.
    Own(Arc<Outlet>),
    /// The one stream of the connection.
    Shared(Arc<Outlet>),
}

/// A call that waits; see the module.
#[derive(Debug)]
pub struct Pending {
    exchange: Mutex<Option<Exchange>>,
    id: Id,
    era: Era,
    destination: Destination,
    session: Option<Arc<Session>>,
    cancellation: Arc<Cancellation>,
    permit: Mutex<Option<Permit>>,
}

impl Pending {
    /// A call that waits under `id`, registered in `session` by its caller.
    pub fn new(
        exchange: Exchange,
        id: Id,
        era: Era,
        destination: Destination,
        session: Option<Arc<Session>>,
        cancellation: Arc<Cancellation>,
        permit: Permit,
    ) -> Self {
        Self {
            exchange: Mutex::new(Some(exchange)),
            id,
            era,
            destination,
            session,
            cancellation,
            permit: Mutex::new(Some(permit)),
        }
    }

    /// Ends the call with what the handler came to; a cancelled call gets no answer.
    pub fn complete(&self, outcome: Outcome) {
        let Some(exchange) = self.exchange.lock().take() else { return };
        match self.cancellation.cause() {
            Some(Cause::Client) => {
                exchange.finish(&Ending::Cancelled);
                self.give_back();
                self.leave();
            }
            Some(Cause::Deadline) => {
                exchange.finish(&Ending::TimedOut);
                self.answer(&Outcome::Error(too_long()));
            }
            Some(Cause::Shutdown) | None => {
                exchange.finish(&outcome.ending());
                self.answer(&outcome);
            }
        }
    }

    /// True if nobody waits for an answer any more.
    pub fn is_over(&self) -> bool {
        self.exchange.lock().is_none()
    }

    fn answer(&self, outcome: &Outcome) {
        let mut json = Vec::new();
        let status = outcome.write(&mut json, &self.id, self.era);
        // A client may use the id and the place again as soon as it has the answer.
        self.give_back();
        let (Destination::Own(outlet) | Destination::Shared(outlet)) = &self.destination;
        outlet.push(json, Weight::Answer(status));
        self.leave();
    }

    /// Gives back what the client could miss.
    fn give_back(&self) {
        if let Some(session) = &self.session {
            session.end(&self.id);
        }
        if let Some(permit) = &mut *self.permit.lock() {
            permit.give_back_own();
        }
    }

    /// Ends the stream, and counts for the end of the server until then.
    fn leave(&self) {
        if let Destination::Own(outlet) = &self.destination {
            outlet.end();
        }
        self.permit.lock().take();
    }
}

impl Expire for Pending {
    fn expire(&self, _: Now) {
        self.cancellation.cancel(Cause::Deadline);
        self.complete(Outcome::Error(too_long()));
    }
}

fn too_long() -> RpcError {
    RpcError::internal("The call took too long and was given up")
}
