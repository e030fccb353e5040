//! Byte vectors for the request decoder, each fed whole, byte by byte and at every split.

mod accepted;
mod bodies;
mod refused;
mod robust;

use super::{Decoded, Head, HttpError, HttpLimits, RequestDecoder};
use crate::proto::buffer::Buffer;

/// Small enough for vectors to reach every limit.
fn limits() -> HttpLimits {
    HttpLimits {
        head_bytes: 600,
        target_bytes: 100,
        headers: 8,
        body_bytes: 64,
        chunk_overhead_bytes: 60,
    }
}

/// What a connection amounted to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Event>,
    error: Option<HttpError>,
    /// A request had begun and was not complete, and no error came.
    waiting: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Head(String),
    Body(Vec<u8>),
}

/// Everything a head says, as text.
fn describe(head: &Head) -> String {
    let headers: Vec<_> = head
        .headers()
        .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
        .collect();
    format!(
        "{} {} path={} query={:?} 1.0={} length={:?} chunked={} continue={} keep={} [{}]",
        head.method(),
        head.target(),
        head.path(),
        head.query(),
        head.http_1_0(),
        head.content_length(),
        head.is_chunked(),
        head.expects_continue(),
        head.keep_alive(),
        headers.join("|")
    )
}

/// Feeds `parts` one after the other, taking every event as soon as it is there.
fn feed<'a>(parts: impl IntoIterator<Item = &'a [u8]>, limits: &HttpLimits) -> Outcome {
    let (mut decoder, mut input) = (RequestDecoder::new(), Buffer::new());
    let mut outcome = Outcome { events: Vec::new(), error: None, waiting: false };
    for part in parts {
        input.extend(part);
        loop {
            let before = input.len();
            match decoder.decode(&mut input, limits) {
                Ok(Decoded::NeedMore) => break,
                Ok(Decoded::Head(head)) => {
                    assert!(input.len() < before, "a head without bytes");
                    assert!(!decoder.is_idle());
                    outcome.events.push(Event::Head(describe(&head)));
                }
                Ok(Decoded::Body(body)) => {
                    assert!(decoder.is_idle());
                    assert!(body.len() <= limits.body_bytes);
                    outcome.events.push(Event::Body(body));
                }
                Err(error) => {
                    assert_eq!(decoder.decode(&mut input, limits).unwrap_err(), error);
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
        assert!(input.len() < limits.head_bytes, "more kept than a head may have");
    }
    outcome.waiting = !decoder.is_idle();
    outcome
}

/// The one way vectors are run: whole, byte by byte and at every split, which must all agree.
fn outcome(bytes: &[u8]) -> Outcome {
    let limits = limits();
    let whole = feed([bytes], &limits);
    assert_eq!(feed(bytes.chunks(1), &limits), whole, "byte by byte: {}", bytes.escape_ascii());
    for at in 1..bytes.len() {
        let (left, right) = bytes.split_at(at);
        assert_eq!(feed([left, right], &limits), whole, "at {at}: {}", bytes.escape_ascii());
    }
    whole
}

/// The single request of an accepted vector: its head and body.
fn request(bytes: &[u8]) -> (String, Vec<u8>) {
    let Outcome { mut events, error, waiting } = outcome(bytes);
    assert_eq!((error, waiting), (None, false), "{}", bytes.escape_ascii());
    match (events.pop(), events.pop(), events.pop()) {
        (Some(Event::Body(body)), Some(Event::Head(head)), None) => (head, body),
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

/// The head that a whole vector decodes to.
fn head(bytes: &[u8]) -> Head {
    let mut input = Buffer::new();
    input.extend(bytes);
    match RequestDecoder::new().decode(&mut input, &limits()) {
        Ok(Decoded::Head(head)) => head,
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}
