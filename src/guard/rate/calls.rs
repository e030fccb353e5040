//! Rates of single tools and methods, for each principal: what is dear, or asked too often.

use std::hash::{BuildHasher as _, RandomState};

use super::bucket::{Buckets, Rate};
use super::{RateLimiter, of};
use crate::base::clock::Now;
use crate::base::principal::{AuthMethod, Principal};
use crate::guard::authz::wildcard::Wildcard;
use crate::guard::refusal::Refusal;
use crate::guard::settings::RateLimiting;
use crate::guard::validate::Call;
use crate::mcp::methods::Method;

/// See the module.
#[derive(Debug)]
pub(super) struct CallRates {
    tools: Vec<(Wildcard, Rate)>,
    methods: Vec<(Wildcard, Rate)>,
    hasher: RandomState,
    buckets: Buckets,
}

impl CallRates {
    /// The rates of `settings`; `None` if there are none.
    pub(super) fn new(settings: &RateLimiting, entries: usize) -> Option<Self> {
        let rates = |all: &[(Wildcard, f64)]| -> Vec<_> {
            all.iter().map(|(pattern, rate)| (pattern.clone(), of(*rate))).collect()
        };
        let (tools, methods) = (rates(&settings.tools), rates(&settings.methods));
        let has_any = settings.enabled && (!tools.is_empty() || !methods.is_empty());
        has_any.then(|| Self {
            tools,
            methods,
            hasher: RandomState::new(),
            buckets: Buckets::new(entries),
        })
    }

    fn take(
        &self,
        principal: &Principal,
        method: Method,
        tool: Option<&str>,
        now: Now,
    ) -> Result<(), Refusal> {
        let named = |all: &'_ [(Wildcard, Rate)], name: &str| -> Vec<(usize, Rate)> {
            let fitting = all.iter().enumerate().filter(|(_, (pattern, _))| pattern.matches(name));
            fitting.map(|(number, (_, rate))| (number, *rate)).collect()
        };
        let methods = named(&self.methods, method.name());
        let tools = tool.map(|tool| named(&self.tools, tool)).unwrap_or_default();
        let all =
            methods.into_iter().map(|it| (false, it)).chain(tools.into_iter().map(|it| (true, it)));
        for (is_tool, (number, rate)) in all {
            let key = self.hasher.hash_one((&principal.key, is_tool, number));
            self.buckets.take(key, rate, now).map_err(Refusal::TooMany)?;
        }
        Ok(())
    }
}

impl RateLimiter {
    /// Counts a call against the rates of its method and tool.
    pub fn meter_call(&self, call: &Call, now: Now) -> Result<(), Refusal> {
        let Some(rates) = &self.calls else { return Ok(()) };
        let principal = call.principal();
        let is_exempt = call.address().is_some_and(|address| !self.counts(address));
        if is_exempt || principal.method == AuthMethod::Local {
            return Ok(());
        }
        let tool = call.target().filter(|_| call.method() == Method::ToolsCall);
        rates.take(principal, call.method(), tool, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::guard::rate::tests::settings;

    fn at(millis: u64) -> Now {
        Now::from_duration(Duration::from_millis(millis))
    }

    #[test]
    fn a_dear_tool_and_a_method_have_rates_of_their_own_for_each_principal() {
        let rates = RateLimiting {
            tools: vec![(Wildcard::new("dear_*"), 1.0)],
            methods: vec![(Wildcard::new("tools/call"), 3.0)],
            ..settings()
        };
        let rates = CallRates::new(&rates, 100).unwrap();
        let user = |name: &str| Principal::new(AuthMethod::ApiKey, name, vec![]);
        let take = |name: &str, tool: &str, now| {
            rates.take(&user(name), Method::ToolsCall, Some(tool), now).is_ok()
        };
        assert!(take("a", "dear_one", at(0)));
        assert!(!take("a", "dear_two", at(0)), "they share a rate");
        assert!(take("b", "dear_one", at(0)));
        assert!(take("a", "cheap", at(0)), "the third of three");
        assert!(!take("a", "cheap", at(0)));
        assert!(rates.take(&user("a"), Method::ToolsList, None, at(0)).is_ok());
        assert!(take("a", "dear_one", at(1_000)));
    }

    #[test]
    fn without_rates_there_is_nothing_to_count() {
        assert!(CallRates::new(&settings(), 100).is_none());
    }
}
