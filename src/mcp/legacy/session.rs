//! One legacy session: what was negotiated, what is running, which streams can be resumed. It
//! authenticates nobody; every request proves itself, and a session only remembers whose it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde_json::Value;

use crate::base::cancel::{Cancellation, Cause};
use crate::base::clock::Now;
use crate::base::principal::Principal;
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::era::Version;
use crate::mcp::meta::LogLevel;
use crate::mcp::outlet::{Outlet, OutletLimits};
use crate::mcp::subscriptions::{Filter, Listener};
use crate::proto::jsonrpc::Id;

/// Most finished streams that are kept for a client that lost its connection.
const KEPT_STREAMS: usize = 16;

/// As many of them may hold all that a stream can hold.
const KEPT_FULL_STREAMS: usize = 4;

/// Why there is no answer of a client that answers nothing any more.
pub const GONE: &str = "it has gone";

/// The stream that belongs to no request: what a GET without `Last-Event-ID` reads.
pub const STANDALONE: u64 = 0;

/// A session of one client.
#[derive(Debug)]
pub struct Session {
    /// Its id: 128 random bits in hexadecimal; empty on stdio, where the connection is the session.
    pub id: String,
    /// Whose it is.
    pub principal: Arc<Principal>,
    /// What was negotiated.
    pub version: Version,
    /// What the client can do for the server.
    pub capabilities: ClientCapabilities,
    /// The session as one who hears of changes; its outlet is the standalone stream.
    pub listener: Arc<Listener>,
    limits: OutletLimits,
    created: Now,
    last_used: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    log_level: Option<LogLevel>,
    running: HashMap<Id, Arc<Cancellation>>,
    streams: BTreeMap<u64, Arc<Outlet>>,
    last_stream: u64,
    asked: HashMap<Id, (Arc<dyn Asker>, String)>,
    last_asked: i64,
    /// The client answers nothing any more.
    is_abandoned: bool,
    /// It has ended: nothing is registered any more.
    is_closed: bool,
}

/// Somebody who has asked the client and waits for its answer.
pub trait Asker: std::fmt::Debug + Send + Sync {
    /// The answer to what was asked under `key`: a result, or the client's sentence for why there
    /// is none.
    fn answered(self: Arc<Self>, key: &str, outcome: Result<Value, String>);
}

/// What `initialize` settled.
#[derive(Clone, Copy, Debug)]
pub struct Negotiated {
    /// The version.
    pub version: Version,
    /// What the client can do for the server.
    pub capabilities: ClientCapabilities,
}

/// Why a request cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginError {
    /// The session already runs a request with this id.
    DuplicateId,
    /// The session has ended.
    Closed,
}

impl Session {
    /// A session whose standalone stream is `outlet`.
    pub fn new(
        id: String,
        principal: Arc<Principal>,
        negotiated: Negotiated,
        outlet: Arc<Outlet>,
        limits: OutletLimits,
        now: Now,
    ) -> Self {
        let listener = Arc::new(Listener {
            principal: ArcSwap::new(Arc::clone(&principal)),
            filter: Mutex::new(Filter::lists()),
            outlet,
            subscription: None,
            place: Mutex::new(None),
        });
        Self {
            id,
            principal,
            version: negotiated.version,
            capabilities: negotiated.capabilities,
            listener,
            limits,
            created: now,
            last_used: AtomicU64::new(now.micros()),
            state: Mutex::default(),
        }
    }

    /// Notes that the client is there.
    pub fn touch(&self, now: Now) {
        self.last_used.store(now.micros(), Ordering::Relaxed);
    }

    /// True if it has outlived `lifetime`, or was idle for `idle` with nothing running and nobody
    /// reading.
    pub fn is_over(&self, now: Now, idle: Duration, lifetime: Duration) -> bool {
        let last_used = Now::from_micros(self.last_used.load(Ordering::Relaxed));
        now.since(self.created) > lifetime || (now.since(last_used) > idle && !self.is_busy())
    }

    /// How long ago it was opened, and used.
    pub fn age(&self, now: Now) -> (Duration, Duration) {
        let last_used = Now::from_micros(self.last_used.load(Ordering::Relaxed));
        (now.since(self.created), now.since(last_used))
    }

    fn is_busy(&self) -> bool {
        let state = self.state.lock();
        !state.running.is_empty()
            || self.listener.outlet.has_reader()
            || state.streams.values().any(|stream| stream.has_reader())
    }

    /// True while a request has no answer.
    pub fn is_running(&self) -> bool {
        !self.state.lock().running.is_empty()
    }

    /// True while a request with this id has no answer.
    pub fn runs(&self, id: &Id) -> bool {
        self.state.lock().running.contains_key(id)
    }

    /// The least severe level of log messages that the client wants.
    pub fn log_level(&self) -> Option<LogLevel> {
        self.state.lock().log_level
    }

    /// Sets it (`logging/setLevel`).
    pub fn set_log_level(&self, level: LogLevel) {
        self.state.lock().log_level = Some(level);
    }

    /// Registers a request, so that it can be cancelled.
    pub fn begin(&self, id: &Id, cancellation: &Arc<Cancellation>) -> Result<(), BeginError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(BeginError::Closed);
        }
        if state.running.contains_key(id) {
            return Err(BeginError::DuplicateId);
        }
        state.running.insert(id.clone(), Arc::clone(cancellation));
        Ok(())
    }

    /// Forgets a request that has its answer.
    pub fn end(&self, id: &Id) {
        self.state.lock().running.remove(id);
    }

    /// Cancels a request; an unknown id is nothing.
    pub fn cancel(&self, id: &Id) {
        let cancellation = self.state.lock().running.get(id).cloned();
        if let Some(cancellation) = cancellation {
            cancellation.cancel(Cause::Client);
        }
    }

    /// The id of a request to the client, whose answer `asker` gets under `key`; `None` if no
    /// answer can come any more.
    pub fn ask(&self, asker: &Arc<dyn Asker>, key: &str) -> Option<Id> {
        let mut state = self.state.lock();
        if state.is_closed || state.is_abandoned {
            return None;
        }
        state.last_asked += 1;
        let id = Id::Number(state.last_asked);
        state.asked.insert(id.clone(), (Arc::clone(asker), key.to_owned()));
        Some(id)
    }

    /// Hands the client's answer to who asked; an answer that nobody waits for is nothing.
    pub fn answer(&self, id: &Id, outcome: Result<Value, String>) {
        let asked = self.state.lock().asked.remove(id);
        if let Some((asker, key)) = asked {
            asker.answered(&key, outcome);
        }
    }

    /// Whoever waits for an answer of the client, or asks it later, is told that none will come.
    pub fn abandon(&self) {
        let asked = {
            let mut state = self.state.lock();
            state.is_abandoned = true;
            std::mem::take(&mut state.asked)
        };
        for (asker, key) in asked.into_values() {
            asker.answered(&key, Err(GONE.to_owned()));
        }
    }

    /// Waits no more for the answers to these requests; gives those that were still open.
    pub fn withdraw(&self, ids: &[Id]) -> Vec<Id> {
        let mut state = self.state.lock();
        let open: Vec<Id> = ids.iter().filter(|id| state.asked.contains_key(id)).cloned().collect();
        // Whoever is let go of here may lock the session when it is dropped.
        let let_go: Vec<_> = open.iter().filter_map(|id| state.asked.remove(id)).collect();
        drop(state);
        drop(let_go);
        open
    }

    /// Opens a stream for one request and gives its number.
    pub fn open_stream(&self) -> (u64, Arc<Outlet>) {
        let mut state = self.state.lock();
        state.last_stream += 1;
        let number = state.last_stream;
        let outlet = Arc::new(Outlet::new(self.limits));
        state.streams.insert(number, Arc::clone(&outlet));
        let one = self.limits.queued_bytes.saturating_add(self.limits.replay_bytes);
        state.forget_oldest(one.saturating_mul(KEPT_FULL_STREAMS));
        (number, outlet)
    }

    /// Forgets a stream that nothing was said on.
    pub fn forget_stream(&self, number: u64) {
        self.state.lock().streams.remove(&number);
    }

    /// The stream with this number, if it is still kept.
    pub fn stream(&self, number: u64) -> Option<Arc<Outlet>> {
        if number == STANDALONE {
            return Some(Arc::clone(&self.listener.outlet));
        }
        self.state.lock().streams.get(&number).cloned()
    }

    /// Ends the session: cancels what runs and ends every stream.
    pub fn close(&self) {
        let closed = State { is_closed: true, ..State::default() };
        let state = std::mem::replace(&mut *self.state.lock(), closed);
        for cancellation in state.running.values() {
            cancellation.cancel(Cause::Client);
        }
        for stream in state.streams.values() {
            stream.end();
        }
        self.listener.outlet.end();
    }
}

impl State {
    /// Keeps the streams that are finished and that nobody reads within bounds: the newest stay, as
    /// many as hold no more than `most_bytes` together.
    fn forget_oldest(&mut self, most_bytes: usize) {
        let finished =
            self.streams.iter().rev().filter(|(_, it)| it.is_ended() && !it.has_reader());
        let mut bytes: usize = 0;
        let surplus: Vec<u64> = finished
            .enumerate()
            .filter_map(|(newer, (number, stream))| {
                bytes = bytes.saturating_add(stream.held_bytes());
                (newer >= KEPT_STREAMS || bytes > most_bytes).then_some(*number)
            })
            .collect();
        for number in surplus {
            self.streams.remove(&number);
        }
    }
}

/// `Last-Event-ID` of event `sequence` on stream `stream`.
pub fn event_id(stream: u64, sequence: u64) -> String {
    format!("{stream}-{sequence}")
}

/// Stream and sequence of an event id, if it has the form of ours.
pub fn parse_event_id(text: &str) -> Option<(u64, u64)> {
    let (stream, sequence) = text.split_once('-')?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if plain { digits.parse().ok() } else { None }
    };
    Some((number(stream)?, number(sequence)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::principal::AuthMethod;
    use crate::mcp::outlet::{Wake, Weight};

    struct Deaf;
    impl Wake for Deaf {
        fn wake(&self) {}
    }

    fn session() -> Session {
        let limits = OutletLimits { queued_bytes: 1_000, replay_bytes: 100 };
        Session::new(
            "s".into(),
            Arc::new(Principal::new(AuthMethod::ApiKey, "u", vec![])),
            Negotiated {
                version: Version::V2025_11_25,
                capabilities: ClientCapabilities::default(),
            },
            Arc::new(Outlet::new(limits)),
            limits,
            Now::from_micros(0),
        )
    }

    #[test]
    fn two_requests_of_one_session_cannot_have_the_same_id() {
        let session = session();
        let first = Arc::new(Cancellation::default());
        session.begin(&Id::Number(1), &first).unwrap();
        let second = Arc::new(Cancellation::default());
        assert_eq!(session.begin(&Id::Number(1), &second), Err(BeginError::DuplicateId));
        session.cancel(&Id::Number(9));
        assert_eq!(first.cause(), None, "another id");
        session.cancel(&Id::Number(1));
        assert_eq!(first.cause(), Some(Cause::Client));
        session.end(&Id::Number(1));
        assert_eq!(session.begin(&Id::Number(1), &second), Ok(()));
    }

    #[test]
    fn a_running_call_or_an_open_stream_keeps_a_session_alive() {
        let session = session();
        let (idle, lifetime) = (Duration::from_secs(10), Duration::from_secs(100));
        let later = Now::from_duration(Duration::from_secs(11));
        assert!(session.is_over(later, idle, lifetime));
        session.begin(&Id::Number(1), &Arc::default()).unwrap();
        assert!(!session.is_over(later, idle, lifetime));
        session.end(&Id::Number(1));
        let ticket = session.listener.outlet.attach(Arc::new(Deaf)).unwrap();
        assert!(!session.is_over(later, idle, lifetime));
        session.listener.outlet.detach(ticket);
        session.touch(later);
        assert!(!session.is_over(later, idle, lifetime));
        assert!(session.is_over(Now::from_duration(Duration::from_secs(101)), idle, lifetime));
    }

    #[test]
    fn finished_streams_are_kept_within_bounds_and_unfinished_ones_always() {
        let session = session();
        let (unfinished, _) = session.open_stream();
        for _ in 0..100 {
            let (_, stream) = session.open_stream();
            stream.push(b"never fetched".to_vec(), Weight::Answer(200));
            stream.end();
        }
        assert!(session.stream(unfinished).is_some());
        assert!(session.state.lock().streams.len() <= KEPT_STREAMS + 2);
        let large: Vec<u64> = (0..6)
            .map(|_| {
                let (number, stream) = session.open_stream();
                stream.push(vec![b'x'; 1_000], Weight::Answer(200));
                stream.end();
                number
            })
            .collect();
        session.open_stream();
        let is_kept = |number: &u64| session.stream(*number).is_some();
        let kept: Vec<bool> = large.iter().map(is_kept).collect();
        assert_eq!(kept, [false, false, true, true, true, true], "bytes are bounded, too");
    }

    #[test]
    fn a_forgotten_stream_is_gone_and_keeps_no_session_alive() {
        let session = session();
        let (kept, _) = session.open_stream();
        for _ in 0..100 {
            let (number, stream) = session.open_stream();
            stream.attach(Arc::new(Deaf)).unwrap();
            session.forget_stream(number);
            assert!(session.stream(number).is_none());
        }
        assert!(session.stream(kept).is_some(), "another one stays");
        assert_eq!(session.state.lock().streams.len(), 1);
        let later = Now::from_duration(Duration::from_secs(11));
        assert!(session.is_over(later, Duration::from_secs(10), Duration::from_secs(100)));
    }

    #[test]
    fn closing_ends_everything() {
        let session = session();
        let (_, stream) = session.open_stream();
        session.close();
        let begun = session.begin(&Id::Number(1), &Arc::default());
        assert_eq!(begun, Err(BeginError::Closed));
        for outlet in [&stream, &session.listener.outlet] {
            assert_eq!(outlet.push(vec![], Weight::Droppable), crate::mcp::outlet::Push::Ended);
        }
    }

    #[test]
    fn only_our_own_form_of_event_id_is_understood() {
        assert_eq!(parse_event_id(&event_id(3, 14)), Some((3, 14)));
        for text in ["", "1", "-1", "1-", "+1-2", "1-2-3", "a-b", "1-99999999999999999999"] {
            assert_eq!(parse_event_id(text), None, "{text}");
        }
    }
}
