//! The road of messages that come one by one and are all answered in one outlet, many at once: the
//! lines of a byte stream, and what is posted to a stream of events (2024-11-05).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::answer::refusal_line;
use super::batch::Batch;
use super::calls::outcome::{Outcome, QuickRun, guarded};
use super::calls::permits::TOO_MANY_CALLS;
use super::calls::waiting::{Begun, Heard, Waiting};
use super::exchange::{Ending, Exchange, Transport};
use super::notices::accept;
use super::road::CallParts;
use super::services::Services;
use super::snapshot::Snapshot;
use super::streams::begin_listening;
use super::work::dispatch::{Work, dispatch, initialized};
use super::work::grant::grant;
use crate::backend::context::Context;
use crate::base::cancel::Cancellation;
use crate::base::clock::Now;
use crate::base::principal::Principal;
use crate::guard::authn::{authenticate_local, take_credential};
use crate::guard::gate::admit_local;
use crate::guard::rate::Metered;
use crate::guard::refusal::Refusal;
use crate::guard::validate::batch::{Element, split};
use crate::guard::validate::{Incoming, Notice, Sorted, lines, sort};
use crate::mcp::era::{Era, Version};
use crate::mcp::errors::RpcError;
use crate::mcp::legacy::session::{Negotiated, Session};
use crate::mcp::outlet::{Outlet, Weight};
use crate::mcp::subscriptions::{Filter, Listener};
use crate::proto::jsonrpc::{self, Fault, Id, Malformed, Meant, Message, write_result};

/// One connection of lines; see the module.
#[derive(Debug)]
pub struct LineRoad {
    services: Arc<Services>,
    outlet: Arc<Outlet>,
    transport: Transport,
    address: Option<IpAddr>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The session that `initialize` opened.
    session: Option<Arc<Session>>,
    /// What runs for modern requests, which have no session.
    modern: Option<Arc<Session>>,
    /// Open `subscriptions/listen` requests.
    listeners: HashMap<Id, Arc<Listener>>,
}

impl LineRoad {
    /// A connection whose answers go into `outlet`.
    pub fn new(services: Arc<Services>, outlet: Arc<Outlet>) -> Self {
        Self::posted(services, outlet, Transport::Stdio, None)
    }

    /// The same for messages that come one by one over `transport` from `address`.
    pub fn posted(
        services: Arc<Services>,
        outlet: Arc<Outlet>,
        transport: Transport,
        address: Option<IpAddr>,
    ) -> Self {
        Self { services, outlet, transport, address, state: Mutex::default() }
    }

    /// A line that was too long.
    pub fn too_long(&self, meant: &Meant, now: Now) {
        let exchange = Exchange::begin(&self.services, self.transport, self.address, now);
        match meant {
            Meant::Request(id) => self.refuse(exchange, &Refusal::TooLarge, id.as_ref()),
            Meant::Response(id) => {
                self.accept(exchange, Notice::Unfit(id.clone(), Refusal::TooLarge));
            }
        }
    }

    /// A whole line.
    pub fn message(&self, line: &[u8], now: Now) {
        let snapshot = self.services.snapshot.load_full();
        let mut exchange = Exchange::begin(&self.services, Transport::Stdio, None, now);
        match self.meter(&snapshot, &mut exchange, now) {
            Ok(metered) => self.carry(exchange, snapshot, metered, line, now),
            Err(refusal) => self.refuse_unread(exchange, &refusal, line, &snapshot),
        }
    }

    /// A message whose sender is known and counted.
    pub fn carry(
        &self,
        mut exchange: Exchange,
        snapshot: Arc<Snapshot>,
        metered: Metered,
        line: &[u8],
        now: Now,
    ) {
        exchange.set_bytes(line.len());
        self.renew(metered.principal());
        let read = jsonrpc::parse(line, snapshot.json);
        self.carry_read(exchange, snapshot, metered, (read, line), now);
    }

    /// The same for one that was read already, from these bytes.
    pub(super) fn carry_read(
        &self,
        mut exchange: Exchange,
        snapshot: Arc<Snapshot>,
        metered: Metered,
        (read, line): (Result<Message, Malformed>, &[u8]),
        now: Now,
    ) {
        let session = self.session();
        let call = match lines::check(metered, read, session.as_ref()) {
            Ok(Incoming::Call(call)) => call,
            Ok(Incoming::Notice(notice, _)) => return self.accept(exchange, notice),
            Ok(Incoming::Batch(metered, session)) => {
                return self.batch(exchange, &snapshot, metered, &session, line, now);
            }
            Err(refused) => {
                if let Some(method) = refused.method {
                    exchange.set_call(method, None);
                }
                return self.refuse(exchange, &refused.refusal, refused.id.as_ref());
            }
        };
        exchange.set_call(call.method(), call.target());
        if self.transport == Transport::Http && call.version().era() == Era::Modern {
            // It would go past the headers that this revision has over HTTP.
            let id = call.id().clone();
            return self.refuse(exchange, &Refusal::invalid(handshake_only()), Some(&id));
        }
        if self.is_in_use(call.id()) {
            let id = call.id().clone();
            return self.refuse(exchange, &Refusal::DUPLICATE_ID, Some(&id));
        }
        let mut parts = CallParts::of(&call);
        if parts.version.era() == Era::Modern {
            parts.session = Some(self.modern_session(&snapshot, &parts, now));
        }
        let work = grant(&self.services, &snapshot, *call, now)
            .and_then(|grant| dispatch(&self.services, &snapshot, grant, None));
        let waiting = Waiting { exchange, snapshot, parts };
        match work {
            Ok(Work::Quick(run)) => self.quick(waiting, run),
            Ok(Work::Blocking(work)) => self.park(waiting, |waiting, heard, cancellation| {
                waiting.begin(work, heard, cancellation, now)
            }),
            Ok(Work::Await(task)) => self.park(waiting, |waiting, heard, cancellation| {
                waiting.wait_for(&task, heard, cancellation)
            }),
            Ok(Work::Listen(filter)) => self.listen(waiting, filter),
            Ok(Work::Initialize) => self.initialize(waiting, now),
            Err(refusal) => self.refuse(waiting.exchange, &refusal, Some(&waiting.parts.id)),
        }
    }

    fn meter(
        &self,
        snapshot: &Snapshot,
        exchange: &mut Exchange,
        now: Now,
    ) -> Result<Metered, Refusal> {
        let authenticated = authenticate_local(admit_local());
        exchange.set_principal(authenticated.principal());
        if !self.services.audit.is_able() {
            return Err(Refusal::Unrecorded);
        }
        snapshot.rate.meter(authenticated, None, &snapshot.policy, now)
    }

    fn send(&self, json: Vec<u8>) {
        self.outlet.push(json, Weight::Answer(200));
    }

    /// The user of the session has proved itself anew.
    pub(super) fn renew(&self, principal: &Arc<Principal>) {
        if let Some(session) = self.session().filter(|it| it.principal.key == principal.key) {
            session.listener.renew(principal);
        }
    }

    /// The session that `initialize` has opened.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.state.lock().session.clone()
    }

    /// True while a request has no answer yet.
    pub(super) fn is_running(&self) -> bool {
        let state = self.state.lock();
        let mut sessions = [&state.session, &state.modern].into_iter().flatten();
        sessions.any(|session| session.is_running())
    }

    /// True while a request with this id has no answer, or is what the client listens by.
    fn is_in_use(&self, id: &Id) -> bool {
        let state = self.state.lock();
        let mut sessions = [&state.session, &state.modern].into_iter().flatten();
        state.listeners.contains_key(id) || sessions.any(|session| session.runs(id))
    }

    /// True while a request has no answer yet, or the client listens.
    pub(super) fn is_busy(&self) -> bool {
        self.is_running() || !self.state.lock().listeners.is_empty()
    }

    pub(super) fn refuse(&self, exchange: Exchange, refusal: &Refusal, id: Option<&Id>) {
        exchange.finish(&Ending::Refused(refusal, Era::Legacy));
        let state = self.state.lock();
        let spoken = [&state.session, &state.modern].into_iter().flatten().next();
        let version = spoken.map_or(Version::ASSUMED, |session| session.version);
        drop(state);
        self.send(refusal_line(refusal, id, version));
    }

    /// Refuses a line that was not checked: an answer needs an id, and a notification gets none.
    fn refuse_unread(
        &self,
        exchange: Exchange,
        refusal: &Refusal,
        line: &[u8],
        snapshot: &Snapshot,
    ) {
        match sort(jsonrpc::parse(line, snapshot.json)) {
            Sorted::Request(id, ..) => self.refuse(exchange, refusal, Some(&id)),
            // Taking work back is never too much; an answer takes nothing that was not asked for.
            Sorted::Notice(notice) => self.accept(exchange, notice),
            Sorted::Broken(_, id) => self.refuse(exchange, refusal, id.as_ref()),
        }
    }

    pub(super) fn accept(&self, exchange: Exchange, notice: Notice) {
        if let Notice::Cancelled(id) = &notice {
            let (listener, modern) = {
                let mut state = self.state.lock();
                (state.listeners.remove(id), state.modern.clone())
            };
            drop(listener);
            if let Some(modern) = modern {
                modern.cancel(id);
            }
        }
        accept(exchange, notice, self.session().as_ref());
    }

    fn batch(
        &self,
        exchange: Exchange,
        snapshot: &Arc<Snapshot>,
        metered: Metered,
        session: &Arc<Session>,
        line: &[u8],
        now: Now,
    ) {
        let elements = match split(line, snapshot.json) {
            Ok(elements) => elements,
            Err(refusal) => return self.refuse(exchange, &refusal, None),
        };
        exchange.finish(&Ending::Done);
        let can_prove = matches!(self.transport, Transport::Tcp | Transport::WebSocket);
        let alone = |element| if can_prove { without_credential(element) } else { element };
        let elements = elements.into_iter().map(alone).collect();
        let batch = Batch {
            services: &self.services,
            snapshot,
            session,
            transport: self.transport,
            address: self.address,
        };
        batch.carry(metered, (elements, line.len()), &self.outlet, false, true, now);
    }

    fn quick(&self, waiting: Waiting, run: QuickRun) {
        let CallParts { id, version, principal, wishes, .. } = waiting.parts;
        let heard = Some(Arc::clone(&self.outlet));
        let services = Arc::clone(&self.services);
        let context =
            Context::new(principal, version, Arc::default(), heard, wishes).announcing(services);
        let outcome = guarded(|| run(&context)).unwrap_or_else(|f| Outcome::failed(f, version));
        let mut json = Vec::new();
        outcome.write(&mut json, &id, version.era());
        waiting.exchange.finish(&outcome.ending());
        self.send(json);
    }

    fn park(
        &self,
        waiting: Waiting,
        begin: impl FnOnce(Waiting, Heard, &Arc<Cancellation>) -> Begun,
    ) {
        let id = waiting.parts.id.clone();
        let outlet = Arc::clone(&self.outlet);
        let heard = Heard { outlet, is_own: false, takes_requests: true, gathering: None };
        if let Err(refused) = begin(waiting, heard, &Arc::default()) {
            let (waiting, refusal) = *refused;
            self.refuse(waiting.exchange, &refusal, Some(&id));
        }
    }

    fn listen(&self, waiting: Waiting, filter: Filter) {
        let Waiting { exchange, snapshot, parts } = waiting;
        let Some(listener) =
            begin_listening(&self.services, &snapshot, &parts, filter, &self.outlet)
        else {
            return self.refuse(exchange, &TOO_MANY_CALLS, Some(&parts.id));
        };
        self.state.lock().listeners.insert(parts.id, listener);
        exchange.finish(&Ending::Done);
    }

    fn initialize(&self, waiting: Waiting, now: Now) {
        let Waiting { exchange, snapshot, parts } = waiting;
        let session = self.new_session(&snapshot, &parts, parts.version, now);
        {
            let mut state = self.state.lock();
            if state.session.is_some() {
                drop(state);
                let refusal = Refusal::Conflict("The session is initialized already");
                return self.refuse(exchange, &refusal, Some(&parts.id));
            }
            state.session = Some(Arc::clone(&session));
        }
        self.services.subscriptions.add(&session.listener);
        let mut json = Vec::new();
        write_result(
            &mut json,
            &parts.id,
            &initialized(&snapshot, parts.version, &parts.principal),
        );
        exchange.finish(&Ending::Done);
        self.send(json);
    }

    /// Where modern requests of this connection are registered, so that they can be cancelled.
    fn modern_session(&self, snapshot: &Snapshot, parts: &CallParts, now: Now) -> Arc<Session> {
        let mut state = self.state.lock();
        let session = state
            .modern
            .get_or_insert_with(|| self.new_session(snapshot, parts, parts.version, now));
        Arc::clone(session)
    }

    fn new_session(
        &self,
        snapshot: &Snapshot,
        parts: &CallParts,
        version: Version,
        now: Now,
    ) -> Arc<Session> {
        Arc::new(Session::new(
            String::new(),
            Arc::clone(&parts.principal),
            Negotiated { version, capabilities: parts.capabilities },
            Arc::clone(&self.outlet),
            snapshot.outlet,
            now,
        ))
    }

    /// The client sends nothing more: what it was asked stays unanswered.
    pub fn input_ended(&self) {
        let session = self.state.lock().session.clone();
        if let Some(session) = session {
            session.abandon();
        }
    }

    /// The client has gone, or will not be served any longer: what runs is cancelled.
    pub fn close(&self) {
        let state = std::mem::take(&mut *self.state.lock());
        for session in [state.session, state.modern].into_iter().flatten() {
            session.close();
        }
        self.outlet.end();
    }
}

/// Refuses a request of a batch that says itself who it is from: all of them are from one.
fn without_credential(mut element: Element) -> Element {
    let Ok(Message::Request { params, .. } | Message::Notification { params, .. }) = &mut element
    else {
        return element;
    };
    let had_one = take_credential(params).is_some();
    match element {
        Ok(Message::Request { id, .. }) if had_one => {
            let fault = Fault::Shape("a message of a batch cannot have a credential of its own");
            Err(Malformed { fault, meant: Meant::Request(Some(id)) })
        }
        other => other,
    }
}

fn handshake_only() -> RpcError {
    RpcError::invalid_request("This transport has the handshake revisions only")
}
