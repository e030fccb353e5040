//! What is left of a bucket, in the words of the `RateLimit-*` header fields
//! (draft-ietf-httpapi-ratelimit-headers-06). It says no more than what was counted.

use super::bucket::Rate;

/// How a bucket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests that a rested bucket lets through at once.
    pub limit: u32,
    /// Requests that it lets through now.
    pub remaining: u32,
    /// Seconds until it is rested, rounded up.
    pub reset: u32,
}

/// What a bucket holds after it was asked; a quota is made of it only where it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub(super) rate: Rate,
    pub(super) tokens: f64,
}

impl Level {
    pub(super) fn quota(self) -> Quota {
        let Self { rate, tokens } = self;
        let missing = (rate.burst - tokens) / rate.per_second;
        let reset = whole(missing.ceil());
        Quota { limit: whole(rate.burst), remaining: whole(tokens), reset }
    }
}

/// The whole part of a count.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it saturates, and no rate or burst comes near the ends"
)]
fn whole(count: f64) -> u32 {
    count as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_token_are_none_and_parts_of_a_second_are_one() {
        let rate = Rate { per_second: 2.0, burst: 10.0 };
        let quota = |tokens| Level { rate, tokens }.quota();
        assert_eq!(quota(9.0), Quota { limit: 10, remaining: 9, reset: 1 });
        assert_eq!(quota(0.9), Quota { limit: 10, remaining: 0, reset: 5 });
        assert_eq!(quota(10.0), Quota { limit: 10, remaining: 10, reset: 0 });
        assert_eq!(quota(-0.5).remaining, 0);
    }
}
