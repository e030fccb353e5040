//! How a connection answers: a whole response, or what comes out of an outlet, as JSON or as
//! events.

use std::io;
use std::sync::atomic::Ordering;

use super::conn::{Conn, Step, Surroundings, Turn};
use super::phase::{Answering, Phase};
use super::scratch::READ_BYTES;
use crate::mcp::outlet::{Taken, Weight};
use crate::pipeline::answer::{Body, Reply};
use crate::pipeline::render;
use crate::pipeline::snapshot::HttpFace;
use crate::pipeline::upgrades::Upgrade;

/// Bytes that are taken from an outlet at once.
const TAKE_BYTES: usize = 64 * 1024;
/// A thread's buffer for responses keeps at most this size, in bytes.
const KEPT_BYTES: usize = 8 * READ_BYTES;

impl Conn {
    /// Sends what has come out of the outlet.
    pub(super) fn go_on_answering(&mut self, step: &mut Step<'_>) -> io::Result<Turn> {
        let Phase::Answering(mut answering) = std::mem::replace(&mut self.phase, Phase::Idle)
        else {
            return Ok(Turn::Again);
        };
        let snapshot = step.around.services.snapshot.load();
        let Some(face) = snapshot.face(self.peer.door) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let accepts = answering.streamed.accepts;
        let mut taken = answering.streamed.take(TAKE_BYTES);
        if !accepts.events {
            taken.frames.retain(|frame| matches!(frame.weight, Weight::Answer(_)));
        }
        let has_answer = answering.streamed.ends_with_answer();
        let status =
            taken.frames.iter().filter(|_| has_answer).find_map(|frame| match frame.weight {
                Weight::Answer(status) => Some(status),
                Weight::Droppable | Weight::Notice | Weight::Kept => None,
            });
        let is_over = status.is_some() || taken.ended;
        let is_json = accepts.json && (!accepts.prefers_events || status != Some(200));
        if is_over && is_json && !answering.has_begun && taken.frames.len() <= 1 {
            let body = taken.frames.pop().map_or(Body::Empty, |frame| Body::Json(frame.json));
            let cors = answering.streamed.cors.take();
            let quota = answering.streamed.quota;
            let reply = Reply { body, cors, quota, ..Reply::empty(status.unwrap_or(202)) };
            self.reply(step, face, &reply, answering.keep_alive)?;
            return Ok(Turn::Again);
        }
        // A client that cannot come back for the rest of its stream is never let go.
        let is_left = taken.let_go && !is_over && answering.streamed.can_be_resumed();
        if is_left {
            // What was sent so far ends as any stream of events does.
            answering.streamed.accepts.json = false;
        }
        self.send_events(step, face, &mut answering, &taken, is_over || is_left)?;
        if is_over || is_left {
            self.after_response(step)?;
            return Ok(Turn::Again);
        }
        self.phase = Phase::Answering(answering);
        Ok(if taken.more && !self.is_blocked() { Turn::Again } else { Turn::Rest })
    }

    /// Sends messages as events, or a sign of life if it is time for one.
    fn send_events(
        &mut self,
        step: &mut Step<'_>,
        face: &HttpFace,
        answering: &mut Answering,
        taken: &Taken,
        is_over: bool,
    ) -> io::Result<()> {
        let accepts = answering.streamed.accepts;
        let is_due = answering.keepalive_at <= step.now;
        let has_something = !taken.frames.is_empty() || is_over || !accepts.json;
        if !answering.has_begun && (has_something || (is_due && accepts.events)) {
            answering.has_begun = true;
            self.closes |= !self.keeps_alive(step.around, answering.keep_alive);
            let (out, date) = step.scratch.response_and_date();
            let around = render::Surroundings { face, date: date.as_bytes(), close: self.closes };
            render::stream_head(out, &answering.streamed, around);
        }
        let out = &mut step.scratch.response;
        if !taken.frames.is_empty() {
            render::events(out, &answering.streamed, &taken.frames);
        } else if is_due && answering.has_begun && !is_over {
            render::keep_alive(out);
        }
        if is_over {
            render::stream_end(out);
        }
        if is_due || !out.is_empty() {
            answering.keepalive_at = step.now.plus(step.around.limits.keepalive);
        }
        self.send_response(step)
    }

    /// Sends a whole response and goes on to the next request, or to the end.
    pub(super) fn reply(
        &mut self,
        step: &mut Step<'_>,
        face: &HttpFace,
        reply: &Reply,
        keep_alive: bool,
    ) -> io::Result<()> {
        self.closes |= reply.close || !self.keeps_alive(step.around, keep_alive);
        let (out, date) = step.scratch.response_and_date();
        let around = render::Surroundings { face, date: date.as_bytes(), close: self.closes };
        render::reply(out, reply, around);
        self.send_response(step)?;
        self.after_response(step)
    }

    /// Sends the last response over HTTP.
    pub(super) fn go_over(
        &mut self,
        step: &mut Step<'_>,
        face: &HttpFace,
        upgrade: Box<Upgrade>,
    ) -> io::Result<()> {
        let (out, date) = step.scratch.response_and_date();
        let around = render::Surroundings { face, date: date.as_bytes(), close: false };
        render::reply(out, &upgrade.reply, around);
        self.send_response(step)?;
        self.enter(Phase::Upgraded(upgrade), step.now);
        Ok(())
    }

    fn keeps_alive(&self, around: &Surroundings, wanted: bool) -> bool {
        let most = around.limits.requests_per_connection;
        wanted && (most == 0 || self.requests < most) && !around.is_draining.load(Ordering::Relaxed)
    }

    fn after_response(&mut self, step: &Step<'_>) -> io::Result<()> {
        let now = step.now;
        if !self.closes && !step.around.is_draining.load(Ordering::Relaxed) {
            self.enter(Phase::Idle, now);
            return Ok(());
        }
        self.enter(Phase::Linger, now);
        self.link.finish(now)
    }

    /// Sends what was written into the thread's buffer, and leaves the buffer empty.
    pub(super) fn send_response(&mut self, step: &mut Step<'_>) -> io::Result<()> {
        let response = &mut step.scratch.response;
        let sent = self.link.send(response, step.now);
        response.clear();
        // One large answer must not keep its size in every thread for ever.
        response.shrink_to(KEPT_BYTES);
        sent
    }
}
