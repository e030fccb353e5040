//! The audit thread: it owns the audit file (`audit_file.rs`). Records come to it through a bounded
//! queue, gather for a moment, and are numbered and written as JSON lines. Nobody waits for the
//! disk: while it takes nothing, or too much waits for it, `is_able` says so.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use parking_lot::Mutex;

use super::audit_file::AuditFile;
use super::settings::{AuditEvent, AuditSettings};
use crate::pipeline::record::Record;
use crate::pipeline::services::Audit;

/// Records that may wait for the disk.
const MOST_WAITING: usize = 16_384;
/// Requests are let in while fewer records than these wait: the other half is for those that are
/// on their way by then, and for the refusals.
const ADMIT_BELOW: usize = MOST_WAITING / 2;
/// How long records gather before they are written: a busy server wakes the thread once for many.
const GATHER: Duration = Duration::from_millis(1);
/// How long the thread rests before it tries the disk again.
const RETRY: Duration = Duration::from_secs(1);

/// The queue to the audit thread.
#[derive(Debug)]
pub struct AuditLog {
    queue: Mutex<Option<Queue>>,
    events: Events,
    backlog: Arc<Backlog>,
}

/// What waits, and whether the disk takes it. The bound of the queue is kept here: a queue that is
/// bounded by itself takes the memory of a full one from the start.
#[derive(Debug, Default)]
struct Backlog {
    waiting: AtomicUsize,
    has_failed: AtomicBool,
}

impl Backlog {
    /// Takes a place in the queue, if one is free.
    fn enter(&self) -> bool {
        let free = |waiting| (waiting < MOST_WAITING).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Relaxed, free).is_ok()
    }

    /// Gives the place of a record back that was written, or that never came into the queue.
    fn leave(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    fn is_able(&self) -> bool {
        !self.has_failed.load(Ordering::Acquire)
            && self.waiting.load(Ordering::Acquire) < ADMIT_BELOW
    }
}

/// The ways to the thread.
#[derive(Debug)]
struct Queue {
    records: Sender<Record>,
    /// Nothing is sent: its end tells a thread that waits for the disk that the server goes down.
    _is_open: Sender<()>,
}

/// Which records are written.
#[derive(Clone, Debug)]
struct Events(Vec<AuditEvent>);

impl Events {
    /// The name a record is written under, if it is to be written.
    ///
    /// A request that was answered is also a successful authentication: it is written under
    /// whichever of the two names was asked for.
    fn name_of(&self, record: &Record) -> Option<&'static str> {
        let has = |event| self.0.contains(&event);
        match record.event {
            "authentication_failure" if has(AuditEvent::AuthenticationFailure) => {}
            "authorization_denied" if has(AuditEvent::AuthorizationDenied) => {}
            "rate_limit_exceeded" if has(AuditEvent::RateLimitExceeded) => {}
            "invalid_input" if has(AuditEvent::InvalidInput) => {}
            "request" if has(AuditEvent::Request) => {}
            // Whoever governs the server does not choose whether that is recorded.
            "administration" => {}
            "request" if record.is_authenticated && has(AuditEvent::AuthenticationSuccess) => {
                return Some("authentication_success");
            }
            _ => return None,
        }
        Some(record.event)
    }
}

impl AuditLog {
    /// Nothing is recorded.
    pub fn off() -> Self {
        let backlog = Arc::default();
        Self { queue: Mutex::new(None), events: Events(Vec::new()), backlog }
    }

    /// Opens the file and starts the thread. The thread ends when this is dropped, after it has
    /// written all that waits.
    pub fn start(settings: &AuditSettings) -> io::Result<(Self, JoinHandle<()>)> {
        let (records, receiver) = unbounded();
        let (is_open, ending) = bounded(0);
        let backlog = Arc::<Backlog>::default();
        let events = Events(settings.events.clone());
        let file = AuditFile::open(settings)?;
        let mut writer = Writer {
            receiver,
            ending,
            file,
            events: events.clone(),
            backlog: Arc::clone(&backlog),
        };
        let thread = Builder::new().name("audit".into()).spawn(move || writer.run())?;
        let queue = Mutex::new(Some(Queue { records, _is_open: is_open }));
        Ok((Self { queue, events, backlog }, thread))
    }
}

impl Audit for AuditLog {
    fn record(&self, record: Record) -> bool {
        if self.events.name_of(&record).is_none() {
            return true;
        }
        let records = self.queue.lock().as_ref().map(|queue| queue.records.clone());
        let Some(records) = records else { return true };
        if !self.backlog.enter() {
            return false;
        }
        let is_taken = records.try_send(record).is_ok();
        if !is_taken {
            self.backlog.leave();
        }
        is_taken
    }

    fn is_able(&self) -> bool {
        self.backlog.is_able()
    }

    fn close(&self) {
        *self.queue.lock() = None;
    }
}

/// What the thread has.
struct Writer {
    receiver: Receiver<Record>,
    ending: Receiver<()>,
    file: AuditFile,
    events: Events,
    backlog: Arc<Backlog>,
}

impl Writer {
    /// Writes what comes, until nothing more can come.
    fn run(&mut self) {
        while let Ok(first) = self.receiver.recv() {
            thread::sleep(GATHER);
            let mut next = Some(first);
            while let Some(record) = next.take() {
                let name = self.events.name_of(&record).unwrap_or(record.event);
                if !self.until_done(|file| file.write(name, &record)) {
                    return log_loss(&self.receiver);
                }
                self.backlog.leave();
                next = self.receiver.try_recv().ok();
            }
            if !self.until_done(AuditFile::flush) {
                return log_loss(&self.receiver);
            }
        }
    }

    /// Tries until the disk takes it; false if the server has gone meanwhile.
    fn until_done(&mut self, mut work: impl FnMut(&mut AuditFile) -> io::Result<()>) -> bool {
        while let Err(error) = work(&mut self.file) {
            if !self.backlog.has_failed.swap(true, Ordering::AcqRel) {
                log::error!(
                    "the audit log cannot be written: {error}; requests are refused until it can"
                );
            }
            // Records are not taken meanwhile: only the end of the server is looked for here.
            if self.ending.recv_timeout(RETRY) != Err(RecvTimeoutError::Timeout) {
                return false;
            }
        }
        if self.backlog.has_failed.swap(false, Ordering::AcqRel) {
            log::info!("the audit log is written again");
        }
        true
    }
}

/// The server went down before the disk could be written again.
fn log_loss(receiver: &Receiver<Record>) {
    log::error!("the audit log was never written again; {} records wait in vain", receiver.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::audit_file::tests::{directory, record, settings};
    use crate::actors::settings::Rotation;
    use std::fs;

    #[test]
    fn all_that_was_taken_is_written_before_the_thread_ends() {
        let directory = directory("audit");
        let path = directory.join("audit.log");
        let (log, thread) = AuditLog::start(&settings(&path, Rotation::None)).unwrap();
        for _ in 0..1_000 {
            assert!(log.record(record("request", 0)));
        }
        assert!(log.record(record("invalid_input", 0)), "not asked for, so not written");
        drop(log);
        thread.join().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1_000);
        for (index, line) in text.lines().enumerate() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["number"], index + 1);
        }
    }

    #[test]
    fn requests_are_let_in_while_half_of_the_queue_is_free() {
        let backlog = Backlog::default();
        for _ in 0..ADMIT_BELOW {
            assert!(backlog.is_able());
            assert!(backlog.enter());
        }
        assert!(!backlog.is_able());
        for _ in ADMIT_BELOW..MOST_WAITING {
            assert!(backlog.enter(), "those on their way still find a place");
        }
        assert!(!backlog.enter());
        for _ in ADMIT_BELOW..=MOST_WAITING {
            assert!(!backlog.is_able());
            backlog.leave();
        }
        assert!(backlog.is_able());
    }

    #[test]
    fn an_answered_request_is_an_authentication_where_only_that_is_asked_for() {
        let events = Events(vec![AuditEvent::AuthenticationSuccess]);
        assert_eq!(events.name_of(&record("request", 0)), Some("authentication_success"));
        let local = Record { is_authenticated: false, ..record("request", 0) };
        assert_eq!(events.name_of(&local), None);
        assert_eq!(events.name_of(&record("authorization_denied", 0)), None);
    }
}
