//! Rates of single tools and methods, for each caller: beside what the caller may ask in all.

use super::bucket::{Buckets, Class, Empty, Rate};
use crate::base::clock::Now;
use crate::base::wildcard::Wildcard;
use crate::guard::settings::RateLimiting;

/// What a rate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Tool,
    Method,
}

/// The rates and their buckets; see the module.
#[derive(Debug)]
pub(super) struct CallRates {
    subjects: Vec<(Subject, Wildcard)>,
    buckets: Buckets,
}

impl CallRates {
    pub(super) fn new(settings: &RateLimiting, entries: usize) -> Self {
        let tools = settings.tools.iter().map(|it| (Subject::Tool, it));
        let methods = settings.methods.iter().map(|it| (Subject::Method, it));
        let (mut subjects, mut rates) = (Vec::new(), Vec::new());
        for (subject, (pattern, per_second)) in tools.chain(methods) {
            subjects.push((subject, pattern.clone()));
            let burst = per_second.ceil().max(1.0);
            rates.push(Rate { per_second: *per_second, burst });
        }
        Self { subjects, buckets: Buckets::new(rates, entries) }
    }

    /// True if no tool or method has a rate of its own.
    pub(super) fn are_none(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Takes a token of each rate that is about the call, or none; `key_of` gives the bucket of the
    /// caller for a rate.
    pub(super) fn take(
        &self,
        method: &str,
        tool: Option<&str>,
        key_of: impl Fn(Class) -> u64,
        now: Now,
    ) -> Result<(), Empty> {
        let is_about = |subject: &Subject, pattern: &Wildcard| match subject {
            Subject::Tool => tool.is_some_and(|tool| pattern.matches(tool)),
            Subject::Method => pattern.matches(method),
        };
        let mut taken = Vec::new();
        for (class, (subject, pattern)) in (0..).zip(&self.subjects) {
            if !is_about(subject, pattern) {
                continue;
            }
            let key = key_of(class);
            if let Err(empty) = self.buckets.take(key, class, now) {
                taken.into_iter().for_each(|key| self.buckets.give_back(key));
                return Err(empty);
            }
            taken.push(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn rates(tools: &[(&str, f64)], methods: &[(&str, f64)]) -> CallRates {
        let read = |list: &[(&str, f64)]| {
            list.iter().map(|(name, rate)| (Wildcard::new(name), *rate)).collect()
        };
        let (tools, methods) = (read(tools), read(methods));
        CallRates::new(&RateLimiting { tools, methods, ..RateLimiting::default() }, 100)
    }

    fn take(rates: &CallRates, caller: u64, tool: &str, second: u64) -> bool {
        let key_of = |class: Class| caller * 100 + u64::from(class);
        let now = Now::from_duration(Duration::from_secs(second));
        rates.take("tools/call", Some(tool), key_of, now).is_ok()
    }

    #[test]
    fn tools_of_one_pattern_share_its_rate_and_callers_do_not() {
        let rates = rates(&[("costly_*", 2.0)], &[]);
        assert!(take(&rates, 1, "costly_a", 0) && take(&rates, 1, "costly_b", 0));
        assert!(!take(&rates, 1, "costly_c", 0));
        assert!(take(&rates, 1, "cheap", 0) && take(&rates, 2, "costly_a", 0));
        assert!(take(&rates, 1, "costly_a", 1));
    }

    #[test]
    fn all_rates_that_match_must_have_a_token_and_a_refused_call_takes_none() {
        let rates = rates(&[("*", 3.0), ("a", 1.0)], &[("tools/call", 5.0)]);
        assert!(take(&rates, 1, "a", 0));
        for _ in 0..20 {
            assert!(!take(&rates, 1, "a", 0));
        }
        assert!(take(&rates, 1, "b", 0) && take(&rates, 1, "b", 0), "nothing was lost");
        assert!(!take(&rates, 1, "b", 0));
        let now = Now::from_duration(Duration::ZERO);
        let other = rates.take("tools/list", None, u64::from, now);
        assert!(other.is_ok(), "another method has no rate here");
    }
}
