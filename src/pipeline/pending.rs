//! A call whose answer comes later, from another thread. Whoever ends it first ends it: the
//! handler, the deadline or the client's leaving; the others find nothing to do.

use std::sync::Arc;

use parking_lot::Mutex;

use super::calls::Permit;
use super::exchange::{Ending, Exchange};
use crate::base::cancel::{Cancellation, Cause};
use crate::base::clock::Now;
use crate::mcp::era::Version;
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
    version: Version,
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
        version: Version,
        destination: Destination,
        session: Option<Arc<Session>>,
        cancellation: Arc<Cancellation>,
        permit: Permit,
    ) -> Self {
        Self {
            exchange: Mutex::new(Some(exchange)),
            id,
            version,
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
                self.leave();
            }
            Some(Cause::Deadline) => {
                exchange.finish(&Ending::TimedOut);
                self.answer(&Outcome::Error(too_long()));
            }
            Some(Cause::Shutdown) | None => {
                let ending = match &outcome {
                    Outcome::Result(_) => Ending::Done,
                    Outcome::ToolError(_) => Ending::ToolError,
                    Outcome::Error(error) => Ending::Failed(error),
                };
                exchange.finish(&ending);
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
        let status = match outcome {
            Outcome::Result(result) | Outcome::ToolError(result) => {
                write_result(&mut json, &self.id, result);
                200
            }
            Outcome::Error(error) => {
                let data = error.data.as_ref();
                write_error(&mut json, Some(&self.id), error.code, &error.message, data);
                error.status(self.version.era())
            }
        };
        let (Destination::Own(outlet) | Destination::Shared(outlet)) = &self.destination;
        outlet.push(json, Weight::Answer(status));
        self.leave();
    }

    /// Gives back what the call held.
    fn leave(&self) {
        if let Destination::Own(outlet) = &self.destination {
            outlet.end();
        }
        if let Some(session) = &self.session {
            session.end(&self.id);
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
