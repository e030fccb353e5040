//! The road of a request over HTTP, from its head to its answer. Every step takes what the step
//! before it made: who leaves one out does not compile.

use std::net::IpAddr;
use std::sync::Arc;

use super::answer::{Answer, Reply};
use super::batch::{Batch, Posted};
use super::event_sessions;
use super::exchange::{Ending, Exchange, Transport};
use super::identify::{MOST_ROUNDS, Unmetered, comes_too_often, identify, meter};
use super::notices::heed;
use super::replies::{allowed, cors_of, metadata, preflight, refuse, version_of};
use super::services::Services;
use super::snapshot::{Door, Snapshot};
use super::streams::{self, Carried};
use super::upgrades;
use super::work::dispatch::dispatch;
use super::work::grant::grant;
use crate::backend::context::Wishes;
use crate::base::clock::{Now, unix_seconds};
use crate::base::principal::Principal;
use crate::guard::authn::certificate::ClientCertificate;
use crate::guard::authn::inquiry::Waiter;
use crate::guard::authn::{Credentials, Occasion, Presented, presented};
use crate::guard::gate::{Accepts, Admitted, Passage, Purpose, handshake};
use crate::guard::rate::Metered;
use crate::guard::refusal::Refusal;
use crate::guard::validate::http::{self, Refused};
use crate::guard::validate::{Call, Incoming, Notice};
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::era::{Era, Version};
use crate::mcp::legacy::session::Session;
use crate::mcp::outlet::Wake;
use crate::proto::http1::Head;
use crate::proto::http1::response::HeaderBlock;
use crate::proto::jsonrpc::Id;

/// A request whose head was let through: known, counted, and waiting for its body.
#[derive(Debug)]
pub struct Entered {
    pub(super) exchange: Exchange,
    pub(super) snapshot: Arc<Snapshot>,
    metered: Metered,
    purpose: Purpose,
    pub(super) accepts: Accepts,
    pub(super) cors: Option<HeaderBlock>,
}

/// Why a request goes no further, or not yet.
#[derive(Debug)]
pub enum Stop {
    /// It is answered.
    Reply(Reply),
    /// Another server is asked who it is from; then [`enter_again`].
    Wait(Box<Waiting>),
}

/// A request that rests until another server has told who it is from.
#[derive(Debug)]
pub struct Waiting {
    known: Known,
    admitted: Admitted,
    waiter: Arc<Waiter>,
    /// How often it has waited.
    rounds: u32,
}

impl Waiting {
    /// True if it can go on.
    pub fn is_over(&self) -> bool {
        self.waiter.has_answer()
    }
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The listener that it has come by.
    pub door: Door,
    /// The certificate that it has shown.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// What is known of a request before it is known who it is from.
#[derive(Debug)]
struct Known {
    exchange: Exchange,
    snapshot: Arc<Snapshot>,
    purpose: Purpose,
    accepts: Accepts,
    cors: Option<HeaderBlock>,
}

/// A request that asks to be let in.
struct Asking<'a> {
    head: &'a Head,
    peer: &'a Peer,
    reader: &'a Arc<dyn Wake>,
    /// How often it has waited.
    rounds: u32,
    now: Now,
}

/// What a request is made of once its head was let through.
pub(super) struct Parts {
    pub(super) exchange: Exchange,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) metered: Metered,
    pub(super) accepts: Accepts,
    pub(super) cors: Option<HeaderBlock>,
}

impl Entered {
    pub(super) fn principal(&self) -> &Arc<Principal> {
        self.metered.principal()
    }

    pub(super) fn into_parts(self) -> Parts {
        let Self { exchange, snapshot, metered, accepts, cors, .. } = self;
        Parts { exchange, snapshot, metered, accepts, cors }
    }
}

/// The first half: all that a head can say. What is refused here was never read further.
pub fn enter(
    services: &Arc<Services>,
    head: &Head,
    peer: &Peer,
    reader: &Arc<dyn Wake>,
    now: Now,
) -> Result<Entered, Stop> {
    let snapshot = services.snapshot.load_full();
    let Some(face) = snapshot.face(peer.door) else { return Err(Stop::Reply(Reply::empty(503))) };
    let address = face.endpoint.surface.proxies.client(head, peer.address);
    let exchange = Exchange::begin(services, Transport::Http, Some(address), now);
    let cors = cors_of(face, head);
    if services.blocks.hold(address, unix_seconds) {
        let reply = refuse(exchange, &Refusal::Blocked, None, version_of(head), cors);
        return Err(Stop::Reply(Reply { close: true, ..reply }));
    }
    let (admitted, purpose, accepts) = match face.endpoint.admit(head, address) {
        Ok(Passage::Enter(admitted, purpose, accepts)) => (admitted, purpose, accepts),
        Ok(Passage::Preflight(origin)) => {
            return Err(Stop::Reply(preflight(exchange, face, head, &origin)));
        }
        Ok(Passage::Methods(methods)) => {
            return Err(Stop::Reply(allowed(exchange, methods, cors)));
        }
        Ok(Passage::Metadata) => return Err(Stop::Reply(metadata(exchange, face, cors))),
        Err(refusal) => {
            // Nobody may ask for nothing as fast as they can.
            let too_fast = snapshot.rate.stranger(address, now).err();
            let close = too_fast.is_some();
            let refusal = too_fast.unwrap_or(refusal);
            let reply = refuse(exchange, &refusal, None, version_of(head), cors);
            return Err(Stop::Reply(Reply { close, ..reply }));
        }
    };
    let known = Known { exchange, snapshot, purpose, accepts, cors };
    let (presented, is_ticket) = known.presented(head);
    let credentials = known.snapshot.authentication.tagged(presented);
    if is_ticket {
        return known.redeem(head, admitted, &credentials, now);
    }
    if let Some(refusal) = comes_too_often(&known.snapshot, &credentials, address, now) {
        return Err(known.refuse(head, &refusal));
    }
    let is_nobody = credentials.are_absent() && peer.certificate.is_none();
    let is_asked = known.snapshot.authentication.is_on();
    let is_too_fast = is_nobody && is_asked && known.snapshot.rate.stranger(address, now).is_err();
    let asking = Asking { head, peer, reader, rounds: 0, now };
    let entered = known.identify(&asking, admitted, &credentials);
    match entered {
        // It is told to authenticate, and has to come back for that.
        Err(Stop::Reply(reply)) if is_too_fast => Err(Stop::Reply(Reply { close: true, ..reply })),
        entered => entered,
    }
}

/// The same once more, for a request that has waited: long enough if `is_late`.
pub fn enter_again(
    waiting: Waiting,
    head: &Head,
    peer: &Peer,
    reader: &Arc<dyn Wake>,
    is_late: bool,
    now: Now,
) -> Result<Entered, Stop> {
    let Waiting { known, admitted, rounds, .. } = waiting;
    if is_late {
        return Err(known.refuse(head, &Refusal::Undecided));
    }
    let (presented, _) = known.presented(head);
    let credentials = known.snapshot.authentication.tagged(presented);
    let asking = Asking { head, peer, reader, rounds, now };
    known.identify(&asking, admitted, &credentials)
}

impl Known {
    /// What a head presents, and whether that is a ticket.
    fn presented<'h>(&self, head: &'h Head) -> (Presented<'h>, bool) {
        let ticket = match self.purpose {
            Purpose::WebSocket if self.snapshot.authentication.is_on() => handshake::ticket(head),
            _ => None,
        };
        match (presented(head), ticket) {
            (Presented::Nothing, Some(ticket)) => (Presented::Secret(ticket), true),
            (_, Some(_)) => (Presented::Unusable, false),
            (presented, None) => (presented, false),
        }
    }

    /// Lets a page in that has shown a ticket. A good one passes the lockout of its source, as the
    /// credential does that it was got with.
    fn redeem(
        mut self,
        head: &Head,
        admitted: Admitted,
        credentials: &Credentials<'_>,
        now: Now,
    ) -> Result<Entered, Stop> {
        let text = handshake::ticket(head).unwrap_or_default();
        let tickets = &self.exchange.services().tickets;
        let principal = tickets.redeem(text, head.header_str("origin"), now);
        let authentication = &self.snapshot.authentication;
        let address = admitted.address();
        let known = principal.ok_or(Refusal::BadCredentials("bad_ticket"));
        let known = known.and_then(|principal| {
            authentication.vouch_again(admitted, &principal, unix_seconds(), now)
        });
        if let (Err(Refusal::BadCredentials(_)), Some(address)) = (&known, address) {
            let too_often = comes_too_often(&self.snapshot, credentials, address, now);
            if let Some(refusal) = too_often {
                return Err(self.refuse(head, &refusal));
            }
            let identity = authentication.identity(credentials);
            self.snapshot.rate.failed(address, credentials.tag(), identity.as_ref(), now);
        }
        let nothing = authentication.tagged(Presented::Nothing);
        let metered =
            known.and_then(|known| meter(&mut self.exchange, &self.snapshot, known, &nothing, now));
        match metered {
            Ok(metered) => Ok(self.let_in(metered)),
            Err(refusal) => Err(self.refuse(head, &refusal)),
        }
    }

    fn let_in(self, metered: Metered) -> Entered {
        let Self { exchange, snapshot, purpose, accepts, cors } = self;
        Entered { exchange, snapshot, metered, purpose, accepts, cors }
    }

    fn identify(
        mut self,
        asking: &Asking<'_>,
        admitted: Admitted,
        credentials: &Credentials<'_>,
    ) -> Result<Entered, Stop> {
        let Asking { head, peer, reader, rounds, now } = *asking;
        let occasion = Occasion {
            now,
            unix_seconds: unix_seconds(),
            wake: reader,
            may_wait: rounds < MOST_ROUNDS,
            certificate: peer.certificate.as_deref(),
        };
        match identify(&mut self.exchange, &self.snapshot, admitted, credentials, &occasion) {
            Ok(metered) => Ok(self.let_in(metered)),
            Err(Unmetered::Later(admitted, waiter)) => {
                let rounds = rounds + 1;
                Err(Stop::Wait(Box::new(Waiting { known: self, admitted, waiter, rounds })))
            }
            Err(Unmetered::Refused(refusal)) => Err(self.refuse(head, &refusal)),
        }
    }

    fn refuse(self, head: &Head, refusal: &Refusal) -> Stop {
        Stop::Reply(refuse(self.exchange, refusal, None, version_of(head), self.cors))
    }
}

/// The second half: a complete request goes to whoever answers it.
pub fn walk(
    entered: Entered,
    head: &Head,
    body: &[u8],
    peer: &Peer,
    reader: &Arc<dyn Wake>,
    now: Now,
) -> Answer {
    let quota = entered.metered.quota();
    let mut answer = match entered.purpose {
        Purpose::Message => message(entered, head, body, reader, now),
        Purpose::Stream => streams::open(entered, head, reader, now),
        Purpose::EndSession => end_session(entered, head, now),
        Purpose::EventSession => event_sessions::open(entered, head, reader, now),
        Purpose::EventMessage => event_sessions::post(entered, head, body, now),
        Purpose::WebSocket => upgrades::upgrade(entered, head, peer.address),
        Purpose::Ticket => upgrades::ticket(entered, head, now),
    };
    answer.tell(quota);
    answer
}

fn message(entered: Entered, head: &Head, body: &[u8], reader: &Arc<dyn Wake>, now: Now) -> Answer {
    let Parts { mut exchange, snapshot, metered, accepts, cors } = entered.into_parts();
    exchange.set_bytes(body.len());
    let services = Arc::clone(exchange.services());
    let find =
        |id: &str, principal: &_| services.sessions.find(id, principal, &snapshot.sessions, now);
    let call = match http::check(metered, head, body, snapshot.json, find) {
        Ok(Incoming::Call(call)) => call,
        Ok(Incoming::Notice(notice, session)) => return accept(exchange, notice, session, cors),
        Ok(Incoming::Batch(metered, session)) => {
            let batch = Batch {
                services: &services,
                snapshot: &snapshot,
                session: &session,
                transport: Transport::Http,
                address: metered.address(),
            };
            let posted = Posted { exchange, accepts, cors };
            return batch.post(posted, metered, body, reader, now);
        }
        Err(refused) => {
            let Refused { refusal, id, version, method } = *refused;
            if let Some(method) = method {
                exchange.set_call(method, None);
            }
            return Answer::Reply(refuse(exchange, &refusal, id.as_ref(), version, cors));
        }
    };
    exchange.set_call(call.method(), call.target());
    let parts = CallParts::of(&call);
    let decided = grant(&services, &snapshot, *call, now);
    let header = |name: &str| mirrored_header(head, name);
    let is_modern = parts.version.era() == Era::Modern;
    let work = decided.and_then(|grant| {
        dispatch(&services, &snapshot, grant, if is_modern { Some(&header) } else { None })
    });
    let carried = Carried { exchange, snapshot, accepts, cors, parts };
    match work {
        Ok(work) => streams::carry_out(carried, work, reader, now),
        Err(refusal) => Answer::Reply(carried.refuse(&refusal)),
    }
}

/// The one value of a header that mirrors a parameter; `Err` if it is repeated or not plain ASCII.
fn mirrored_header(head: &Head, name: &str) -> Result<Option<String>, ()> {
    match head.count_of(name) {
        0 => Ok(None),
        1 => head.header_str(name).map(|value| Some(value.to_owned())).ok_or(()),
        _ => Err(()),
    }
}

/// What is needed of a call after it was given away.
#[derive(Debug)]
pub struct CallParts {
    /// Its id.
    pub id: Id,
    /// Its version.
    pub version: Version,
    /// Its session.
    pub session: Option<Arc<Session>>,
    /// Who makes it.
    pub principal: Arc<Principal>,
    /// What it wants to hear while it runs.
    pub wishes: Wishes,
    /// What its client can do for the server.
    pub capabilities: ClientCapabilities,
}

impl CallParts {
    /// The parts of `call`.
    pub fn of(call: &Call) -> Self {
        let session_level = call.session().and_then(|session| session.log_level());
        Self {
            id: call.id().clone(),
            version: call.version(),
            session: call.session().cloned(),
            principal: Arc::clone(call.principal()),
            capabilities: call.meta().capabilities,
            wishes: Wishes {
                progress_token: call.meta().progress_token.clone(),
                log_level: call.meta().log_level.or(session_level),
            },
        }
    }
}

/// A notification or response is taken and not answered.
fn accept(
    exchange: Exchange,
    notice: Notice,
    session: Option<Arc<Session>>,
    cors: Option<HeaderBlock>,
) -> Answer {
    let version = session.as_ref().map_or(Version::ASSUMED, |session| session.version);
    if let Err(refusal) = heed(notice, session.as_ref()) {
        return Answer::Reply(refuse(exchange, &refusal, None, version, cors));
    }
    exchange.finish(&Ending::Done);
    Answer::Reply(Reply { cors, ..Reply::empty(202) })
}

/// DELETE: the client says that it will not come back.
fn end_session(entered: Entered, head: &Head, now: Now) -> Answer {
    let Parts { exchange, snapshot, metered, cors, .. } = entered.into_parts();
    let sessions = &exchange.services().sessions;
    // The modern era has no sessions, whatever its clients send.
    let is_legacy = version_of(head).era() == Era::Legacy;
    let refusal = match http::session_id(head).map(|id| id.filter(|_| is_legacy)) {
        Err(refusal) => refusal,
        Ok(None) => Refusal::MethodNotAllowed("POST"),
        Ok(Some(id)) => match sessions.find(id, metered.principal(), &snapshot.sessions, now) {
            None => Refusal::NoSession,
            Some(session) => {
                sessions.remove(&session.id);
                exchange.finish(&Ending::Done);
                return Answer::Reply(Reply { cors, ..Reply::empty(204) });
            }
        },
    };
    Answer::Reply(refuse(exchange, &refusal, None, version_of(head), cors))
}

/// A request that was let in, and whose body never became whole.
pub fn give_up(entered: Entered, head: &Head, refusal: &Refusal) -> Reply {
    let Entered { exchange, cors, metered, .. } = entered;
    let reply = refuse(exchange, refusal, None, version_of(head), cors);
    Reply { close: true, quota: metered.quota(), ..reply }
}
