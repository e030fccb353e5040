//! The server as a whole: built from a configuration and from what a program adds, started, run,
//! reloaded, drained. It is the one room that knows all others.

mod administration;
mod builder;
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

pub use builder::{Builder, StartError};
pub use first_start::FirstKey;
pub use running::Server;
pub(crate) use snapshot::permission_of_tool;
