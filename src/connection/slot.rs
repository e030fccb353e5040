//! The place of a connection in the table: who may run it, and when it wants to be run. It is the
//! one thing of a connection that other threads touch.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::alarm::{Alarm, Expired};
use super::conn::{Rest, Step, Surroundings};
use super::kind::Connection;
use super::scratch::Scratch;
use crate::base::clock::Now;
use crate::mcp::outlet::Wake;
use crate::pipeline::services::{Expire, Timer};

/// Nobody runs it and nothing has happened.
const IDLE: u8 = 0;
/// It waits in a queue.
const QUEUED: u8 = 1;
/// A thread runs it.
const RUNNING: u8 = 2;
/// A thread runs it, and something happened meanwhile.
const AGAIN: u8 = 3;
/// It is closed.
const DEAD: u8 = 4;

/// Takes a connection that has something to do to a thread that will run it.
pub trait Ready: Send + Sync {
    /// Takes it. Never waits: each connection is in the queue at most once.
    fn push(&self, slot: Arc<Slot>);
}

/// A connection's place; see the module.
pub struct Slot {
    this: Weak<Slot>,
    run_state: AtomicU8,
    hung_up: AtomicBool,
    alarm: Alarm,
    /// `None` once it is closed: its descriptor and its memory are given back at once.
    conn: Mutex<Option<Connection>>,
    ready: Arc<dyn Ready>,
    around: Arc<Surroundings>,
}

impl Slot {
    /// A place for `conn`.
    pub fn new(conn: Connection, ready: Arc<dyn Ready>, around: Arc<Surroundings>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            run_state: AtomicU8::new(IDLE),
            hung_up: AtomicBool::new(false),
            alarm: Alarm::default(),
            conn: Mutex::new(Some(conn)),
            ready,
            around,
        })
    }

    /// Notes that the peer has closed its side or the connection broke.
    pub fn hang_up(&self) {
        self.hung_up.store(true, Ordering::SeqCst);
    }

    /// Notes that something happened. True if the caller must see to it that it is run.
    pub fn notify(&self) -> bool {
        let mut state = self.run_state.load(Ordering::SeqCst);
        loop {
            let next = match state {
                IDLE | QUEUED => QUEUED,
                RUNNING | AGAIN => AGAIN,
                _ => return false,
            };
            // Written even where nothing changes: whoever runs it next sees what we did before.
            match self.run_state.compare_exchange_weak(
                state,
                next,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return state == IDLE,
                Err(other) => state = other,
            }
        }
    }

    /// True once it is closed.
    pub fn is_dead(&self) -> bool {
        self.run_state.load(Ordering::Acquire) == DEAD
    }

    /// Runs the connection until nothing is left to do, or for its fair share.
    pub fn run(self: &Arc<Self>, scratch: &mut Scratch) {
        self.run_state.swap(RUNNING, Ordering::SeqCst);
        let reader: Arc<dyn Wake> = Arc::clone(self) as Arc<dyn Wake>;
        let Some(rest) = self.step(scratch, &reader) else {
            self.run_state.store(DEAD, Ordering::Release);
            return;
        };
        if let Some(at) = self.alarm.set(rest.deadline) {
            self.arm(at);
        }
        let again = rest.wants_more
            || self
                .run_state
                .compare_exchange(RUNNING, IDLE, Ordering::SeqCst, Ordering::SeqCst)
                .is_err();
        if again {
            // Others have their turn first.
            self.run_state.store(QUEUED, Ordering::SeqCst);
            self.ready.push(Arc::clone(self));
        }
    }

    /// Runs one step; `None` if the connection is closed.
    fn step(&self, scratch: &mut Scratch, reader: &Arc<dyn Wake>) -> Option<Rest> {
        let mut place = self.conn.lock();
        let conn = place.take()?;
        let step = Step {
            around: &self.around,
            scratch,
            reader,
            hung_up: self.hung_up.load(Ordering::SeqCst),
            now: Now::read(),
        };
        let step = move || conn.step(step);
        // A panic is the end of one connection and of nothing else.
        let (conn, rest) = catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
            log::error!("a step of a connection panicked; the connection was closed");
            None
        })?;
        *place = Some(conn);
        Some(rest)
    }

    /// Closes the connection, whatever it does: the server is going down.
    pub fn shut(&self) {
        *self.conn.lock() = None;
        self.run_state.store(DEAD, Ordering::Release);
    }

    /// Closes the connection, whatever it does, if its peer is one of these.
    pub fn shut_if(&self, is_one: impl FnOnce(IpAddr) -> bool) {
        let mut place = self.conn.lock();
        if place.as_ref().is_some_and(|conn| is_one(conn.address())) {
            *place = None;
            drop(place);
            self.run_state.store(DEAD, Ordering::Release);
        }
    }

    fn arm(&self, at: Now) {
        let timer: &dyn Timer = &*self.around.services.timer;
        timer.arm(at, Weak::clone(&self.this) as Weak<dyn Expire>);
    }
}

impl Wake for Slot {
    fn wake(&self) {
        if self.notify()
            && let Some(this) = self.this.upgrade()
        {
            self.ready.push(this);
        }
    }
}

impl Expire for Slot {
    fn expire(&self, now: Now) {
        match self.alarm.expire(now) {
            Expired::Nothing => {}
            Expired::Due => self.wake(),
            Expired::Arm(_) if self.is_dead() => {}
            Expired::Arm(at) => self.arm(at),
        }
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("run_state", &self.run_state).finish_non_exhaustive()
    }
}
