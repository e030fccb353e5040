//! The control socket in the file system: made for those who may connect, taken over from a server
//! that has died and never from one that lives, and removed at the end.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, chmod, chown};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::settings::AdminSettings;

/// A listening control socket.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
    /// The file that is ours: another one of the same name is not.
    identity: (u64, u64),
}

impl AdminSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// What keeps it from being opened, with a remedy; among others, that a server lives there.
    pub fn open(settings: &AdminSettings) -> io::Result<Self> {
        let path = &settings.socket;
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path)?;
                UnixListener::bind(path)
            }
            bound => bound,
        };
        let listener = listener.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                io::Error::new(error.kind(), "its directory is not there; make it first")
            }
            _ => error,
        })?;
        let mode = if settings.group.is_some() { 0o660 } else { 0o600 };
        if let Some(group) = settings.group {
            chown(path, None, Some(Gid::from_raw(group)))?;
        }
        chmod(path, Mode::from_raw_mode(mode))?;
        listener.set_nonblocking(true)?;
        let identity = identity(path)?;
        Ok(Self { listener, path: path.clone(), identity })
    }

    /// The socket itself.
    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            log::warn!("the control socket could not be removed: {error}");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let facts = std::fs::symlink_metadata(path)?;
    Ok((facts.dev(), facts.ino()))
}

/// Removes a socket that nobody listens at.
fn remove_stale(path: &Path) -> io::Result<()> {
    let in_use = |what: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return in_use("is there and is no socket; remove it, or name another admin.socket");
    }
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&probe, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path),
        Ok(()) | Err(Errno::AGAIN) => in_use(
            "another server listens there; end it, or give this one a server.state_directory and \
             an admin.socket of its own",
        ),
        Err(error) => Err(error.into()),
    }
}
