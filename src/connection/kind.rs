//! A connection of whatever kind, as the table of connections holds it.

use std::net::IpAddr;

use super::conn::{Conn, Rest, Step};
use super::messages::MessageConn;

/// A connection.
#[derive(Debug)]
pub enum Connection {
    /// HTTP: requests and responses.
    Http(Box<Conn>),
    /// Messages both ways.
    Messages(Box<MessageConn>),
}

impl Connection {
    /// The address of the peer.
    pub fn address(&self) -> IpAddr {
        match self {
            Self::Http(conn) => conn.address(),
            Self::Messages(conn) => conn.address(),
        }
    }

    /// One step. `None` if the connection is closed.
    pub fn step(&mut self, step: Step<'_>) -> Option<Rest> {
        match self {
            Self::Http(conn) => conn.step(step),
            Self::Messages(conn) => conn.step(step),
        }
    }
}
