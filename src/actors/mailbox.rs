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
    /// The reactor has ended, and reads no letters any more.
    is_closed: AtomicBool,
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
    /// wrong with it; `None` if it takes too long, or the server ends.
    pub fn reload(&self, patience: Duration) -> Option<Result<u64, String>> {
        let (sender, receiver) = bounded(1);
        {
            let mut letters = self.letters.lock();
            if self.is_closed.load(Ordering::SeqCst) {
                return None;
            }
            letters.reloads.push(sender);
        }
        self.wake();
        receiver.recv_timeout(patience).ok()
    }

    /// Nobody reads what comes: whoever waits for an answer is told that there is none.
    pub fn close(&self) {
        let mut letters = self.letters.lock();
        self.is_closed.store(true, Ordering::SeqCst);
        letters.reloads.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody would wait for so long.
    const FOR_EVER: Duration = Duration::from_secs(86_400);

    #[test]
    fn who_waits_for_a_reload_gets_its_answer_or_the_end_of_the_server() {
        let mailbox = Mailbox::default();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| mailbox.reload(FOR_EVER));
            let reply = loop {
                if let Some(reply) = mailbox.take().reloads.pop() {
                    break reply;
                }
                std::thread::yield_now();
            };
            reply.send(Ok(7)).unwrap();
            assert_eq!(asking.join().unwrap(), Some(Ok(7)));
            let asking = scope.spawn(|| mailbox.reload(FOR_EVER));
            while !asking.is_finished() {
                mailbox.close();
            }
            assert_eq!(asking.join().unwrap(), None);
        });
        assert_eq!(mailbox.reload(FOR_EVER), None);
    }
}
