//! Watched files: what has changed on disk becomes a notice to those who subscribed to it.

use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::Arc;

use crate::backend::local::file_resources::{FileProvider, RootProvider};
use crate::backend::local::files::{Change as FileChange, FileRoot, Watcher};
use crate::mcp::subscriptions::Change;
use crate::pipeline::services::Services;

/// Parts of what has changed that are told of at once.
const MOST_TURNS: usize = 64;
/// Directories that are watched at most.
const DIRECTORIES: usize = 4_096;

/// Something whose files are watched.
#[derive(Debug)]
pub(super) enum Watched {
    /// All files below a directory.
    Root(Arc<RootProvider>),
    /// One file.
    File(Arc<FileProvider>),
}

impl Watched {
    fn root(&self) -> &FileRoot {
        match self {
            Self::Root(provider) => provider.root(),
            Self::File(provider) => provider.root(),
        }
    }

    /// True if the resource of `uri` is at `path`, or below it.
    fn is_at(&self, uri: &str, path: &str) -> bool {
        let relative = match self {
            Self::Root(provider) => provider.root().relative_of(uri).ok().flatten(),
            Self::File(provider) => {
                Some(provider.name().to_owned()).filter(|_| uri == provider.uri())
            }
        };
        relative.is_some_and(|relative| {
            path.is_empty()
                || relative == path
                || relative.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// True if a change of the list of files changes the list of resources.
    fn is_listed(&self) -> bool {
        matches!(self, Self::Root(_))
    }
}

/// The watched files of a configuration.
#[derive(Debug, Default)]
pub(super) struct Watch {
    watcher: Option<Watcher>,
    watched: Vec<Watched>,
}

impl Watch {
    /// Begins to watch; what cannot be watched is logged and goes unnoticed.
    pub(super) fn new(all: Vec<Watched>) -> Self {
        if all.is_empty() {
            return Self::default();
        }
        let mut watcher = match Watcher::new(DIRECTORIES) {
            Ok(watcher) => watcher,
            Err(error) => {
                log::warn!("changes of files will not be noticed: {error}");
                return Self::default();
            }
        };
        let mut watched = Vec::new();
        for one in all {
            match watcher.add_root(one.root()) {
                Ok(_) => watched.push(one),
                Err(error) => log::warn!("changes of {one:?} will not be noticed: {error}"),
            }
        }
        Self { watcher: Some(watcher), watched }
    }

    /// The descriptor that is readable when something has changed.
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.watcher.as_ref().map(|watcher| watcher.as_fd().as_raw_fd())
    }

    /// Tells subscribers of all that has changed.
    pub(super) fn publish(&mut self, services: &Services) {
        // Each turn takes a bounded part; no further event comes for what is left behind.
        for _ in 0..MOST_TURNS {
            let Some(watcher) = &mut self.watcher else { return };
            let mut changes = Vec::new();
            if let Err(error) = watcher.drain(&mut changes) {
                log::warn!("changes of files cannot be read: {error}");
                return;
            }
            if changes.is_empty() {
                return;
            }
            self.tell(services, &changes);
        }
    }

    fn tell(&self, services: &Services, changes: &[FileChange]) {
        if changes.iter().any(|change| self.is_of_list(change)) {
            services.publish(&Change::Resources);
        }
        for uri in services.subscriptions.uris() {
            if changes.iter().any(|change| self.touches(change, &uri)) {
                services.publish(&Change::Resource(uri));
            }
        }
    }

    fn is_of_list(&self, change: &FileChange) -> bool {
        match change {
            FileChange::Content { .. } => false,
            FileChange::List { root, .. } => {
                self.watched.get(*root).is_some_and(Watched::is_listed)
            }
            FileChange::Everything => true,
        }
    }

    fn touches(&self, change: &FileChange, uri: &str) -> bool {
        match change {
            FileChange::Content { root, path } | FileChange::List { root, path } => {
                self.watched.get(*root).is_some_and(|watched| watched.is_at(uri, path))
            }
            FileChange::Everything => self.watched.iter().any(|watched| watched.is_at(uri, "")),
        }
    }
}
