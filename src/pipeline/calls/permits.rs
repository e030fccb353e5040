//! Which calls wait, and how many of each principal. A permit counts until it is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::base::cancel::{Cancellation, Cause};
use crate::mcp::subscriptions::Place;
use crate::pipeline::snapshot::CallLimits;

/// The count; see the module.
#[derive(Debug, Default)]
pub struct Calls {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: usize,
    by_principal: HashMap<String, usize>,
    cancellations: Vec<Weak<Cancellation>>,
}

/// One call that is counted.
#[derive(Debug)]
pub struct Permit {
    calls: Arc<Calls>,
    /// `None` once it does not count for its principal any more.
    principal: Option<String>,
}

impl Calls {
    /// Counts one more, unless a bound is reached.
    pub fn admit(self: &Arc<Self>, principal: &str, limits: &CallLimits) -> Option<Permit> {
        let mut state = self.state.lock();
        if state.all >= limits.calls {
            return None;
        }
        let own = state.by_principal.entry(principal.to_owned()).or_default();
        if *own >= limits.calls_per_principal {
            return None;
        }
        *own += 1;
        state.all += 1;
        Some(Permit { calls: Arc::clone(self), principal: Some(principal.to_owned()) })
    }

    /// Registers what ends a call, for the end of the server.
    pub fn register(&self, cancellation: &Arc<Cancellation>) {
        let mut state = self.state.lock();
        if state.cancellations.len() == state.cancellations.capacity() {
            state.cancellations.retain(|one| one.strong_count() > 0);
        }
        state.cancellations.push(Arc::downgrade(cancellation));
    }

    /// Cancels all calls.
    pub fn cancel_all(&self, cause: Cause) {
        let all = std::mem::take(&mut self.state.lock().cancellations);
        for cancellation in all.iter().filter_map(Weak::upgrade) {
            cancellation.cancel(cause);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.state.lock().all
    }
}

impl Permit {
    /// Lets its principal have the place; the call still counts among all.
    pub fn give_back_own(&mut self) {
        if let Some(principal) = self.principal.take() {
            self.calls.state.lock().give_back(&principal);
        }
    }
}

impl State {
    fn give_back(&mut self, principal: &str) {
        if let Some(own) = self.by_principal.get_mut(principal) {
            *own -= 1;
            if *own == 0 {
                self.by_principal.remove(principal);
            }
        }
    }
}

impl Place for Permit {}

impl Drop for Permit {
    fn drop(&mut self) {
        self.give_back_own();
        let mut state = self.calls.state.lock();
        state.all = state.all.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn both_bounds_hold_and_places_come_back() {
        let limits = CallLimits {
            calls: 3,
            calls_per_principal: 2,
            timeout: Duration::ZERO,
            input_timeout: Duration::ZERO,
            subscriptions: 0,
        };
        let calls = Arc::new(Calls::default());
        let mut first = calls.admit("a", &limits).unwrap();
        let _second = calls.admit("a", &limits).unwrap();
        assert!(calls.admit("a", &limits).is_none(), "two of one");
        let _third = calls.admit("b", &limits).unwrap();
        assert!(calls.admit("b", &limits).is_none(), "three of all");
        first.give_back_own();
        first.give_back_own();
        assert!(calls.admit("a", &limits).is_none(), "it still counts among all");
        drop(first);
        let _fourth = calls.admit("a", &limits).unwrap();
        assert_eq!(calls.count(), 3);
    }
}
