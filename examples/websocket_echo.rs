//! Sends each message of WebSocket back: what a suite for the protocol talks to.
//!
//! usage: websocket_echo ADDRESS
//!
//! It has the frames of the server and nothing else of it: no credentials, no bounds of time, one
//! thread for each connection. It is for a suite on this host alone.

#![expect(clippy::print_stdout, reason = "it tells where it listens")]

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use erlmcp::proto::buffer::Buffer;
use erlmcp::proto::http1::{Decoded, HttpLimits, RequestDecoder};
use erlmcp::proto::websocket::{self, Decoder, Event};

/// Longest message in bytes: the suite sends up to 16 MiB.
const MOST: usize = 32 << 20;
const PART: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    for socket in listener.incoming() {
        let socket = socket?;
        // A client that goes in the middle of a message is what some of the cases are about.
        thread::spawn(move || serve(socket).unwrap_or_default());
    }
    Ok(())
}

fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut input = Buffer::new();
    let Some(accept) = handshake(&mut socket, &mut input)? else { return Ok(()) };
    write!(
        socket,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    let mut decoder = Decoder::new();
    loop {
        let mut out = Vec::new();
        let mut is_over = false;
        match decoder.decode(&mut input, MOST) {
            Event::NeedMore if read(&mut socket, &mut input)? => {}
            Event::NeedMore => is_over = true,
            Event::Text(text) => websocket::write_text(&mut out, &text),
            Event::Binary(bytes) => websocket::write_binary(&mut out, &bytes),
            Event::Ping(payload) => websocket::write_pong(&mut out, &payload),
            Event::Pong | Event::TooLong { .. } => {}
            Event::Close(code) => {
                is_over = true;
                websocket::write_close(&mut out, code);
            }
            Event::Broken(code) => {
                is_over = true;
                websocket::write_close(&mut out, Some(code));
            }
        }
        socket.write_all(&out)?;
        if is_over {
            return Ok(());
        }
    }
}

/// The value that the handshake is answered with; `None` if there is none.
fn handshake(socket: &mut TcpStream, input: &mut Buffer) -> io::Result<Option<String>> {
    let mut decoder = RequestDecoder::new();
    let mut accept = None;
    loop {
        match decoder.decode(input, &HttpLimits::default()) {
            Ok(Decoded::Head(head)) => {
                let key = head.header_str("sec-websocket-key").unwrap_or_default();
                accept = websocket::accept_value(key);
            }
            Ok(Decoded::Body(_)) => return Ok(accept),
            Ok(Decoded::NeedMore) if read(socket, input)? => {}
            _ => return Ok(None),
        }
    }
}

/// Reads what has come; false at the end.
fn read(socket: &mut TcpStream, input: &mut Buffer) -> io::Result<bool> {
    let mut bytes = vec![0; PART];
    let count = socket.read(&mut bytes)?;
    input.extend(bytes.get(..count).unwrap_or_default());
    Ok(count > 0)
}
