//! Standard input and output as a transport: one thread reads lines, one writes messages. Nothing
//! but messages goes to standard output; a slow reader stops our reading, not our memory.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::mailbox::Mailbox;
use crate::base::clock::Now;
use crate::mcp::outlet::{Outlet, OutletLimits, Wake};
use crate::pipeline::lines::LineRoad;
use crate::pipeline::services::Services;
use crate::proto::buffer::Buffer;
use crate::proto::lines::{Line, LineDecoder};

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;
/// Messages that are written at once.
const WRITE_BYTES: usize = 64 * 1024;
/// How long the end waits for a client that does not read.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Bytes of a reader's stack; schemas may recurse.
const STACK: usize = 2 * 1024 * 1024;

/// What the two threads tell each other by.
#[derive(Debug, Default)]
struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Something waits to be written.
    has_work: bool,
    /// The writer cannot write any more.
    is_broken: bool,
    /// The writer has ended.
    is_done: bool,
}

impl Signal {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }
}

impl Wake for Signal {
    fn wake(&self) {
        self.set(|state| state.has_work = true);
    }
}

/// The transport; see the module.
#[derive(Debug)]
pub struct Stdio {
    road: Arc<LineRoad>,
    signal: Arc<Signal>,
}

impl Stdio {
    /// Starts both threads. `mailbox` is told when the input has ended.
    pub fn start(
        services: &Arc<Services>,
        limits: OutletLimits,
        mailbox: Arc<Mailbox>,
    ) -> io::Result<Self> {
        let outlet = Arc::new(Outlet::new(limits));
        let road = Arc::new(LineRoad::new(Arc::clone(services), Arc::clone(&outlet)));
        let signal = Arc::new(Signal::default());
        let reader: Arc<dyn Wake> = Arc::clone(&signal) as Arc<dyn Wake>;
        // Nobody else knows of this outlet yet.
        let ticket = outlet.attach(reader).map_err(|_| io::ErrorKind::AlreadyExists)?;
        let (their_outlet, their_signal) = (Arc::clone(&outlet), Arc::clone(&signal));
        Builder::new().name("stdio-out".into()).spawn(move || {
            write_all(&their_outlet, ticket, &their_signal);
            their_signal.set(|state| state.is_done = true);
        })?;
        let ours = Arc::clone(&signal);
        let (their_road, their_services) = (Arc::clone(&road), Arc::clone(services));
        Builder::new().name("stdio-in".into()).stack_size(STACK).spawn(move || {
            read_all(&their_road, &their_services, &outlet, &signal, limits.queued_bytes);
            mailbox.input_ended();
        })?;
        Ok(Self { road, signal: ours })
    }

    /// Ends the transport: what waits is written, if there is somebody who reads it.
    pub fn end(self) {
        self.road.close();
        let mut state = self.signal.state.lock();
        let is_waiting = |state: &mut State| !state.is_done;
        let waited = self.signal.changed.wait_while_for(&mut state, is_waiting, LAST_WORDS);
        if waited.timed_out() {
            log::warn!("standard output is not read; the rest is dropped");
        }
    }
}

fn read_all(
    road: &LineRoad,
    services: &Services,
    outlet: &Outlet,
    signal: &Signal,
    most_waiting: usize,
) {
    let mut decoder = LineDecoder::new();
    let mut input = Buffer::new();
    let mut chunk = vec![0; READ_BYTES];
    let mut stdin = io::stdin().lock();
    loop {
        let most = services.snapshot.load().message_bytes;
        match decoder.decode(&mut input, most) {
            Line::Message(line) => road.message(&line, Now::read()),
            Line::TooLong(meant) => road.too_long(&meant, Now::read()),
            Line::NeedMore => match stdin.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => input.extend(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::error!("standard input cannot be read: {error}");
                    break;
                }
            },
        }
        if !wait_for_room(outlet, signal, most_waiting) {
            return;
        }
    }
    let most = services.snapshot.load().message_bytes;
    match decoder.finish(&mut input, most) {
        Line::Message(line) => road.message(&line, Now::read()),
        Line::TooLong(meant) => road.too_long(&meant, Now::read()),
        Line::NeedMore => {}
    }
    road.input_ended();
    if is_abandoned() {
        // Nobody will read what is still being worked on.
        road.close();
    }
}

/// True if nobody holds the other end of standard output any more.
fn is_abandoned() -> bool {
    let stdout = io::stdout();
    let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let is_polled = poll(&mut ends, Some(&now)).is_ok();
    let [end] = &ends;
    is_polled && end.revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Waits while too much waits to be written; false if it never will be.
fn wait_for_room(outlet: &Outlet, signal: &Signal, most: usize) -> bool {
    let mut state = signal.state.lock();
    while outlet.queued_bytes() > most && !state.is_broken {
        signal.changed.wait(&mut state);
    }
    !state.is_broken
}

fn write_all(outlet: &Outlet, ticket: u64, signal: &Signal) {
    let mut stdout = io::stdout().lock();
    loop {
        let taken = outlet.take(ticket, WRITE_BYTES);
        // Under the lock, or a reader that is about to wait for room would miss it.
        signal.set(|_| {});
        let mut bytes = Vec::new();
        for frame in &taken.frames {
            bytes.extend_from_slice(&frame.json);
            bytes.push(b'\n');
        }
        if let Err(error) = stdout.write_all(&bytes).and_then(|()| stdout.flush()) {
            log::info!("standard output is closed: {error}");
            outlet.end();
            signal.set(|state| state.is_broken = true);
            return;
        }
        if taken.ended {
            return;
        }
        let mut state = signal.state.lock();
        while !taken.more && !state.has_work {
            signal.changed.wait(&mut state);
        }
        state.has_work = false;
    }
}
