//! Token buckets in a bounded, sharded table. A full table never forgets a bucket that still counts
//! against somebody: newcomers share one bucket until there is room.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::SHORTEST_WAIT;
use crate::base::clock::Now;

/// Tokens per second, and how many a rested bucket holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    pub(super) burst: f64,
}

impl Rate {
    /// An empty bucket of this rate, which has a token again after `wait`.
    pub(super) fn empty(self, wait: Duration) -> Level {
        Level { burst: whole(self.burst), left: 0, rested_in: wait }
    }
}

/// A number of tokens, rounded down.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tokens are not negative, and a cast of what is too large ends at the largest"
)]
fn whole(tokens: f64) -> u64 {
    tokens as u64
}

/// What is in a bucket after a token was taken, or could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The tokens that a rested bucket holds.
    pub burst: u64,
    /// Those that are left.
    pub left: u64,
    /// The time until it is rested.
    pub rested_in: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: Rate,
    tokens: f64,
    updated: Now,
}

impl Bucket {
    fn full(rate: Rate, now: Now) -> Self {
        Self { rate, tokens: rate.burst, updated: now }
    }

    fn refill(&mut self, now: Now) {
        let gained = now.since(self.updated).as_secs_f64() * self.rate.per_second;
        self.tokens = (self.tokens + gained).min(self.rate.burst);
        self.updated = self.updated.max(now);
    }

    fn take(&mut self, rate: Rate, now: Now) -> Result<Level, Duration> {
        self.refill(now);
        if self.rate != rate {
            // Other roles, other rates: what is missing stays missing.
            self.tokens = (self.tokens + rate.burst - self.rate.burst).clamp(0.0, rate.burst);
            self.rate = rate;
        }
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            let rested_in = seconds((rate.burst - self.tokens) / rate.per_second);
            return Ok(Level { burst: whole(rate.burst), left: whole(self.tokens), rested_in });
        }
        Err(seconds((1.0 - self.tokens) / rate.per_second).max(SHORTEST_WAIT))
    }

    fn is_rested(mut self, now: Now) -> bool {
        self.refill(now);
        self.tokens >= self.rate.burst
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

const SHARDS: usize = 16;
/// How often a full shard is searched for rested buckets.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Buckets by key; keys are keyed hashes, so nobody can choose them to meet in one shard.
#[derive(Debug)]
pub(super) struct Buckets {
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
    pub(super) fn new(entries: usize) -> Self {
        let shard = || Mutex::new(Shard { buckets: HashMap::new(), shared: None, swept: None });
        Self { per_shard: entries.div_ceil(SHARDS), shards: std::array::from_fn(|_| shard()) }
    }

    /// Takes one token of `key`, or gives the time until there is one.
    pub(super) fn take(&self, key: u64, rate: Rate, now: Now) -> Result<Level, Duration> {
        let Some(shard) = self.shards.get(usize::try_from(key >> 60).unwrap_or(0)) else {
            return Err(SHORTEST_WAIT);
        };
        let mut shard = shard.lock();
        if let Some(bucket) = shard.buckets.get_mut(&key) {
            return bucket.take(rate, now);
        }
        if shard.buckets.len() >= self.per_shard {
            shard.sweep(now);
        }
        if shard.buckets.len() >= self.per_shard {
            return shard.shared.get_or_insert(Bucket::full(rate, now)).take(rate, now);
        }
        shard.buckets.entry(key).or_insert(Bucket::full(rate, now)).take(rate, now)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().buckets.len()).sum()
    }
}

impl Shard {
    fn sweep(&mut self, now: Now) {
        if self.swept.is_some_and(|swept| now.since(swept) < SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        self.buckets.retain(|_, bucket| !bucket.is_rested(now));
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
        let buckets = Buckets::new(100);
        for _ in 0..3 {
            assert!(buckets.take(1, RATE, at(0)).is_ok());
        }
        assert_eq!(buckets.take(1, RATE, at(0)), Err(Duration::from_millis(500)));
        assert!(buckets.take(1, RATE, at(500)).is_ok());
        assert!(buckets.take(1, RATE, at(400)).is_err(), "time that runs back gives nothing");
        for _ in 0..3 {
            assert!(buckets.take(1, RATE, at(1_000_000)).is_ok());
        }
        assert!(buckets.take(1, RATE, at(1_000_000)).is_err());
    }

    #[test]
    fn another_rate_neither_forgives_nor_takes() {
        let buckets = Buckets::new(100);
        let large = Rate { per_second: 20.0, burst: 30.0 };
        for _ in 0..3 {
            buckets.take(1, RATE, at(0)).unwrap();
        }
        let level = buckets.take(1, large, at(0)).unwrap();
        assert_eq!((level.burst, level.left), (30, 26));
        assert_eq!(level.rested_in, Duration::from_millis(200));
        assert!(buckets.take(1, RATE, at(0)).is_err());
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_does_not_free_an_offender() {
        let buckets = Buckets::new(160);
        for _ in 0..3 {
            let _ = buckets.take(key(7), RATE, at(0));
        }
        for n in 1_000..100_000 {
            let _ = buckets.take(key(n), RATE, at(1));
        }
        assert!(buckets.len() <= 160);
        assert!(buckets.take(key(7), RATE, at(1)).is_err(), "the offender is still known");
        assert!(buckets.take(key(200_000), RATE, at(1)).is_err(), "newcomers share one bucket");
        assert!(buckets.take(key(200_000), RATE, at(10_000)).is_ok(), "the rested make room");
    }
}
