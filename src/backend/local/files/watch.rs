//! Notices changes below file roots with inotify; it must never claim less than what may have
//! changed.
//!
//! inotify(7). A directory is watched before it is read, so that nothing falls in between.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::root::FileRoot;
use super::tree::{Found, Tree, depth, join};

/// The most bytes of events one call of [`Watcher::drain`] takes; the rest waits for the next.
const DRAIN_BYTES: usize = 64 * 1024;
const BUFFER_BYTES: usize = 4096;

/// The events after which a directory holds other names than before.
const LISTING: [ReadFlags; 4] =
    [ReadFlags::CREATE, ReadFlags::DELETE, ReadFlags::MOVED_FROM, ReadFlags::MOVED_TO];

/// Something below a root that may have changed.
///
/// A path names a file, or a directory and all below it; the empty path is the whole root. A root
/// that follows links always gives the empty path, since every name could lead to what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The content of what the path names.
    Content {
        /// What [`Watcher::add_root`] returned.
        root: usize,
        /// The path below the root.
        path: String,
    },
    /// The list of files, and with it the content of what the path names.
    List {
        /// What [`Watcher::add_root`] returned.
        root: usize,
        /// The path below the root.
        path: String,
    },
    /// Events were lost: everything below every root.
    Everything,
}

/// Watches the directories of file roots.
pub struct Watcher {
    inotify: OwnedFd,
    roots: Vec<Arc<Tree>>,
    /// By watch descriptor; roots that overlap share one for the same directory.
    watched: HashMap<i32, Vec<Watched>>,
    directories: usize,
    max_directories: usize,
    warned: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct Watched {
    root: usize,
    path: String,
}

/// One event, freed from the buffer it was read into.
struct Event {
    watch: i32,
    flags: ReadFlags,
    name: Option<String>,
}

/// The descriptor is readable when [`Watcher::drain`] has something to do.
impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl Watcher {
    /// Makes a watcher of at most `max_directories` directories; changes in others go unnoticed,
    /// which is logged once.
    ///
    /// # Errors
    /// When the user has no inotify instance left.
    pub fn new(max_directories: usize) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let (roots, watched) = (Vec::new(), HashMap::new());
        Ok(Self { inotify, roots, watched, directories: 0, max_directories, warned: false })
    }

    /// Watches a root and returns its index, counted from 0 in the order of calls.
    ///
    /// # Errors
    /// When not even the root's own directory can be watched; watching needs /proc.
    pub fn add_root(&mut self, root: &FileRoot) -> io::Result<usize> {
        let index = self.roots.len();
        self.roots.push(Arc::clone(&root.tree));
        if let Err(error) = self.watch(index, "") {
            self.roots.pop();
            return Err(error.into());
        }
        self.watch_below(index, "", &mut Vec::new());
        Ok(index)
    }

    /// Adds to `out` what has changed since the last call, without waiting. A change that follows
    /// an equal one is left out.
    ///
    /// # Errors
    /// When the events cannot be read.
    pub fn drain(&mut self, out: &mut Vec<Change>) -> io::Result<()> {
        let mut taken = 0;
        while taken < DRAIN_BYTES {
            let events = match self.read_events() {
                Ok(events) => events,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            taken += BUFFER_BYTES;
            for event in events {
                self.take(event, out);
            }
        }
        out.dedup();
        Ok(())
    }

    /// Reads one buffer of events.
    fn read_events(&self) -> Result<Vec<Event>, Errno> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut events = Vec::new();
        loop {
            let event = reader.next()?;
            let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
            events.push(Event { watch: event.wd(), flags: event.events(), name });
            if reader.is_buffer_empty() {
                return Ok(events);
            }
        }
    }

    fn take(&mut self, event: Event, out: &mut Vec<Change>) {
        if event.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.start_over();
            out.push(Change::Everything);
        } else if event.flags.contains(ReadFlags::IGNORED) {
            let gone = self.watched.remove(&event.watch).unwrap_or_default();
            self.directories = self.directories.saturating_sub(gone.len());
        } else {
            for watched in self.watched.get(&event.watch).cloned().unwrap_or_default() {
                self.take_in(watched, event.flags, event.name.as_deref(), out);
            }
        }
    }

    /// Takes an event as one of the roots sees it.
    fn take_in(
        &mut self,
        directory: Watched,
        flags: ReadFlags,
        name: Option<&str>,
        out: &mut Vec<Change>,
    ) {
        let root = directory.root;
        let Some(tree) = self.roots.get(root).map(Arc::clone) else { return };
        let Some(name) = name else {
            // The file system of the directory was unmounted. That the directory itself was moved
            // or removed is told by its parent; a root stays what it was when it was opened.
            out.push(Change::List { root, path: directory.path });
            return;
        };
        let path = join(&directory.path, name);
        let is_listed = LISTING.iter().any(|&flag| flags.contains(flag));
        if tree.shows(name) && flags.contains(ReadFlags::ISDIR) && is_listed {
            self.take_directory(flags, root, &path, out);
        } else if !tree.shows(name) && !tree.follow_symlinks {
            return;
        }
        let path = if tree.follow_symlinks { String::new() } else { path };
        out.push(if is_listed {
            Change::List { root, path }
        } else {
            Change::Content { root, path }
        });
    }

    fn take_directory(&mut self, flags: ReadFlags, root: usize, path: &str, out: &mut Vec<Change>) {
        // What is under this name now is not what was watched under it before.
        self.forget_below(root, path);
        if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            self.watch_below(root, path, out);
        }
    }

    /// Forgets every directory and looks for them again: which were made, moved or removed while
    /// events were lost, nobody knows.
    fn start_over(&mut self) {
        for (watch, _) in self.watched.drain() {
            // Fails for a directory that is gone.
            let _ = inotify::remove_watch(&self.inotify, watch);
        }
        self.directories = 0;
        for root in 0..self.roots.len() {
            self.watch_below(root, "", &mut Vec::new());
        }
    }

    /// Watches a directory and all below it; adds the files that are there already to `out`.
    fn watch_below(&mut self, root: usize, path: &str, out: &mut Vec<Change>) {
        let Some(tree) = self.roots.get(root).map(Arc::clone) else { return };
        if depth(path) >= tree.max_depth {
            return;
        }
        let whole = tree.walk(path, &mut |path, found| match found {
            Found::Directory => {
                // A directory that is gone again, or may not be read, has nothing to tell.
                let _ = self.watch(root, path);
            }
            Found::File => out.push(Change::List { root, path: path.to_owned() }),
        });
        if !whole {
            self.warn_once();
        }
    }

    fn watch(&mut self, root: usize, path: &str) -> Result<(), Errno> {
        if self.directories >= self.max_directories {
            self.warn_once();
            return Err(Errno::NOSPC);
        }
        let tree = self.roots.get(root).ok_or(Errno::INVAL)?;
        let directory = tree.open_beneath(path, OFlags::PATH | OFlags::DIRECTORY)?;
        // By descriptor: the name could have become a link since.
        let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ONLYDIR
            | WatchFlags::EXCL_UNLINK;
        let watch = match inotify::add_watch(&self.inotify, name, flags) {
            Err(Errno::NOSPC) => {
                self.warn_once();
                return Err(Errno::NOSPC);
            }
            result => result?,
        };
        let (watched, new) =
            (self.watched.entry(watch).or_default(), Watched { root, path: path.to_owned() });
        if !watched.contains(&new) {
            watched.push(new);
            self.directories += 1;
        }
        Ok(())
    }

    /// Stops watching a directory that has left its place, and all below it.
    fn forget_below(&mut self, root: usize, path: &str) {
        let is_below = |watched: &Watched| {
            watched.root == root
                && watched
                    .path
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.watched.retain(|&watch, users| {
            let before = users.len();
            users.retain(|watched| !is_below(watched));
            self.directories = self.directories.saturating_sub(before - users.len());
            if users.is_empty() {
                // Fails if the directory was removed, and the watch with it.
                let _ = inotify::remove_watch(&self.inotify, watch);
            }
            !users.is_empty()
        });
    }

    fn warn_once(&mut self) {
        if !std::mem::replace(&mut self.warned, true) {
            log::warn!("file roots hold more directories than may be watched for changes");
        }
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("directories", &self.directories).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
