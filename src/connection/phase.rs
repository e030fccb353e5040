//! Where a connection stands, and until when it may stand there.

use crate::base::clock::Now;
use crate::pipeline::answer::{Reply, Streamed};
use crate::pipeline::road::{Entered, Waiting};
use crate::pipeline::upgrades::Upgrade;
use crate::proto::http1::Head;

/// What a connection is doing.
#[derive(Debug)]
pub enum Phase {
    /// The TLS handshake; no byte of it moves its deadline.
    Handshake,
    /// No byte of a request has come.
    Idle,
    /// A head is coming.
    Head,
    /// Another server is asked who the request is from; its body waits in the socket.
    Proving(Box<Proving>),
    /// A body is coming, for a request that was let through.
    Body(Box<InBody>),
    /// A body is coming that nobody wants; then this is sent.
    Discard(Box<Refused>),
    /// An answer is awaited or streamed.
    Answering(Box<Answering>),
    /// The response over HTTP is sent; from now on it is WebSocket.
    Upgraded(Box<Upgrade>),
    /// All is sent; what the peer still sends is dropped, so that it can read our last words.
    Linger,
    /// Nothing more happens.
    Closed,
}

/// A request of which it is not known yet who it is from.
#[derive(Debug)]
pub struct Proving {
    /// Its head.
    pub head: Head,
    /// What the road made of it.
    pub waiting: Waiting,
}

/// A request whose body is coming.
#[derive(Debug)]
pub struct InBody {
    /// Its head.
    pub head: Head,
    /// What the road made of it.
    pub entered: Entered,
}

/// A refused request whose body is short enough to be read for the sake of the connection.
#[derive(Debug)]
pub struct Refused {
    /// What to say.
    pub reply: Reply,
    /// The client keeps the connection.
    pub keep_alive: bool,
}

/// A request whose answer comes from an outlet.
#[derive(Debug)]
pub struct Answering {
    /// Where it comes from.
    pub streamed: Streamed,
    /// The client keeps the connection.
    pub keep_alive: bool,
    /// The head of the event stream is sent.
    pub has_begun: bool,
    /// When the client should hear something again.
    pub keepalive_at: Now,
}
