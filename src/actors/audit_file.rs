//! The audit file: JSON lines, each written once and whole, a new file each day if that is wanted.
//! It never decides what is recorded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::settings::{AuditSettings, Rotation};
use crate::base::clock::{Utc, rfc3339, unix_micros};
use crate::pipeline::record::Record;

/// Bytes that gather before they are written.
const BUFFER: usize = 64 * 1024;

/// The file, and how many records this process has written.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    rotation: Rotation,
    retention_days: u32,
    file: BufWriter<File>,
    date: String,
    number: u64,
}

impl AuditFile {
    /// Opens the file and makes it, mode 0600, if it is not there.
    pub fn open(settings: &AuditSettings) -> io::Result<Self> {
        if let Some(directory) = settings.log_path.parent() {
            fs::create_dir_all(directory)?;
        }
        // What an earlier process wrote on another day is rotated by the first record of today.
        let date = last_change(&settings.log_path).unwrap_or_else(unix_micros);
        Ok(Self {
            path: settings.log_path.clone(),
            rotation: settings.rotation,
            retention_days: settings.retention_days,
            file: BufWriter::with_capacity(BUFFER, open(&settings.log_path)?),
            date: date_of(date),
            number: 0,
        })
    }

    /// Writes a record under the name `event`. After an error it may be written again: the file
    /// then holds it once.
    pub fn write(&mut self, event: &str, record: &Record) -> io::Result<()> {
        self.rotate(record.unix_micros)?;
        let time = rfc3339(record.unix_micros);
        let number = self.number + 1;
        let mut line = Vec::with_capacity(record.members.len() + 128);
        write!(line, "{{\"time\":\"{time}\",\"number\":{number},\"event\":\"{event}\"")?;
        line.extend_from_slice(&record.members);
        line.extend_from_slice(b"}\n");
        // One piece: the buffer takes it whole, or makes room first and fails without it.
        self.file.write_all(&line)?;
        self.number = number;
        Ok(())
    }

    /// Gives what was written to the operating system.
    pub fn flush(&mut self) -> io::Result<()> {
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
        match fs::rename(&self.path, rotated(&self.path, &self.date)) {
            // Moved already, by an attempt that could not open the next file or by somebody else.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        self.file = BufWriter::with_capacity(BUFFER, open(&self.path)?);
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

/// When the file was last written, in microseconds since 1970, if there is one.
fn last_change(path: &Path) -> Option<u64> {
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    u64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()
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
pub(super) mod tests {
    use super::*;
    use crate::actors::settings::AuditEvent;

    pub(in crate::actors) fn settings(path: &Path, rotation: Rotation) -> AuditSettings {
        AuditSettings {
            enabled: true,
            events: vec![AuditEvent::Request, AuditEvent::AuthenticationFailure],
            log_path: path.to_owned(),
            rotation,
            retention_days: 2,
        }
    }

    pub(in crate::actors) fn record(event: &'static str, day: u64) -> Record {
        Record {
            unix_micros: day * 86_400_000_000,
            event,
            is_authenticated: true,
            members: b",\"a\":1".to_vec(),
        }
    }

    /// A directory of one test alone, removed at its end.
    pub(in crate::actors) struct Scratch(PathBuf);

    impl Scratch {
        pub(in crate::actors) fn join(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    pub(in crate::actors) fn directory(name: &str) -> Scratch {
        let directory = std::env::temp_dir().join(format!("erlmcp-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        Scratch(directory)
    }

    #[test]
    fn a_new_day_begins_a_new_file_and_old_ones_go() {
        let directory = directory("rotation");
        let path = directory.join("audit.log");
        let mut writer = AuditFile::open(&settings(&path, Rotation::Daily)).unwrap();
        writer.date = "1970-01-01".into();
        for day in 0..6 {
            writer.write("request", &record("request", day)).unwrap();
        }
        writer.flush().unwrap();
        let mut names: Vec<_> = fs::read_dir(&directory.0)
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
    fn a_file_that_was_moved_away_is_begun_anew() {
        let directory = directory("moved");
        let path = directory.join("audit.log");
        let mut writer = AuditFile::open(&settings(&path, Rotation::Daily)).unwrap();
        writer.date = "1970-01-01".into();
        fs::remove_file(&path).unwrap();
        writer.write("request", &record("request", 1)).unwrap();
        writer.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }
}
