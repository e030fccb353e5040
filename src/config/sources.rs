//! What a configuration may take from outside: variables and files; it must never show contents.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The bytes of the longest file that a configuration refers to, and of the configuration itself.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// The outside world as a configuration sees it.
pub trait Sources {
    /// The value of an environment variable.
    ///
    /// # Errors
    /// It is unset or not UTF-8.
    fn variable(&self, name: &str) -> Result<String, VariableError>;

    /// The text of a file of at most [`MAX_FILE_BYTES`], and what was opened.
    ///
    /// # Errors
    /// It cannot be opened or read, is too long or is not UTF-8.
    fn read(&self, path: &Path) -> Result<(String, FileFacts), FileError>;

    /// What stands at a path, links followed.
    ///
    /// # Errors
    /// There is nothing, or it may not be seen.
    fn facts(&self, path: &Path) -> Result<FileFacts, FileError>;

    /// The number of the user that will read and own files.
    fn user(&self) -> u32;

    /// Whether files that are only named (programs, keys, certificates) are looked at.
    fn inspects_named_files(&self) -> bool {
        true
    }
}

/// Why a variable has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableError {
    /// It is not set.
    Unset,
    /// Its value is not UTF-8.
    NotText,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Which kind of file it is.
    pub kind: FileKind,
    /// Its permission bits, including the sticky bit.
    pub mode: u32,
    /// The number of the user who owns it.
    pub owner: u32,
}

/// The kinds of files that make a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A pipe, a device or a socket.
    Other,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// There is none.
    Missing,
    /// Another reason of the system.
    System(std::io::ErrorKind),
    /// It is not a regular file.
    NotRegular,
    /// It is longer than [`MAX_FILE_BYTES`].
    TooLong,
    /// It is not UTF-8.
    NotText,
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("does not exist"),
            Self::System(kind) => write!(formatter, "cannot be read ({kind})"),
            Self::NotRegular => formatter.write_str("is not a regular file"),
            Self::TooLong => write!(formatter, "is longer than {MAX_FILE_BYTES} bytes"),
            Self::NotText => formatter.write_str("is not UTF-8 text"),
        }
    }
}

impl From<std::io::Error> for FileError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            kind => Self::System(kind),
        }
    }
}

impl FileFacts {
    fn of(metadata: &Metadata) -> Self {
        let kind = match metadata.file_type() {
            kind if kind.is_file() => FileKind::Regular,
            kind if kind.is_dir() => FileKind::Directory,
            _ => FileKind::Other,
        };
        Self { kind, mode: metadata.mode() & 0o7777, owner: metadata.uid() }
    }

    /// Whether it is a file that someone may run.
    #[must_use]
    pub fn is_program(self) -> bool {
        self.kind == FileKind::Regular && self.mode & 0o111 != 0
    }

    /// Whether everyone may replace it, or, of a directory, what is in it. In a sticky directory
    /// only the owner of a file may do so.
    #[must_use]
    pub fn writable_by_everyone(self) -> bool {
        let sticky = self.kind == FileKind::Directory && self.mode & 0o1000 != 0;
        self.mode & 0o002 != 0 && !sticky
    }

    /// Why a file like this may not hold a secret that is read by `user`, if it may not.
    ///
    /// The rule: a regular file of that user or of root, which no one but its owner may read or
    /// write; the group of a file of root may read it too, as is usual for system services.
    #[must_use]
    pub fn unfit_for_secret(self, user: u32) -> Option<&'static str> {
        let forbidden = if self.owner == 0 { 0o037 } else { 0o077 };
        if self.kind != FileKind::Regular {
            Some("is not a regular file")
        } else if self.owner != 0 && self.owner != user {
            Some("belongs to another user")
        } else if self.mode & forbidden & 0o022 != 0 {
            Some("may be written by others than its owner")
        } else if self.mode & forbidden != 0 {
            Some("may be read by others than its owner")
        } else {
            None
        }
    }
}

/// The environment and the files of this process.
#[derive(Clone, Copy, Debug)]
pub struct SystemSources;

impl Sources for SystemSources {
    fn variable(&self, name: &str) -> Result<String, VariableError> {
        let value = std::env::var_os(name).ok_or(VariableError::Unset)?;
        value.into_string().map_err(|_| VariableError::NotText)
    }

    fn read(&self, path: &Path) -> Result<(String, FileFacts), FileError> {
        // Looked at before it is opened, because opening a pipe would wait for its writer; looked
        // at again once it is open, because the name may stand for another file by then.
        if self.facts(path)?.kind != FileKind::Regular {
            return Err(FileError::NotRegular);
        }
        let file = File::open(path)?;
        let facts = FileFacts::of(&file.metadata()?);
        if facts.kind != FileKind::Regular {
            return Err(FileError::NotRegular);
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).map_or(true, |length| length > MAX_FILE_BYTES) {
            return Err(FileError::TooLong);
        }
        let text = String::from_utf8(bytes).map_err(|_| FileError::NotText)?;
        Ok((text, facts))
    }

    fn facts(&self, path: &Path) -> Result<FileFacts, FileError> {
        Ok(FileFacts::of(&std::fs::metadata(path)?))
    }

    fn user(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }
}

/// The directory that holds `path`; the current one for a bare name.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::{FileFacts, FileKind, directory_of};

    fn file(mode: u32, owner: u32) -> FileFacts {
        FileFacts { kind: FileKind::Regular, mode, owner }
    }

    #[test]
    fn a_secret_file_belongs_to_its_reader_or_to_root() {
        assert_eq!(file(0o600, 1000).unfit_for_secret(1000), None);
        assert_eq!(file(0o400, 0).unfit_for_secret(1000), None);
        assert_eq!(file(0o600, 1001).unfit_for_secret(1000), Some("belongs to another user"));
    }

    #[test]
    fn only_the_group_of_root_may_read_a_secret_file() {
        let read = Some("may be read by others than its owner");
        let written = Some("may be written by others than its owner");
        assert_eq!(file(0o640, 0).unfit_for_secret(1000), None);
        assert_eq!(file(0o644, 0).unfit_for_secret(1000), read);
        assert_eq!(file(0o640, 1000).unfit_for_secret(1000), read);
        assert_eq!(file(0o660, 0).unfit_for_secret(1000), written);
        assert_eq!(file(0o602, 1000).unfit_for_secret(1000), written);
        assert_eq!(file(0o601, 1000).unfit_for_secret(1000), read);
    }

    #[test]
    fn a_pipe_holds_no_secret() {
        let pipe = FileFacts { kind: FileKind::Other, mode: 0o600, owner: 0 };
        assert_eq!(pipe.unfit_for_secret(0), Some("is not a regular file"));
    }

    #[test]
    fn a_sticky_directory_protects_the_files_in_it() {
        let directory = |mode| FileFacts { kind: FileKind::Directory, mode, owner: 0 };
        assert!(!directory(0o1777).writable_by_everyone());
        assert!(directory(0o777).writable_by_everyone());
        assert!(!directory(0o775).writable_by_everyone());
        assert!(file(0o1666, 0).writable_by_everyone());
    }

    #[test]
    fn a_bare_name_is_in_the_current_directory() {
        assert_eq!(directory_of("a.toml".as_ref()).to_str(), Some("."));
        assert_eq!(directory_of("/a.toml".as_ref()).to_str(), Some("/"));
        assert_eq!(directory_of("etc/a.toml".as_ref()).to_str(), Some("etc"));
    }
}
