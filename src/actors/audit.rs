//! The audit thread: it owns the audit file (`audit_file.rs`). Records come to it through a bounded
//! queue, gather for a moment, and are numbered and written as JSON lines. Nobody waits for the
//! disk: while it takes nothing, `is_able` says so.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use super::audit_file::AuditFile;
use super::settings::{AuditEvent, AuditSettings};
use crate::pipeline::record::Record;
use crate::pipeline::services::Audit;

/// Records that may wait for the disk.
const QUEUE: usize = 16_384;
/// How long records gather before they are written: a busy server wakes the thread once for many.
const GATHER: Duration = Duration::from_millis(1);
/// How long the thread rests before it tries the disk again.
const RETRY: Duration = Duration::from_secs(1);

/// The queue to the audit thread.
#[derive(Debug)]
pub struct AuditLog {
    queue: Mutex<Option<Queue>>,
    events: Events,
    is_able: Arc<AtomicBool>,
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
        Self {
            queue: Mutex::new(None),
            events: Events(Vec::new()),
            is_able: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Opens the file and starts the thread. The thread ends when this is dropped, after it has
    /// written all that waits.
    pub fn start(settings: &AuditSettings) -> io::Result<(Self, JoinHandle<()>)> {
        let (records, receiver) = bounded(QUEUE);
        let (is_open, ending) = bounded(0);
        let is_able = Arc::new(AtomicBool::new(true));
        let events = Events(settings.events.clone());
        let mut file = AuditFile::open(settings)?;
        let (their_events, their_ability) = (events.clone(), Arc::clone(&is_able));
        let thread = Builder::new()
            .name("audit".into())
            .spawn(move || run(&receiver, &ending, &mut file, &their_events, &their_ability))?;
        let queue = Mutex::new(Some(Queue { records, _is_open: is_open }));
        Ok((Self { queue, events, is_able }, thread))
    }
}

impl Audit for AuditLog {
    fn record(&self, record: Record) -> bool {
        if self.events.name_of(&record).is_none() {
            return true;
        }
        let records = self.queue.lock().as_ref().map(|queue| queue.records.clone());
        let Some(records) = records else { return true };
        let taken = records.try_send(record).is_ok();
        if !taken {
            self.is_able.store(false, Ordering::Release);
        }
        taken
    }

    fn is_able(&self) -> bool {
        self.is_able.load(Ordering::Acquire)
    }

    fn close(&self) {
        *self.queue.lock() = None;
    }
}

fn run(
    receiver: &Receiver<Record>,
    ending: &Receiver<()>,
    file: &mut AuditFile,
    events: &Events,
    is_able: &AtomicBool,
) {
    loop {
        let first = match next_record(receiver, is_able) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if first.is_some() {
            thread::sleep(GATHER);
        }
        let mut next = first;
        while let Some(record) = next.take() {
            let name = events.name_of(&record).unwrap_or(record.event);
            while let Err(error) = file.write(name, &record) {
                if !wait_for_disk(ending, is_able, &error) {
                    return log_loss(receiver);
                }
            }
            allow_again(receiver, is_able);
            next = receiver.try_recv().ok();
        }
        while let Err(error) = file.flush() {
            if !wait_for_disk(ending, is_able, &error) {
                return log_loss(receiver);
            }
        }
        allow_again(receiver, is_able);
    }
}

/// The next record. While requests are refused none may come, so that it is looked again soon
/// whether they still must be.
fn next_record(
    receiver: &Receiver<Record>,
    is_able: &AtomicBool,
) -> Result<Option<Record>, RecvTimeoutError> {
    if is_able.load(Ordering::Acquire) {
        receiver.recv().map(Some).map_err(|_| RecvTimeoutError::Disconnected)
    } else {
        receiver.recv_timeout(RETRY).map(Some)
    }
}

/// Lets requests in again once the disk takes records and half of the queue is free.
fn allow_again(receiver: &Receiver<Record>, is_able: &AtomicBool) {
    if !is_able.load(Ordering::Relaxed) && receiver.len() < QUEUE / 2 {
        is_able.store(true, Ordering::Release);
    }
}

/// Says that nothing can be recorded and rests; false if the server has gone meanwhile.
fn wait_for_disk(ending: &Receiver<()>, is_able: &AtomicBool, error: &io::Error) -> bool {
    if is_able.swap(false, Ordering::AcqRel) {
        log::error!("the audit log cannot be written: {error}; requests are refused until it can");
    }
    // The queue is full or fills up: only its end is looked for here.
    matches!(ending.recv_timeout(RETRY), Err(RecvTimeoutError::Timeout))
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
        let path = directory("audit").join("audit.log");
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
    fn an_answered_request_is_an_authentication_where_only_that_is_asked_for() {
        let events = Events(vec![AuditEvent::AuthenticationSuccess]);
        assert_eq!(events.name_of(&record("request", 0)), Some("authentication_success"));
        let local = Record { is_authenticated: false, ..record("request", 0) };
        assert_eq!(events.name_of(&local), None);
        assert_eq!(events.name_of(&record("authorization_denied", 0)), None);
    }
}
