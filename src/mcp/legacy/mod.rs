//! What only the handshake revisions have: sessions.

pub mod session;
pub mod table;
