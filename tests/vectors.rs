//! The byte vectors, given to the decoders whole, byte by byte and at every split: no cut of a
//! stream may make a difference. `blackbox::vectors` says those of HTTP to a running server.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

#[path = "vectors/mod.rs"]
#[expect(unreachable_pub, reason = "shared by two crates of tests")]
mod vectors;

use erlmcp::proto::buffer::Buffer;
use erlmcp::proto::http1::{Decoded, HttpLimits, RequestDecoder};
use erlmcp::proto::jsonrpc::Meant;
use erlmcp::proto::lines::{Line, LineDecoder};
use erlmcp::proto::websocket::{Decoder, Event};

use vectors::Vector;

/// Longest line and message in the vectors, in bytes.
const MESSAGE_BYTES: usize = 32;

/// What comes of the pieces of a stream, in words.
type Decode = fn(&[&[u8]]) -> Vec<String>;

/// Holds that every cut of every vector means the same, and what it means if that is given.
fn hold(folder: &str, macros: &[(&str, String)], decode: Decode, is_told: bool) {
    for Vector { name, expected, bytes } in vectors::read(folder, macros) {
        let whole = decode(&[&bytes]);
        assert!(!is_told || whole == expected, "{name}: {whole:?} and not {expected:?}");
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(&single), whole, "{name}, byte by byte");
        for at in 0..bytes.len() {
            let pieces = [&bytes[..at], &bytes[at..]];
            assert_eq!(decode(&pieces), whole, "{name}, cut at {at}");
        }
    }
}

fn too_long(meant: &Meant) -> String {
    let (Meant::Request(id) | Meant::Response(id)) = meant;
    let id = id.as_ref().map_or("none".into(), |id| id.to_value().to_string());
    let kind = if matches!(meant, Meant::Request(_)) { "too-long" } else { "too-long-response" };
    format!("{kind}:{id}")
}

fn word(kind: &str, content: &[u8]) -> String {
    format!("{kind}:{}", content.escape_ascii()).replace("\\x00", "\\0").replace("\\\"", "\"")
}

#[test]
fn http() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let head = "Host: localhost\r\nContent-Type: application/json";
    hold("http", &vectors::of_request(head, body), requests, false);
}

fn requests(pieces: &[&[u8]]) -> Vec<String> {
    let limits = HttpLimits::default();
    let mut decoder = RequestDecoder::new();
    let mut input = Buffer::new();
    let mut words = Vec::new();
    for piece in pieces {
        input.extend(piece);
        loop {
            match decoder.decode(&mut input, &limits) {
                Ok(Decoded::NeedMore) => break,
                Ok(Decoded::Head(head)) => {
                    words.push(word(head.method(), head.target().as_bytes()))
                }
                Ok(Decoded::Body(body)) => words.push(word("body", &body)),
                Err(error) => {
                    words.push(format!("{}:{error:?}", error.status()));
                    return words;
                }
            }
        }
    }
    words
}

#[test]
fn lines() {
    hold("lines", &[], messages, true);
}

fn messages(pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = LineDecoder::new();
    let mut input = Buffer::new();
    let mut words = Vec::new();
    let mut take = |line: Line| {
        words.push(match line {
            Line::NeedMore => return false,
            Line::Message(bytes) => word("message", &bytes),
            Line::TooLong(meant) => too_long(&meant),
        });
        true
    };
    for piece in pieces {
        input.extend(piece);
        while take(decoder.decode(&mut input, MESSAGE_BYTES)) {}
    }
    take(decoder.finish(&mut input, MESSAGE_BYTES));
    words
}

#[test]
fn frames() {
    hold("frames", &[], events, true);
}

fn events(pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::new();
    let mut input = Buffer::new();
    let mut words = Vec::new();
    for piece in pieces {
        input.extend(piece);
        loop {
            words.push(match decoder.decode(&mut input, MESSAGE_BYTES) {
                Event::NeedMore => break,
                Event::Text(text) => word("text", &text),
                Event::Binary(bytes) => word("binary", &bytes),
                Event::TooLong(meant) => too_long(&meant),
                Event::Ping(payload) => word("ping", &payload),
                Event::Pong => "pong".into(),
                Event::Close(code) => {
                    format!("close:{}", code.map_or("none".into(), |code| code.0.to_string()))
                }
                Event::Broken(code) => format!("broken:{}", code.0),
            });
        }
    }
    words
}
