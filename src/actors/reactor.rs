//! The reactor: the one thread that polls. It accepts, keeps the table of connections and all
//! deadlines, hands connections that have something to do to the workers, and helps to run them
//! before it sleeps again. Between two polls it never waits.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use rustix::process::Signal;
use signal_hook_mio::v1_0::Signals;

use super::deadlines::Deadlines;
use super::listener::{Accepted, Listener, Listening, Protocol, prepare};
use super::mailbox::Mailbox;
use super::worker::ReadyQueue;
use crate::base::cancel::Cause;
use crate::base::clock::{Now, unix_seconds};
use crate::connection::caps::Caps;
use crate::connection::conn::{Conn, Surroundings};
use crate::connection::kind::Connection;
use crate::connection::messages::MessageConn;
use crate::connection::scratch::Scratch;
use crate::connection::slot::{Ready as _, Slot};
use crate::mcp::outlet::Wake as _;
use crate::pipeline::snapshot::Door;

const WAKER: Token = Token(0);
const SIGNALS: Token = Token(1);
const WATCHER: Token = Token(2);
const LISTENERS: usize = 3;
/// Tokens of connections begin here.
const CONNECTIONS: usize = 1_024;

/// Ready connections that the reactor runs itself before it hands the rest to the workers.
const KEEP: usize = 8;
/// Connections that are accepted before the others have their turn.
const ACCEPT_AT_ONCE: usize = 64;
/// How long accepting rests when there is no descriptor or no room.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Time for cancelled calls to end what they started.
const LAST_CALLS: Duration = Duration::from_secs(3);
/// How often it is looked, while going down, whether all is over.
const DRAIN_CHECK: Duration = Duration::from_millis(20);
/// Closed connections that may lie in the table, unless more than these are open.
const CLOSED_KEPT: usize = 1_000;
/// How often sessions and connections are looked through for those that are over.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// What the reactor asks of the server it runs in.
pub trait Hooks {
    /// SIGHUP, or an administrator: read the configuration again. Its number if it is in force,
    /// and otherwise what is wrong with it.
    fn reload(&mut self) -> Result<u64, String>;
    /// The watched files have changed.
    fn files_changed(&mut self);
    /// The descriptor that says so, if files are watched.
    fn watched(&self) -> Option<RawFd>;
    /// Called every few seconds as long as there is something to look after; true if other files
    /// may be watched since.
    fn look_after(&mut self) -> bool;
    /// True if there is, even while nobody is connected.
    fn has_to_look_after(&self) -> bool;
    /// The server begins to go down.
    fn drain(&mut self);
}

/// What the reactor is made of.
#[derive(Debug)]
pub struct Parts {
    /// Listening sockets.
    pub listeners: Vec<Listening>,
    /// Connections per server and per address.
    pub caps: Arc<Caps>,
    /// Connections that there are descriptors for, beside those for all else.
    pub most_sockets: usize,
    /// What connections share.
    pub around: Arc<Surroundings>,
    /// The queue to the workers.
    pub queue: Arc<ReadyQueue>,
    /// Letters of other threads.
    pub mailbox: Arc<Mailbox>,
    /// Time for running requests to end.
    pub drain: Duration,
}

/// The reactor; see the module.
pub struct Reactor<H: Hooks> {
    poll: Poll,
    signals: Signals,
    listeners: Vec<Listener>,
    accept_again_at: Option<Now>,
    sweep_at: Now,
    connections: Vec<Option<Arc<Slot>>>,
    free: Vec<usize>,
    deadlines: Deadlines,
    drain_until: Option<Now>,
    has_cancelled: bool,
    parts: Parts,
    hooks: H,
}

impl<H: Hooks> Reactor<H> {
    /// Registers the listeners, the signals and the waker.
    pub fn new(mut parts: Parts, hooks: H) -> io::Result<Self> {
        let poll = Poll::new()?;
        parts.mailbox.set_waker(Waker::new(poll.registry(), WAKER)?);
        let mut signals = Signals::new([
            Signal::TERM.as_raw(),
            Signal::INT.as_raw(),
            Signal::HUP.as_raw(),
            Signal::USR1.as_raw(),
        ])?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        watch_files(&poll, &hooks)?;
        let listeners = std::mem::take(&mut parts.listeners);
        let listeners = listeners
            .into_iter()
            .enumerate()
            .map(|(n, socket)| Listener::register(socket, Token(LISTENERS + n), poll.registry()))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self {
            poll,
            signals,
            listeners,
            accept_again_at: None,
            sweep_at: Now::read().plus(SWEEP_EVERY),
            connections: Vec::new(),
            free: Vec::new(),
            deadlines: Deadlines::default(),
            drain_until: None,
            has_cancelled: false,
            parts,
            hooks,
        })
    }

    /// Runs until the server has gone down.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut ready: Vec<Arc<Slot>> = Vec::new();
        let mut scratch = Scratch::default();
        loop {
            let timeout = if self.parts.mailbox.begin_sleep() {
                self.next_timeout(Now::read())
            } else {
                Some(Duration::ZERO)
            };
            let polled = self.poll.poll(&mut events, timeout);
            self.parts.mailbox.end_sleep();
            if let Err(error) = polled
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    SIGNALS => self.handle_signals(),
                    WATCHER => self.hooks.files_changed(),
                    Token(n) if n < CONNECTIONS => {
                        self.accept(n - LISTENERS, &mut ready);
                    }
                    Token(n) => self.mark_ready(n, event, &mut ready),
                }
            }
            self.read_letters();
            self.keep_time();
            self.run_ready(&mut ready, &mut scratch);
            if self.is_drained() {
                return Ok(());
            }
        }
    }

    fn mark_ready(&mut self, token: usize, event: &mio::event::Event, ready: &mut Vec<Arc<Slot>>) {
        let index = token - CONNECTIONS;
        let Some(Some(slot)) = self.connections.get(index) else { return };
        if event.is_read_closed() || event.is_error() {
            slot.hang_up();
        }
        if slot.notify() {
            ready.push(Arc::clone(slot));
        }
    }

    /// Runs the first few ready connections here, for a hand-over costs more than they do; the rest
    /// goes to the workers, and what they have not taken by then is run here too.
    fn run_ready(&mut self, ready: &mut Vec<Arc<Slot>>, scratch: &mut Scratch) {
        let kept = ready.len().min(KEEP);
        for slot in ready.drain(kept..) {
            self.parts.queue.push(slot);
        }
        for slot in ready.drain(..) {
            slot.run(scratch);
        }
        for _ in 0..self.connections.len() {
            let Some(slot) = self.parts.queue.try_pop() else { break };
            slot.run(scratch);
        }
        if self.closed() > CLOSED_KEPT.max(self.parts.caps.count()) {
            self.reclaim();
        }
    }

    /// How many places of the table closed connections take.
    fn closed(&self) -> usize {
        let taken = self.connections.len().saturating_sub(self.free.len());
        taken.saturating_sub(self.parts.caps.count())
    }

    fn accept(&mut self, index: usize, ready: &mut Vec<Arc<Slot>>) {
        for _ in 0..ACCEPT_AT_ONCE {
            let Some(listener) = self.listeners.get(index) else { return };
            let has_descriptors = self.parts.caps.count() < self.parts.most_sockets;
            match if has_descriptors { listener.accept() } else { Accepted::NoDescriptor } {
                Accepted::None => return,
                Accepted::NoDescriptor => {
                    self.parts.around.services.counters.connections_refused.increment();
                    log::warn!("no file descriptors are left for connections; accepting rests");
                    self.pause_accepting();
                    return;
                }
                Accepted::One(socket, address) => self.adopt(index, socket, address, ready),
            }
        }
        // More may wait, and no new event will say so: ask for one.
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.pause(self.poll.registry());
            if !listener.resume(self.poll.registry()) {
                self.accept_again_at = Some(Now::read().plus(ACCEPT_PAUSE));
            }
        }
    }

    fn pause_accepting(&mut self) {
        for listener in &mut self.listeners {
            listener.pause(self.poll.registry());
        }
        self.accept_again_at = Some(Now::read().plus(ACCEPT_PAUSE));
    }

    /// Makes a socket a connection, or closes it.
    fn adopt(
        &mut self,
        listener: usize,
        mut socket: TcpStream,
        address: SocketAddr,
        ready: &mut Vec<Arc<Slot>>,
    ) {
        let services = Arc::clone(&self.parts.around.services);
        let counters = &services.counters;
        let ip = address.ip().to_canonical();
        let is_blocked = services.blocks.hold(ip, unix_seconds);
        let Some(listener) = self.listeners.get(listener) else { return };
        let opening = listener.opening();
        let is_proxied = opening.is_proxied(ip);
        let known = (!is_proxied).then_some(ip);
        let caps = &self.parts.caps;
        let place =
            if is_blocked { None } else { caps.admit(known, is_proxied || opening.has_tls()) };
        let Some(place) = place else {
            counters.connections_refused.increment();
            return;
        };
        let protocol = listener.protocol();
        let limits = &self.parts.around.limits;
        prepare(&socket, limits.keepalive, limits.write_stall);
        let index = self.free_index();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(CONNECTIONS + index);
        if let Err(error) = self.poll.registry().register(&mut socket, token, interest) {
            log::error!("a connection could not be registered: {error}");
            self.free.push(index);
            return;
        }
        let link = match opening.link(socket, is_proxied) {
            Ok(link) => link,
            Err(error) => {
                self.free.push(index);
                return log::error!("TLS cannot begin: {error}");
            }
        };
        counters.connections_accepted.increment();
        let now = Now::read();
        let conn = match protocol {
            Protocol::Http => {
                Connection::Http(Box::new(Conn::new(link, ip, Door::Http, place, now)))
            }
            Protocol::WebSocket => {
                Connection::Http(Box::new(Conn::new(link, ip, Door::WebSocket, place, now)))
            }
            Protocol::Lines => {
                Connection::Messages(Box::new(MessageConn::lines(link, ip, place, now)))
            }
        };
        let queue: Arc<ReadyQueue> = Arc::clone(&self.parts.queue);
        let slot = Slot::new(conn, queue, Arc::clone(&self.parts.around));
        // Its first step sets its deadline, whether anything has come yet or not.
        if slot.notify() {
            ready.push(Arc::clone(&slot));
        }
        if let Some(place) = self.connections.get_mut(index) {
            *place = Some(slot);
        }
    }

    /// A place in the table; those of closed connections are found when they are needed.
    fn free_index(&mut self) -> usize {
        if self.free.is_empty() && self.closed() > self.parts.caps.count() {
            self.reclaim();
        }
        self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        })
    }

    /// Forgets closed connections and their deadlines, and gives back what only many need.
    fn reclaim(&mut self) {
        for place in &mut self.connections {
            if place.as_ref().is_some_and(|slot| slot.is_dead()) {
                *place = None;
            }
        }
        let used = self.connections.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.connections.truncate(used);
        self.connections.shrink_to(2 * used);
        // The lowest place is taken first, so that the table can become short again.
        let places = self.connections.iter().enumerate().rev();
        self.free = places.filter(|(_, place)| place.is_none()).map(|(index, _)| index).collect();
        self.deadlines.reclaim();
    }

    fn read_letters(&mut self) {
        let letters = self.parts.mailbox.take();
        self.deadlines.extend(letters.deadlines, self.connections.len());
        for reply in letters.reloads {
            let done = self.reload();
            // Whoever has asked may not wait any more.
            let _ = reply.try_send(done);
        }
        if letters.has_blocks {
            self.shut_blocked();
        }
        if letters.input_ended && self.listeners.is_empty() {
            self.begin_drain();
        }
    }

    fn keep_time(&mut self) {
        let now = Now::read();
        while let Some(target) = self.deadlines.take(now) {
            if let Some(target) = target {
                target.expire(now);
            }
        }
        if self.accept_again_at.is_some_and(|at| at <= now) {
            let registry = self.poll.registry();
            let mut all_listen = true;
            for listener in &mut self.listeners {
                all_listen &= listener.resume(registry);
            }
            self.accept_again_at = Some(now.plus(ACCEPT_PAUSE)).filter(|_| !all_listen);
        }
        if self.sweep_at <= now {
            self.sweep_at = now.plus(SWEEP_EVERY);
            let services = &self.parts.around.services;
            let limits = &services.snapshot.load().sessions;
            services.sessions.sweep(limits, now);
            services.event_sessions.sweep(limits, now);
            services.let_go();
            if self.hooks.look_after() {
                self.watch_files();
            }
            self.reclaim();
        }
    }

    /// How long nothing needs to be done; `None` for ever.
    fn next_timeout(&self, now: Now) -> Option<Duration> {
        let deadline = self.deadlines.next();
        // With nothing to look after nobody needs to wake up for it.
        let services = &self.parts.around.services;
        let has_sessions = !services.sessions.is_empty()
            || !services.event_sessions.is_empty()
            || !services.subscriptions.is_empty();
        let is_kept_awake = self.closed() > 0 || has_sessions || self.hooks.has_to_look_after();
        let sweep = Some(self.sweep_at).filter(|_| is_kept_awake);
        // The last connection may end on another thread, which does not tell.
        let drain = self.drain_until.map(|until| until.min(now.plus(DRAIN_CHECK)));
        [deadline, self.accept_again_at, sweep, drain]
            .into_iter()
            .flatten()
            .min()
            // A little later rather than a little too early, and then once more.
            .map(|at| at.since(now) + Duration::from_millis(1))
    }

    fn reload(&mut self) -> Result<u64, String> {
        let done = self.hooks.reload();
        if done.is_ok() {
            self.watch_files();
        }
        done
    }

    fn watch_files(&self) {
        if let Err(error) = watch_files(&self.poll, &self.hooks) {
            log::warn!("changes of files will not be noticed: {error}");
        }
    }

    /// Closes the connections of networks that are blocked.
    fn shut_blocked(&self) {
        let blocks = &self.parts.around.services.blocks;
        for slot in self.connections.iter().flatten() {
            slot.shut_if(|address| blocks.hold(address, unix_seconds));
        }
    }

    fn handle_signals(&mut self) {
        let signals: Vec<i32> = self.signals.pending().collect();
        for signal in signals {
            if signal == Signal::HUP.as_raw() {
                // What is wrong with it has been logged.
                let _ = self.reload();
            } else if signal == Signal::USR1.as_raw() {
                log::info!("counters: {}", self.parts.around.services.counters);
            } else if self.drain_until.is_some() {
                log::warn!("a second signal: ending now");
                self.drain_until = Some(Now::from_micros(0));
                self.has_cancelled = true;
                self.parts.around.services.calls.cancel_all(Cause::Shutdown);
            } else {
                self.begin_drain();
            }
        }
    }

    /// Stops accepting, lets go of idle connections and gives the others their time.
    fn begin_drain(&mut self) {
        if self.drain_until.is_some() {
            return;
        }
        log::info!("going down: no new connections");
        self.drain_until = Some(Now::read().plus(self.parts.drain));
        self.listeners.clear();
        self.accept_again_at = None;
        self.parts.around.is_draining.store(true, Ordering::Relaxed);
        self.hooks.drain();
        // Idle ones end in their next step; one that is being run has that step before it.
        for slot in self.connections.iter().flatten() {
            slot.wake();
        }
    }

    /// True when the server has gone down: nothing runs any more, or the time is over.
    fn is_drained(&mut self) -> bool {
        let Some(until) = self.drain_until else { return false };
        let calls = self.parts.around.services.calls.count();
        if calls == 0 {
            self.parts.around.services.event_sessions.end_all();
        }
        if self.parts.caps.count() == 0 && calls == 0 {
            return true;
        }
        if until > Now::read() {
            return false;
        }
        if calls > 0 && !self.has_cancelled {
            log::warn!("the time to go down is over: {calls} calls are cancelled");
            self.has_cancelled = true;
            self.parts.around.services.calls.cancel_all(Cause::Shutdown);
            self.drain_until = Some(Now::read().plus(LAST_CALLS));
            return false;
        }
        for slot in self.connections.iter().flatten() {
            slot.shut();
        }
        true
    }
}

/// Asks for events of watched files; those of a former configuration ended with its descriptor.
fn watch_files(poll: &Poll, hooks: &impl Hooks) -> io::Result<()> {
    let Some(descriptor) = hooks.watched() else { return Ok(()) };
    poll.registry().register(&mut SourceFd(&descriptor), WATCHER, Interest::READABLE)
}

impl<H: Hooks> std::fmt::Debug for Reactor<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reactor").field("parts", &self.parts).finish_non_exhaustive()
    }
}
