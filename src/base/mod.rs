//! The floor every other room stands on: time, identifiers, secrets and counters. It names no
//! other room.

pub mod cancel;
pub mod clock;
pub mod counters;
pub mod ids;
pub mod outgoing;
pub mod percent;
pub mod principal;
pub mod secret;
pub mod source;
pub mod tally;
pub mod transport;
pub mod uri;
pub mod wildcard;
