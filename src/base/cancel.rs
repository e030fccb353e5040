//! The signal that nobody waits for an answer any more. It never kills; it only tells.

use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;

/// Why a call should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The client cancelled it, or closed the stream that stood for it.
    Client,
    /// It ran past its time.
    Deadline,
    /// The server is going down.
    Shutdown,
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// One call's cancellation: set once, seen by the handler, with one hook to wake a blocked wait.
#[derive(Default)]
pub struct Cancellation {
    cause: AtomicU8,
    hook: Mutex<Option<Hook>>,
}

impl Cancellation {
    /// Asks the call to stop; the first cause stays. Runs the hook.
    pub fn cancel(&self, cause: Cause) {
        let code = match cause {
            Cause::Client => 1,
            Cause::Deadline => 2,
            Cause::Shutdown => 3,
        };
        // Under the lock: whoever comes second goes on only when the hook of the first is done.
        let hook = self.hook.lock();
        if self.cause.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire).is_ok()
            && let Some(hook) = hook.as_ref()
        {
            hook();
        }
    }

    /// Why the call should stop, if it should.
    pub fn cause(&self) -> Option<Cause> {
        match self.cause.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Cause::Client),
            2 => Some(Cause::Deadline),
            _ => Some(Cause::Shutdown),
        }
    }

    /// Registers what wakes the call's blocked wait; runs it at once if already cancelled.
    pub fn on_cancel(&self, hook: impl Fn() + Send + Sync + 'static) {
        let mut slot = self.hook.lock();
        if self.cause().is_some() {
            hook();
        } else {
            *slot = Some(Box::new(hook));
        }
    }

    /// Forgets the hook; its resources are gone.
    pub fn clear_hook(&self) {
        *self.hook.lock() = None;
    }
}

impl std::fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cancellation").field("cause", &self.cause()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn the_first_cause_stays_and_the_hook_runs_once() {
        let cancellation = Cancellation::default();
        let ran = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&ran);
        cancellation.on_cancel(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        cancellation.cancel(Cause::Client);
        cancellation.cancel(Cause::Deadline);
        assert_eq!(cancellation.cause(), Some(Cause::Client));
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_hook_that_comes_late_runs_at_once() {
        let cancellation = Cancellation::default();
        cancellation.cancel(Cause::Shutdown);
        let ran = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&ran);
        cancellation.on_cancel(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    }
}
