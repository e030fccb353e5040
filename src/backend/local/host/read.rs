//! Bounded reads of kernel files and of files an administrator named; it must never read
//! without a limit, nor open what can block.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The most bytes read from one kernel file.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// How much of a file was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// Its first lines, as many as the limit allows.
    Cut,
}

/// Reads a kernel file into `buffer` in place of what it held; `None` when it is not readable.
///
/// At most `limit` bytes are kept. A file that is longer ends after its last whole line, so that
/// no number is cut in two.
pub(super) fn bytes_into(path: &Path, limit: u64, buffer: &mut Vec<u8>) -> Option<Extent> {
    buffer.clear();
    let file = File::open(path).ok()?;
    file.take(limit.saturating_add(1)).read_to_end(buffer).ok()?;
    if u64::try_from(buffer.len()).is_ok_and(|length| length <= limit) {
        return Some(Extent::Whole);
    }
    buffer.pop();
    let lines = buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    buffer.truncate(lines);
    Some(Extent::Cut)
}

/// The text of a kernel file, bytes that are not UTF-8 replaced.
pub(super) fn text(path: &Path) -> Option<String> {
    let mut buffer = Vec::new();
    bytes_into(path, MAX_FILE_BYTES, &mut buffer)?;
    Some(String::from_utf8_lossy(&buffer).into_owned())
}

/// The first line of a kernel file without white space around it; `None` when that is empty.
pub(super) fn line(path: &Path) -> Option<String> {
    let text = text(path)?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// The number that is all of a file's first line.
pub(super) fn number<T: FromStr>(path: &Path) -> Option<T> {
    line(path)?.parse().ok()
}

/// The UTF-8 names in a directory, at most `limit` of them, sorted; none if it is not readable.
pub(super) fn names(path: &Path, limit: usize) -> Vec<String> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .take(limit)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

/// Why a named file was not opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OpenError {
    /// No such file.
    Missing,
    /// A symbolic link, pipe, device, socket or directory.
    NotRegular,
    /// Another failure, such as a missing permission.
    Unreadable,
}

/// Opens a regular file that an administrator named.
///
/// The last component is not followed, and the open waits for nobody: a pipe put in the file's
/// place would otherwise hold the caller until someone writes to it.
pub(super) fn open_regular(path: &Path) -> Result<File, OpenError> {
    let flags =
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(error) => return Err(open_error(error)),
    };
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(OpenError::NotRegular),
        Err(_) => Err(OpenError::Unreadable),
    }
}

fn open_error(error: Errno) -> OpenError {
    match error {
        Errno::NOENT => OpenError::Missing,
        // A symbolic link gives the first, a socket the second.
        Errno::LOOP | Errno::NXIO => OpenError::NotRegular,
        _ => OpenError::Unreadable,
    }
}
