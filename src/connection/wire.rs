//! What lies between a socket and plain bytes: nothing, or TLS. The only file that names rustls'
//! connection. It never blocks and never holds more than a record or two.

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{CertificateError, Error, InvalidMessage, ServerConfig, ServerConnection};

use crate::base::counters::HandshakeFailure;
use crate::proto::buffer::Buffer;

/// Plaintext that rustls may hold for us while the socket takes no more, in bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// Bytes as they are, or TLS.
#[derive(Debug)]
pub enum Wire {
    /// Plain.
    Plain,
    /// TLS.
    Tls(Box<ServerConnection>),
}

/// What came of giving received bytes to the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// All is well.
    Open,
    /// The peer will send nothing more.
    Closed,
    /// The peer broke TLS; an alert waits to be flushed. It says what a handshake failed for.
    Broken(HandshakeFailure),
}

impl Wire {
    /// A wire that begins with a TLS handshake.
    pub fn tls(config: &Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let mut connection = ServerConnection::new(Arc::clone(config))?;
        connection.set_buffer_limit(Some(SEND_BUFFER));
        Ok(Self::Tls(Box::new(connection)))
    }

    /// True until the handshake is done.
    pub fn is_handshaking(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Tls(connection) => connection.is_handshaking(),
        }
    }

    /// The certificate that the peer has shown, in DER.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Plain => None,
            Self::Tls(connection) => connection
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|one| one.as_ref()),
        }
    }

    /// Takes bytes from the socket and appends what they say to `input`.
    pub fn feed(&mut self, mut received: &[u8], input: &mut Buffer) -> Fed {
        let connection = match self {
            Self::Plain => {
                input.extend(received);
                return Fed::Open;
            }
            Self::Tls(connection) => connection,
        };
        while !received.is_empty() {
            // Reading from memory fails only if rustls takes no more before it is emptied.
            if !matches!(connection.read_tls(&mut received), Ok(1..)) {
                return Fed::Broken(HandshakeFailure::Malformed);
            }
            let state = match connection.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    log::debug!("TLS: {error}");
                    return Fed::Broken(failure(&error));
                }
            };
            let plain = state.plaintext_bytes_to_read();
            if plain > 0 {
                let wanted = u64::try_from(plain).unwrap_or(u64::MAX);
                if connection.reader().take(wanted).read_to_end(input.vec_mut()).is_err() {
                    return Fed::Broken(HandshakeFailure::Malformed);
                }
            }
            if state.peer_has_closed() {
                return Fed::Closed;
            }
        }
        Fed::Open
    }

    /// Sends what the socket takes of `plain` and gives how many bytes of it are done with.
    ///
    /// `WouldBlock` is not an error: the number is then smaller than there were bytes, or
    /// [`Wire::has_backlog`] is true.
    pub fn send(&mut self, socket: &mut TcpStream, plain: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain => send_plain(socket, plain),
            Self::Tls(connection) => send_tls(connection, socket, plain),
        }
    }

    /// True if bytes that were taken over have not gone into the socket.
    pub fn has_backlog(&self) -> bool {
        match self {
            Self::Plain => false,
            Self::Tls(connection) => connection.wants_write(),
        }
    }

    /// Announces the end of what we send.
    pub fn close_notify(&mut self) {
        if let Self::Tls(connection) = self {
            connection.send_close_notify();
        }
    }
}

/// What an error of rustls comes to.
fn failure(error: &Error) -> HandshakeFailure {
    use CertificateError as Wrong;
    match error {
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => HandshakeFailure::NotTls,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => {
            HandshakeFailure::NothingInCommon
        }
        Error::NoCertificatesPresented => HandshakeFailure::NoCertificate,
        Error::InvalidCertificate(wrong) => match wrong {
            Wrong::Expired
            | Wrong::ExpiredContext { .. }
            | Wrong::NotValidYet
            | Wrong::NotValidYetContext { .. } => HandshakeFailure::Expired,
            Wrong::Revoked => HandshakeFailure::Revoked,
            Wrong::UnknownIssuer => HandshakeFailure::UnknownAuthority,
            _ => HandshakeFailure::BadCertificate,
        },
        Error::AlertReceived(_) => HandshakeFailure::RefusedByPeer,
        _ => HandshakeFailure::Malformed,
    }
}

fn send_plain(socket: &mut TcpStream, plain: &[u8]) -> io::Result<usize> {
    let mut rest = plain;
    while !rest.is_empty() {
        match socket.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(plain.len() - rest.len())
}

fn send_tls(
    connection: &mut ServerConnection,
    socket: &mut TcpStream,
    plain: &[u8],
) -> io::Result<usize> {
    let mut rest = plain;
    loop {
        if !rest.is_empty() && !connection.is_handshaking() {
            let taken = connection.writer().write(rest)?;
            rest = rest.get(taken..).unwrap_or_default();
        }
        if !connection.wants_write() {
            break;
        }
        match connection.write_tls(socket) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(plain.len() - rest.len())
}
