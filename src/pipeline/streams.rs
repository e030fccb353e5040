//! How work becomes an answer over HTTP: at once, by a stream of its own or by a stream of changes;
//! and how a legacy client opens or resumes a stream.

use std::sync::Arc;

use arc_swap::ArcSwap;

use parking_lot::Mutex;

use super::answer::{Answer, Opening, Reply, Streamed};
use super::calls::outcome::{Outcome, QuickRun, guarded};
use super::calls::permits::TOO_MANY_CALLS;
use super::calls::waiting::{Begun, Heard, Waiting};
use super::exchange::{Ending, Exchange};
use super::replies::{refuse, reply_with, version_of};
use super::road::{CallParts, Entered};
use super::services::Services;
use super::snapshot::Snapshot;
use super::work::dispatch::{Work, initialized};
use crate::backend::context::Context;
use crate::base::cancel::Cancellation;
use crate::base::clock::Now;
use crate::guard::gate::Accepts;
use crate::guard::refusal::Refusal;
use crate::guard::validate::http::session_id;
use crate::mcp::era::Era;
use crate::mcp::errors::RpcError;
use crate::mcp::legacy::session::{Negotiated, STANDALONE, parse_event_id};
use crate::mcp::legacy::table::SessionError;
use crate::mcp::outlet::{AttachError, Outlet, Wake};
use crate::mcp::subscriptions::{Filter, Listener};
use crate::proto::http1::Head;
use crate::proto::http1::response::HeaderBlock;
use crate::proto::jsonrpc::write_result;

/// A granted call on its way to its answer.
#[derive(Debug)]
pub struct Carried {
    /// The request.
    pub exchange: Exchange,
    /// What it is judged by.
    pub snapshot: Arc<Snapshot>,
    /// The forms of answer it takes.
    pub accepts: Accepts,
    /// What a browser is told.
    pub cors: Option<HeaderBlock>,
    /// What is left of the call.
    pub parts: CallParts,
}

impl Carried {
    /// Ends the call with a refusal.
    pub fn refuse(self, refusal: &Refusal) -> Reply {
        refuse(self.exchange, refusal, Some(&self.parts.id), self.parts.version, self.cors)
    }
}

/// Does the work, or begins it.
pub fn carry_out(carried: Carried, work: Work, reader: &Arc<dyn Wake>, now: Now) -> Answer {
    let answer = match work {
        Work::Quick(run) => Ok(Answer::Reply(quick(carried, run))),
        Work::Blocking(work) => park(
            carried,
            |waiting, heard, cancellation| waiting.begin(work, heard, cancellation, now),
            reader,
        ),
        Work::Await(task) => park(
            carried,
            |waiting, heard, cancellation| waiting.wait_for(&task, heard, cancellation),
            reader,
        ),
        Work::Listen(filter) => listen(carried, filter, reader),
        Work::Initialize => initialize(carried, now).map(Answer::Reply),
    };
    answer.unwrap_or_else(|refused| {
        let (carried, refusal) = *refused;
        Answer::Reply(carried.refuse(&refusal))
    })
}

/// Streams that are not about one answer are never JSON.
pub(super) const EVENTS: Accepts = Accepts { json: false, events: true, prefers_events: true };

type Carrying<T> = Result<T, Box<(Carried, Refusal)>>;

fn quick(carried: Carried, run: QuickRun) -> Reply {
    let services = Arc::clone(carried.exchange.services());
    let CallParts { id, version, principal, wishes, .. } = carried.parts;
    let context =
        Context::new(principal, version, Arc::default(), None, wishes).announcing(services);
    let outcome = guarded(|| run(&context)).unwrap_or_else(|f| Outcome::failed(f, version));
    let mut json = Vec::with_capacity(256);
    let status = outcome.write(&mut json, &id, version.era());
    carried.exchange.finish(&outcome.ending());
    Reply { cors: carried.cors, ..reply_with(status, json, carried.accepts) }
}

/// A call that may take its time: its answer comes out of a stream.
fn park(
    carried: Carried,
    begin: impl FnOnce(Waiting, Heard, &Arc<Cancellation>) -> Begun,
    reader: &Arc<dyn Wake>,
) -> Carrying<Answer> {
    let session = carried.parts.session.clone();
    let (number, outlet) = match &session {
        Some(session) => {
            let (number, outlet) = session.open_stream();
            (Some(number), outlet)
        }
        None => (None, Arc::new(Outlet::new(carried.snapshot.outlet))),
    };
    let Ok(ticket) = outlet.attach(Arc::clone(reader)) else {
        return Err(Box::new((carried, Refusal::Conflict("The stream is in use"))));
    };
    let Carried { exchange, snapshot, accepts, cors, parts } = carried;
    let (era, version) = (parts.version.era(), parts.version);
    let cancellation = Arc::new(Cancellation::default());
    let waiting = Waiting { exchange, snapshot, parts };
    let heard = Heard {
        outlet: Arc::clone(&outlet),
        is_own: true,
        takes_requests: accepts.events,
        gathering: None,
    };
    match begin(waiting, heard, &cancellation) {
        Ok(()) => Ok(Answer::Stream(Box::new(Streamed {
            outlet,
            ticket,
            number,
            opening: if number.is_some() && version.has_priming_events() {
                Opening::Priming
            } else {
                Opening::Nothing
            },
            accepts,
            cors,
            quota: None,
            // A stream of a session can be resumed. Without one nobody gets the answer any more.
            cancellation: Some(cancellation).filter(|_| era == Era::Modern || session.is_none()),
            listener: None,
            place: None,
        }))),
        Err(refused) => {
            let (Waiting { exchange, snapshot, parts }, refusal) = *refused;
            outlet.detach(ticket);
            if let (Some(session), Some(number)) = (session, number) {
                session.forget_stream(number);
            }
            Err(Box::new((Carried { exchange, snapshot, accepts, cors, parts }, refusal)))
        }
    }
}

/// `subscriptions/listen`: a stream of changes that lasts until one of the two ends it.
fn listen(carried: Carried, filter: Filter, reader: &Arc<dyn Wake>) -> Carrying<Answer> {
    if !carried.accepts.events {
        return Err(Box::new((carried, Refusal::NotAcceptable)));
    }
    let outlet = Arc::new(Outlet::new(carried.snapshot.outlet));
    let Ok(ticket) = outlet.attach(Arc::clone(reader)) else {
        return Err(Box::new((carried, Refusal::Conflict("The stream is in use"))));
    };
    let services = carried.exchange.services();
    let Some(listener) =
        begin_listening(services, &carried.snapshot, &carried.parts, filter, &outlet)
    else {
        return Err(Box::new((carried, TOO_MANY_CALLS)));
    };
    carried.exchange.finish(&Ending::Done);
    Ok(Answer::Stream(Box::new(Streamed {
        outlet,
        ticket,
        number: None,
        opening: Opening::Nothing,
        accepts: EVENTS,
        cors: carried.cors,
        quota: None,
        cancellation: None,
        listener: Some(listener),
        place: None,
    })))
}

/// Registers and acknowledges a listener that is heard through `outlet`; `None` if it would be one
/// call too many.
pub(super) fn begin_listening(
    services: &Services,
    snapshot: &Snapshot,
    parts: &CallParts,
    filter: Filter,
    outlet: &Arc<Outlet>,
) -> Option<Arc<Listener>> {
    let permit = services.calls.admit(&parts.principal.key, &snapshot.calls)?;
    let listener = Arc::new(Listener {
        principal: ArcSwap::new(Arc::clone(&parts.principal)),
        filter: Mutex::new(filter),
        outlet: Arc::clone(outlet),
        subscription: Some(parts.id.clone()),
        place: Mutex::new(Some(Box::new(permit))),
    });
    services.subscriptions.acknowledge(&listener);
    Some(listener)
}

/// `initialize`: opens a session.
fn initialize(carried: Carried, now: Now) -> Carrying<Reply> {
    let services = Arc::clone(carried.exchange.services());
    let version = carried.parts.version;
    let limits = &carried.snapshot.sessions;
    let negotiated = Negotiated { version, capabilities: carried.parts.capabilities };
    let session = match services.sessions.open(&carried.parts.principal, negotiated, limits, now) {
        Ok(session) => session,
        Err(SessionError::Full) => {
            return Err(Box::new((carried, Refusal::Overloaded("Too many sessions"))));
        }
        Err(SessionError::NoRandomness) => return Err(Box::new((carried, Refusal::Unrecorded))),
    };
    services.subscriptions.add(&session.listener);
    let mut json = Vec::new();
    write_result(
        &mut json,
        &carried.parts.id,
        &initialized(&carried.snapshot, version, &carried.parts.principal),
    );
    carried.exchange.finish(&Ending::Done);
    let mut reply = reply_with(200, json, carried.accepts);
    reply.headers.push(("Mcp-Session-Id", session.id.clone()));
    Ok(Reply { cors: carried.cors, ..reply })
}

/// GET: the standalone stream of a legacy session, or a stream that broke off.
pub fn open(entered: Entered, head: &Head, reader: &Arc<dyn Wake>, now: Now) -> Answer {
    match attach(&entered, head, reader, now) {
        Ok((number, outlet, ticket)) => {
            entered.exchange.finish(&Ending::Done);
            Answer::Stream(Box::new(Streamed {
                outlet,
                ticket,
                number: Some(number),
                opening: Opening::Nothing,
                accepts: EVENTS,
                cors: entered.cors,
                quota: None,
                cancellation: None,
                listener: None,
                place: None,
            }))
        }
        Err(refusal) => {
            let reply = refuse(entered.exchange, &refusal, None, version_of(head), entered.cors);
            Answer::Reply(reply)
        }
    }
}

type Attached = (u64, Arc<Outlet>, u64);

fn attach(
    entered: &Entered,
    head: &Head,
    reader: &Arc<dyn Wake>,
    now: Now,
) -> Result<Attached, Refusal> {
    let is_modern = version_of(head).era() == Era::Modern;
    let Some(id) = session_id(head)?.filter(|_| !is_modern) else {
        return Err(Refusal::MethodNotAllowed(if is_modern { "POST" } else { "POST, DELETE" }));
    };
    let sessions = &entered.exchange.services().sessions;
    let session = sessions
        .find(id, entered.principal(), &entered.snapshot.sessions, now)
        .ok_or(Refusal::NoSession)?;
    // Only now: without a session there is no stream in any form.
    if !entered.accepts.events {
        return Err(Refusal::NotAcceptable);
    }
    let Some(last) = head.header_str("last-event-id") else {
        let outlet = Arc::clone(&session.listener.outlet);
        let ticket = outlet
            .attach(Arc::clone(reader))
            .map_err(|_| Refusal::Conflict("The stream of this session is open already"))?;
        return Ok((STANDALONE, outlet, ticket));
    };
    let unknown = || Refusal::invalid(RpcError::invalid_request("The Last-Event-ID is not known"));
    let (number, after) = parse_event_id(last).ok_or_else(unknown)?;
    let outlet = session.stream(number).ok_or_else(unknown)?;
    let ticket = match outlet.resume(Arc::clone(reader), after) {
        Ok(ticket) => ticket,
        // What was missed on the standalone stream is gone; what comes can still be heard.
        Err(AttachError::Gone) if number == STANDALONE => outlet.take_over(Arc::clone(reader)),
        Err(_) => return Err(unknown()),
    };
    Ok((number, outlet, ticket))
}
