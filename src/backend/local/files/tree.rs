//! A directory tree that is opened only from its top; it must never reach a file outside of it.
//!
//! Nothing is checked by path and opened afterwards: what is opened is held as a descriptor, and
//! the kernel resolves every path beneath the top or refuses.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::uri::check_segment;

/// openat2(2) asks for another try when a rename anywhere in the system raced with `..`.
const TRIES: usize = 16;

/// The top of a tree, with the rules for what is below.
pub(super) struct Tree {
    top: OwnedFd,
    /// Whether names with a leading dot exist for callers.
    pub(super) hidden: bool,
    /// Whether symbolic links that stay inside are followed.
    pub(super) follow_symlinks: bool,
    /// The most directory entries a walk looks at.
    pub(super) max_entries: usize,
    /// The most names in the path of a file that a walk finds.
    pub(super) max_depth: usize,
}

/// What a walk came across.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A directory, before what is in it. The top has the empty path.
    Directory,
    /// A regular file, or a symbolic link where links are followed.
    File,
}

impl Tree {
    /// Opens the directory that everything else is opened from.
    pub(super) fn open(
        path: &std::path::Path,
        hidden: bool,
        follow_symlinks: bool,
        max_entries: usize,
        max_depth: usize,
    ) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = openat(CWD, path, flags, Mode::empty())?;
        Ok(Self { top, hidden, follow_symlinks, max_entries, max_depth })
    }

    /// Opens what `relative` names, beneath the top; the empty path is the top itself.
    ///
    /// `ELOOP` and `EXDEV` say that a link was in the way or led outside.
    pub(super) fn open_beneath(&self, relative: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let relative = if relative.is_empty() { "." } else { relative };
        let flags = flags | OFlags::CLOEXEC;
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if !self.follow_symlinks {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        for _ in 0..TRIES {
            match openat2(&self.top, relative, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN) => {}
                // Before Linux 5.6, or a filter that does not know the call.
                Err(Errno::NOSYS | Errno::PERM) => return self.open_by_steps(relative, flags),
                result => return result,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens name by name without following any link, also where links would be allowed.
    fn open_by_steps(&self, relative: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut held: Option<OwnedFd> = None;
        let mut rest = relative;
        while let Some((name, after)) = rest.split_once('/') {
            refuse_dots(name)?;
            let from = held.as_ref().map_or(self.top.as_fd(), AsFd::as_fd);
            held = Some(openat(from, name, step, Mode::empty())?);
            rest = after;
        }
        if rest != "." || held.is_some() {
            refuse_dots(rest)?;
        }
        let from = held.as_ref().map_or(self.top.as_fd(), AsFd::as_fd);
        openat(from, rest, flags | OFlags::NOFOLLOW, Mode::empty())
    }

    /// Whether callers may know of this name.
    pub(super) fn shows(&self, name: &str) -> bool {
        (self.hidden || !name.starts_with('.')) && check_segment(name).is_ok()
    }

    /// Visits directories and files below the directory `from`, and `from` itself first.
    ///
    /// Directories that cannot be opened are passed over. `false` when `max_entries` ended it.
    pub(super) fn walk(&self, from: &str, visit: &mut dyn FnMut(&str, Found)) -> bool {
        let mut left = self.max_entries;
        let mut waiting = vec![from.to_owned()];
        while let Some(directory) = waiting.pop() {
            visit(&directory, Found::Directory);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
            let Ok(opened) = self.open_beneath(&directory, flags) else { continue };
            let Ok(mut entries) = Dir::new(opened) else { continue };
            while let Some(Ok(entry)) = entries.read() {
                let Ok(name) = entry.file_name().to_str() else { continue };
                if matches!(name, "." | "..") {
                    continue;
                }
                let Some(fewer) = left.checked_sub(1) else { return false };
                left = fewer;
                let path = join(&directory, name);
                if !self.shows(name) || depth(&path) > self.max_depth {
                    continue;
                }
                let Ok(directory) = entries.fd() else { continue };
                match file_type(directory, name, entry.file_type()) {
                    FileType::Directory if depth(&path) < self.max_depth => waiting.push(path),
                    FileType::RegularFile => visit(&path, Found::File),
                    FileType::Symlink if self.follow_symlinks => visit(&path, Found::File),
                    _ => {}
                }
            }
        }
        true
    }
}

/// The path of `name` in the directory `directory`.
pub(super) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// How many names a path has.
pub(super) fn depth(path: &str) -> usize {
    if path.is_empty() { 0 } else { path.split('/').count() }
}

fn refuse_dots(name: &str) -> Result<(), Errno> {
    if matches!(name, "" | "." | "..") { Err(Errno::XDEV) } else { Ok(()) }
}

/// Some file systems do not say in the directory what an entry is.
fn file_type(directory: BorrowedFd<'_>, name: &str, listed: FileType) -> FileType {
    if listed != FileType::Unknown {
        return listed;
    }
    match rustix::fs::statat(directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
        Err(_) => FileType::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_by_steps_follows_no_link_and_no_dots() {
        let top = super::super::root::tests::scratch("steps");
        std::fs::create_dir_all(top.join("in/deep")).unwrap();
        std::fs::write(top.join("in/deep/file"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", top.join("out")).unwrap();
        std::os::unix::fs::symlink("in/deep", top.join("inside")).unwrap();
        std::os::unix::fs::symlink("file", top.join("in/deep/link")).unwrap();
        let tree = Tree::open(&top, false, true, 100, 10).unwrap();
        let open = |path| tree.open_by_steps(path, OFlags::RDONLY | OFlags::CLOEXEC);
        assert!(open("in/deep/file").is_ok());
        assert!(open(".").is_ok());
        for path in [
            "out/passwd",
            "inside/file",
            "in/deep/link",
            "../x",
            "in/../in/deep/file",
            "in/..",
            "..",
            "in/.",
            "in//deep",
            "/etc/passwd",
            "",
        ] {
            assert!(open(path).is_err(), "{path}");
        }
    }
}
