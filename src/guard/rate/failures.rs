//! Failures by key in a bounded table, with waits that grow by levels and end in a block. They are
//! forgotten with time, and never to make room for others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::clock::Now;
use crate::guard::settings::RateLimiting;

/// How often a full table is searched for what can be forgotten.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What failures cost.
#[derive(Clone, Debug)]
pub(super) struct Penalties {
    max_failures: u32,
    block: Duration,
    backoff: Vec<Duration>,
}

impl Penalties {
    pub(super) fn new(settings: &RateLimiting) -> Self {
        Self {
            max_failures: settings.max_failures.max(1),
            block: settings.block_duration,
            backoff: settings.backoff_levels.clone(),
        }
    }

    /// How long failures are remembered, and known credentials too.
    pub(super) fn memory(&self) -> Duration {
        self.block
    }

    /// The longest wait before the block.
    pub(super) fn longest_wait(&self) -> Duration {
        self.backoff.last().copied().unwrap_or_default()
    }

    /// The wait after the `count`th failure: the levels in turn, then the block.
    fn wait_after(&self, count: u32) -> Duration {
        if count >= self.max_failures {
            return self.block;
        }
        let level = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(1);
        self.backoff.get(level).copied().unwrap_or(self.longest_wait())
    }
}

/// What somebody has on them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failures {
    pub(super) count: u32,
    last: Now,
    pub(super) blocked_until: Now,
}

/// The table; see the module.
#[derive(Debug)]
pub(super) struct FailureTable<K> {
    penalties: Penalties,
    entries: usize,
    /// How many have failed: where nobody has, nobody waits for the lock.
    count: AtomicUsize,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    by_key: HashMap<K, Failures>,
    swept: Option<Now>,
}

impl<K: Copy + Eq + Hash> FailureTable<K> {
    pub(super) fn new(penalties: Penalties, entries: usize) -> Self {
        let state = Mutex::new(State { by_key: HashMap::new(), swept: None });
        Self { penalties, entries, count: AtomicUsize::new(0), state }
    }

    /// How long `key` still has to wait, if it has.
    pub(super) fn wait(&self, key: K, now: Now) -> Option<Duration> {
        if self.is_empty() {
            return None;
        }
        let failures = self.state.lock().by_key.get(&key).copied()?;
        let wait = failures.blocked_until.since(now);
        if wait.is_zero() { None } else { Some(wait) }
    }

    /// True if nobody has failed.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// What `key` has on it.
    pub(super) fn get(&self, key: K, now: Now) -> Option<Failures> {
        let failures = self.state.lock().by_key.get(&key).copied()?;
        Some(failures).filter(|failures| !self.is_forgotten(failures, now))
    }

    /// Counts a failure of `key`, which costs `least` at least.
    pub(super) fn failed(&self, key: K, least: Duration, now: Now) {
        let mut state = self.state.lock();
        if state.by_key.len() >= self.entries && !state.by_key.contains_key(&key) {
            if state.swept.is_some_and(|swept| now.since(swept) < SWEEP_EVERY) {
                return;
            }
            state.swept = Some(now);
            state.by_key.retain(|_, failures| !self.is_forgotten(failures, now));
            if state.by_key.len() >= self.entries {
                return;
            }
        }
        let fresh = Failures { count: 0, last: now, blocked_until: now };
        let failures = state.by_key.entry(key).or_insert(fresh);
        if self.is_forgotten(failures, now) {
            *failures = fresh;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        failures.blocked_until = now.plus(self.penalties.wait_after(failures.count).max(least));
        self.count.store(state.by_key.len(), Ordering::Release);
    }

    /// Forgets the failures of all keys that are meant.
    pub(super) fn forget(&self, is_meant: impl Fn(&K) -> bool) {
        let mut state = self.state.lock();
        state.by_key.retain(|key, _| !is_meant(key));
        self.count.store(state.by_key.len(), Ordering::Release);
    }

    /// All that is not forgotten.
    pub(super) fn all(&self, now: Now) -> Vec<(K, Failures)> {
        let state = self.state.lock();
        let known = state.by_key.iter().filter(|(_, failures)| !self.is_forgotten(failures, now));
        known.map(|(key, failures)| (*key, *failures)).collect()
    }

    fn is_forgotten(&self, failures: &Failures, now: Now) -> bool {
        now.since(failures.last) > self.penalties.memory() && now >= failures.blocked_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> FailureTable<u64> {
        FailureTable::new(Penalties::new(&RateLimiting::default()), 4)
    }

    fn at(seconds: u64) -> Now {
        Now::from_duration(Duration::from_secs(seconds))
    }

    #[test]
    fn waits_grow_by_the_levels_and_end_in_the_block() {
        let table = table();
        for wait in [0, 1, 2, 4, 300, 300] {
            table.failed(1, Duration::ZERO, at(0));
            let expected = if wait == 0 { None } else { Some(Duration::from_secs(wait)) };
            assert_eq!(table.wait(1, at(0)), expected);
        }
        assert_eq!(table.wait(1, at(301)), None);
        table.failed(1, Duration::ZERO, at(302));
        assert_eq!(table.wait(1, at(302)), None, "the old failures are forgotten");
    }

    #[test]
    fn a_wait_is_never_below_the_least_nor_the_least_above_a_block() {
        let table = table();
        table.failed(1, Duration::from_secs(16), at(0));
        assert_eq!(table.wait(1, at(0)), Some(Duration::from_secs(16)));
        for _ in 0..4 {
            table.failed(1, Duration::from_secs(16), at(0));
        }
        assert_eq!(table.wait(1, at(0)), Some(Duration::from_secs(300)));
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_frees_nobody() {
        let table = table();
        for _ in 0..5 {
            table.failed(1, Duration::ZERO, at(0));
        }
        for key in 2..1_000 {
            table.failed(key, Duration::ZERO, at(1));
        }
        assert_eq!(table.all(at(1)).len(), 4);
        assert!(table.wait(1, at(1)).is_some());
        table.failed(1_000, Duration::ZERO, at(400));
        assert_eq!(table.get(1_000, at(400)).map(|failures| failures.count), Some(1));
        assert_eq!(table.all(at(400)).len(), 1, "what is over makes room");
    }

    #[test]
    fn only_what_is_meant_is_forgotten_at_once() {
        let table = table();
        table.failed(1, Duration::ZERO, at(0));
        table.failed(2, Duration::ZERO, at(0));
        table.forget(|key| *key == 1);
        assert!(table.get(1, at(0)).is_none() && table.get(2, at(0)).is_some());
        table.forget(|_| true);
        assert!(table.is_empty());
    }
}
