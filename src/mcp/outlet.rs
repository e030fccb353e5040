//! What waits to be sent on one stream to a client: a queue with a bound in bytes, one reader, and
//! for resumable streams what was sent last. It never waits: what does not fit is dropped or ends
//! the stream.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

/// Tells the thread that owns a connection that there is something to do for it.
pub trait Wake: Send + Sync {
    /// Asks for a step of the connection; may be called from any thread, and often.
    fn wake(&self);
}

/// How a message bears being lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// May be left out when the reader is slow: progress, log messages.
    Droppable,
    /// The same, and once is enough while it waits: notices of changes.
    Notice,
    /// Must be sent and ends nothing: what others depend on.
    Kept,
    /// The answer to a request; with the HTTP status it has if nothing was sent before it.
    Answer(u16),
}

/// One message on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Position on this stream, from 1.
    pub sequence: u64,
    /// A JSON-RPC message.
    pub json: Vec<u8>,
    /// How it bears being lost.
    pub weight: Weight,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It waits to be sent.
    Queued,
    /// It was left out: the reader is slow, or the same message waits already.
    Dropped,
    /// The stream has ended; nobody will read it.
    Ended,
}

/// Bounds of one stream.
#[derive(Clone, Copy, Debug)]
pub struct OutletLimits {
    /// Most bytes that wait; an answer is taken above it.
    pub queued_bytes: usize,
    /// Most bytes kept of what was sent, for resuming; 0 keeps nothing.
    pub replay_bytes: usize,
}

/// The reader's turn: what to send, and whether that is all.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// Messages to send now, in order.
    pub frames: Vec<Frame>,
    /// More messages wait than were asked for.
    pub more: bool,
    /// Nothing will follow these frames.
    pub ended: bool,
    /// Another reader has taken this stream over.
    pub superseded: bool,
    /// The reader should go and come back for the rest.
    pub let_go: bool,
}

/// Why a reader cannot have a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachError {
    /// Somebody reads it.
    Busy,
    /// The place to resume from is not kept any more, or never was.
    Gone,
}

/// A stream to one client; see the module.
pub struct Outlet {
    limits: OutletLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Frame>,
    queued_bytes: usize,
    sent: VecDeque<Frame>,
    sent_bytes: usize,
    last_sequence: u64,
    reader: Option<Arc<dyn Wake>>,
    ticket: u64,
    ended: bool,
    let_go: bool,
}

impl Outlet {
    /// An empty stream without a reader.
    pub fn new(limits: OutletLimits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    /// Adds a message and wakes the reader.
    pub fn push(&self, json: Vec<u8>, weight: Weight) -> Push {
        let reader = {
            let mut state = self.state.lock();
            if state.ended {
                return Push::Ended;
            }
            if !self.has_room_for(&state, &json, weight) {
                return Push::Dropped;
            }
            if state.reader.is_none() && json.len() > self.limits.queued_bytes {
                // Too much to keep for somebody who may never come back.
                state.give_up();
                return Push::Ended;
            }
            state.last_sequence += 1;
            state.queued_bytes += json.len();
            let sequence = state.last_sequence;
            state.queue.push_back(Frame { sequence, json, weight });
            state.reader.clone()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
        Push::Queued
    }

    fn has_room_for(&self, state: &State, json: &[u8], weight: Weight) -> bool {
        const LOOK_BACK: usize = 16;
        let fits = state.queued_bytes.saturating_add(json.len()) <= self.limits.queued_bytes;
        let waits = || state.queue.iter().rev().take(LOOK_BACK).any(|frame| frame.json == json);
        match weight {
            Weight::Droppable => fits,
            Weight::Notice => fits && !waits(),
            Weight::Kept | Weight::Answer(_) => true,
        }
    }

    /// Ends the stream: what waits is still sent, nothing is added.
    pub fn end(&self) {
        let reader = {
            let mut state = self.state.lock();
            state.ended = true;
            state.reader.clone()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Asks the reader to go once it has what waits, and to come back for the rest.
    pub fn let_go(&self) {
        let reader = {
            let mut state = self.state.lock();
            if state.ended {
                return;
            }
            state.let_go = true;
            state.reader.clone()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Becomes the reader of a stream that nobody reads; gives the ticket for [`Outlet::take`].
    pub fn attach(&self, reader: Arc<dyn Wake>) -> Result<u64, AttachError> {
        let mut state = self.state.lock();
        if state.reader.is_some() {
            return Err(AttachError::Busy);
        }
        Ok(state.admit(reader))
    }

    /// Takes the stream over from whoever reads it and goes on behind message `after`.
    pub fn resume(&self, reader: Arc<dyn Wake>, after: u64) -> Result<u64, AttachError> {
        let (ticket, former) = {
            let mut state = self.state.lock();
            if after > state.last_sequence || after < state.oldest_kept() {
                return Err(AttachError::Gone);
            }
            while state.sent.back().is_some_and(|frame| frame.sequence > after)
                && let Some(frame) = state.sent.pop_back()
            {
                state.sent_bytes -= frame.json.len();
                state.queued_bytes += frame.json.len();
                state.queue.push_front(frame);
            }
            let former = state.reader.take();
            (state.admit(reader), former)
        };
        if let Some(former) = former {
            former.wake();
        }
        Ok(ticket)
    }

    /// Takes the stream over from whoever reads it, at what waits now.
    pub fn take_over(&self, reader: Arc<dyn Wake>) -> u64 {
        let (ticket, former) = {
            let mut state = self.state.lock();
            let former = state.reader.take();
            (state.admit(reader), former)
        };
        if let Some(former) = former {
            former.wake();
        }
        ticket
    }

    /// Sends the reader away, if there is one; what waits stays for whoever reads next.
    pub fn dismiss(&self) {
        let former = {
            let mut state = self.state.lock();
            state.ticket += 1;
            state.reader.take()
        };
        if let Some(former) = former {
            former.wake();
        }
    }

    /// Stops reading; the messages that wait stay.
    pub fn detach(&self, ticket: u64) {
        let mut state = self.state.lock();
        if state.ticket == ticket {
            state.reader = None;
            if state.queued_bytes > self.limits.queued_bytes {
                state.give_up();
            }
        }
    }

    /// Takes up to about `bytes` of messages to send them; at least one if any waits.
    pub fn take(&self, ticket: u64, bytes: usize) -> Taken {
        let mut state = self.state.lock();
        if state.ticket != ticket {
            return Taken { superseded: true, ended: true, ..Taken::default() };
        }
        let mut taken = Taken::default();
        let mut left = bytes;
        while left > 0
            && let Some(frame) = state.queue.pop_front()
        {
            left = left.saturating_sub(frame.json.len());
            state.queued_bytes -= frame.json.len();
            if self.limits.replay_bytes > 0 {
                state.keep(frame.clone(), self.limits.replay_bytes);
            }
            taken.frames.push(frame);
        }
        taken.more = !state.queue.is_empty();
        taken.ended = state.ended && !taken.more;
        taken.let_go = !taken.more && std::mem::take(&mut state.let_go);
        taken
    }

    /// Bytes that wait.
    pub fn queued_bytes(&self) -> usize {
        self.state.lock().queued_bytes
    }

    /// Bytes that it holds: what waits, and what was sent and can be sent again.
    pub fn held_bytes(&self) -> usize {
        let state = self.state.lock();
        state.queued_bytes.saturating_add(state.sent_bytes)
    }

    /// Nothing will be added to it.
    pub fn is_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// Somebody reads it.
    pub fn has_reader(&self) -> bool {
        self.state.lock().reader.is_some()
    }
}

impl State {
    fn admit(&mut self, reader: Arc<dyn Wake>) -> u64 {
        self.reader = Some(reader);
        self.let_go = false;
        self.ticket += 1;
        self.ticket
    }

    /// Forgets all that waits and ends: it cannot be kept.
    fn give_up(&mut self) {
        self.queue = VecDeque::new();
        self.queued_bytes = 0;
        self.ended = true;
    }

    /// The lowest position from which nothing is missing.
    fn oldest_kept(&self) -> u64 {
        let oldest = self.sent.front().or(self.queue.front()).map(|frame| frame.sequence);
        oldest.map_or(self.last_sequence, |sequence| sequence - 1)
    }

    fn keep(&mut self, frame: Frame, most: usize) {
        self.sent_bytes += frame.json.len();
        self.sent.push_back(frame);
        while self.sent_bytes > most
            && let Some(oldest) = self.sent.pop_front()
        {
            self.sent_bytes -= oldest.json.len();
        }
    }
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Outlet")
            .field("queued", &state.queue.len())
            .field("ended", &state.ended)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    const LIMITS: OutletLimits = OutletLimits { queued_bytes: 10, replay_bytes: 6 };

    fn bodies(taken: &Taken) -> Vec<&[u8]> {
        taken.frames.iter().map(|frame| frame.json.as_slice()).collect()
    }

    #[test]
    fn a_slow_reader_loses_what_may_be_lost_and_never_an_answer() {
        let outlet = Outlet::new(LIMITS);
        let ticket = outlet.attach(Arc::new(Woken::default())).unwrap();
        assert_eq!(outlet.push(b"12345".to_vec(), Weight::Droppable), Push::Queued);
        assert_eq!(outlet.push(b"12345".to_vec(), Weight::Notice), Push::Dropped, "the same");
        assert_eq!(outlet.push(b"123456".to_vec(), Weight::Droppable), Push::Dropped, "no room");
        assert_eq!(outlet.push(vec![b'a'; 100], Weight::Answer(200)), Push::Queued);
        outlet.end();
        assert_eq!(outlet.push(b"x".to_vec(), Weight::Answer(200)), Push::Ended);
        let first = outlet.take(ticket, 1);
        assert_eq!((bodies(&first), first.more, first.ended), (vec![&b"12345"[..]], true, false));
        let second = outlet.take(ticket, 1_000);
        assert!(second.ended && second.frames.len() == 1);
    }

    #[test]
    fn a_stream_has_one_reader_and_resuming_takes_it_over() {
        let outlet = Outlet::new(LIMITS);
        let first_reader = Arc::new(Woken::default());
        let first = outlet.attach(first_reader.clone()).unwrap();
        assert_eq!(outlet.attach(Arc::new(Woken::default())), Err(AttachError::Busy));
        for json in [b"aa", b"bb", b"cc"] {
            outlet.push(json.to_vec(), Weight::Droppable);
        }
        assert_eq!(outlet.take(first, 100).frames.len(), 3);
        let second = outlet.resume(Arc::new(Woken::default()), 1).unwrap();
        assert!(outlet.take(first, 100).superseded);
        assert_eq!(bodies(&outlet.take(second, 100)), [&b"bb"[..], b"cc"]);
        assert_eq!(first_reader.0.load(Ordering::Relaxed), 4, "three messages and the takeover");
    }

    #[test]
    fn what_nobody_reads_is_kept_within_the_bound_only() {
        let outlet = Outlet::new(LIMITS);
        assert_eq!(outlet.push(vec![b'a'; 100], Weight::Answer(200)), Push::Ended);
        let outlet = Outlet::new(LIMITS);
        let ticket = outlet.attach(Arc::new(Woken::default())).unwrap();
        assert_eq!(outlet.push(vec![b'a'; 100], Weight::Answer(200)), Push::Queued);
        outlet.detach(ticket);
        assert_eq!(outlet.queued_bytes(), 0);
        assert!(outlet.is_ended());
    }

    #[test]
    fn only_what_is_kept_can_be_resumed() {
        let outlet = Outlet::new(LIMITS);
        let ticket = outlet.attach(Arc::new(Woken::default())).unwrap();
        for json in [b"aaaa", b"bbbb", b"cccc"] {
            outlet.push(json.to_vec(), Weight::Droppable);
            outlet.take(ticket, 100);
        }
        let reader = || Arc::new(Woken::default());
        assert_eq!(outlet.resume(reader(), 1), Err(AttachError::Gone), "aaaa, bbbb fell out");
        assert_eq!(outlet.resume(reader(), 4), Err(AttachError::Gone), "never sent");
        assert!(outlet.resume(reader(), 3).is_ok());
        assert!(outlet.resume(reader(), 2).is_ok());
    }
}
