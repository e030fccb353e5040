//! The published keys of an issuer (RFC 7517): fetched when they are needed first, again ahead of
//! their end, and once more when a token names a key that is not among them. The last good set
//! stays while its issuer cannot be reached. How often is asked has a bound, whoever sends tokens.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use parking_lot::Mutex;
use ring::digest;

use super::jwk::{self, Entry, SET_BYTES};
use crate::base::clock::Now;
use crate::base::outgoing::{Incoming, Outgoing, OutgoingError};
use crate::guard::authn::inquiry::{Asker, Errand, Heard, Waiters};
use crate::mcp::outlet::Wake;

/// Shortest time between two requests for a set that is there.
const PAUSE: Duration = Duration::from_secs(5);
/// The pause after the first failure; it doubles with each one up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a set is good where its issuer does not say.
const TTL: Duration = Duration::from_secs(300);
const SHORTEST_TTL: Duration = Duration::from_secs(30);
const LONGEST_TTL: Duration = Duration::from_secs(86_400);
/// A set that could not be renewed for so long is not believed any more.
const STALE: Duration = Duration::from_secs(86_400);
/// How long an id is remembered that was not among the keys, and how many of them.
const UNKNOWN: Duration = Duration::from_secs(60);
const MOST_UNKNOWN: usize = 1_024;

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// The URL of the set.
    pub url: Arc<str>,
    /// What its keys may be used for.
    pub algorithms: Vec<Algorithm>,
    /// The time for one request.
    pub timeout: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct KeySet {
    issuer: String,
    source: KeySource,
    keys: ArcSwapOption<Fetched>,
    /// Counts the different sets that were fetched.
    generation: AtomicU64,
    /// When the set is to be fetched again, in microseconds of the monotonic clock.
    refresh_at: AtomicU64,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Fetched {
    keys: Arc<Vec<Entry>>,
    digest: Vec<u8>,
    at: Now,
}

#[derive(Debug, Default)]
struct State {
    /// Those who wait for the request that is under way.
    waiting: Option<Waiters>,
    asked_at: Option<Now>,
    failures: u32,
    unknown: HashMap<u64, Now>,
}

impl State {
    fn pause(&self) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(6));
        if self.failures > 0 { doubled.min(LONGEST_PAUSE) } else { PAUSE }
    }

    /// True if it is too early to ask once more.
    fn must_pause(&self, now: Now) -> bool {
        self.asked_at.is_some_and(|at| now.since(at) < self.pause())
    }

    fn remember_unknown(&mut self, key_id: u64, now: Now) {
        if self.unknown.len() >= MOST_UNKNOWN {
            self.unknown.retain(|_, at| now.since(*at) < UNKNOWN);
        }
        if self.unknown.len() < MOST_UNKNOWN {
            self.unknown.insert(key_id, now);
        }
    }
}

impl KeySet {
    /// The set of `issuer`, not fetched yet.
    pub fn new(issuer: &str, source: KeySource) -> Self {
        Self {
            issuer: issuer.to_owned(),
            source,
            keys: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            refresh_at: AtomicU64::new(u64::MAX),
            hasher: RandomState::new(),
            state: Mutex::default(),
        }
    }

    /// True if it is that of this issuer, from this source.
    pub fn is_of(&self, issuer: &str, source: &KeySource) -> bool {
        self.issuer == issuer && self.source == *source
    }

    /// A number that changes when the keys do.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The keys, unless they are too old to be believed.
    pub fn keys(&self, now: Now) -> Option<Arc<Vec<Entry>>> {
        let fetched = self.keys.load();
        let fetched = fetched.as_ref().filter(|fetched| now.since(fetched.at) < STALE);
        fetched.map(|fetched| Arc::clone(&fetched.keys))
    }

    /// Asked for a token whose key is not there, or does not fit its signature: is there a newer
    /// set, and who waits for it is woken. `may_wait` is false for who has waited before.
    pub(in crate::guard::authn) fn ask(
        self: &Arc<Self>,
        key_id: &str,
        wake: &Arc<dyn Wake>,
        may_wait: bool,
        now: Now,
    ) -> Heard {
        let has_keys = self.keys(now).is_some();
        let as_it_is = if has_keys { Heard::Nothing } else { Heard::Unavailable };
        let key_id = self.hasher.hash_one(key_id);
        let mut state = self.state.lock();
        if !may_wait {
            state.remember_unknown(key_id, now);
            return as_it_is;
        }
        if let Some(waiting) = &mut state.waiting {
            return waiting.add(wake).map_or(Heard::Unavailable, |it| Heard::Later(it, None));
        }
        let is_unknown = state.unknown.get(&key_id).is_some_and(|at| now.since(*at) < UNKNOWN);
        if state.must_pause(now) || (has_keys && is_unknown) {
            return as_it_is;
        }
        let mut waiting = Waiters::default();
        let Some(waiter) = waiting.add(wake) else { return Heard::Unavailable };
        state.waiting = Some(waiting);
        state.asked_at = Some(now);
        drop(state);
        Heard::Later(waiter, Some(self.errand()))
    }

    /// The request for the next set, if it is time for one; nobody waits for it.
    pub(in crate::guard::authn) fn refresh(self: &Arc<Self>, now: Now) -> Option<Errand> {
        if now.micros() < self.refresh_at.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.state.lock();
        if state.waiting.is_some() || state.must_pause(now) {
            return None;
        }
        state.waiting = Some(Waiters::default());
        state.asked_at = Some(now);
        drop(state);
        Some(self.errand())
    }

    /// The request for the set.
    pub(super) fn errand(self: &Arc<Self>) -> Errand {
        let request = Outgoing {
            url: Arc::clone(&self.source.url),
            form: None,
            authorization: None,
            accept: "application/jwk-set+json, application/json",
            timeout: self.source.timeout,
            most_bytes: SET_BYTES,
        };
        Errand::new(request, Arc::clone(self) as Arc<dyn Asker>)
    }

    fn take(&self, answer: Result<Incoming, OutgoingError>, now: Now) -> Result<(), OutgoingError> {
        let answer = answer?;
        if answer.status != 200 {
            return Err(OutgoingError::Status(answer.status));
        }
        let keys = jwk::read(&answer.body, &self.source.algorithms)
            .ok_or(OutgoingError::Unusable("it answered with something else than a key set"))?;
        if keys.is_empty() {
            return Err(OutgoingError::Unusable("there is no key in the set that can be used"));
        }
        let ttl = answer.max_age.map_or(TTL, Duration::from_secs);
        let ttl = ttl.clamp(SHORTEST_TTL, LONGEST_TTL);
        // Ahead of the end, so that nobody has to wait for the next set.
        self.refresh_at.store(now.plus(ttl * 3 / 4).micros(), Ordering::Relaxed);
        let digest = digest::digest(&digest::SHA256, &answer.body).as_ref().to_vec();
        let is_new = self.keys.load().as_ref().is_none_or(|former| former.digest != digest);
        let ids: Vec<_> = keys.iter().map(|(id, _)| id.as_deref().unwrap_or("-")).collect();
        if is_new {
            log::info!("the keys of {} are {:?}", self.issuer, ids);
        }
        self.keys.store(Some(Arc::new(Fetched { keys: Arc::new(keys), digest, at: now })));
        if is_new {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }
}

impl Asker for KeySet {
    fn answered(&self, answer: Result<Incoming, OutgoingError>, now: Now) {
        let taken = self.take(answer, now);
        let waiting = {
            let mut state = self.state.lock();
            match &taken {
                Ok(()) => state.failures = 0,
                Err(_) => {
                    state.failures = state.failures.saturating_add(1);
                    self.refresh_at.store(now.plus(state.pause()).micros(), Ordering::Relaxed);
                }
            }
            state.waiting.take()
        };
        if let Err(error) = taken {
            log::warn!("the keys of {} were not fetched: {error}", self.issuer);
        }
        if let Some(waiting) = waiting {
            waiting.tell();
        }
    }
}

#[cfg(test)]
mod tests;
