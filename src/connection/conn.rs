//! One connection and its step: flush, read, take requests to the road, write what it answers. A
//! step is bounded and never waits; between steps nothing of this runs.

use std::io::{self, Read};
use std::net::{IpAddr, Shutdown};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::TcpStream;

use super::caps::Place;
use super::phase::{Answering, InBody, Phase, Refused};
use super::scratch::Scratch;
use super::settings::Limits;
use super::wire::{Fed, Wire};
use crate::base::clock::Now;
use crate::mcp::outlet::{Wake, Weight};
use crate::pipeline::answer::{Answer, Body, Reply};
use crate::pipeline::services::Services;
use crate::pipeline::snapshot::HttpFace;
use crate::pipeline::{render, road};
use crate::proto::buffer::Buffer;
use crate::proto::http1::{Decoded, Head, HttpError, RequestDecoder, response};

/// Bytes that one step reads at most; then others have their turn.
const STEP_BYTES: usize = 256 * 1024;
/// Requests that one step answers at most.
const STEP_REQUESTS: u32 = 32;
/// Bytes that are taken from an outlet at once.
const TAKE_BYTES: usize = 64 * 1024;
/// A refused body up to this size is read to keep the connection.
const DISCARD_BYTES: u64 = 64 * 1024;
/// How long a peer may go on sending after our last word.
const LINGER: Duration = Duration::from_secs(2);

/// What all connections of the process share.
#[derive(Debug)]
pub struct Surroundings {
    /// The shared parts.
    pub services: Arc<Services>,
    /// Bounds of connections.
    pub limits: Limits,
    /// Time for a whole TLS handshake.
    pub handshake_timeout: Duration,
    /// The server is going down: no request after the present one.
    pub is_draining: AtomicBool,
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
    socket: TcpStream,
    wire: Wire,
    address: IpAddr,
    _place: Place,
    phase: Phase,
    since: Now,
    decoder: RequestDecoder,
    input: Buffer,
    unsent: Vec<u8>,
    unsent_from: usize,
    stalled_since: Option<Now>,
    requests: u32,
    closes: bool,
    peer_closed: bool,
}

/// What came of a part of a step.
enum Turn {
    /// Go on.
    Again,
    /// Bytes of the peer are needed.
    Read,
    /// Something else must happen first.
    Rest,
}

impl Conn {
    /// A fresh connection.
    pub fn new(socket: TcpStream, wire: Wire, address: IpAddr, place: Place, now: Now) -> Self {
        let phase = if wire.is_handshaking() { Phase::Handshake } else { Phase::Idle };
        Self {
            socket,
            wire,
            address,
            _place: place,
            phase,
            since: now,
            decoder: RequestDecoder::new(),
            input: Buffer::new(),
            unsent: Vec::new(),
            unsent_from: 0,
            stalled_since: None,
            requests: 0,
            closes: false,
            peer_closed: false,
        }
    }

    /// One step. `None` if the connection is closed.
    pub fn step(
        &mut self,
        around: &Surroundings,
        scratch: &mut Scratch,
        reader: &Arc<dyn Wake>,
        hung_up: bool,
    ) -> Option<Rest> {
        let now = Now::read();
        let mut wants_more = false;
        let result = self.work(around, scratch, reader, hung_up, now, &mut wants_more);
        if result.is_err() || matches!(self.phase, Phase::Closed) {
            return None;
        }
        self.input.release();
        Some(Rest { deadline: self.deadline(around), wants_more })
    }

    fn work(
        &mut self,
        around: &Surroundings,
        scratch: &mut Scratch,
        reader: &Arc<dyn Wake>,
        hung_up: bool,
        now: Now,
        wants_more: &mut bool,
    ) -> io::Result<()> {
        self.flush(&[], now)?;
        if self.deadline(around).is_some_and(|deadline| deadline <= now) {
            self.time_out(around, scratch, now)?;
        }
        let (mut bytes, first_request) = (0, self.requests);
        let mut can_read = true;
        loop {
            if matches!(self.phase, Phase::Closed) {
                return Ok(());
            }
            if self.is_blocked() {
                return Ok(());
            }
            let turn = match &self.phase {
                Phase::Handshake | Phase::Linger => Turn::Read,
                Phase::Answering(_) if hung_up => return Err(io::ErrorKind::BrokenPipe.into()),
                Phase::Answering(_) => self.go_on_answering(around, scratch, now)?,
                _ => self.decode(around, scratch, reader, now)?,
            };
            match turn {
                Turn::Again if self.requests - first_request >= STEP_REQUESTS => {
                    *wants_more = true;
                    return Ok(());
                }
                Turn::Again => {}
                Turn::Rest => return Ok(()),
                Turn::Read if self.peer_closed => return self.end_of_input(),
                Turn::Read if !can_read => return Ok(()),
                Turn::Read if bytes >= STEP_BYTES => {
                    *wants_more = true;
                    return Ok(());
                }
                Turn::Read => {
                    let read = self.read(around, scratch, now)?;
                    bytes += read;
                    // A short read has emptied the socket; what comes later is another event.
                    can_read = read == scratch.received.len() || hung_up;
                    if read == 0 && !self.peer_closed {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads once. 0 means that there is nothing now, or nothing any more (`peer_closed`).
    fn read(
        &mut self,
        around: &Surroundings,
        scratch: &mut Scratch,
        now: Now,
    ) -> io::Result<usize> {
        let count = loop {
            match self.socket.read(&mut scratch.received) {
                Ok(0) => {
                    self.peer_closed = true;
                    return Ok(0);
                }
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) => return Err(error),
            }
        };
        if matches!(self.phase, Phase::Linger) {
            return Ok(count);
        }
        let received = scratch.received.get(..count).unwrap_or_default();
        match self.wire.feed(received, &mut self.input) {
            Fed::Open => {}
            Fed::Closed => self.peer_closed = true,
            Fed::Broken => {
                if matches!(self.phase, Phase::Handshake) {
                    around.services.counters.tls_handshake_failures.increment();
                }
                // The alert says why, if the peer still listens.
                let _ = self.wire.send(&mut self.socket, &[]);
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        if matches!(self.phase, Phase::Handshake) {
            self.flush(&[], now)?;
            if !self.wire.is_handshaking() {
                self.enter(Phase::Idle, now);
            }
        }
        Ok(count)
    }

    /// The peer sends nothing more, and what it sent is no whole request.
    fn end_of_input(&mut self) -> io::Result<()> {
        if !matches!(self.phase, Phase::Idle | Phase::Linger) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.phase = Phase::Closed;
        Ok(())
    }

    /// Takes the next event out of the input.
    fn decode(
        &mut self,
        around: &Surroundings,
        scratch: &mut Scratch,
        reader: &Arc<dyn Wake>,
        now: Now,
    ) -> io::Result<Turn> {
        let snapshot = around.services.snapshot.load();
        let Some(face) = &snapshot.http else { return Err(io::ErrorKind::NotConnected.into()) };
        match self.decoder.decode(&mut self.input, &face.limits) {
            Ok(Decoded::NeedMore) => {
                if matches!(self.phase, Phase::Idle) && !self.decoder.is_idle() {
                    self.enter(Phase::Head, now);
                }
                Ok(Turn::Read)
            }
            Ok(Decoded::Head(head)) => self.take_head(around, face, scratch, head, now),
            Ok(Decoded::Body(body)) => self.take_body(around, face, scratch, reader, &body, now),
            Err(error) => self.refuse_bytes(around, face, scratch, error, now),
        }
    }

    fn take_head(
        &mut self,
        around: &Surroundings,
        face: &HttpFace,
        scratch: &mut Scratch,
        head: Head,
        now: Now,
    ) -> io::Result<Turn> {
        self.requests = self.requests.saturating_add(1);
        match road::enter(&around.services, &head, self.address, now) {
            Ok(entered) => {
                if head.expects_continue() && self.input.is_empty() {
                    response::push_continue(&mut scratch.response);
                    self.flush_response(scratch, now)?;
                }
                self.enter(Phase::Body(Box::new(InBody { head, entered })), now);
            }
            Err(mut reply) => {
                if head.method() == "HEAD" {
                    // Whoever asked so takes the next bytes for the next response.
                    reply.body = Body::Empty;
                }
                let is_short = head.content_length().unwrap_or(0) <= DISCARD_BYTES;
                let keep_alive = head.keep_alive();
                if is_short && !head.is_chunked() && !head.expects_continue() {
                    self.enter(Phase::Discard(Box::new(Refused { reply, keep_alive })), now);
                } else {
                    let reply = Reply { close: true, ..reply };
                    self.reply(around, face, scratch, &reply, false, now)?;
                }
            }
        }
        Ok(Turn::Again)
    }

    fn take_body(
        &mut self,
        around: &Surroundings,
        face: &HttpFace,
        scratch: &mut Scratch,
        reader: &Arc<dyn Wake>,
        body: &[u8],
        now: Now,
    ) -> io::Result<Turn> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Body(in_body) => {
                let InBody { head, entered } = *in_body;
                let keep_alive = head.keep_alive();
                match road::walk(entered, &head, body, reader, now) {
                    Answer::Reply(reply) => {
                        self.reply(around, face, scratch, &reply, keep_alive, now)?;
                    }
                    Answer::Stream(streamed) => {
                        let answering = Answering {
                            streamed: *streamed,
                            keep_alive,
                            has_begun: false,
                            keepalive_at: now.plus(around.limits.keepalive),
                        };
                        self.enter(Phase::Answering(Box::new(answering)), now);
                    }
                }
            }
            Phase::Discard(refused) => {
                let Refused { reply, keep_alive } = *refused;
                self.reply(around, face, scratch, &reply, keep_alive, now)?;
            }
            other => self.phase = other,
        }
        Ok(Turn::Again)
    }

    fn refuse_bytes(
        &mut self,
        around: &Surroundings,
        face: &HttpFace,
        scratch: &mut Scratch,
        error: HttpError,
        now: Now,
    ) -> io::Result<Turn> {
        let head = self.decoder.take_refused_head();
        let reply = road::malformed(&around.services, error, head.as_ref(), self.address, now);
        self.reply(around, face, scratch, &reply, false, now)?;
        Ok(Turn::Again)
    }

    /// Sends what has come out of the outlet.
    fn go_on_answering(
        &mut self,
        around: &Surroundings,
        scratch: &mut Scratch,
        now: Now,
    ) -> io::Result<Turn> {
        let Phase::Answering(mut answering) = std::mem::replace(&mut self.phase, Phase::Idle)
        else {
            return Ok(Turn::Again);
        };
        let snapshot = around.services.snapshot.load();
        let Some(face) = &snapshot.http else { return Err(io::ErrorKind::NotConnected.into()) };
        let mut taken = answering.streamed.take(TAKE_BYTES);
        let answer = taken.frames.iter().find_map(|frame| match frame.weight {
            Weight::Answer(status) => Some(status),
            Weight::Droppable => None,
        });
        let accepts = answering.streamed.accepts;
        if !accepts.events {
            taken.frames.retain(|frame| matches!(frame.weight, Weight::Answer(_)));
        }
        let is_over = answer.is_some() || taken.ended;
        if is_over && !answering.has_begun && accepts.json && taken.frames.len() <= 1 {
            let cors = answering.streamed.cors.take();
            let body = taken.frames.pop().map_or(Body::Empty, |frame| Body::Json(frame.json));
            let reply = Reply { body, cors, ..Reply::empty(answer.unwrap_or(202)) };
            self.reply(around, face, scratch, &reply, answering.keep_alive, now)?;
            return Ok(Turn::Again);
        }
        let is_due = answering.keepalive_at <= now;
        let is_due_event = is_due && accepts.events;
        let must_begin = !taken.frames.is_empty() || is_over || is_due_event || !accepts.json;
        if must_begin && !answering.has_begun {
            answering.has_begun = true;
            self.closes |= !self.keeps_alive(around, answering.keep_alive);
            scratch.refresh_date();
            let mut head = std::mem::take(&mut scratch.response);
            let surroundings =
                render::Surroundings { face, date: scratch.date().as_bytes(), close: self.closes };
            render::stream_head(&mut head, &answering.streamed, surroundings);
            scratch.response = head;
        }
        if !taken.frames.is_empty() {
            render::events(&mut scratch.response, &answering.streamed, &taken.frames);
        } else if is_due_event && !is_over {
            render::keep_alive(&mut scratch.response);
        }
        if !scratch.response.is_empty() || is_due {
            answering.keepalive_at = now.plus(around.limits.keepalive);
        }
        if is_over {
            render::stream_end(&mut scratch.response);
            self.flush_response(scratch, now)?;
            self.after_response(now)?;
            return Ok(Turn::Again);
        }
        self.flush_response(scratch, now)?;
        self.phase = Phase::Answering(answering);
        Ok(if taken.more && !self.is_blocked() { Turn::Again } else { Turn::Rest })
    }

    /// Writes a whole response and goes on to the next request, or to the end.
    fn reply(
        &mut self,
        around: &Surroundings,
        face: &HttpFace,
        scratch: &mut Scratch,
        reply: &Reply,
        keep_alive: bool,
        now: Now,
    ) -> io::Result<()> {
        self.closes |= reply.close || !self.keeps_alive(around, keep_alive);
        scratch.refresh_date();
        let mut out = std::mem::take(&mut scratch.response);
        let surroundings =
            render::Surroundings { face, date: scratch.date().as_bytes(), close: self.closes };
        render::reply(&mut out, reply, surroundings);
        scratch.response = out;
        self.flush_response(scratch, now)?;
        self.after_response(now)
    }

    fn keeps_alive(&self, around: &Surroundings, wanted: bool) -> bool {
        let most = around.limits.requests_per_connection;
        wanted && (most == 0 || self.requests < most) && !around.is_draining.load(Ordering::Relaxed)
    }

    fn after_response(&mut self, now: Now) -> io::Result<()> {
        if !self.closes {
            self.enter(Phase::Idle, now);
            return Ok(());
        }
        self.wire.close_notify();
        self.enter(Phase::Linger, now);
        self.flush(&[], now)
    }

    fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.since = now;
    }

    /// A deadline has passed.
    fn time_out(
        &mut self,
        around: &Surroundings,
        scratch: &mut Scratch,
        now: Now,
    ) -> io::Result<()> {
        if matches!(self.phase, Phase::Answering(_)) && self.stalled_since.is_none() {
            return Ok(());
        }
        let counters = &around.services.counters;
        match &self.phase {
            Phase::Idle | Phase::Linger => {}
            Phase::Handshake => {
                counters.tls_handshake_failures.increment();
                counters.peer_timeouts.increment();
            }
            _ => counters.peer_timeouts.increment(),
        }
        if matches!(self.phase, Phase::Head | Phase::Body(_) | Phase::Discard(_)) {
            let snapshot = around.services.snapshot.load();
            if let Some(face) = &snapshot.http {
                let reply = Reply { close: true, ..Reply::empty(408) };
                return self.reply(around, face, scratch, &reply, false, now);
            }
        }
        self.phase = Phase::Closed;
        Ok(())
    }

    /// When it must be run even if nothing happens.
    fn deadline(&self, around: &Surroundings) -> Option<Now> {
        let limits = &around.limits;
        if let Some(stalled) = self.stalled_since {
            return Some(stalled.plus(limits.write_stall));
        }
        Some(match &self.phase {
            Phase::Handshake => self.since.plus(around.handshake_timeout),
            Phase::Idle => self.since.plus(limits.idle_timeout),
            Phase::Head => self.since.plus(limits.head_timeout),
            Phase::Body(_) | Phase::Discard(_) => self.since.plus(limits.body_timeout),
            Phase::Answering(answering) => answering.keepalive_at,
            Phase::Linger => self.since.plus(LINGER),
            Phase::Closed => return None,
        })
    }

    /// True while the socket takes no more of what was written.
    fn is_blocked(&self) -> bool {
        self.stalled_since.is_some()
    }

    fn flush_response(&mut self, scratch: &mut Scratch, now: Now) -> io::Result<()> {
        let mut response = std::mem::take(&mut scratch.response);
        let flushed = self.flush(&response, now);
        response.clear();
        // One large answer must not keep its size in every thread for ever.
        response.shrink_to(STEP_BYTES);
        scratch.response = response;
        flushed
    }

    /// Sends what waits, then `fresh`; what the socket does not take waits on.
    fn flush(&mut self, fresh: &[u8], now: Now) -> io::Result<()> {
        let waiting = self.unsent.get(self.unsent_from..).unwrap_or_default();
        let had_waiting = !waiting.is_empty();
        let mut moved = 0;
        if had_waiting || fresh.is_empty() {
            let had_backlog = self.wire.has_backlog();
            moved = self.wire.send(&mut self.socket, waiting)?;
            self.unsent_from += moved;
            if self.unsent_from == self.unsent.len() {
                self.unsent = Vec::new();
                self.unsent_from = 0;
            }
            moved += usize::from(had_backlog && !self.wire.has_backlog());
        }
        if !fresh.is_empty() {
            let sent =
                if self.unsent.is_empty() { self.wire.send(&mut self.socket, fresh)? } else { 0 };
            moved += sent;
            self.unsent.extend_from_slice(fresh.get(sent..).unwrap_or_default());
        }
        let is_stalled = !self.unsent.is_empty() || self.wire.has_backlog();
        self.stalled_since = match self.stalled_since {
            _ if !is_stalled => None,
            Some(since) if moved == 0 => Some(since),
            _ => Some(now),
        };
        if !is_stalled && matches!(self.phase, Phase::Linger) {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// True if it is between two requests and owes nothing.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Handshake) && !self.is_blocked()
    }
}
