//! The lockout of those whose credentials keep being refused. Failures count against their source,
//! or against an identity that was good from there: a neighbour of a guesser is not locked out with
//! it, and a name that is known is no door for guessing. Nobody's success clears anything.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

use super::bucket::{Bucket, Rate};
use super::failures::{FailureTable, Failures, Penalties, SWEEP_EVERY};
use crate::base::clock::Now;
use crate::guard::settings::RateLimiting;

/// An identity or a credential at a source: a keyed hash of both, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    /// The hash.
    pub(super) key: u64,
    /// The source.
    pub(super) source: IpAddr,
}

/// The tables; see the module.
#[derive(Debug)]
pub(super) struct Lockout {
    sources: FailureTable<IpAddr>,
    identities: FailureTable<Pair>,
    known: Known,
    all: Option<Together>,
}

impl Lockout {
    pub(super) fn new(settings: &RateLimiting, entries: usize) -> Self {
        let penalties = Penalties::new(settings);
        Self {
            known: Known::new(penalties.memory(), entries),
            all: Together::new(settings.max_failures_per_minute, penalties.longest_wait()),
            sources: FailureTable::new(penalties.clone(), entries),
            identities: FailureTable::new(penalties, entries),
        }
    }

    /// How long a credential has to wait that comes from `source`, if it has; `credential` and
    /// `identity` stand for what it presents.
    ///
    /// A credential that was good from there is let through: to know a good one is not to guess. So
    /// is one of an identity that was good from there, until failures of its own lock it out.
    pub(super) fn wait(
        &self,
        source: IpAddr,
        credential: impl FnOnce() -> Option<Pair>,
        identity: impl FnOnce() -> Option<Pair>,
        now: Now,
    ) -> Option<Duration> {
        let wait = self.sources.wait(source, now);
        if wait.is_none() && self.identities.is_empty() {
            return None;
        }
        if credential().is_some_and(|pair| self.known.has(pair.key, now)) {
            return None;
        }
        let Some(identity) = identity() else { return wait };
        match self.identities.wait(identity, now) {
            Some(own) => Some(own),
            None if self.is_known(identity, now) => None,
            None => wait,
        }
    }

    /// Counts a failure: against the identity if it was good from this source, else against the
    /// source.
    pub(super) fn failed(
        &self,
        source: IpAddr,
        credential: Option<Pair>,
        identity: Option<Pair>,
        now: Now,
    ) {
        let least = self.all.as_ref().map_or(Duration::ZERO, |all| all.failed(now));
        let was_good = credential.is_some_and(|pair| self.known.forget(pair.key));
        match identity.filter(|identity| was_good || self.is_known(*identity, now)) {
            // Who was good here is no newcomer, whatever others do.
            Some(identity) => self.identities.failed(identity, Duration::ZERO, now),
            None => self.sources.failed(source, least, now),
        }
    }

    /// Notes that a credential or identity was good from a source.
    pub(super) fn succeeded(&self, pair: Pair, now: Now) {
        self.known.add(pair.key, now);
    }

    fn is_known(&self, identity: Pair, now: Now) -> bool {
        self.known.has(identity.key, now) || self.identities.get(identity, now).is_some()
    }

    /// What counts at a source: of itself, or of an identity there.
    pub(super) fn at(&self, source: IpAddr, now: Now) -> Vec<Failures> {
        let identities = self.identities.all(now).into_iter();
        let there = identities.filter(|(pair, _)| pair.source == source).map(|(_, it)| it);
        self.sources.get(source, now).into_iter().chain(there).collect()
    }

    /// All that counts, by source.
    pub(super) fn all(&self, now: Now) -> Vec<(IpAddr, Failures)> {
        let mut all = self.sources.all(now);
        all.extend(self.identities.all(now).into_iter().map(|(pair, it)| (pair.source, it)));
        all
    }

    /// Forgets what counts at a source.
    pub(super) fn forget(&self, source: IpAddr) {
        self.sources.forget(|one| *one == source);
        self.identities.forget(|pair| pair.source == source);
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        let all = Now::from_micros(0);
        self.sources.all(all).len() + self.identities.all(all).len() + self.known.len()
    }
}

/// What was good from where, and when last.
#[derive(Debug)]
struct Known {
    memory: Duration,
    entries: usize,
    state: Mutex<KnownState>,
}

#[derive(Debug)]
struct KnownState {
    seen: HashMap<u64, Now>,
    swept: Option<Now>,
}

impl Known {
    fn new(memory: Duration, entries: usize) -> Self {
        Self {
            memory,
            entries,
            state: Mutex::new(KnownState { seen: HashMap::new(), swept: None }),
        }
    }

    fn add(&self, key: u64, now: Now) {
        let mut state = self.state.lock();
        if let Some(seen) = state.seen.get_mut(&key) {
            *seen = now;
            return;
        }
        if state.seen.len() >= self.entries {
            if state.swept.is_some_and(|swept| now.since(swept) < SWEEP_EVERY) {
                return;
            }
            state.swept = Some(now);
            state.seen.retain(|_, seen| now.since(*seen) <= self.memory);
            if state.seen.len() >= self.entries {
                return;
            }
        }
        state.seen.insert(key, now);
    }

    fn has(&self, key: u64, now: Now) -> bool {
        self.state.lock().seen.get(&key).is_some_and(|seen| now.since(*seen) <= self.memory)
    }

    /// True if it was known.
    fn forget(&self, key: u64) -> bool {
        self.state.lock().seen.remove(&key).is_some()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.state.lock().seen.len()
    }
}

/// The failures of all sources together: many that guess a little are one that guesses much.
#[derive(Debug)]
struct Together {
    rate: Rate,
    bucket: Mutex<Option<Bucket>>,
    wait: Duration,
}

impl Together {
    fn new(per_minute: u32, wait: Duration) -> Option<Self> {
        let burst = f64::from(per_minute);
        let rate = Rate { per_second: burst / 60.0, burst };
        (per_minute > 0).then_some(Self { rate, bucket: Mutex::new(None), wait })
    }

    /// Counts a failure, and says what it costs at least.
    fn failed(&self, now: Now) -> Duration {
        let mut bucket = self.bucket.lock();
        let bucket = bucket.get_or_insert(Bucket::full(0, self.rate, now));
        if bucket.take(self.rate, now).is_ok() { Duration::ZERO } else { self.wait }
    }
}
