//! A flag that ends a running command from any thread; it must never be lowered again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// A one-way flag that a thread waiting in `poll` notices: its descriptor becomes readable.
pub struct Interrupt {
    raised: AtomicBool,
    event: OwnedFd,
}

impl Interrupt {
    /// Makes a flag that is not raised.
    ///
    /// # Errors
    /// When the process or the system is out of descriptors.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { raised: AtomicBool::new(false), event })
    }

    /// Raises the flag; raising it again changes nothing.
    pub fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            // The counter goes from 0 to 1 once, so this write can neither block nor overflow.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }

    /// Whether the flag was raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
