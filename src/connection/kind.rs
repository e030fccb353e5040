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

    /// One step; what the connection is after it, or `None` if it is closed.
    pub fn step(self, step: Step<'_>) -> Option<(Self, Rest)> {
        let now = step.now;
        match self {
            Self::Http(mut conn) => {
                let rest = conn.step(step)?;
                if !conn.is_upgraded() {
                    return Some((Self::Http(conn), rest));
                }
                let conn = Box::new(conn.into_messages(now)?);
                Some((Self::Messages(conn), Rest { deadline: None, wants_more: true }))
            }
            Self::Messages(mut conn) => {
                let rest = conn.step(step)?;
                Some((Self::Messages(conn), rest))
            }
        }
    }
}
