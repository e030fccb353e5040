//! What the reactor must not forget: moments, and whom they concern. Of what is over by itself
//! only a bounded part is remembered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};

use crate::base::clock::Now;
use crate::pipeline::services::Expire;

/// Below so many those of what is over are not looked for.
const MOST_UNSIFTED: usize = 8_192;

/// A deadline: when, and whose.
struct Deadline(Now, Weak<dyn Expire>);

impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Deadline {}
impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// All deadlines, the next one first.
#[derive(Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<Deadline>>);

impl Deadlines {
    /// Adds some. `live` is how many connections there are: where there are many more deadlines,
    /// those of what is over are forgotten.
    pub(super) fn extend(&mut self, more: Vec<(Now, Weak<dyn Expire>)>, live: usize) {
        self.0.extend(more.into_iter().map(|(at, target)| Reverse(Deadline(at, target))));
        // Deadlines of what is over are forgotten before they come.
        if self.0.len() > MOST_UNSIFTED.max(4 * live) {
            self.forget_dead();
        }
    }

    /// When the next one is.
    pub(super) fn next(&self) -> Option<Now> {
        self.0.peek().map(|Reverse(Deadline(at, _))| *at)
    }

    /// Takes one that has come; what it concerns may be over.
    pub(super) fn take(&mut self, now: Now) -> Option<Option<Arc<dyn Expire>>> {
        let is_due = self.next().is_some_and(|at| at <= now);
        let due = if is_due { self.0.pop() } else { None };
        due.map(|Reverse(Deadline(_, target))| target.upgrade())
    }

    /// Forgets what is over, and gives the memory back.
    pub(super) fn reclaim(&mut self) {
        self.forget_dead();
        self.0.shrink_to(2 * self.0.len());
    }

    fn forget_dead(&mut self) {
        self.0.retain(|Reverse(Deadline(_, target))| target.strong_count() > 0);
    }
}
