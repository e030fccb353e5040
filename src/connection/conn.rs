//! One connection and its step: send, read, take requests to the road, send what it answers. A step
//! is bounded and never waits; between steps nothing of this runs.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::caps::Place;
use super::link::{Link, Received};
use super::messages::MessageConn;
use super::phase::Phase;
use super::reading::{Next, Reading};
use super::scratch::Scratch;
use super::settings::Limits;
use crate::base::clock::Now;
use crate::base::counters::{Counters, HandshakeFailure};
use crate::guard::authn::certificate::ClientCertificate;
use crate::mcp::outlet::Wake;
use crate::pipeline::road::Peer;
use crate::pipeline::services::Services;
use crate::pipeline::snapshot::Door;
use crate::pipeline::upgrades::Upgrade;
use crate::proto::buffer::Buffer;
use crate::proto::http1::RequestDecoder;

/// Requests that one step answers at most.
const STEP_REQUESTS: u32 = 32;
/// How long a request waits for another server to tell who it is from.
pub(super) const PROVING: Duration = Duration::from_secs(20);
/// How long a peer may go on sending after our last word.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// What all connections of the process share.
#[derive(Debug)]
pub struct Surroundings {
    /// The shared parts.
    pub services: Arc<Services>,
    /// Bounds of connections.
    pub limits: Limits,
    /// Time for what a connection begins with: the header of a proxy, the TLS handshake.
    pub handshake_timeout: Duration,
    /// The server is going down: no request after the present one.
    pub is_draining: AtomicBool,
}

/// What a step is given.
pub struct Step<'s> {
    /// What connections share.
    pub around: &'s Surroundings,
    /// The buffers of the thread that runs it.
    pub scratch: &'s mut Scratch,
    /// How others wake this connection.
    pub reader: &'s Arc<dyn Wake>,
    /// The peer has closed its side, or the connection broke.
    pub hung_up: bool,
    /// When it began.
    pub now: Now,
}

/// Until when a connection rests.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// It must be run at this time if nothing happens before.
    pub deadline: Option<Now>,
    /// It has not finished what it could do.
    pub wants_more: bool,
}

/// A connection; see the module.
#[derive(Debug)]
pub struct Conn {
    pub(super) link: Link,
    pub(super) peer: Peer,
    pub(super) phase: Phase,
    pub(super) decoder: RequestDecoder,
    pub(super) input: Buffer,
    pub(super) requests: u32,
    /// Requests that came before the answer to the one before them was out.
    pub(super) in_a_row: u32,
    /// Nothing follows the present response.
    pub(super) closes: bool,
    since: Now,
    peer_closed: bool,
    place: Place,
}

/// What came of a part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Go on.
    Again,
    /// Bytes of the peer are needed.
    Read,
    /// Something else must happen first.
    Rest,
}

/// Notes who the peer is, once hands are shaken.
pub(super) fn meet(
    link: &Link,
    place: &mut Place,
    peer: &mut Peer,
    counters: &Counters,
) -> io::Result<()> {
    peer.address = link.proxied_source().unwrap_or(peer.address);
    peer.certificate = link.peer_certificate().map(ClientCertificate::new).map(Arc::new);
    place.end_handshake(peer.address, counters)
}

/// Counts a connection that the system has given up because its peer took nothing any more.
pub(super) fn note<T>(result: io::Result<T>, counters: &Counters) -> io::Result<T> {
    if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        counters.peer_timeouts.increment();
    }
    result
}

impl Conn {
    /// A fresh connection.
    pub fn new(link: Link, address: IpAddr, door: Door, place: Place, now: Now) -> Self {
        let phase = if link.is_handshaking() { Phase::Handshake } else { Phase::Idle };
        Self {
            link,
            peer: Peer { address, door, certificate: None },
            phase,
            decoder: RequestDecoder::new(),
            input: Buffer::new(),
            requests: 0,
            in_a_row: 0,
            closes: false,
            since: now,
            peer_closed: false,
            place,
        }
    }

    /// The address of the peer.
    pub fn address(&self) -> IpAddr {
        self.peer.address
    }

    /// True once something else is spoken than HTTP.
    pub fn is_upgraded(&self) -> bool {
        matches!(self.phase, Phase::Upgraded(_))
    }

    /// The connection that it has become, if it has.
    pub fn into_messages(self, now: Now) -> Option<MessageConn> {
        let Self { link, peer, phase, input, place, .. } = self;
        let Phase::Upgraded(upgrade) = phase else { return None };
        let Upgrade { principal, seat, address, .. } = *upgrade;
        let peer = Peer { address, ..peer };
        Some(MessageConn::websocket(link, peer, (principal, seat), (input, place), now))
    }

    /// One step. `None` if the connection is closed.
    pub fn step(&mut self, mut step: Step<'_>) -> Option<Rest> {
        let mut result = self.work(&mut step);
        let held = self.input.len().saturating_add(self.decoder.held_bytes());
        if !self.place.hold(held) && matches!(self.phase, Phase::Body(_)) {
            // What has come of it is dropped as it comes, so that the peer can read why.
            result = self.let_go_of_body(&mut step).map(|()| true);
        }
        let wants_more = note(result, &step.around.services.counters).ok()?;
        let is_over = self.is_idle() && step.around.is_draining.load(Ordering::Relaxed);
        if is_over || matches!(self.phase, Phase::Closed) {
            return None;
        }
        self.input.release();
        Some(Rest { deadline: self.deadline(step.around), wants_more })
    }

    /// Does what can be done now. True if it stopped for the sake of others.
    fn work(&mut self, step: &mut Step<'_>) -> io::Result<bool> {
        let was_blocked = self.is_blocked();
        self.link.send(&[], step.now)?;
        if was_blocked && !self.is_blocked() {
            // The time of a phase begins when our part of it is done.
            self.since = step.now;
        }
        if self.deadline(step.around).is_some_and(|deadline| deadline <= step.now) {
            self.time_out(step)?;
        }
        let (mut reading, first_request) = (Reading::of(step), self.requests);
        while !matches!(self.phase, Phase::Closed | Phase::Upgraded(_)) && !self.is_blocked() {
            let turn = match &self.phase {
                Phase::Handshake | Phase::Linger => Turn::Read,
                Phase::Answering(_) | Phase::Proving(_) if step.hung_up => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                Phase::Answering(_) => self.go_on_answering(step)?,
                Phase::Proving(_) => self.go_on_proving(step)?,
                _ => self.decode(step)?,
            };
            match turn {
                Turn::Again if self.requests - first_request >= STEP_REQUESTS => return Ok(true),
                Turn::Again => {}
                Turn::Rest => break,
                Turn::Read if self.peer_closed => self.end_of_input()?,
                Turn::Read => match reading.next() {
                    Next::Rest => break,
                    Next::Yield => return Ok(true),
                    Next::Read => self.peer_closed = reading.note(self.read(step)?)?,
                },
            }
        }
        Ok(false)
    }

    fn read(&mut self, step: &mut Step<'_>) -> io::Result<Received> {
        if matches!(self.phase, Phase::Linger) {
            return self.link.drop_input(step.scratch);
        }
        if matches!(self.phase, Phase::Idle) && self.input.is_empty() {
            self.in_a_row = 0;
        }
        if !matches!(self.phase, Phase::Handshake) {
            return self.link.receive(step.scratch, &mut self.input);
        }
        let counters = &step.around.services.counters;
        let received = self.link.shake_hands(step.scratch, &mut self.input, counters, step.now)?;
        if !self.link.is_handshaking() {
            meet(&self.link, &mut self.place, &mut self.peer, counters)?;
            self.enter(Phase::Idle, step.now);
        }
        Ok(received)
    }

    /// The peer sends nothing more, and what it sent is no whole request.
    fn end_of_input(&mut self) -> io::Result<()> {
        if !matches!(self.phase, Phase::Idle | Phase::Linger) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.phase = Phase::Closed;
        Ok(())
    }

    pub(super) fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.since = now;
    }

    /// All connections together hold more than they may, and this one not little.
    fn let_go_of_body(&mut self, step: &mut Step<'_>) -> io::Result<()> {
        let snapshot = step.around.services.snapshot.load();
        let Some(face) = snapshot.face(self.peer.door) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let sentence = "Too many large requests are on their way. Try again later.";
        self.refuse_request(step, face, 503, sentence)?;
        (self.decoder, self.input) = (RequestDecoder::new(), Buffer::new());
        self.place.hold(0);
        Ok(())
    }

    /// A deadline has passed.
    fn time_out(&mut self, step: &mut Step<'_>) -> io::Result<()> {
        // These two go on by themselves.
        if matches!(self.phase, Phase::Answering(_) | Phase::Proving(_)) && !self.is_blocked() {
            return Ok(());
        }
        let counters = &step.around.services.counters;
        match &self.phase {
            Phase::Idle | Phase::Linger if !self.is_blocked() => {}
            Phase::Handshake => {
                self.link.count_failure(counters, HandshakeFailure::TimedOut);
                counters.peer_timeouts.increment();
            }
            _ => counters.peer_timeouts.increment(),
        }
        if matches!(self.phase, Phase::Head | Phase::Body(_) | Phase::Discard(_)) {
            let snapshot = step.around.services.snapshot.load();
            if let Some(face) = snapshot.face(self.peer.door) {
                return self.refuse_request(
                    step,
                    face,
                    408,
                    "The request took too long to arrive.",
                );
            }
        }
        self.phase = Phase::Closed;
        Ok(())
    }

    /// When it must be run even if nothing happens.
    pub(super) fn deadline(&self, around: &Surroundings) -> Option<Now> {
        let limits = &around.limits;
        if let Some(stalled) = self.link.stalled_since() {
            return Some(stalled.plus(limits.write_stall));
        }
        Some(match &self.phase {
            Phase::Handshake => self.since.plus(around.handshake_timeout),
            Phase::Idle => self.since.plus(limits.idle_timeout),
            Phase::Head => self.since.plus(limits.head_timeout),
            Phase::Body(_) | Phase::Discard(_) => self.since.plus(limits.body_timeout),
            Phase::Answering(answering) => answering.keepalive_at,
            Phase::Proving(_) => self.since.plus(PROVING),
            Phase::Linger => self.since.plus(LINGER),
            Phase::Closed | Phase::Upgraded(_) => return None,
        })
    }

    /// True while the socket takes no more of what was written.
    pub(super) fn is_blocked(&self) -> bool {
        self.link.stalled_since().is_some()
    }

    /// True if it is between two requests and owes nothing.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Handshake) && !self.is_blocked()
    }
}
