//! What only another server can tell of a caller: the request that is to be sent, who learns what
//! came of it, and who waits for that. Nothing is sent here, and nothing waits here.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use crate::base::clock::Now;
use crate::base::outgoing::{Incoming, Outgoing, OutgoingError};
use crate::mcp::outlet::Wake;

/// Most callers that wait for one answer; more are told to come again.
const MOST_WAITERS: usize = 4_096;

/// A request to another server that has to be sent, and who is to be told of the answer. It is
/// told in any case: dropped unsent, the errand has failed.
#[derive(Debug)]
pub struct Errand {
    request: Outgoing,
    asker: Option<Arc<dyn Asker>>,
}

impl Errand {
    pub(super) fn new(request: Outgoing, asker: Arc<dyn Asker>) -> Self {
        Self { request, asker: Some(asker) }
    }

    /// What is to be sent.
    pub fn request(&self) -> &Outgoing {
        &self.request
    }

    /// Tells what came of it.
    pub fn done(mut self, answer: Result<Incoming, OutgoingError>, now: Now) {
        if let Some(asker) = self.asker.take() {
            asker.answered(answer, now);
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(asker) = self.asker.take() {
            asker.answered(Err(OutgoingError::Busy), Now::read());
        }
    }
}

/// Who has asked.
pub trait Asker: Send + Sync + fmt::Debug {
    /// Takes the answer, and wakes those who wait for it.
    fn answered(&self, answer: Result<Incoming, OutgoingError>, now: Now);
}

/// A caller whose request rests until an answer has come.
pub struct Waiter {
    has_answer: AtomicBool,
    wake: Arc<dyn Wake>,
}

impl Waiter {
    pub(super) fn new(wake: &Arc<dyn Wake>) -> Arc<Self> {
        Arc::new(Self { has_answer: AtomicBool::new(false), wake: Arc::clone(wake) })
    }

    /// True once the answer has come.
    pub fn has_answer(&self) -> bool {
        self.has_answer.load(Ordering::Acquire)
    }

    fn tell(&self) {
        self.has_answer.store(true, Ordering::Release);
        self.wake.wake();
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("has_answer", &self.has_answer).finish_non_exhaustive()
    }
}

/// Those who wait for one answer. Who leaves is forgotten.
#[derive(Debug, Default)]
pub(super) struct Waiters(Vec<Weak<Waiter>>);

impl Waiters {
    /// Lets one more wait, if there is room.
    pub(super) fn add(&mut self, wake: &Arc<dyn Wake>) -> Option<Arc<Waiter>> {
        if self.0.len() >= MOST_WAITERS {
            self.0.retain(|waiter| waiter.strong_count() > 0);
        }
        (self.0.len() < MOST_WAITERS).then(|| {
            let waiter = Waiter::new(wake);
            self.0.push(Arc::downgrade(&waiter));
            waiter
        })
    }

    /// Wakes all; called without a lock, for whoever wakes may ask again at once.
    pub(super) fn tell(self) {
        for waiter in self.0.iter().filter_map(Weak::upgrade) {
            waiter.tell();
        }
    }
}

/// What a caller that asks gets to hear.
#[derive(Debug)]
pub(super) enum Heard {
    /// The answer will come; the request has to be sent, unless it has been already.
    Later(Arc<Waiter>, Option<Errand>),
    /// What is known is all that there is to know.
    Nothing,
    /// It cannot be found out at present.
    Unavailable,
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    pub(in crate::guard::authn) struct Sleeper(pub(in crate::guard::authn) AtomicUsize);

    impl Wake for Sleeper {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_waits_is_woken_once_and_who_left_is_not() {
        let sleeper = Arc::new(Sleeper::default());
        let wake: Arc<dyn Wake> = Arc::clone(&sleeper) as Arc<dyn Wake>;
        let mut waiters = Waiters::default();
        let stays = waiters.add(&wake).unwrap();
        let leaves = waiters.add(&wake).unwrap();
        drop(leaves);
        assert!(!stays.has_answer());
        waiters.tell();
        assert!(stays.has_answer());
        assert_eq!(sleeper.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_number_of_those_who_wait_has_a_bound() {
        let wake: Arc<dyn Wake> = Arc::new(Sleeper::default());
        let mut waiters = Waiters::default();
        let kept: Vec<_> = (0..MOST_WAITERS).filter_map(|_| waiters.add(&wake)).collect();
        assert_eq!(kept.len(), MOST_WAITERS);
        assert!(waiters.add(&wake).is_none());
        drop(kept);
        assert!(waiters.add(&wake).is_some(), "those who left make room");
    }

    #[derive(Debug, Default)]
    struct Told(AtomicBool);

    impl Asker for Told {
        fn answered(&self, answer: Result<Incoming, OutgoingError>, _now: Now) {
            self.0.store(answer == Err(OutgoingError::Busy), Ordering::SeqCst);
        }
    }

    #[test]
    fn an_errand_that_nobody_runs_is_not_lost_silently() {
        let asker = Arc::new(Told::default());
        let request = Outgoing {
            url: "https://a.example".into(),
            form: None,
            authorization: None,
            accept: "application/json",
            timeout: std::time::Duration::from_secs(1),
            most_bytes: 1,
        };
        drop(Errand::new(request, Arc::clone(&asker) as Arc<dyn Asker>));
        assert!(asker.0.load(Ordering::SeqCst));
    }
}
