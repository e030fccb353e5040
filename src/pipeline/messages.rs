//! The road of messages over a connection of their own: lines over TCP, and WebSocket. Each message
//! is asked who it is from; what it does not say itself, its connection has proved before. Behind
//! that it is the road of lines.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use super::exchange::{Ending, Exchange, Transport};
use super::identify::{MOST_ROUNDS, Unmetered, comes_too_often, identify, meter};
use super::lines::LineRoad;
use super::road::Peer;
use super::seats::{Seat, TOO_MANY_CONNECTIONS};
use super::services::Services;
use super::snapshot::Snapshot;
use crate::base::clock::{Now, unix_seconds};
use crate::base::principal::Principal;
use crate::base::secret::Secret;
use crate::guard::authn::inquiry::Waiter;
use crate::guard::authn::{Occasion, Presented, presented_in, take_credential};
use crate::guard::gate::{Admitted, admit_message};
use crate::guard::rate::Metered;
use crate::guard::refusal::Refusal;
use crate::guard::validate::{Sorted, sort};
use crate::mcp::era::Era;
use crate::mcp::meta::claimed_version;
use crate::mcp::methods::Method;
use crate::mcp::outlet::{Outlet, Wake};
use crate::proto::jsonrpc::{self, Malformed, Meant, Message, id_to_answer, is_answered};

/// Why nothing more is taken of a connection.
const TOO_MUCH: Refusal = Refusal::Overloaded("Too many large messages are on their way");
/// Longest message of somebody who has proved nothing yet, in bytes.
const STRANGERS_BYTES: usize = 64 * 1024;

/// The messages of one connection; see the module.
#[derive(Debug)]
pub struct MessageRoad {
    services: Arc<Services>,
    lines: LineRoad,
    transport: Transport,
    peer: Peer,
    proved: Mutex<Proved>,
}

/// What the connection has proved.
#[derive(Debug, Default)]
struct Proved {
    /// Who has sent the last message that was let through.
    last: Option<Arc<Principal>>,
    /// Who a request is from that does not say so: a handshake proves it for the connection.
    whole: Option<Arc<Principal>>,
    /// The place of the connection among those of that user.
    seat: Option<Seat>,
}

/// What became of a message.
#[derive(Debug)]
pub enum Arrived {
    /// It is answered, now or later.
    Taken,
    /// Another server is asked who it is from; then [`MessageRoad::arrive_again`].
    Wait(Box<Waiting>),
    /// It was refused, and nothing more is taken from this connection.
    Last,
}

/// A message that rests until another server has told who it is from.
#[derive(Debug)]
pub struct Waiting {
    asking: Asking,
    admitted: Admitted,
    waiter: Arc<Waiter>,
}

impl Waiting {
    /// True if it can go on.
    pub fn is_over(&self) -> bool {
        self.waiter.has_answer()
    }
}

/// A message of which it is not known yet who it is from.
#[derive(Debug)]
struct Asking {
    exchange: Exchange,
    snapshot: Arc<Snapshot>,
    read: Read,
    /// How often it has waited.
    rounds: u32,
}

/// A message, and the credential that stood in it.
#[derive(Debug)]
struct Read {
    message: Result<Message, Malformed>,
    /// What was read, where it is no single message.
    bytes: Vec<u8>,
    credential: Option<Secret>,
    is_modern: bool,
}

impl Read {
    fn new(bytes: Vec<u8>, snapshot: &Snapshot) -> Self {
        let mut message = jsonrpc::parse(&bytes, snapshot.json);
        let bytes = if message.is_err() { bytes } else { Vec::new() };
        let params = match &mut message {
            Ok(Message::Request { params, .. } | Message::Notification { params, .. }) => {
                Some(params)
            }
            _ => None,
        };
        let claimed = params.as_ref().and_then(|params| claimed_version(params));
        let is_modern = claimed.is_some_and(Value::is_string);
        let credential = params.and_then(take_credential);
        Self { message, bytes, credential, is_modern }
    }

    fn presented(&self) -> Presented<'_> {
        let credential = self.credential.as_ref();
        credential.map_or(Presented::Nothing, |secret| presented_in(secret.expose()))
    }

    fn is_initialize(&self) -> bool {
        let Ok(Message::Request { method, .. }) = &self.message else { return false };
        Method::from_name(method) == Some(Method::Initialize)
    }

    fn is_request(&self) -> bool {
        matches!(self.message, Ok(Message::Request { .. }))
    }
}

/// True if the credential of a message is of the user who has proved the connection, and holds
/// longer than what it was proved with: the connection goes on with it.
fn renews(asking: &Asking, former: &Principal, newer: &Principal) -> bool {
    let until = |principal| asking.snapshot.authentication.until(principal).unwrap_or(u64::MAX);
    asking.read.credential.is_some() && former.key == newer.key && until(former) < until(newer)
}

impl MessageRoad {
    /// The road of a connection over `transport` whose answers go into `outlet`; `proved` is who
    /// it is from, if that was found out before its first message.
    pub fn new(
        services: Arc<Services>,
        outlet: Arc<Outlet>,
        transport: Transport,
        peer: Peer,
        proved: Option<(Arc<Principal>, Seat)>,
    ) -> Self {
        let address = Some(peer.address);
        let lines = LineRoad::posted(Arc::clone(&services), outlet, transport, address);
        let (whole, seat) = proved.unzip();
        let proved = Mutex::new(Proved { last: whole.clone(), whole, seat });
        Self { services, lines, transport, peer, proved }
    }

    /// Longest message that is taken now, in bytes.
    pub fn most_bytes(&self) -> usize {
        let most = self.services.snapshot.load().message_bytes;
        if self.has_proved() { most } else { most.min(STRANGERS_BYTES) }
    }

    /// True once a message was let through.
    pub fn has_proved(&self) -> bool {
        self.proved.lock().last.is_some()
    }

    /// False if what the connection was proved with is not good any more.
    pub fn is_believed(&self) -> bool {
        let last = self.proved.lock().last.clone();
        last.is_none_or(|principal| self.services.snapshot.load().vouches_for(&principal))
    }

    /// When what the connection was proved with is over, if that is known, in seconds since 1970.
    pub fn until(&self) -> Option<u64> {
        let last = self.proved.lock().last.clone();
        last.and_then(|principal| self.services.snapshot.load().authentication.until(&principal))
    }

    /// True while a request has no answer yet, or the client listens.
    pub fn is_busy(&self) -> bool {
        self.lines.is_busy()
    }

    /// True while a request has no answer yet.
    pub fn is_running(&self) -> bool {
        self.lines.is_running()
    }

    /// A message that is longer than [`MessageRoad::most_bytes`].
    pub fn too_long(&self, meant: &Meant, now: Now) -> Arrived {
        self.lines.too_long(meant, now);
        if self.has_proved() { Arrived::Taken } else { Arrived::Last }
    }

    /// A whole message.
    pub fn arrive(&self, bytes: Vec<u8>, reader: &Arc<dyn Wake>, now: Now) -> Arrived {
        let snapshot = self.services.snapshot.load_full();
        let address = self.peer.address;
        let mut exchange = Exchange::begin(&self.services, self.transport, Some(address), now);
        exchange.set_bytes(bytes.len());
        let read = Read::new(bytes, &snapshot);
        let asking = Asking { exchange, snapshot, read, rounds: 0 };
        if self.services.blocks.hold(address, unix_seconds) {
            return self.refuse(asking, &Refusal::Blocked);
        }
        // Whoever begins with something else is no client: a browser, it may be, that a page has
        // sent here with messages inside of its request.
        if let (Err(malformed), false) = (&asking.read.message, self.has_proved()) {
            let refusal = Refusal::malformed(malformed.fault);
            return self.refuse(asking, &refusal);
        }
        let admitted = admit_message(self.transport, address);
        if let Some(principal) = self.proved_before(&asking.read) {
            return self.vouch(asking, admitted, &principal, now);
        }
        let too_much = {
            let credentials = asking.snapshot.authentication.tagged(asking.read.presented());
            comes_too_often(&asking.snapshot, &credentials, address, now)
        };
        match too_much {
            Some(refusal) => self.refuse(asking, &refusal),
            None => self.identify(asking, admitted, reader, now),
        }
    }

    /// True if nobody has to prove who they are, or somebody has.
    pub fn is_let_in(&self) -> bool {
        self.has_proved() || !self.services.snapshot.load().authentication.is_on()
    }

    /// All connections together hold more of messages than they may, and this one not little.
    pub fn too_much(&self, now: Now) {
        self.turn_away(&TOO_MUCH, now);
    }

    /// Nobody has proved who they are in time.
    pub fn never_came(&self, now: Now) {
        self.turn_away(&Refusal::NoCredentials, now);
    }

    /// Says what is no answer to any message.
    fn turn_away(&self, refusal: &Refusal, now: Now) {
        let address = Some(self.peer.address);
        let exchange = Exchange::begin(&self.services, self.transport, address, now);
        self.lines.refuse(exchange, refusal, None);
    }

    /// The same once more, for a message that has waited: long enough if `is_late`.
    pub fn arrive_again(
        &self,
        waiting: Waiting,
        reader: &Arc<dyn Wake>,
        is_late: bool,
        now: Now,
    ) -> Arrived {
        let Waiting { asking, admitted, .. } = waiting;
        if is_late {
            return self.refuse(asking, &Refusal::Undecided);
        }
        self.identify(asking, admitted, reader, now)
    }

    /// Who has proved before that the message is from them, if it does not say so itself.
    fn proved_before(&self, read: &Read) -> Option<Arc<Principal>> {
        if read.credential.is_some() {
            return None;
        }
        let proved = self.proved.lock();
        // A request of the modern era stands alone, but where its connection has proved itself
        // before it spoke of messages; what is no request belongs to one.
        let stands_alone = read.is_modern && self.transport != Transport::WebSocket;
        let whole = proved.whole.as_ref().filter(|_| !(stands_alone && read.is_request()));
        let last = proved.last.as_ref().filter(|_| !read.is_request());
        whole.or(last).cloned()
    }

    fn vouch(
        &self,
        mut asking: Asking,
        admitted: Admitted,
        principal: &Arc<Principal>,
        now: Now,
    ) -> Arrived {
        let Asking { exchange, snapshot, .. } = &mut asking;
        let authentication = &snapshot.authentication;
        let known = authentication.vouch_again(admitted, principal, unix_seconds(), now);
        let nothing = authentication.tagged(Presented::Nothing);
        let metered = known.and_then(|known| meter(exchange, snapshot, known, &nothing, now));
        match metered {
            Ok(metered) => self.carry(asking, metered, now),
            Err(refusal @ (Refusal::TooMany(..) | Refusal::Unrecorded)) => {
                self.refuse_known(asking, &refusal)
            }
            Err(refusal) => self.refuse(asking, &refusal),
        }
    }

    fn identify(
        &self,
        mut asking: Asking,
        admitted: Admitted,
        reader: &Arc<dyn Wake>,
        now: Now,
    ) -> Arrived {
        let Asking { exchange, snapshot, read, rounds } = &mut asking;
        let credentials = snapshot.authentication.tagged(read.presented());
        let occasion = Occasion {
            now,
            unix_seconds: unix_seconds(),
            wake: reader,
            may_wait: *rounds < MOST_ROUNDS,
            certificate: self.peer.certificate.as_deref(),
        };
        match identify(exchange, snapshot, admitted, &credentials, &occasion) {
            Ok(metered) => self.carry(asking, metered, now),
            Err(Unmetered::Later(admitted, waiter)) => {
                asking.rounds += 1;
                Arrived::Wait(Box::new(Waiting { asking, admitted, waiter }))
            }
            Err(Unmetered::Refused(refusal)) => self.refuse(asking, &refusal),
        }
    }

    /// Takes a message whose sender is known and counted to where it is answered.
    fn carry(&self, asking: Asking, metered: Metered, now: Now) -> Arrived {
        let principal = Arc::clone(metered.principal());
        let is_handshake = !asking.read.is_modern;
        let session = self.lines.session().filter(|_| is_handshake);
        if session.is_some_and(|session| session.principal.key != principal.key) {
            return self.refuse(asking, &Refusal::NoSession);
        }
        if asking.read.is_request() && !self.take_seat(&asking, &principal) {
            return self.refuse(asking, &TOO_MANY_CONNECTIONS);
        }
        let proves_whole = is_handshake && asking.read.is_initialize();
        {
            let mut proved = self.proved.lock();
            let whole = proved.whole.as_ref();
            if proves_whole || whole.is_some_and(|whole| renews(&asking, whole, &principal)) {
                proved.whole = Some(Arc::clone(&principal));
            }
            // A proof that ends sooner shortens nothing.
            let whole = proved.whole.clone().filter(|whole| whole.key == principal.key);
            let last = whole.unwrap_or(principal);
            self.lines.renew(&last);
            proved.last = Some(last);
        }
        let Asking { exchange, snapshot, read, .. } = asking;
        self.lines.carry_read(exchange, snapshot, metered, (read.message, &read.bytes), now);
        Arrived::Taken
    }

    /// Counts the connection as one of this user; false if there are too many.
    fn take_seat(&self, asking: &Asking, principal: &Principal) -> bool {
        let mut proved = self.proved.lock();
        if proved.seat.is_none() {
            let most = asking.snapshot.sessions.sessions_per_principal;
            proved.seat = self.services.seats.take(principal, most);
        }
        proved.seat.is_some()
    }

    fn refuse(&self, asking: Asking, refusal: &Refusal) -> Arrived {
        let Asking { exchange, read, snapshot, .. } = asking;
        if is_answered(&read.message) {
            self.lines.refuse(exchange, refusal, id_to_answer(&read.message));
        } else {
            exchange.finish(&Ending::Refused(refusal, Era::Legacy));
        }
        let is_too_fast = matches!(refusal, Refusal::NoCredentials)
            && snapshot.rate.stranger(self.peer.address, Now::read()).is_err();
        let is_unwelcome = matches!(
            refusal,
            Refusal::BadCredentials(_) | Refusal::Blocked | Refusal::LockedOut(_)
        );
        if is_unwelcome || is_too_fast || !self.has_proved() {
            Arrived::Last
        } else {
            Arrived::Taken
        }
    }

    /// Refuses a message of somebody who is known. To take work back is never too much, and an
    /// answer takes nothing that was not asked for.
    fn refuse_known(&self, asking: Asking, refusal: &Refusal) -> Arrived {
        if is_answered(&asking.read.message) {
            return self.refuse(asking, refusal);
        }
        if let Sorted::Notice(notice) = sort(asking.read.message) {
            self.lines.accept(asking.exchange, notice);
        }
        Arrived::Taken
    }

    /// The client sends nothing more: what it was asked stays unanswered.
    pub fn input_ended(&self) {
        self.lines.input_ended();
    }

    /// The connection ends: what runs is cancelled.
    pub fn close(&self) {
        self.lines.close();
    }
}
