//! What other threads may ask of the reactor, and how it is woken for it: only if it sleeps.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use mio::Waker;
use parking_lot::Mutex;

use crate::base::clock::Now;
use crate::pipeline::services::{Expire, Timer};

/// Letters to the reactor. The number of deadlines is bounded by the connections and calls that
/// have one.
#[derive(Default)]
pub struct Mailbox {
    letters: Mutex<Letters>,
    sleeps: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// What has come.
#[derive(Default)]
pub struct Letters {
    /// Deadlines to keep.
    pub deadlines: Vec<(Now, Weak<dyn Expire>)>,
    /// Standard input has ended, and with it the reason to run.
    pub input_ended: bool,
    /// Somebody waits for the configuration to be read again. Bounded, for each of them waits.
    pub reloads: Vec<Sender<Result<u64, String>>>,
    /// Networks were blocked.
    pub has_blocks: bool,
}

impl Letters {
    fn is_empty(&self) -> bool {
        let Self { deadlines, input_ended, reloads, has_blocks } = self;
        deadlines.is_empty() && reloads.is_empty() && !input_ended && !has_blocks
    }
}

impl Mailbox {
    /// Gives the mailbox what wakes the reactor.
    pub fn set_waker(&self, waker: Waker) {
        *self.waker.lock() = Some(waker);
    }

    /// Takes all letters.
    pub fn take(&self) -> Letters {
        std::mem::take(&mut *self.letters.lock())
    }

    /// Says that the reactor is about to sleep; false if it must not, for there are letters.
    pub fn begin_sleep(&self) -> bool {
        self.sleeps.store(true, Ordering::SeqCst);
        self.letters.lock().is_empty()
    }

    /// Says that the reactor is awake.
    pub fn end_sleep(&self) {
        self.sleeps.store(false, Ordering::SeqCst);
    }

    /// Tells the reactor that standard input has ended.
    pub fn input_ended(&self) {
        self.letters.lock().input_ended = true;
        self.wake();
    }

    /// Has the configuration read again and waits for what comes of it: its number, or what is
    /// wrong with it; `None` if it takes too long.
    pub fn reload(&self, patience: Duration) -> Option<Result<u64, String>> {
        let (sender, receiver) = bounded(1);
        self.letters.lock().reloads.push(sender);
        self.wake();
        receiver.recv_timeout(patience).ok()
    }

    /// Tells the reactor that networks were blocked.
    pub fn networks_blocked(&self) {
        self.letters.lock().has_blocks = true;
        self.wake();
    }

    fn wake(&self) {
        if self.sleeps.swap(false, Ordering::SeqCst)
            && let Some(waker) = self.waker.lock().as_ref()
            && let Err(error) = waker.wake()
        {
            log::error!("the reactor could not be woken: {error}");
        }
    }
}

impl Timer for Mailbox {
    fn arm(&self, at: Now, target: Weak<dyn Expire>) {
        self.letters.lock().deadlines.push((at, target));
        self.wake();
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").field("sleeps", &self.sleeps).finish_non_exhaustive()
    }
}
