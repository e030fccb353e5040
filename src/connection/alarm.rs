//! When a connection wants to be run next, and which timer will say so. It never has more than one
//! timer that counts, however often the deadline moves: the others die when their time comes.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::clock::Now;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// The deadline and its timer; see the module.
#[derive(Debug)]
pub struct Alarm {
    deadline: AtomicU64,
    armed: AtomicU64,
}

/// What is to be done when a timer has come to its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Nothing: there is no deadline, or another timer will tell of it.
    Nothing,
    /// The deadline has passed.
    Due,
    /// It has moved on: arm a timer for this time.
    Arm(Now),
}

impl Default for Alarm {
    /// Without a deadline.
    fn default() -> Self {
        Self { deadline: AtomicU64::new(NEVER), armed: AtomicU64::new(NEVER) }
    }
}

impl Alarm {
    /// Moves the deadline; gives the time that a timer must be armed for, if none is early enough.
    pub fn set(&self, deadline: Option<Now>) -> Option<Now> {
        let at = deadline.map_or(NEVER, Now::micros);
        self.deadline.store(at, Ordering::SeqCst);
        if at >= self.armed.load(Ordering::SeqCst) {
            return None;
        }
        self.armed.store(at, Ordering::SeqCst);
        deadline
    }

    /// The time that a timer was armed for has come; the deadline may have moved since.
    pub fn expire(&self, now: Now) -> Expired {
        if self.armed.load(Ordering::SeqCst) > now.micros() {
            // An earlier deadline was asked for since, and has its own timer: this one is stale.
            return Expired::Nothing;
        }
        self.armed.store(NEVER, Ordering::SeqCst);
        match self.deadline.load(Ordering::SeqCst) {
            NEVER => Expired::Nothing,
            at if at <= now.micros() => Expired::Due,
            at => {
                // A step that ends just now may have armed an earlier timer, which must not pass
                // for a stale one: ours is armed only if there is none.
                let (none, ours) = (NEVER, at);
                match self.armed.compare_exchange(none, ours, Ordering::SeqCst, Ordering::SeqCst) {
                    Ok(_) => Expired::Arm(Now::from_micros(at)),
                    Err(_) => Expired::Nothing,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BinaryHeap;

    use super::*;

    /// Moves a deadline from one time to another on and on, and runs the timers that were armed.
    /// Gives the most timers that waited at once, and how often the deadline was told of.
    fn run(moves: impl Iterator<Item = (u64, u64)>) -> (usize, usize) {
        let alarm = Alarm::default();
        let mut armed = BinaryHeap::new();
        let (mut most, mut told) = (0, 0);
        for (now, deadline) in moves {
            while armed.peek().is_some_and(|std::cmp::Reverse(at)| *at <= now) {
                let std::cmp::Reverse(at) = armed.pop().unwrap();
                match alarm.expire(Now::from_micros(at)) {
                    Expired::Nothing => {}
                    Expired::Due => told += 1,
                    Expired::Arm(next) => armed.push(std::cmp::Reverse(next.micros())),
                }
            }
            if let Some(at) = alarm.set(Some(Now::from_micros(deadline))) {
                armed.push(std::cmp::Reverse(at.micros()));
            }
            most = most.max(armed.len());
        }
        (most, told)
    }

    #[test]
    fn a_deadline_that_moves_back_and_forth_leaves_few_timers() {
        // Between two requests a connection may wait for 75, within one for 10.
        let (most, told) = run((0..10_000).map(|n| (n, n + if n % 2 == 0 { 75 } else { 10 })));
        assert!(most <= 10, "{most} timers");
        assert_eq!(told, 0, "it was always moved in time");
        // Long and short ones in turn, so that timers come to their time in between.
        let (most, _) =
            run((0..10_000).map(|n| (n * 7, n * 7 + if n % 20 < 10 { 75 } else { 10 })));
        assert!(most <= 10, "{most} timers");
    }

    #[test]
    fn a_deadline_that_stays_is_told_once_at_its_time() {
        let alarm = Alarm::default();
        let at = |micros| Some(Now::from_micros(micros));
        assert_eq!(alarm.set(at(30)), at(30));
        assert_eq!(alarm.set(at(50)), None, "the earlier timer moves on");
        assert_eq!(alarm.expire(Now::from_micros(30)), Expired::Arm(Now::from_micros(50)));
        assert_eq!(alarm.set(at(40)), at(40));
        assert_eq!(alarm.expire(Now::from_micros(40)), Expired::Due);
        assert_eq!(alarm.set(None), None);
        assert_eq!(alarm.expire(Now::from_micros(50)), Expired::Nothing);
    }
}
