//! The lockout of sources whose credentials keep being refused: waits that grow with each failure,
//! then a block. Failures are forgotten with time, and never because somebody succeeded.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::clock::Now;
use crate::guard::settings::RateLimiting;

/// What a source has on it.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Now,
    blocked_until: Now,
}

/// The failures of all sources in the present minute.
#[derive(Debug, Default)]
struct Minute {
    began: Option<Now>,
    failures: u32,
}

/// The table of failures; see the module.
#[derive(Debug)]
pub(super) struct Lockout {
    max_failures: u32,
    block: Duration,
    backoff: Vec<Duration>,
    entries: usize,
    failures: Mutex<HashMap<u64, Failures>>,
    most_per_minute: u32,
    minute: Mutex<Minute>,
    known_good: Mutex<HashMap<u64, Now>>,
}

impl Lockout {
    pub(super) fn new(settings: &RateLimiting, entries: usize) -> Self {
        Self {
            max_failures: settings.max_failures.max(1),
            block: settings.block_duration,
            backoff: settings.backoff_levels.clone(),
            entries,
            failures: Mutex::default(),
            most_per_minute: settings.max_failures_per_minute,
            minute: Mutex::default(),
            known_good: Mutex::default(),
        }
    }

    /// How long this source still has to wait, if it has.
    pub(super) fn wait(&self, source: u64, now: Now) -> Option<Duration> {
        let failures = self.failures.lock().get(&source).copied()?;
        let wait = failures.blocked_until.since(now);
        if wait.is_zero() { None } else { Some(wait) }
    }

    /// True if so many sources fail that each of them may be one of many that guess together.
    fn is_storm(&self, now: Now) -> bool {
        const MINUTE: Duration = Duration::from_secs(60);
        let mut minute = self.minute.lock();
        if minute.began.is_none_or(|began| now.since(began) >= MINUTE) {
            *minute = Minute { began: Some(now), failures: 0 };
        }
        minute.failures = minute.failures.saturating_add(1);
        self.most_per_minute > 0 && minute.failures > self.most_per_minute
    }

    /// Counts a failure of this source and sets its wait.
    pub(super) fn failed(&self, source: u64, now: Now) {
        let longest = self.backoff.last().copied().unwrap_or_default();
        let least = if self.is_storm(now) { longest } else { Duration::ZERO };
        self.mark(source, least, now);
    }

    /// Counts the same failure once more, under whom it claims to be; `pair` stands for both.
    pub(super) fn failed_as(&self, pair: u64, now: Now) {
        self.mark(pair, Duration::ZERO, now);
    }

    fn mark(&self, source: u64, least: Duration, now: Now) {
        let mut table = self.failures.lock();
        if table.len() >= self.entries && !table.contains_key(&source) {
            table.retain(|_, failures| !self.is_forgotten(failures, now));
            if table.len() >= self.entries {
                return;
            }
        }
        let fresh = Failures { count: 0, last: now, blocked_until: now };
        let failures = table.entry(source).or_insert(fresh);
        if self.is_forgotten(failures, now) {
            *failures = fresh;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        failures.blocked_until = now.plus(self.wait_after(failures.count).max(least));
    }

    /// The wait after the `count`th failure: the levels in turn, then the block.
    fn wait_after(&self, count: u32) -> Duration {
        if count >= self.max_failures {
            return self.block;
        }
        let level = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(1);
        self.backoff.get(level).or(self.backoff.last()).copied().unwrap_or_default()
    }

    fn is_forgotten(&self, failures: &Failures, now: Now) -> bool {
        now.since(failures.last) > self.block && now >= failures.blocked_until
    }

    /// Notes that a credential was good from a source; `pair` stands for both.
    pub(super) fn succeeded(&self, pair: u64, now: Now) {
        let mut known = self.known_good.lock();
        if known.len() >= self.entries && !known.contains_key(&pair) {
            known.retain(|_, seen| now.since(*seen) <= self.block);
            if known.len() >= self.entries {
                return;
            }
        }
        known.insert(pair, now);
    }

    /// True if this credential was good from this source within the time of a block.
    pub(super) fn knows(&self, pair: u64, now: Now) -> bool {
        self.known_good.lock().get(&pair).is_some_and(|seen| now.since(*seen) <= self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lockout() -> Lockout {
        let settings = RateLimiting {
            enabled: true,
            max_attempts_per_second: 10.0,
            burst: 10,
            address_attempts_per_second: 100.0,
            max_failures: 5,
            block_duration: Duration::from_secs(300),
            backoff_levels: [0, 1, 2, 4, 8, 16].map(Duration::from_secs).into(),
            max_failures_per_minute: 10,
            ..RateLimiting::default()
        };
        Lockout::new(&settings, 4)
    }

    fn at(seconds: u64) -> Now {
        Now::from_duration(Duration::from_secs(seconds))
    }

    #[test]
    fn waits_grow_by_the_levels_and_end_in_the_block() {
        let lockout = lockout();
        for wait in [0, 1, 2, 4, 300, 300] {
            lockout.failed(1, at(0));
            let expected = if wait == 0 { None } else { Some(Duration::from_secs(wait)) };
            assert_eq!(lockout.wait(1, at(0)), expected);
        }
        assert_eq!(lockout.wait(1, at(301)), None);
        lockout.failed(1, at(302));
        assert_eq!(lockout.wait(1, at(302)), None, "the old failures are forgotten");
    }

    #[test]
    fn when_many_sources_fail_each_waits_long_from_the_first_failure_on() {
        let lockout = lockout();
        for source in 0..10 {
            lockout.failed(source % 3, at(0));
        }
        lockout.failed(7, at(1));
        assert_eq!(lockout.wait(7, at(1)), Some(Duration::from_secs(16)));
        lockout.failed(8, at(61));
        assert_eq!(lockout.wait(8, at(61)), None, "a minute later it is over");
    }

    #[test]
    fn a_flood_of_sources_is_bounded_and_frees_nobody() {
        let lockout = lockout();
        for _ in 0..5 {
            lockout.failed(1, at(0));
        }
        for source in 2..1_000 {
            lockout.failed(source, at(1));
        }
        assert_eq!(lockout.failures.lock().len(), 4);
        assert!(lockout.wait(1, at(1)).is_some());
    }
}
