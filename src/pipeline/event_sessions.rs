//! The transport of 2024-11-05: a stream of events that begins with the address which messages are
//! posted to. It is off unless a path is configured for it. The address holds a random id, and is
//! good only for who opened the stream.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::answer::{Answer, Opening, Reply, Streamed};
use super::exchange::{Ending, Transport};
use super::lines::LineRoad;
use super::replies::{refuse, version_of};
use super::road::{Entered, Parts};
use super::services::Services;
use super::streams::EVENTS;
use crate::base::clock::Now;
use crate::base::ids::session_id;
use crate::base::principal::Principal;
use crate::guard::refusal::Refusal;
use crate::mcp::legacy::table::SessionLimits;
use crate::mcp::outlet::{Outlet, Wake};
use crate::proto::http1::Head;

/// All such streams that are open.
#[derive(Debug, Default)]
pub struct EventSessions {
    by_id: Mutex<HashMap<String, Arc<EventSession>>>,
}

/// One open stream and the messages that belong to it.
#[derive(Debug)]
struct EventSession {
    id: String,
    /// A newer proof takes the place of an older one.
    principal: ArcSwap<Principal>,
    outlet: Arc<Outlet>,
    road: LineRoad,
    opened: Now,
}

/// Keeps a session as long as its stream is read.
#[derive(Debug)]
pub struct EventPlace {
    services: Weak<Services>,
    id: String,
}

impl Drop for EventPlace {
    fn drop(&mut self) {
        if let Some(services) = self.services.upgrade() {
            services.event_sessions.remove(&self.id);
        }
    }
}

impl EventSessions {
    fn open(
        &self,
        services: &Arc<Services>,
        principal: &Arc<Principal>,
        address: Option<IpAddr>,
        limits: &SessionLimits,
        now: Now,
    ) -> Result<Arc<EventSession>, Refusal> {
        let id = session_id().map_err(|_| Refusal::Unrecorded)?;
        let outlet = Arc::new(Outlet::new(limits.outlet));
        let mut by_id = self.by_id.lock();
        let own =
            by_id.values().filter(|other| other.principal.load().key == principal.key).count();
        if by_id.len() >= limits.sessions || own >= limits.sessions_per_principal {
            return Err(Refusal::Overloaded("Too many sessions"));
        }
        let transport = Transport::Http;
        let session = Arc::new(EventSession {
            id: id.clone(),
            principal: ArcSwap::new(Arc::clone(principal)),
            road: LineRoad::posted(Arc::clone(services), Arc::clone(&outlet), transport, address),
            outlet,
            opened: now,
        });
        by_id.insert(id, Arc::clone(&session));
        Ok(session)
    }

    fn find(
        &self,
        id: &str,
        principal: &Arc<Principal>,
        limits: &SessionLimits,
        now: Now,
    ) -> Option<Arc<EventSession>> {
        let session = self.by_id.lock().get(id).cloned()?;
        if session.principal.load().key != principal.key {
            return None;
        }
        if now.since(session.opened) > limits.lifetime {
            self.remove(id);
            return None;
        }
        session.principal.store(Arc::clone(principal));
        Some(session)
    }

    /// All open streams: the id of each, whose it is, and when it was opened.
    pub fn all(&self) -> Vec<(String, Arc<Principal>, Now)> {
        let by_id = self.by_id.lock();
        let all = by_id.values().map(|it| (it.id.clone(), it.principal.load_full(), it.opened));
        all.collect()
    }

    /// Ends a stream.
    pub fn remove(&self, id: &str) {
        let removed = self.by_id.lock().remove(id);
        if let Some(session) = removed {
            session.road.close();
        }
    }

    /// Ends the streams that have outlived their time.
    pub fn sweep(&self, limits: &SessionLimits, now: Now) {
        self.end_where(|session| now.since(session.opened) > limits.lifetime);
    }

    /// Ends the streams of all whom `is_known` does not know any more.
    pub fn end_unknown(&self, is_known: impl Fn(&Principal) -> bool) {
        self.end_where(|session| !is_known(&session.principal.load()));
    }

    fn end_where(&self, which: impl Fn(&EventSession) -> bool) {
        let ended: Vec<_> = self.by_id.lock().extract_if(|_, session| which(session)).collect();
        for (_, session) in ended {
            session.road.close();
        }
    }

    /// True if no stream is open.
    pub fn is_empty(&self) -> bool {
        self.by_id.lock().is_empty()
    }

    /// Whoever waits for an answer of any client is told that none will come.
    pub fn abandon(&self) {
        let all: Vec<_> = self.by_id.lock().values().cloned().collect();
        for session in all {
            session.road.input_ended();
        }
    }

    /// Ends all streams; what runs is cancelled.
    pub fn end_all(&self) {
        self.end_where(|_| true);
    }
}

/// GET: opens a stream.
pub fn open(entered: Entered, head: &Head, reader: &Arc<dyn Wake>, now: Now) -> Answer {
    let Parts { exchange, snapshot, metered, cors, .. } = entered.into_parts();
    let services = Arc::clone(exchange.services());
    let limits = &snapshot.sessions;
    let (principal, address) = (metered.principal(), metered.address());
    let opened = services.event_sessions.open(&services, principal, address, limits, now);
    let opened = opened.and_then(|session| {
        let ticket = session.outlet.attach(Arc::clone(reader));
        ticket
            .map(|ticket| (session, ticket))
            .map_err(|_| Refusal::Conflict("The stream is in use"))
    });
    let (session, ticket) = match opened {
        Ok(opened) => opened,
        Err(refusal) => {
            return Answer::Reply(refuse(exchange, &refusal, None, version_of(head), cors));
        }
    };
    exchange.finish(&Ending::Done);
    let path = head.path();
    let endpoint = format!("{}/{}", path.strip_suffix('/').unwrap_or(path), session.id);
    Answer::Stream(Box::new(Streamed {
        outlet: Arc::clone(&session.outlet),
        ticket,
        number: None,
        opening: Opening::Endpoint(endpoint),
        accepts: EVENTS,
        cors,
        quota: None,
        cancellation: None,
        listener: None,
        place: Some(EventPlace { services: Arc::downgrade(&services), id: session.id.clone() }),
    }))
}

/// POST: takes a message, which is answered on the stream.
pub fn post(entered: Entered, head: &Head, body: &[u8], now: Now) -> Answer {
    let Parts { exchange, snapshot, metered, cors, .. } = entered.into_parts();
    let services = Arc::clone(exchange.services());
    let id = head.path().rsplit('/').next().unwrap_or_default();
    let limits = &snapshot.sessions;
    let found = services.event_sessions.find(id, metered.principal(), limits, now);
    let refusal = match found {
        None => Refusal::NoSession,
        // Answers are never dropped: who does not read them may not ask for more.
        Some(session) if session.outlet.queued_bytes() > limits.outlet.queued_bytes => {
            Refusal::Overloaded("The stream of this session is not read")
        }
        Some(session) => {
            session.road.carry(exchange, snapshot, metered, body, now);
            return Answer::Reply(Reply { cors, ..Reply::empty(202) });
        }
    };
    Answer::Reply(refuse(exchange, &refusal, None, version_of(head), cors))
}
