//! A connection that carries messages both ways, many at once, and its step: lines over TCP, and
//! WebSocket. As over HTTP, a step is bounded and never waits.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::caps::Place;
use super::codec::{Codec, Item};
use super::conn::{LINGER, PROVING, Rest, Step, meet, note};
use super::link::{Link, Received};
use super::reading::{Next, Reading};
use crate::base::clock::{Now, unix_micros};
use crate::base::counters::HandshakeFailure;
use crate::base::principal::Principal;
use crate::base::transport::Transport;
use crate::mcp::outlet::Outlet;
use crate::pipeline::messages::{Arrived, MessageRoad, Waiting};
use crate::pipeline::road::Peer;
use crate::pipeline::seats::Seat;
use crate::pipeline::snapshot::Door;
use crate::proto::buffer::Buffer;
use crate::proto::websocket::CloseCode;

/// Bytes that are taken from the outlet at once.
const TAKE_BYTES: usize = 64 * 1024;
/// Messages that one step takes at most.
const STEP_MESSAGES: u32 = 32;
/// Pings that a peer may leave without an answer.
const MISSED_PINGS: u32 = 3;

/// A connection; see the module.
#[derive(Debug)]
pub struct MessageConn {
    link: Link,
    peer: Peer,
    /// Who has proved to be at the other end before the first message.
    proved: Option<(Arc<Principal>, Seat)>,
    transport: Transport,
    codec: Codec,
    input: Buffer,
    phase: Phase,
    /// When the phase began.
    since: Now,
    /// When the last whole message came.
    heard: Now,
    /// When the last byte came.
    received: Now,
    /// When it was last looked whether the peer is there and may still be.
    checked: Now,
    /// When the message began that is not whole yet.
    began: Option<Now>,
    peer_closed: bool,
    /// Nothing more is taken from the peer.
    is_last: bool,
    place: Place,
}

#[derive(Debug)]
enum Phase {
    /// The TLS handshake; no byte of it moves its deadline.
    Handshake,
    /// Messages go both ways.
    Open(Box<Open>),
    /// All is sent; what the peer still sends is dropped, so that it can read our last words.
    Linger,
    /// Nothing more happens.
    Closed,
}

/// What an open connection has.
#[derive(Debug)]
struct Open {
    road: MessageRoad,
    outlet: Arc<Outlet>,
    ticket: u64,
    /// A message of which another server is asked who it is from, and since when.
    waiting: Option<(Box<Waiting>, Now)>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.road.close();
    }
}

/// What came of a part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Go on.
    Again,
    /// A message was taken; go on.
    Taken,
    /// Bytes of the peer are needed.
    Read,
    /// Something else must happen first.
    Rest,
}

impl MessageConn {
    /// A fresh connection of lines.
    pub fn lines(link: Link, address: IpAddr, place: Place, now: Now) -> Self {
        let peer = Peer { address, door: Door::Http, certificate: None };
        let codec = Codec::lines();
        Self::new(link, peer, (Transport::Tcp, codec), (Buffer::new(), place), now)
    }

    /// A connection that has gone over to WebSocket, with what has come since.
    pub fn websocket(
        link: Link,
        peer: Peer,
        proved: (Arc<Principal>, Seat),
        held: (Buffer, Place),
        now: Now,
    ) -> Self {
        let spoken = (Transport::WebSocket, Codec::websocket());
        Self { proved: Some(proved), ..Self::new(link, peer, spoken, held, now) }
    }

    fn new(
        link: Link,
        peer: Peer,
        (transport, codec): (Transport, Codec),
        (input, place): (Buffer, Place),
        now: Now,
    ) -> Self {
        Self {
            link,
            peer,
            proved: None,
            transport,
            codec,
            input,
            phase: Phase::Handshake,
            since: now,
            heard: now,
            received: now,
            checked: now,
            began: None,
            peer_closed: false,
            is_last: false,
            place,
        }
    }

    /// The address of the peer.
    pub fn address(&self) -> IpAddr {
        self.peer.address
    }

    /// One step. `None` if the connection is closed.
    pub fn step(&mut self, mut step: Step<'_>) -> Option<Rest> {
        let mut result = self.work(&mut step);
        let held = self.input.len().saturating_add(self.codec.held_bytes());
        if !self.place.hold(held)
            && let Phase::Open(open) = &self.phase
        {
            // It is told so, and what runs is answered, but nothing more is taken.
            open.road.too_much(step.now);
            (self.codec, self.input) = (self.codec.anew(), Buffer::new());
            (self.is_last, self.began) = (true, None);
            self.place.hold(0);
            result = result.map(|_| true);
        }
        let wants_more = note(result, &step.around.services.counters).ok()?;
        if matches!(self.phase, Phase::Closed) {
            return None;
        }
        self.input.release();
        Some(Rest { deadline: self.deadline(&step), wants_more })
    }

    /// Does what can be done now. True if it stopped for the sake of others.
    fn work(&mut self, step: &mut Step<'_>) -> io::Result<bool> {
        self.link.send(&[], step.now)?;
        if matches!(self.phase, Phase::Handshake) && !self.link.is_handshaking() {
            self.open(step)?;
        }
        if self.check_at(step).is_some_and(|at| at <= step.now) {
            self.look_after(step)?;
        }
        if self.deadline(step).is_some_and(|deadline| deadline <= step.now) {
            self.time_out(step)?;
        }
        let (mut messages, mut reading) = (0, Reading::of(step));
        while !matches!(self.phase, Phase::Closed) {
            match self.turn(step)? {
                Turn::Again => {}
                Turn::Taken => {
                    messages += 1;
                    if messages >= STEP_MESSAGES {
                        return Ok(true);
                    }
                }
                Turn::Rest => break,
                Turn::Read if self.peer_closed => self.end_of_input(step)?,
                Turn::Read => match reading.next() {
                    Next::Rest => break,
                    Next::Yield => return Ok(true),
                    Next::Read => self.peer_closed = reading.note(self.read(step)?)?,
                },
            }
        }
        Ok(false)
    }

    fn turn(&mut self, step: &mut Step<'_>) -> io::Result<Turn> {
        if self.link.stalled_since().is_some() {
            return Ok(Turn::Rest);
        }
        let Phase::Open(open) = &mut self.phase else { return Ok(Turn::Read) };
        let taken = open.outlet.take(open.ticket, TAKE_BYTES);
        if !taken.frames.is_empty() {
            let out = &mut step.scratch.response;
            taken.frames.iter().for_each(|frame| self.codec.write(out, &frame.json));
            let sent = self.link.send(out, step.now);
            out.clear();
            sent?;
        }
        if taken.superseded || taken.ended {
            self.finish(step, Some(CloseCode::POLICY))?;
            return Ok(Turn::Again);
        }
        if taken.more {
            return Ok(Turn::Again);
        }
        let is_draining = step.around.is_draining.load(Ordering::Relaxed);
        if is_draining || self.is_last {
            return self.wind_up(step);
        }
        self.take(step)
    }

    /// Nothing more is taken: the end comes when what runs is answered.
    fn wind_up(&mut self, step: &Step<'_>) -> io::Result<Turn> {
        let Phase::Open(open) = &self.phase else { return Ok(Turn::Rest) };
        open.road.input_ended();
        if open.road.is_running() || open.outlet.queued_bytes() > 0 {
            return Ok(Turn::Rest);
        }
        let code = if self.is_last { CloseCode::POLICY } else { CloseCode::GOING_AWAY };
        self.finish(step, Some(code))?;
        Ok(Turn::Again)
    }

    /// Takes the next message, or the one that waits.
    fn take(&mut self, step: &Step<'_>) -> io::Result<Turn> {
        let Phase::Open(open) = &mut self.phase else { return Ok(Turn::Read) };
        let arrived = match open.waiting.take() {
            Some((waiting, since)) => {
                let is_late = since.plus(PROVING) <= step.now;
                if !is_late && !waiting.is_over() {
                    open.waiting = Some((waiting, since));
                    return Ok(Turn::Rest);
                }
                open.road.arrive_again(*waiting, step.reader, is_late, step.now)
            }
            None => match self.codec.next(&mut self.input, open.road.most_bytes()) {
                Item::Message(bytes) => {
                    self.heard = step.now;
                    self.began = None;
                    open.road.arrive(bytes, step.reader, step.now)
                }
                Item::TooLong(meant) => {
                    self.heard = step.now;
                    self.began = None;
                    open.road.too_long(&meant, step.now)
                }
                Item::NeedMore => {
                    let has_begun = !self.codec.is_idle(&self.input);
                    self.began = has_begun.then(|| self.began.unwrap_or(step.now));
                    return Ok(Turn::Read);
                }
                Item::Reply(bytes) => {
                    self.link.send(&bytes, step.now)?;
                    return Ok(Turn::Taken);
                }
                Item::End(code) => {
                    self.finish(step, code)?;
                    return Ok(Turn::Again);
                }
            },
        };
        match arrived {
            Arrived::Taken => {}
            Arrived::Wait(waiting) => open.waiting = Some((waiting, step.now)),
            Arrived::Last => self.is_last = true,
        }
        Ok(Turn::Taken)
    }

    fn read(&mut self, step: &mut Step<'_>) -> io::Result<Received> {
        if matches!(self.phase, Phase::Linger) {
            return self.link.drop_input(step.scratch);
        }
        let received = if matches!(self.phase, Phase::Handshake) {
            let counters = &step.around.services.counters;
            let received =
                self.link.shake_hands(step.scratch, &mut self.input, counters, step.now)?;
            if !self.link.is_handshaking() {
                meet(&self.link, &mut self.place, &mut self.peer, counters)?;
                self.open(step)?;
            }
            received
        } else {
            self.link.receive(step.scratch, &mut self.input)?
        };
        if matches!(received, Received::Bytes(_)) {
            self.received = step.now;
        }
        Ok(received)
    }

    fn open(&mut self, step: &Step<'_>) -> io::Result<()> {
        let peer = self.peer.clone();
        let proved = self.proved.take();
        let services = Arc::clone(&step.around.services);
        let outlet = Arc::new(Outlet::new(services.snapshot.load().outlet));
        // Nobody else knows of it yet.
        let ticket = outlet.attach(Arc::clone(step.reader));
        let ticket = ticket.map_err(|_| io::ErrorKind::AlreadyExists)?;
        let road = MessageRoad::new(services, Arc::clone(&outlet), self.transport, peer, proved);
        self.enter(Phase::Open(Box::new(Open { road, outlet, ticket, waiting: None })), step.now);
        self.heard = step.now;
        Ok(())
    }

    /// The peer sends nothing more. What it has sent is answered, if it still listens.
    fn end_of_input(&mut self, step: &mut Step<'_>) -> io::Result<()> {
        let Phase::Open(open) = &mut self.phase else {
            self.phase = Phase::Closed;
            return Ok(());
        };
        match self.codec.last(&mut self.input, open.road.most_bytes()) {
            Item::Message(bytes) => {
                let arrived = open.road.arrive(bytes, step.reader, step.now);
                if let Arrived::Wait(waiting) = arrived {
                    open.waiting = Some((waiting, step.now));
                    return Ok(());
                }
            }
            Item::TooLong(meant) => drop(open.road.too_long(&meant, step.now)),
            Item::NeedMore | Item::Reply(_) => {}
            Item::End(_) => {
                self.phase = Phase::Closed;
                return Ok(());
            }
        }
        self.is_last = true;
        Ok(())
    }

    /// Ends our side once all that waits is sent.
    fn finish(&mut self, step: &Step<'_>, code: Option<CloseCode>) -> io::Result<()> {
        let mut last = Vec::new();
        self.codec.close(&mut last, code);
        self.link.send(&last, step.now)?;
        self.link.finish(step.now)?;
        let next = if self.peer_closed { Phase::Closed } else { Phase::Linger };
        self.enter(next, step.now);
        Ok(())
    }

    fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.since = now;
    }

    /// Looks whether the peer is there, and whether it may still be.
    fn look_after(&mut self, step: &Step<'_>) -> io::Result<()> {
        let is_stalled = self.link.stalled_since().is_some();
        let Phase::Open(open) = &self.phase else { return Ok(()) };
        if is_stalled {
            return Ok(());
        }
        let patience = step.around.limits.keepalive.saturating_mul(MISSED_PINGS);
        let is_silent = step.now.since(self.received) > patience;
        self.checked = step.now;
        if !open.road.is_believed() {
            return self.finish(step, Some(CloseCode::POLICY));
        }
        if self.codec.has_pings() && is_silent {
            step.around.services.counters.peer_timeouts.increment();
            return self.finish(step, Some(CloseCode::POLICY));
        }
        let mut ping = Vec::new();
        self.codec.ping(&mut ping);
        self.link.send(&ping, step.now)
    }

    /// A deadline has passed.
    fn time_out(&mut self, step: &Step<'_>) -> io::Result<()> {
        let counters = &step.around.services.counters;
        let is_stalled = self.link.stalled_since().is_some();
        match &self.phase {
            Phase::Open(open) if open.waiting.is_some() && !is_stalled => return Ok(()),
            Phase::Open(open) if !is_stalled => {
                counters.peer_timeouts.increment();
                if open.road.is_let_in() || self.is_last {
                    return self.finish(step, Some(CloseCode::POLICY));
                }
                // Its one answer, and then the end.
                open.road.never_came(step.now);
                self.is_last = true;
                return Ok(());
            }
            Phase::Handshake => {
                self.link.count_failure(counters, HandshakeFailure::TimedOut);
                counters.peer_timeouts.increment();
            }
            Phase::Open(_) => counters.peer_timeouts.increment(),
            Phase::Linger | Phase::Closed => {}
        }
        self.phase = Phase::Closed;
        Ok(())
    }

    /// When it must be run even if nothing happens.
    fn deadline(&self, step: &Step<'_>) -> Option<Now> {
        let limits = &step.around.limits;
        if let Some(stalled) = self.link.stalled_since() {
            return Some(stalled.plus(limits.write_stall));
        }
        match &self.phase {
            Phase::Handshake => Some(self.since.plus(step.around.handshake_timeout)),
            Phase::Linger => Some(self.since.plus(LINGER)),
            Phase::Closed => None,
            Phase::Open(open) => self.deadline_of(open, step),
        }
    }

    /// When it is looked again whether the peer is there, and whether it may still be: in regular
    /// intervals, and at the moment when its credential is over.
    fn check_at(&self, step: &Step<'_>) -> Option<Now> {
        let Phase::Open(open) = &self.phase else { return None };
        let regular = self.checked.plus(step.around.limits.keepalive);
        let left = open.road.until().map(|until| {
            Duration::from_secs(until).saturating_sub(Duration::from_micros(unix_micros()))
        });
        Some(left.map_or(regular, |left| regular.min(step.now.plus(left))))
    }

    fn deadline_of(&self, open: &Open, step: &Step<'_>) -> Option<Now> {
        if let Some((_, since)) = &open.waiting {
            return Some(since.plus(PROVING));
        }
        let (limits, services) = (&step.around.limits, &step.around.services);
        let sessions = services.snapshot.load().sessions;
        let stranger = (!open.road.has_proved()).then(|| self.since.plus(limits.head_timeout));
        let slow = self.began.map(|began| began.plus(limits.body_timeout));
        let idle = (!open.road.is_busy()).then(|| self.heard.plus(sessions.idle));
        let old = Some(self.since.plus(sessions.lifetime));
        [stranger, slow, idle, old, self.check_at(step)].into_iter().flatten().min()
    }
}
