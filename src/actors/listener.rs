//! A listening socket of the reactor: made, polled, and paused while there is no room or no
//! descriptor. It hands out sockets, and what each begins with, and knows not what they carry.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};

use crate::connection::link::Link;
use crate::connection::wire::Wire;

/// Connections that the kernel keeps for us while we do not accept.
const BACKLOG: i32 = 1_024;

/// What is spoken over the connections of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP.
    Http,
    /// HTTP, of which each connection goes over to WebSocket.
    WebSocket,
    /// Messages, one a line.
    Lines,
}

/// A socket to listen on.
#[derive(Debug)]
pub struct Listening {
    /// The socket.
    pub socket: std::net::TcpListener,
    /// What is spoken there.
    pub protocol: Protocol,
    /// What connections begin with; replaced by a reload.
    pub opening: Arc<ArcSwap<Opening>>,
}

/// What the connections of a listener begin with.
#[derive(Debug, Default)]
pub struct Opening {
    /// TLS, if it is spoken.
    pub tls: Option<Arc<ServerConfig>>,
    /// The proxies that say whom each connection is from, before all else.
    pub proxies: Vec<IpNet>,
}

/// A listening socket; see the module.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    token: Token,
    protocol: Protocol,
    opening: Arc<ArcSwap<Opening>>,
    is_paused: bool,
}

/// What an attempt to accept gave.
#[derive(Debug)]
pub enum Accepted {
    /// A connection and where it is from.
    One(TcpStream, SocketAddr),
    /// Nobody waits.
    None,
    /// The process or the system has no descriptor left.
    NoDescriptor,
}

/// Opens a listening socket on `address`.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // Each family has its own socket, so that `[::]` does not take IPv4 over.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// True if listening on a loopback address failed with `error` because the system does not have
/// addresses of its family.
pub fn is_absent(address: SocketAddr, error: &io::Error) -> bool {
    let is_of_family = error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error());
    address.ip().is_loopback() && is_of_family
}

impl Opening {
    /// True if a connection from this address begins with what a proxy says of it.
    pub fn is_proxied(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(&address))
    }

    /// True if it begins with TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The link of a connection, which begins with what a proxy says of it if `is_proxied`.
    ///
    /// # Errors
    /// TLS cannot begin.
    pub fn link(&self, socket: TcpStream, is_proxied: bool) -> Result<Link, rustls::Error> {
        let wire = self.tls.as_ref().map_or(Ok(Wire::Plain), Wire::tls)?;
        Ok(Link::new(socket, wire, is_proxied))
    }
}

impl Listener {
    /// Registers a listening socket under `token`.
    pub fn register(listening: Listening, token: Token, registry: &Registry) -> io::Result<Self> {
        let Listening { socket, protocol, opening } = listening;
        let mut socket = TcpListener::from_std(socket);
        registry.register(&mut socket, token, Interest::READABLE)?;
        Ok(Self { socket, token, protocol, opening, is_paused: false })
    }

    /// What is spoken over its connections.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What its connections begin with now.
    pub fn opening(&self) -> Arc<Opening> {
        self.opening.load_full()
    }

    /// Takes one connection that waits.
    pub fn accept(&self) -> Accepted {
        const NO_DESCRIPTOR: [i32; 4] = [23, 24, 12, 105]; // ENFILE, EMFILE, ENOMEM, ENOBUFS
        loop {
            match self.socket.accept() {
                Ok((socket, address)) => return Accepted::One(socket, address),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Accepted::None,
                Err(error) if error.raw_os_error().is_some_and(|e| NO_DESCRIPTOR.contains(&e)) => {
                    return Accepted::NoDescriptor;
                }
                // The connection broke before we took it: the next one.
                Err(_) => {}
            }
        }
    }

    /// Stops asking for connections; they wait in the kernel.
    pub fn pause(&mut self, registry: &Registry) {
        if !self.is_paused {
            self.is_paused = registry.deregister(&mut self.socket).is_ok();
        }
    }

    /// Asks for connections again. False if that is not possible now.
    pub fn resume(&mut self, registry: &Registry) -> bool {
        if self.is_paused {
            let registered = registry.register(&mut self.socket, self.token, Interest::READABLE);
            self.is_paused = registered.is_err();
        }
        !self.is_paused
    }
}

/// Lets the system send small messages at once, and end the connection of a peer that has vanished
/// without a word. What is quiet gets a sign of life `every` so often, and who acknowledges nothing
/// for `stall` has gone: several signs must be lost for that.
pub(super) fn prepare(socket: &TcpStream, every: Duration, stall: Duration) {
    let _ = socket.set_nodelay(true);
    let socket = socket2::SockRef::from(socket);
    let _ = socket.set_tcp_user_timeout(Some(stall));
    // The system counts in seconds.
    let seconds = |time: Duration| time.max(Duration::from_secs(1));
    let signs = socket2::TcpKeepalive::new()
        .with_time(seconds(every.min(stall / 2)))
        .with_interval(seconds(stall / 6));
    let _ = socket.set_tcp_keepalive(&signs);
}
