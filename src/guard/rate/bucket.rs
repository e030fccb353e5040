//! Token buckets in a bounded, sharded table, each of one of a few rates. A full table never
//! forgets a bucket that still counts: newcomers share one bucket until there is room.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::SHORTEST_WAIT;
use super::quota::Level;
use crate::base::clock::Now;

/// Tokens per second, and how many a rested bucket holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    pub(super) burst: f64,
}

/// Which of the rates of a table a bucket has, counted from 0.
pub(super) type Class = u16;

/// The bucket is empty: how long until there is a token, and how it stands.
pub(super) type Empty = (Duration, Level);

/// One bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: f64,
    updated: Now,
    class: Class,
}

impl Bucket {
    pub(super) fn full(class: Class, rate: Rate, now: Now) -> Self {
        Self { tokens: rate.burst, updated: now, class }
    }

    fn refill(&mut self, rate: Rate, now: Now) {
        let gained = now.since(self.updated).as_secs_f64() * rate.per_second;
        self.tokens = (self.tokens + gained).min(rate.burst);
        self.updated = self.updated.max(now);
    }

    pub(super) fn take(&mut self, rate: Rate, now: Now) -> Result<Level, Empty> {
        self.refill(rate, now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(Level { rate, tokens: self.tokens });
        }
        let wait = (1.0 - self.tokens) / rate.per_second;
        let wait = Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX).max(SHORTEST_WAIT);
        Err((wait, Level { rate, tokens: self.tokens }))
    }

    fn is_rested(mut self, rate: Rate, now: Now) -> bool {
        self.refill(rate, now);
        self.tokens >= rate.burst
    }
}

/// What a class without a rate would have; there is none.
const NEVER: Rate = Rate { per_second: 0.001, burst: 0.0 };

const SHARDS: usize = 16;
/// How often a full shard is searched for rested buckets.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Buckets by key; keys are keyed hashes, so nobody can choose them to meet in one shard.
#[derive(Debug)]
pub(super) struct Buckets {
    rates: Vec<Rate>,
    per_shard: usize,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug)]
struct Shard {
    buckets: HashMap<u64, Bucket>,
    shared: Option<Bucket>,
    swept: Option<Now>,
}

impl Buckets {
    /// At most about `entries` buckets, each of one of these rates.
    pub(super) fn new(rates: Vec<Rate>, entries: usize) -> Self {
        let shard = || Mutex::new(Shard { buckets: HashMap::new(), shared: None, swept: None });
        let shards = std::array::from_fn(|_| shard());
        Self { rates, per_shard: entries.div_ceil(SHARDS), shards }
    }

    /// Takes one token of `key`, whose bucket has the rate `class` from now on.
    pub(super) fn take(&self, key: u64, class: Class, now: Now) -> Result<Level, Empty> {
        let rate = self.rate(class);
        let Some(shard) = self.shard(key) else {
            return Err((SHORTEST_WAIT, Level { rate, tokens: 0.0 }));
        };
        let mut shard = shard.lock();
        if let Some(bucket) = shard.buckets.get_mut(&key) {
            bucket.class = class;
            return bucket.take(rate, now);
        }
        if shard.buckets.len() >= self.per_shard {
            shard.sweep(&self.rates, now);
        }
        let full = Bucket::full(class, rate, now);
        if shard.buckets.len() >= self.per_shard {
            // Of the first rate, whoever comes: a bucket of many is of nobody's role.
            let rate = self.rate(0);
            return shard.shared.get_or_insert(Bucket::full(0, rate, now)).take(rate, now);
        }
        shard.buckets.entry(key).or_insert(full).take(rate, now)
    }

    /// Puts a token back that was taken for nothing.
    pub(super) fn give_back(&self, key: u64) {
        if let Some(shard) = self.shard(key)
            && let Some(bucket) = shard.lock().buckets.get_mut(&key)
        {
            let burst = self.rate(bucket.class).burst;
            bucket.tokens = (bucket.tokens + 1.0).min(burst);
        }
    }

    /// How the bucket of `key` stands; a key without one is rested.
    pub(super) fn look(&self, key: u64, now: Now) -> Level {
        let known = self.shard(key).and_then(|shard| shard.lock().buckets.get(&key).copied());
        let mut bucket = known.unwrap_or_else(|| Bucket::full(0, self.rate(0), now));
        let rate = self.rate(bucket.class);
        bucket.refill(rate, now);
        Level { rate, tokens: bucket.tokens }
    }

    /// Forgets what `key` has taken.
    pub(super) fn forget(&self, key: u64) {
        if let Some(shard) = self.shard(key) {
            shard.lock().buckets.remove(&key);
        }
    }

    fn shard(&self, key: u64) -> Option<&Mutex<Shard>> {
        self.shards.get(usize::try_from(key >> 60).unwrap_or(0))
    }

    fn rate(&self, class: Class) -> Rate {
        self.rates.get(usize::from(class)).copied().unwrap_or(NEVER)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().buckets.len()).sum()
    }
}

impl Shard {
    fn sweep(&mut self, rates: &[Rate], now: Now) {
        if self.swept.is_some_and(|swept| now.since(swept) < SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        self.buckets.retain(|_, bucket| {
            let rate = rates.get(usize::from(bucket.class));
            rate.is_some_and(|rate| !bucket.is_rested(*rate, now))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::quota::Quota;
    use super::*;

    const RATE: Rate = Rate { per_second: 2.0, burst: 3.0 };

    fn at(millis: u64) -> Now {
        Now::from_duration(Duration::from_millis(millis))
    }

    /// Keys that a hash would give: spread over the shards.
    fn key(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn is_taken(buckets: &Buckets, key: u64, now: Now) -> bool {
        buckets.take(key, 0, now).is_ok()
    }

    #[test]
    fn tokens_come_back_with_time_and_never_more_than_the_burst() {
        let buckets = Buckets::new(vec![RATE], 100);
        for _ in 0..3 {
            assert!(is_taken(&buckets, 1, at(0)));
        }
        let (wait, level) = buckets.take(1, 0, at(0)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(level.quota(), Quota { limit: 3, remaining: 0, reset: 2 });
        assert!(is_taken(&buckets, 1, at(500)));
        assert!(!is_taken(&buckets, 1, at(400)), "time that runs back gives nothing");
        for _ in 0..3 {
            assert!(is_taken(&buckets, 1, at(1_000_000)));
        }
        assert!(!is_taken(&buckets, 1, at(1_000_000)));
    }

    #[test]
    fn a_bucket_that_gets_another_rate_keeps_what_it_owes() {
        let buckets = Buckets::new(vec![RATE, Rate { per_second: 1.0, burst: 10.0 }], 100);
        for _ in 0..9 {
            assert!(buckets.take(1, 1, at(0)).is_ok());
        }
        assert!(is_taken(&buckets, 1, at(0)));
        assert!(!is_taken(&buckets, 1, at(0)), "another role gives nothing anew");
        assert!(buckets.take(1, 1, at(0)).is_err());
    }

    #[test]
    fn what_was_taken_can_be_put_back_looked_at_and_forgotten() {
        let buckets = Buckets::new(vec![RATE], 100);
        assert_eq!(buckets.look(1, at(0)).quota().remaining, 3);
        for _ in 0..3 {
            assert!(is_taken(&buckets, 1, at(0)));
        }
        buckets.give_back(1);
        assert_eq!(buckets.look(1, at(0)).quota().remaining, 1);
        buckets.forget(1);
        assert_eq!(buckets.look(1, at(0)).quota().remaining, 3);
        buckets.give_back(2);
        assert_eq!(buckets.len(), 0);
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_does_not_free_an_offender() {
        let buckets = Buckets::new(vec![RATE], 160);
        for _ in 0..3 {
            assert!(is_taken(&buckets, key(7), at(0)));
        }
        for n in 1_000..100_000 {
            let _ = buckets.take(key(n), 0, at(1));
        }
        assert!(buckets.len() <= 160);
        assert!(!is_taken(&buckets, key(7), at(1)), "the offender is still known");
        assert!(!is_taken(&buckets, key(200_000), at(1)), "newcomers share one bucket");
        assert!(is_taken(&buckets, key(200_000), at(10_000)), "the rested make room");
    }
}
