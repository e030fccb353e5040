//! Files of the state directory: made once, with mode 0600, never half-written, never replaced
//! while they are good.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::builder::StartError;

/// Longest file that is read, in bytes.
const FILE_BYTES: u64 = 16 * 1024 * 1024;
/// A link in the place of a file of ours is not followed.
#[allow(clippy::cast_possible_wrap, reason = "the flag is one bit far below the sign")]
const NOFOLLOW: i32 = OFlags::NOFOLLOW.bits() as i32;

/// The state directory, held against other processes that begin at the same time.
#[derive(Debug)]
pub(super) struct StateDirectory {
    path: PathBuf,
    _lock: Option<fs::File>,
}

impl StateDirectory {
    /// Opens the directory, and makes it (mode 0700) if it is not there.
    ///
    /// What others can write into it would be ours to trust: such a directory is refused.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let facts = fs::metadata(path)?;
        let user = rustix::process::geteuid().as_raw();
        if facts.uid() != user || facts.mode() & 0o022 != 0 {
            let what = "belongs to another user or can be written by others; \
                        give it to the user of the server and run chmod 700";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .custom_flags(NOFOLLOW)
            .open(path.join("lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(Self { path: path.to_owned(), _lock: Some(lock) })
    }

    /// The directory of a server that runs: it waits for nobody who begins. Who writes into it must
    /// be the only one who writes these files.
    pub(super) fn shared(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a file; `None` if it is not there.
    pub(super) fn read(&self, name: &str) -> Result<Option<String>, StartError> {
        match read_bounded(&self.file(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    /// Writes a file whole or not at all, readable by its owner only.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), StartError> {
        self.write_whole(name, text).map_err(|error| self.failed(name, error))
    }

    pub(super) fn failed(&self, name: &str, error: io::Error) -> StartError {
        StartError::System(self.file(name).display().to_string(), error)
    }

    fn write_whole(&self, name: &str, text: &str) -> io::Result<()> {
        let fresh = self.file(&format!("{name}.new"));
        // What an interrupted start left behind is nobody's.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, self.file(name))?;
        // The new name is on the disk, too, before anybody relies on it.
        fs::File::open(&self.path)?.sync_all()
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(FILE_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= FILE_BYTES) {
        Ok(text)
    } else {
        let what = format!("is longer than {FILE_BYTES} bytes; it was not written by this server");
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}
