//! Resources that are files below configured directories; it must never open anything else.

mod mime;
mod root;
mod tree;
mod uri;
mod watch;

pub use self::root::{
    FileBody, FileContent, FileEntry, FileError, FileRoot, FileRootSettings, RootError,
};
pub use self::uri::UriError;
pub use self::watch::{Change, Watcher};
