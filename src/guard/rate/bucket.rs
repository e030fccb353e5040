//! Token buckets in a bounded, sharded table. A full table never forgets a bucket that still counts
//! against somebody: newcomers share one bucket until there is room.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::SHORTEST_WAIT;
use crate::base::clock::Now;

/// Tokens per second, and how many a rested bucket holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    pub(super) burst: f64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    updated: Now,
}

impl Bucket {
    fn full(rate: Rate, now: Now) -> Self {
        Self { tokens: rate.burst, updated: now }
    }

    fn refill(&mut self, rate: Rate, now: Now) {
        let gained = now.since(self.updated).as_secs_f64() * rate.per_second;
        self.tokens = (self.tokens + gained).min(rate.burst);
        self.updated = self.updated.max(now);
    }

    fn take(&mut self, rate: Rate, now: Now) -> Result<(), Duration> {
        self.refill(rate, now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - self.tokens) / rate.per_second;
        Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX).max(SHORTEST_WAIT))
    }

    fn is_rested(mut self, rate: Rate, now: Now) -> bool {
        self.refill(rate, now);
        self.tokens >= rate.burst
    }
}

const SHARDS: usize = 16;
/// How often a full shard is searched for rested buckets.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Buckets by key; keys are keyed hashes, so nobody can choose them to meet in one shard.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: Rate,
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
    pub(super) fn new(rate: Rate, entries: usize) -> Self {
        let shard = || Mutex::new(Shard { buckets: HashMap::new(), shared: None, swept: None });
        Self { rate, per_shard: entries.div_ceil(SHARDS), shards: std::array::from_fn(|_| shard()) }
    }

    /// Takes one token of `key`, or gives the time until there is one.
    pub(super) fn take(&self, key: u64, now: Now) -> Result<(), Duration> {
        let Some(shard) = self.shards.get(usize::try_from(key >> 60).unwrap_or(0)) else {
            return Err(SHORTEST_WAIT);
        };
        let mut shard = shard.lock();
        if let Some(bucket) = shard.buckets.get_mut(&key) {
            return bucket.take(self.rate, now);
        }
        if shard.buckets.len() >= self.per_shard {
            shard.sweep(self.rate, now);
        }
        if shard.buckets.len() >= self.per_shard {
            let full = Bucket::full(self.rate, now);
            return shard.shared.get_or_insert(full).take(self.rate, now);
        }
        shard.buckets.entry(key).or_insert(Bucket::full(self.rate, now)).take(self.rate, now)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().buckets.len()).sum()
    }
}

impl Shard {
    fn sweep(&mut self, rate: Rate, now: Now) {
        if self.swept.is_some_and(|swept| now.since(swept) < SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        self.buckets.retain(|_, bucket| !bucket.is_rested(rate, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 2.0, burst: 3.0 };

    fn at(millis: u64) -> Now {
        Now::from_duration(Duration::from_millis(millis))
    }

    /// Keys that a hash would give: spread over the shards.
    fn key(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn tokens_come_back_with_time_and_never_more_than_the_burst() {
        let buckets = Buckets::new(RATE, 100);
        for _ in 0..3 {
            assert_eq!(buckets.take(1, at(0)), Ok(()));
        }
        assert_eq!(buckets.take(1, at(0)), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take(1, at(500)), Ok(()));
        assert!(buckets.take(1, at(400)).is_err(), "time that runs back gives nothing");
        for _ in 0..3 {
            assert_eq!(buckets.take(1, at(1_000_000)), Ok(()));
        }
        assert!(buckets.take(1, at(1_000_000)).is_err());
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_does_not_free_an_offender() {
        let buckets = Buckets::new(RATE, 160);
        for _ in 0..3 {
            let _ = buckets.take(key(7), at(0));
        }
        for n in 1_000..100_000 {
            let _ = buckets.take(key(n), at(1));
        }
        assert!(buckets.len() <= 160);
        assert!(buckets.take(key(7), at(1)).is_err(), "the offender is still known");
        assert!(buckets.take(key(200_000), at(1)).is_err(), "newcomers share one bucket");
        assert!(buckets.take(key(200_000), at(10_000)).is_ok(), "the rested make room");
    }
}
