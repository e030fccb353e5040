//! The audit thread: it owns the audit file. Records come to it through a bounded queue, are
//! numbered, written as JSON lines and flushed when the queue is empty. Nobody waits for the disk.
//! A record is in the file within milliseconds; one that is being gathered is lost by SIGKILL.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use super::settings::{AuditEvent, AuditSettings, Rotation};
use crate::base::clock::{Utc, rfc3339, unix_micros};
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
        let mut writer = Writer::open(settings)?;
        let (their_events, their_ability) = (events.clone(), Arc::clone(&is_able));
        let thread = Builder::new()
            .name("audit".into())
            .spawn(move || run(&receiver, &ending, &mut writer, &their_events, &their_ability))?;
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
    writer: &mut Writer,
    events: &Events,
    is_able: &AtomicBool,
) {
    while let Ok(first) = receiver.recv() {
        thread::sleep(GATHER);
        let mut next = Some(first);
        while let Some(record) = next.take() {
            let name = events.name_of(&record).unwrap_or(record.event);
            while let Err(error) = writer.write(name, &record) {
                if !wait_for_disk(ending, is_able, &error) {
                    return log_loss(receiver);
                }
            }
            next = receiver.try_recv().ok();
        }
        while let Err(error) = writer.flush() {
            if !wait_for_disk(ending, is_able, &error) {
                return log_loss(receiver);
            }
        }
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

/// The file and its number of the last record.
struct Writer {
    path: PathBuf,
    rotation: Rotation,
    retention_days: u32,
    file: BufWriter<File>,
    date: String,
    number: u64,
}

impl Writer {
    fn open(settings: &AuditSettings) -> io::Result<Self> {
        if let Some(directory) = settings.log_path.parent() {
            fs::create_dir_all(directory)?;
        }
        Ok(Self {
            path: settings.log_path.clone(),
            rotation: settings.rotation,
            retention_days: settings.retention_days,
            file: BufWriter::with_capacity(64 * 1024, open(&settings.log_path)?),
            date: date_of(unix_micros()),
            number: 0,
        })
    }

    fn write(&mut self, event: &str, record: &Record) -> io::Result<()> {
        self.rotate(record.unix_micros)?;
        let time = rfc3339(record.unix_micros);
        self.number += 1;
        write!(
            self.file,
            "{{\"time\":\"{time}\",\"number\":{},\"event\":\"{event}\"",
            self.number
        )?;
        self.file.write_all(&record.members)?;
        self.file.write_all(b"}\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Begins a new file when the day of the records has changed.
    fn rotate(&mut self, unix_micros: u64) -> io::Result<()> {
        if self.rotation == Rotation::None {
            return Ok(());
        }
        let date = date_of(unix_micros);
        if date <= self.date {
            return Ok(());
        }
        self.file.flush()?;
        fs::rename(&self.path, rotated(&self.path, &self.date))?;
        self.file = BufWriter::with_capacity(64 * 1024, open(&self.path)?);
        self.date = date;
        self.forget_old(unix_micros);
        Ok(())
    }

    /// Removes rotated files that are older than they are to be kept.
    fn forget_old(&self, unix_micros: u64) {
        let oldest = unix_micros.saturating_sub(u64::from(self.retention_days) * 86_400_000_000);
        let oldest = rotated(&self.path, &date_of(oldest));
        let (Some(directory), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return;
        };
        let prefix = format!("{}.", name.to_string_lossy());
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.strip_prefix(&prefix).is_some_and(is_date);
            if is_ours
                && entry.path() < oldest
                && let Err(error) = fs::remove_file(entry.path())
            {
                log::warn!("an old audit file could not be removed: {error}");
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn date_of(unix_micros: u64) -> String {
    Utc::from_unix(unix_micros / 1_000_000).date()
}

fn rotated(path: &Path, date: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(date);
    PathBuf::from(name)
}

/// `2026-07-28`
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(path: &Path, rotation: Rotation) -> AuditSettings {
        AuditSettings {
            enabled: true,
            events: vec![AuditEvent::Request, AuditEvent::AuthenticationFailure],
            log_path: path.to_owned(),
            rotation,
            retention_days: 2,
        }
    }

    fn record(event: &'static str, day: u64) -> Record {
        Record {
            unix_micros: day * 86_400_000_000,
            event,
            is_authenticated: true,
            members: b",\"a\":1".to_vec(),
        }
    }

    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("erlmcp-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

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
    fn a_new_day_begins_a_new_file_and_old_ones_go() {
        let directory = directory("rotation");
        let path = directory.join("audit.log");
        let mut writer = Writer::open(&settings(&path, Rotation::Daily)).unwrap();
        writer.date = "1970-01-01".into();
        for day in 0..6 {
            writer.write("request", &record("request", day)).unwrap();
        }
        writer.flush().unwrap();
        let mut names: Vec<_> = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["audit.log", "audit.log.1970-01-04", "audit.log.1970-01-05"],
            "day 6 is open; two days are kept"
        );
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
