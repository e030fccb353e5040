//! How a connection takes requests: head to the road, body to the road, refusals at once or behind
//! a short body, and what is no request at all.

use std::io;

use super::conn::{Conn, Step, Turn};
use super::phase::{Answering, InBody, Phase, Proving, Refused};
use crate::guard::refusal::Refusal;
use crate::pipeline::answer::{Answer, Body, Reply};
use crate::pipeline::replies;
use crate::pipeline::road::{self, Entered, Stop};
use crate::pipeline::snapshot::HttpFace;
use crate::proto::http1::{Decoded, Head, HttpError, response};

/// A refused body up to this size is read to keep the connection, in bytes.
const DISCARD_BYTES: u64 = 64 * 1024;

impl Conn {
    /// Takes the next event out of the input.
    pub(super) fn decode(&mut self, step: &mut Step<'_>) -> io::Result<Turn> {
        let snapshot = step.around.services.snapshot.load();
        let Some(face) = snapshot.face(self.peer.door) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match self.decoder.decode(&mut self.input, &face.limits) {
            Ok(Decoded::NeedMore) => {
                if matches!(self.phase, Phase::Idle) && !self.decoder.is_idle() {
                    self.enter(Phase::Head, step.now);
                }
                return Ok(Turn::Read);
            }
            Ok(Decoded::Head(head)) => self.take_head(step, face, head)?,
            Ok(Decoded::Body(body)) => self.take_body(step, face, &body)?,
            Err(error) => self.refuse_bytes(step, face, error)?,
        }
        Ok(Turn::Again)
    }

    fn take_head(&mut self, step: &mut Step<'_>, face: &HttpFace, head: Head) -> io::Result<()> {
        self.requests = self.requests.saturating_add(1);
        self.in_a_row = self.in_a_row.saturating_add(1);
        let services = &step.around.services;
        if self.in_a_row > step.around.limits.pipelined_requests {
            let refusal = Refusal::Framing(429, "Too many requests came without waiting.");
            let reply = replies::malformed(services, &refusal, Some(&head), &self.peer, step.now);
            return self.reply(step, face, &reply, false);
        }
        let entered = road::enter(services, &head, &self.peer, step.reader, step.now);
        self.take_entered(step, face, head, entered)
    }

    /// Goes on with a request if it is known now who it is from, or if it has waited long enough.
    pub(super) fn go_on_proving(&mut self, step: &mut Step<'_>) -> io::Result<Turn> {
        let is_late = self.deadline(step.around).is_some_and(|at| at <= step.now);
        let snapshot = step.around.services.snapshot.load();
        let Some(face) = snapshot.face(self.peer.door) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Proving(proving) if is_late || proving.waiting.is_over() => {
                let Proving { head, waiting } = *proving;
                let entered =
                    road::enter_again(waiting, &head, &self.peer, step.reader, is_late, step.now);
                self.take_entered(step, face, head, entered)?;
                Ok(Turn::Again)
            }
            phase => {
                self.phase = phase;
                Ok(Turn::Rest)
            }
        }
    }

    fn take_entered(
        &mut self,
        step: &mut Step<'_>,
        face: &HttpFace,
        head: Head,
        entered: Result<Entered, Stop>,
    ) -> io::Result<()> {
        match entered {
            Ok(entered) => {
                if head.expects_continue() && self.input.is_empty() {
                    response::push_continue(&mut step.scratch.response);
                    self.send_response(step)?;
                }
                self.enter(Phase::Body(Box::new(InBody { head, entered })), step.now);
                Ok(())
            }
            Err(Stop::Reply(reply)) => self.refuse_head(step, face, &head, reply),
            Err(Stop::Wait(waiting)) => {
                let proving = Proving { head, waiting: *waiting };
                self.enter(Phase::Proving(Box::new(proving)), step.now);
                Ok(())
            }
        }
    }

    fn refuse_head(
        &mut self,
        step: &mut Step<'_>,
        face: &HttpFace,
        head: &Head,
        mut reply: Reply,
    ) -> io::Result<()> {
        if head.method() == "HEAD" {
            // Whoever asked so takes the next bytes for the next response.
            reply.body = Body::Empty;
        }
        let is_short = head.content_length().unwrap_or(0) <= DISCARD_BYTES;
        if is_short && !head.is_chunked() && !head.expects_continue() {
            let keep_alive = head.keep_alive();
            self.enter(Phase::Discard(Box::new(Refused { reply, keep_alive })), step.now);
            return Ok(());
        }
        self.reply(step, face, &Reply { close: true, ..reply }, false)
    }

    fn take_body(&mut self, step: &mut Step<'_>, face: &HttpFace, body: &[u8]) -> io::Result<()> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Body(in_body) => {
                let InBody { head, entered } = *in_body;
                let keep_alive = head.keep_alive();
                match road::walk(entered, &head, body, &self.peer, step.reader, step.now) {
                    Answer::Reply(reply) => self.reply(step, face, &reply, keep_alive),
                    Answer::Upgrade(upgrade) => self.go_over(step, face, upgrade),
                    Answer::Stream(streamed) => {
                        let answering = Answering {
                            streamed: *streamed,
                            keep_alive,
                            has_begun: false,
                            keepalive_at: step.now.plus(step.around.limits.keepalive),
                        };
                        self.enter(Phase::Answering(Box::new(answering)), step.now);
                        Ok(())
                    }
                }
            }
            Phase::Discard(refused) => {
                let Refused { reply, keep_alive } = *refused;
                self.reply(step, face, &reply, keep_alive)
            }
            other => {
                self.phase = other;
                Ok(())
            }
        }
    }

    fn refuse_bytes(
        &mut self,
        step: &mut Step<'_>,
        face: &HttpFace,
        error: HttpError,
    ) -> io::Result<()> {
        self.refuse_request(step, face, error.status(), error.public())
    }

    /// Ends a request that is not whole and never will be, and the connection with it.
    pub(super) fn refuse_request(
        &mut self,
        step: &mut Step<'_>,
        face: &HttpFace,
        status: u16,
        sentence: &'static str,
    ) -> io::Result<()> {
        let refusal = Refusal::Framing(status, sentence);
        let reply = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Body(in_body) => road::give_up(in_body.entered, &in_body.head, &refusal),
            Phase::Discard(refused) => Reply { close: true, ..refused.reply },
            _ => {
                let head = self.decoder.take_refused_head();
                let services = &step.around.services;
                replies::malformed(services, &refusal, head.as_ref(), &self.peer, step.now)
            }
        };
        self.reply(step, face, &reply, false)
    }
}
