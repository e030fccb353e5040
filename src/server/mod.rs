//! The server as a whole: built from a configuration and from what a program adds, started, run,
//! reloaded, drained. It is the one room that knows all others.

mod administration;
mod builder;
mod descriptors;
mod first_start;
pub(crate) mod inspection;
mod material;
mod network;
mod outbound;
mod running;
mod snapshot;
mod tls;
pub(crate) mod verification;
mod watch;

use crate::config::Configuration;

pub use builder::{Builder, StartError};
pub use first_start::FirstKey;
pub use running::Server;
pub(crate) use snapshot::permission_of_tool;

/// Reads the files that a configuration names for TLS, as a start would, and starts nothing.
///
/// # Errors
/// One of them cannot be used.
pub(crate) fn check_files(configuration: &Configuration) -> Result<(), StartError> {
    configuration.network_tls().map_or(Ok(()), tls::check)
}
