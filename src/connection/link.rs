//! A socket, the wire on it, and what the socket has not taken yet. It moves bytes and keeps time
//! of a peer that takes none; what the bytes mean is not known here.

use std::io::{self, Read as _};
use std::net::{IpAddr, Shutdown};

use mio::net::TcpStream;

use super::scratch::Scratch;
use super::wire::{Fed, Wire};
use crate::base::clock::Now;
use crate::base::counters::{Counters, HandshakeFailure};
use crate::proto::buffer::Buffer;
use crate::proto::proxy_protocol::{self, NoProxyHeader, ProxyHeader};

/// The link to a peer; see the module.
#[derive(Debug)]
pub struct Link {
    socket: TcpStream,
    wire: Wire,
    unsent: Vec<u8>,
    unsent_from: usize,
    stalled: Option<Stall>,
    ending: Ending,
    /// The peer has sent something.
    has_heard: bool,
    proxy: Proxy,
}

/// What is known of a proxy in front of the peer.
#[derive(Debug)]
enum Proxy {
    /// There is none.
    None,
    /// One has yet to say whom the connection is from; so much has come of that.
    Awaited(Buffer),
    /// It has said so.
    Heard(Option<IpAddr>),
}

/// Bytes that a peer must take for its time to begin anew. Who takes one now and then would hold
/// what waits for it for ever.
const PROGRESS: usize = 4 * 1024;

/// A peer that does not take what waits for it.
#[derive(Clone, Copy, Debug)]
struct Stall {
    since: Now,
    /// Bytes that it has taken since, fewer than count.
    taken: usize,
}

impl Stall {
    /// What has become of it when the peer has taken so many more bytes and others still wait.
    fn go_on(former: Option<Self>, taken: usize, now: Now) -> Self {
        let so_far = former.map(|stall| Self { taken: stall.taken.saturating_add(taken), ..stall });
        so_far.filter(|stall| stall.taken < PROGRESS).unwrap_or(Self { since: now, taken: 0 })
    }
}

/// How far the end of our side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// There is more to say.
    Open,
    /// What waits is the last.
    Last,
    /// All is said.
    Done,
}

/// What one read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing at this time.
    Nothing,
    /// The peer sends nothing more.
    End,
    /// The peer broke TLS; what a handshake failed for.
    Broken(HandshakeFailure),
    /// A proxy should have said whom the connection is from, and has not.
    NoProxyHeader,
}

impl Link {
    /// A link over `socket`, which begins with the header of a proxy if `is_proxied`.
    pub fn new(socket: TcpStream, wire: Wire, is_proxied: bool) -> Self {
        Self {
            socket,
            wire,
            unsent: Vec::new(),
            unsent_from: 0,
            stalled: None,
            ending: Ending::Open,
            has_heard: false,
            proxy: if is_proxied { Proxy::Awaited(Buffer::new()) } else { Proxy::None },
        }
    }

    /// True until a proxy has said whom the connection is from, where there is one, and the TLS
    /// handshake is done.
    pub fn is_handshaking(&self) -> bool {
        self.is_awaiting_proxy() || self.wire.is_handshaking()
    }

    fn is_awaiting_proxy(&self) -> bool {
        matches!(self.proxy, Proxy::Awaited(_))
    }

    /// Whom the connection is from, if a proxy has said so.
    pub fn proxied_source(&self) -> Option<IpAddr> {
        match self.proxy {
            Proxy::Heard(source) => source,
            Proxy::None | Proxy::Awaited(_) => None,
        }
    }

    /// The certificate that the peer has shown, in DER, once the handshake is done.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.wire.peer_certificate()
    }

    /// Since when the peer takes nothing of what waits for it, or next to nothing.
    pub fn stalled_since(&self) -> Option<Now> {
        self.stalled.map(|stall| stall.since)
    }

    /// Reads once and appends what it says to `input`.
    pub fn receive(&mut self, scratch: &mut Scratch, input: &mut Buffer) -> io::Result<Received> {
        let count = match self.read(scratch)? {
            Received::Bytes(count) => count,
            other => return Ok(other),
        };
        self.has_heard = true;
        let received = scratch.received.get(..count).unwrap_or_default();
        let Proxy::Awaited(so_far) = &mut self.proxy else {
            return Ok(self.feed(received, count, input));
        };
        so_far.extend(received);
        match proxy_protocol::parse(so_far.bytes()) {
            Err(NoProxyHeader) => Ok(Received::NoProxyHeader),
            Ok(None) => Ok(Received::Bytes(count)),
            Ok(Some(ProxyHeader { source, length })) => {
                so_far.consume(length);
                let behind = so_far.bytes().to_vec();
                self.proxy = Proxy::Heard(source);
                Ok(self.feed(&behind, count, input))
            }
        }
    }

    /// Gives the wire what one read of `count` bytes brought for it.
    fn feed(&mut self, received: &[u8], count: usize, input: &mut Buffer) -> Received {
        match self.wire.feed(received, input) {
            Fed::Open => Received::Bytes(count),
            Fed::Closed => Received::End,
            Fed::Broken(why) => {
                // The alert says why, if the peer still listens.
                let _ = self.wire.send(&mut self.socket, &[]);
                Received::Broken(why)
            }
        }
    }

    /// Reads once for what a connection begins with, answers it, and counts it if it has failed. A
    /// peer that comes and goes without a word has not begun.
    pub fn shake_hands(
        &mut self,
        scratch: &mut Scratch,
        input: &mut Buffer,
        counters: &Counters,
        now: Now,
    ) -> io::Result<Received> {
        let received = self.receive(scratch, input);
        match received {
            Ok(Received::Broken(why)) => counters.handshake_failed(why),
            Ok(Received::NoProxyHeader) => counters.proxy_protocol_failures.increment(),
            Ok(Received::End) | Err(_) if self.has_heard => {
                self.count_failure(counters, HandshakeFailure::CutOff);
            }
            _ => {}
        }
        self.send(&[], now)?;
        received
    }

    /// Counts a beginning that the peer has not brought to its end.
    pub fn count_failure(&self, counters: &Counters, why: HandshakeFailure) {
        if self.is_awaiting_proxy() {
            counters.proxy_protocol_failures.increment();
        } else {
            counters.handshake_failed(why);
        }
    }

    /// Reads once and forgets what it was.
    pub fn drop_input(&mut self, scratch: &mut Scratch) -> io::Result<Received> {
        self.read(scratch)
    }

    fn read(&mut self, scratch: &mut Scratch) -> io::Result<Received> {
        loop {
            match self.socket.read(&mut scratch.received) {
                Ok(0) => return Ok(Received::End),
                Ok(count) => return Ok(Received::Bytes(count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Received::Nothing);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends what waits, then `fresh`; what the socket does not take waits on.
    pub fn send(&mut self, fresh: &[u8], now: Now) -> io::Result<()> {
        let mut taken = self.send_waiting()?;
        if !fresh.is_empty() {
            let is_clear = self.unsent.is_empty();
            let sent = if is_clear { self.wire.send(&mut self.socket, fresh)? } else { 0 };
            self.unsent.extend_from_slice(fresh.get(sent..).unwrap_or_default());
            taken = taken.saturating_add(sent);
        }
        self.go_on_ending()?;
        let has_backlog = !self.unsent.is_empty() || self.wire.has_backlog();
        self.stalled = has_backlog.then(|| Stall::go_on(self.stalled, taken, now));
        Ok(())
    }

    /// Sends of what waits; how many bytes the socket took of it.
    fn send_waiting(&mut self) -> io::Result<usize> {
        let had_backlog = self.wire.has_backlog();
        if self.unsent.is_empty() && !had_backlog {
            return Ok(0);
        }
        let waiting = self.unsent.get(self.unsent_from..).unwrap_or_default();
        let sent = self.wire.send(&mut self.socket, waiting)?;
        self.unsent_from += sent;
        if self.unsent_from == self.unsent.len() {
            self.unsent = Vec::new();
            self.unsent_from = 0;
        }
        let is_record_out = had_backlog && !self.wire.has_backlog();
        Ok(if is_record_out { sent.saturating_add(PROGRESS) } else { sent })
    }

    /// Ends our side of the connection once all that waits is sent.
    pub fn finish(&mut self, now: Now) -> io::Result<()> {
        if self.ending == Ending::Open {
            self.ending = Ending::Last;
        }
        self.send(&[], now)
    }

    /// Says goodbye behind the last byte, and not before it.
    fn go_on_ending(&mut self) -> io::Result<()> {
        if self.ending != Ending::Last || !self.unsent.is_empty() {
            return Ok(());
        }
        self.wire.close_notify();
        self.wire.send(&mut self.socket, &[])?;
        if !self.wire.has_backlog() {
            self.ending = Ending::Done;
            // A peer that has gone needs no goodbye.
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_a_little_now_and_then_gains_no_time() {
        let at = Now::from_micros;
        let mut stall = Stall::go_on(None, 1_000_000, at(1));
        assert_eq!(stall.since, at(1), "it begins with what is not taken");
        for moment in 2..2_000 {
            stall = Stall::go_on(Some(stall), 2, at(moment));
            assert_eq!(stall.since, at(1));
        }
        let slow = Stall::go_on(Some(stall), 2_000, at(3_000));
        assert_eq!((slow.since, slow.taken), (at(3_000), 0), "slow is not dead");
    }
}
