//! One configured directory served as resources; it must never serve what is not a regular file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, OFlags, Stat, fstat};
use rustix::io::Errno;

use super::mime::{self, Kind};
use super::tree::{Found, Tree};
use super::uri::{UriError, UriPrefix, check_relative};

/// A configured root.
#[derive(Debug, Clone)]
pub struct FileRootSettings {
    /// The directory, as an absolute path. Links in this path are followed once, when it is opened.
    pub path: PathBuf,
    /// What the URIs of its files begin with, for example `docs://manual/`; ends with a slash.
    pub uri_prefix: String,
    /// The most bytes of one file.
    pub max_bytes: u64,
    /// The most directory entries one listing looks at.
    pub max_entries: usize,
    /// The most names in the path of a listed file; 1 lists the directory itself only.
    pub max_depth: usize,
    /// Whether names with a leading dot are served.
    pub hidden: bool,
    /// Whether symbolic links are followed as long as they stay inside. Links to directories are
    /// followed when a file is read, not when files are listed.
    pub follow_symlinks: bool,
}

/// Why a root cannot be served.
#[derive(Debug)]
pub enum RootError {
    /// The path is not absolute.
    RelativePath,
    /// The prefix is not the beginning of a URI, or does not end with a slash.
    Prefix(UriError),
    /// The directory cannot be opened.
    Open(io::Error),
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RelativePath => f.write_str("the path of a file root must be absolute"),
            Self::Prefix(error) => write!(f, "the URI prefix of a file root: {error}"),
            Self::Open(error) => write!(f, "the directory of a file root: {error}"),
        }
    }
}

impl std::error::Error for RootError {}

/// Why a file is not served. `Display` is one sentence that may be shown to a peer.
#[derive(Debug)]
pub enum FileError {
    /// The path is not one that a root can have.
    Path(UriError),
    /// There is no such file, or it is hidden.
    NotFound,
    /// A link is in the way or leads outside; a peer learns no more than of [`Self::NotFound`].
    Escape,
    /// The server may not read it; a peer learns no more than of [`Self::NotFound`].
    Denied,
    /// A directory, pipe, socket or device.
    NotAFile,
    /// Larger than the limit.
    TooLarge,
    /// The file system failed.
    Io(io::Error),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(error) => return error.fmt(f),
            Self::NotFound | Self::Escape | Self::Denied => "the resource does not exist",
            Self::NotAFile => "the resource is not a file",
            Self::TooLarge => "the resource is larger than is allowed",
            Self::Io(_) => "the resource could not be read",
        }
        .fmt(f)
    }
}

impl std::error::Error for FileError {}

impl From<Errno> for FileError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => Self::NotFound,
            Errno::LOOP | Errno::XDEV => Self::Escape,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            // What open(2) says of a socket, and of a device without driver.
            Errno::NXIO | Errno::NODEV | Errno::ISDIR => Self::NotAFile,
            other => Self::Io(other.into()),
        }
    }
}

/// One file of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its path below the root.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// When its content last changed.
    pub modified: SystemTime,
    /// Its media type, by its name.
    pub mime_type: &'static str,
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileBody {
    /// Of a textual or unknown type, and valid UTF-8.
    Text(String),
    /// Anything else.
    Blob(Vec<u8>),
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    /// Its media type.
    pub mime_type: &'static str,
    /// Its content.
    pub body: FileBody,
    /// When its content last changed.
    pub modified: SystemTime,
}

/// A directory that is served. It stays the same directory when its path is given to another.
pub struct FileRoot {
    pub(super) tree: Arc<Tree>,
    prefix: UriPrefix,
    max_bytes: u64,
    warned: AtomicBool,
}

impl FileRoot {
    /// Opens a root.
    ///
    /// # Errors
    /// A [`RootError`].
    pub fn open(settings: &FileRootSettings) -> Result<Self, RootError> {
        if !settings.path.is_absolute() {
            return Err(RootError::RelativePath);
        }
        let prefix = UriPrefix::parse(&settings.uri_prefix).map_err(RootError::Prefix)?;
        let tree = Tree::open(
            &settings.path,
            settings.hidden,
            settings.follow_symlinks,
            settings.max_entries,
            settings.max_depth,
        )
        .map_err(|error| RootError::Open(error.into()))?;
        let warned = AtomicBool::new(false);
        Ok(Self { tree: Arc::new(tree), prefix, max_bytes: settings.max_bytes, warned })
    }

    /// The files in the order of their paths, at most `max`, beginning behind the path `after`.
    ///
    /// A tree with more entries than the limit is listed in part; the first time this is logged.
    ///
    /// # Errors
    /// When the directory itself cannot be read.
    pub fn list(&self, after: Option<&str>, max: usize) -> Result<Vec<FileEntry>, FileError> {
        self.tree.open_beneath("", OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut paths = Vec::new();
        let whole = self.tree.walk("", &mut |path, found| {
            if found == Found::File && after.is_none_or(|after| path > after) {
                paths.push(path.to_owned());
            }
        });
        if !whole && !self.warned.swap(true, Ordering::Relaxed) {
            log::warn!("a file root holds more entries than its limit and is listed in part");
        }
        paths.sort_unstable();
        Ok(paths.into_iter().filter_map(|path| self.describe(path)).take(max).collect())
    }

    /// `None` if the file is gone, is none that [`Self::read`] would open, or has no URI.
    fn describe(&self, path: String) -> Option<FileEntry> {
        if !self.prefix.has_uri_for(&path) {
            return None;
        }
        let stat = fstat(self.tree.open_beneath(&path, OFlags::PATH).ok()?).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let mime_type = mime::by_name(&path).name;
        Some(FileEntry { size: size_of(&stat), modified: modified_of(&stat), mime_type, path })
    }

    /// Reads a file. What is checked is the opened file itself, so it cannot be swapped meanwhile.
    ///
    /// # Errors
    /// A [`FileError`].
    pub fn read(&self, relative: &str) -> Result<FileContent, FileError> {
        check_relative(relative).map_err(FileError::Path)?;
        if !relative.split('/').all(|name| self.tree.shows(name)) {
            return Err(FileError::NotFound);
        }
        // NONBLOCK: a pipe without writer opens at once and is then refused for what it is.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.tree.open_beneath(relative, flags)?);
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FileError::NotAFile);
        }
        let bytes = read_bounded(&file, size_of(&stat), self.max_bytes)?;
        let (mime_type, body) = classify(relative, bytes);
        Ok(FileContent { mime_type, body, modified: modified_of(&stat) })
    }

    /// The URI of the file at `relative`.
    #[must_use]
    pub fn uri_for(&self, relative: &str) -> String {
        self.prefix.uri_for(relative)
    }

    /// The path below this root that `uri` names; `None` when it is not below this root.
    ///
    /// # Errors
    /// A [`UriError`] when the URI has more than one reading or leaves its root.
    pub fn relative_of(&self, uri: &str) -> Result<Option<String>, UriError> {
        self.prefix.relative_of(uri)
    }
}

/// Reads to the end, unless the file is or becomes larger than `max`.
fn read_bounded(file: &File, size: u64, max: u64) -> Result<Vec<u8>, FileError> {
    if size > max {
        return Err(FileError::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).map_err(|_| FileError::TooLarge)?);
    let count = file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::Io)?;
    if u64::try_from(count).is_ok_and(|count| count <= max) {
        Ok(bytes)
    } else {
        Err(FileError::TooLarge)
    }
}

fn classify(path: &str, bytes: Vec<u8>) -> (&'static str, FileBody) {
    let mime = mime::by_name(path);
    let is_text = match mime.kind {
        Kind::Text => true,
        Kind::Binary => false,
        Kind::Unknown => !bytes.contains(&0),
    };
    if !is_text {
        return (mime.name, FileBody::Blob(bytes));
    }
    match String::from_utf8(bytes) {
        Ok(text) if mime.kind == Kind::Unknown => ("text/plain", FileBody::Text(text)),
        Ok(text) => (mime.name, FileBody::Text(text)),
        Err(error) => (mime.name, FileBody::Blob(error.into_bytes())),
    }
}

fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(u64::MAX)
}

fn modified_of(stat: &Stat) -> SystemTime {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    let since = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
    // A time before 1970 or beyond the clock is shown as 1970.
    SystemTime::UNIX_EPOCH
        .checked_add(since + Duration::from_nanos(u64::from(nanoseconds)))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

impl fmt::Debug for FileRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRoot").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests;
