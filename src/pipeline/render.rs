//! Replies and streams as HTTP/1.1 bytes. It writes what it is given and decides nothing.

use super::answer::{Body, Opening, Reply, Streamed};
use super::snapshot::HttpFace;
use crate::guard::rate::Quota;
use crate::mcp::legacy::session::event_id;
use crate::mcp::outlet::Frame;
use crate::proto::http1::response::{ResponseHead, push_chunk, push_last_chunk};
use crate::proto::sse;

/// How long a client should wait before it takes up a stream again, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// What a response needs beside its reply.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Headers of every response.
    pub face: &'a HttpFace,
    /// The value of `Date`.
    pub date: &'a [u8],
    /// The connection closes after it.
    pub close: bool,
}

/// Appends a whole response.
pub fn reply(out: &mut Vec<u8>, reply: &Reply, around: Surroundings<'_>) {
    let event;
    let (content_type, body) = match &reply.body {
        Body::Empty => (None, &[][..]),
        Body::Json(json) => (Some("application/json"), json.as_slice()),
        Body::Event(json) => {
            let mut bytes = Vec::with_capacity(json.len() + 32);
            sse::message(&mut bytes, None, json);
            event = bytes;
            (Some("text/event-stream"), event.as_slice())
        }
    };
    let mut head = begin(out, reply.status, around);
    if let Some(content_type) = content_type {
        head = head.header("Content-Type", content_type.as_bytes());
    }
    for (name, value) in &reply.headers {
        head = head.header(name, value.as_bytes());
    }
    if let Some(cors) = &reply.cors {
        head = head.block(cors);
    }
    head = with_quota(head, reply.quota);
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    if head.content_length(length).is_ok() {
        out.extend_from_slice(body);
    } else {
        log::error!("a response had a header that cannot be written");
        let plain = begin(out, 500, Surroundings { close: true, ..around });
        // Nothing of a stranger is in this one.
        let _ = plain.content_length(0);
    }
}

fn begin<'o>(out: &'o mut Vec<u8>, status: u16, around: Surroundings<'_>) -> ResponseHead<'o> {
    let head = ResponseHead::new(out, status).date(around.date).block(&around.face.headers);
    if around.close { head.close() } else { head }
}

/// What is left to the caller (draft-ietf-httpapi-ratelimit-headers-06 section 3).
fn with_quota(head: ResponseHead<'_>, quota: Option<Quota>) -> ResponseHead<'_> {
    let Some(Quota { limit, remaining, reset }) = quota else { return head };
    head.number("RateLimit-Limit", limit.into())
        .number("RateLimit-Remaining", remaining.into())
        .number("RateLimit-Reset", reset.into())
}

/// Appends the head of an event stream, and its first event if it is primed.
pub fn stream_head(out: &mut Vec<u8>, streamed: &Streamed, around: Surroundings<'_>) {
    let mut head = begin(out, 200, around)
        .header("Content-Type", b"text/event-stream")
        .header("X-Accel-Buffering", b"no");
    if let Some(cors) = &streamed.cors {
        head = head.block(cors);
    }
    head = with_quota(head, streamed.quota);
    // All of these headers are ours.
    let _ = head.chunked();
    let mut events = Vec::new();
    match (&streamed.opening, streamed.number) {
        (Opening::Priming, Some(number)) => {
            sse::priming(&mut events, &event_id(number, 0));
            sse::retry(&mut events, RETRY_MS);
        }
        (Opening::Endpoint(path), _) => sse::endpoint(&mut events, path),
        (Opening::Nothing | Opening::Priming, _) => return,
    }
    push_chunk(out, &events);
}

/// Appends messages of a stream as events.
pub fn events(out: &mut Vec<u8>, streamed: &Streamed, frames: &[Frame]) {
    let mut events = Vec::with_capacity(frames.iter().map(|frame| frame.json.len() + 64).sum());
    for frame in frames {
        let id = streamed.number.map(|number| event_id(number, frame.sequence));
        sse::message(&mut events, id.as_deref(), &frame.json);
    }
    if !events.is_empty() {
        push_chunk(out, &events);
    }
}

/// Appends a comment that keeps a silent stream open.
pub fn keep_alive(out: &mut Vec<u8>) {
    let mut comment = Vec::new();
    sse::keep_alive(&mut comment);
    push_chunk(out, &comment);
}

/// Appends the end of an event stream.
pub fn stream_end(out: &mut Vec<u8>) {
    push_last_chunk(out);
}
