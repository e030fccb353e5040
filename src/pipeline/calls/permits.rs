//! Which calls wait, and how many of each principal and of each tool. A permit counts until it is
//! dropped.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::tool_places::{NoPlace, ToolPlace, ToolPlaces};
use crate::base::cancel::{Cancellation, Cause};
use crate::base::tally::Tally;
use crate::guard::refusal::Refusal;
use crate::mcp::subscriptions::Place;
use crate::pipeline::snapshot::CallLimits;

/// The count; see the module.
#[derive(Debug, Default)]
pub struct Calls {
    state: Mutex<State>,
    tools: Arc<ToolPlaces>,
}

#[derive(Debug, Default)]
struct State {
    all: usize,
    /// Bytes of the messages of all, as far as they count.
    bytes: usize,
    /// The same for each principal who has any.
    bytes_by_principal: Tally<String>,
    by_principal: Tally<String>,
    cancellations: Vec<Weak<Cancellation>>,
}

/// One call that is counted.
#[derive(Debug)]
pub struct Permit {
    calls: Arc<Calls>,
    /// `None` once it does not count for its principal any more.
    principal: Option<String>,
    tool: Option<Arc<ToolPlace>>,
    /// Bytes of its message that count, and for whom: it is kept as long as the call runs.
    held: Option<(String, usize)>,
}

/// Bytes of each message that do not count: what is small is never in the way.
const SMALL_BYTES: usize = 64 * 1024;
/// The part of all bytes that one principal may have, or one large message.
const SHARES: usize = 4;

/// A bound on calls that wait is reached.
pub(in crate::pipeline) const TOO_MANY_CALLS: Refusal =
    Refusal::Overloaded("Too many calls at once");
/// The bound on the messages of calls that wait is reached.
const TOO_LARGE_CALLS: Refusal = Refusal::Overloaded("Too many large calls at once");
/// A bound on calls of a tool is reached.
const TOO_MANY_OF_TOOL: Refusal = Refusal::Overloaded("Too many calls of this tool at once");

impl Calls {
    /// Counts one more call of `tool` (of none, if it is empty) with a message of so many bytes.
    ///
    /// # Errors
    /// Which bound is reached.
    pub fn admit_tool(
        self: &Arc<Self>,
        principal: &str,
        tool: &str,
        bytes: usize,
        limits: &CallLimits,
    ) -> Result<Permit, Refusal> {
        let mut permit = self.admit(principal, limits).ok_or(TOO_MANY_CALLS)?;
        if !permit.hold(principal, bytes, limits.bytes) {
            return Err(TOO_LARGE_CALLS);
        }
        permit.tool =
            self.tools.take(tool, &limits.calls_per_tool).map_err(|NoPlace| TOO_MANY_OF_TOOL)?;
        Ok(permit)
    }

    /// Counts one more, unless a bound is reached.
    pub fn admit(self: &Arc<Self>, principal: &str, limits: &CallLimits) -> Option<Permit> {
        let mut state = self.state.lock();
        if state.all >= limits.calls {
            return None;
        }
        if !state.by_principal.enter(principal.to_owned(), limits.calls_per_principal) {
            return None;
        }
        state.all += 1;
        let principal = Some(principal.to_owned());
        Some(Permit { calls: Arc::clone(self), principal, tool: None, held: None })
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
    /// Counts the bytes of its message; false if its principal, or all together, have too many.
    /// A message that is alone has room, however large it is.
    fn hold(&mut self, principal: &str, bytes: usize, most: usize) -> bool {
        let bytes = bytes.saturating_sub(SMALL_BYTES);
        if bytes == 0 {
            return true;
        }
        let mut state = self.calls.state.lock();
        let own = state.bytes_by_principal.count(principal);
        let fits = |held: usize, most: usize| held == 0 || held.saturating_add(bytes) <= most;
        if !fits(own, most / SHARES) || !fits(state.bytes, most) {
            return false;
        }
        state.bytes = state.bytes.saturating_add(bytes);
        state.bytes_by_principal.add(principal.to_owned(), bytes);
        self.held = Some((principal.to_owned(), bytes));
        true
    }

    /// What the run of a handler holds as long as it runs.
    pub fn tool_place(&self) -> Option<Arc<ToolPlace>> {
        self.tool.clone()
    }

    /// Lets its principal have the place, and others that of the tool; the call still counts among
    /// all.
    pub fn give_back_own(&mut self) {
        self.tool = None;
        if let Some(principal) = self.principal.take() {
            self.calls.state.lock().by_principal.leave(&principal);
        }
    }
}

impl Place for Permit {}

impl Drop for Permit {
    fn drop(&mut self) {
        self.give_back_own();
        let mut state = self.calls.state.lock();
        state.all = state.all.saturating_sub(1);
        if let Some((principal, bytes)) = self.held.take() {
            state.bytes = state.bytes.saturating_sub(bytes);
            state.bytes_by_principal.take(&principal, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::wildcard::Wildcard;
    use std::time::Duration;

    fn limits() -> CallLimits {
        CallLimits {
            calls: 3,
            calls_per_principal: 2,
            bytes: 400,
            calls_per_tool: vec![(Wildcard::new("costly"), 1)],
            timeout: Duration::ZERO,
            input_timeout: Duration::ZERO,
            subscriptions: 0,
        }
    }

    #[test]
    fn the_place_of_a_tool_comes_back_before_the_answer_and_when_its_run_has_ended() {
        let (limits, calls) = (limits(), Arc::new(Calls::default()));
        let admit = || calls.admit_tool("a", "costly", 1, &limits);
        let mut first = admit().unwrap();
        assert_eq!(admit().unwrap_err(), TOO_MANY_OF_TOOL);
        assert_eq!(calls.count(), 1, "what was refused does not count");
        let run = first.tool_place();
        first.give_back_own();
        assert_eq!(admit().unwrap_err(), TOO_MANY_OF_TOOL, "its handler still runs");
        drop(run);
        assert!(admit().is_ok());
        assert!(calls.admit_tool("a", "cheap", 1, &limits).is_ok());
    }

    #[test]
    fn the_messages_of_calls_that_run_are_bounded_together() {
        let limits = CallLimits { calls: 9, calls_per_principal: 9, ..limits() };
        let calls = Arc::new(Calls::default());
        let admit = |who, bytes| calls.admit_tool(who, "", SMALL_BYTES + bytes, &limits);
        let first = admit("a", 60).unwrap();
        assert_eq!(admit("a", 41).unwrap_err(), TOO_LARGE_CALLS, "a quarter for each");
        let second = admit("a", 40).unwrap();
        let alone = admit("b", 290).unwrap();
        assert_eq!(calls.count(), 3, "what was refused does not count");
        assert_eq!(admit("c", 11).unwrap_err(), TOO_LARGE_CALLS, "and all of it for all");
        assert!(admit("c", 10).is_ok() && admit("a", 0).is_ok(), "what is small passes");
        drop((first, second));
        assert!(admit("a", 100).is_ok());
        drop(alone);
        let state = calls.state.lock();
        assert!(state.bytes == 0 && state.bytes_by_principal.is_empty());
    }

    #[test]
    fn both_bounds_hold_and_places_come_back() {
        let limits = limits();
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
