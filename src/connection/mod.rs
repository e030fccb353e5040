//! One client's socket: its bytes, its state, its deadlines. A connection is run by one thread at a
//! time, one bounded step after another, and never waits for its peer.

pub mod alarm;
pub mod answers;
pub mod caps;
mod codec;
pub mod conn;
pub mod kind;
pub mod link;
pub mod messages;
pub mod phase;
mod reading;
pub mod requests;
pub mod scratch;
pub mod settings;
pub mod slot;
pub mod wire;
