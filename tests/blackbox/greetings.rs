//! The first bytes of TLS connections: in the smallest pieces, out of order and without end. What
//! is one greeting is understood however it was cut; what is none hurts nobody else.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustls::{ClientConnection, Stream};

use crate::harness::http::Connection;
use crate::harness::process::{Server, Settings};
use crate::harness::tls::client;
use crate::harness::{ADMIN, until};
use crate::tokens::echo;

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const CLOSE_NOTIFY: [u8; 2] = [1, 0];

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 3, 1][..], &length, payload].concat()
}

/// A client whose greeting has not been sent, and the greeting.
fn greeting(server: &Server) -> (ClientConnection, Vec<u8>) {
    let config = client(&fs::read(server.authority()).unwrap());
    let mut tls = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let mut flight = Vec::new();
    tls.write_tls(&mut flight).unwrap();
    let payload = flight.split_off(5);
    assert_eq!(flight[0], HANDSHAKE);
    (tls, payload)
}

// C54
#[test]
fn a_greeting_is_understood_however_it_is_cut() {
    let server = Server::start(&Settings::default().over_tls());
    for size in [1, 2, 3, 7, 100] {
        let (mut tls, payload) = greeting(&server);
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.set_nodelay(true).unwrap();
        for piece in payload.chunks(size) {
            socket.write_all(&record(HANDSHAKE, piece)).unwrap();
        }
        let mut stream = Stream::new(&mut tls, &mut socket);
        stream.write_all(&echo(ADMIN).bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200", "records of {size} bytes");
    }
    // The same records, of which each byte comes alone.
    let (mut tls, payload) = greeting(&server);
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    for byte in record(HANDSHAKE, &payload) {
        socket.write_all(&[byte]).unwrap();
    }
    let mut stream = Stream::new(&mut tls, &mut socket);
    stream.write_all(&echo(ADMIN).bytes()).unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
}

// C54
#[test]
fn what_is_no_greeting_ends_its_connection_and_no_other() {
    let limits = "[limits]\nmax_handshakes = 1\n[tls]\nhandshake_timeout_ms = 60000\n";
    let settings = Settings::with(limits).over_tls();
    let server = Server::start(&settings);
    let mut open = server.connect();
    assert_eq!(open.exchange(&echo(ADMIN)).status, 200);
    let (_, payload) = greeting(&server);
    let (first, rest) = payload.split_at(payload.len() / 2);
    let half = record(HANDSHAKE, first);
    let goodbye = record(ALERT, &CLOSE_NOTIFY);
    for (name, bytes) in [
        ("a goodbye in the middle", [&half[..], &goodbye].concat()),
        ("a goodbye at the beginning", goodbye.clone()),
        ("goodbyes without end", goodbye.repeat(1_000)),
        ("an alert of one byte", record(ALERT, &[1])),
        ("empty records without end", record(HANDSHAKE, b"").repeat(1_000)),
        ("warnings without end", record(ALERT, &[1, 90]).repeat(1_000)),
        ("data before the keys", [&half[..], &record(23, rest)].concat()),
        ("the same greeting again", record(HANDSHAKE, &payload).repeat(3)),
        ("a record that is too long", record(HANDSHAKE, &[1; 20_000])),
        ("a greeting of 16 MiB", record(HANDSHAKE, b"\x01\xff\xff\xff\x03\x03").repeat(4_000)),
        ("another protocol", b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10".repeat(9)),
    ] {
        let mut connection = Connection::plain(server.address()).unrecorded();
        connection.write(&bytes);
        connection.finish_writing();
        connection.rest();
        assert_eq!(open.exchange(&echo(ADMIN)).status, 200, "{name}");
        // It had the one place there is, and has given it back.
        until(|| server.connect().try_exchange(&echo(ADMIN)).is_some());
    }
}
