//! Vectors of frames, each whole, byte by byte and at every split.

use super::*;
use crate::proto::jsonrpc::Id;

const MAX: usize = 300;

/// A frame of a client.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    bytes
}

fn decoded(parts: &[&[u8]]) -> Vec<Event> {
    let (mut decoder, mut input, mut events) = (Decoder::new(), Buffer::new(), Vec::new());
    for part in parts {
        input.extend(part);
        loop {
            match decoder.decode(&mut input, MAX) {
                Event::NeedMore => break,
                event => events.push(event),
            }
        }
        assert!(input.len() <= 14, "payload is left in the input");
    }
    events
}

/// The events of these bytes, which must be the same however they come.
fn events(bytes: &[u8]) -> Vec<Event> {
    let whole = decoded(&[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decoded(&single), whole, "byte by byte: {bytes:02x?}");
    for split in 0..bytes.len() {
        let (one, other) = bytes.split_at(split);
        assert_eq!(decoded(&[one, other]), whole, "split at {split}: {bytes:02x?}");
    }
    whole
}

fn text(text: &str) -> Event {
    Event::Text(text.as_bytes().to_vec())
}

#[test]
fn messages_are_put_together_from_their_frames() {
    assert_eq!(events(&frame(0x81, b"")), [text("")]);
    assert_eq!(events(&frame(0x81, "H\u{e9}llo".as_bytes())), [text("H\u{e9}llo")]);
    assert_eq!(events(&frame(0x82, &[0xff, 0])), [Event::Binary(vec![0xff, 0])]);
    let long = "x".repeat(200);
    assert_eq!(events(&frame(0x81, long.as_bytes())), [text(&long)]);
    // A character may be torn by a frame, and control frames stand between frames of a message.
    let torn = [
        frame(0x01, b"a\xe2"),
        frame(0x89, b"ping"),
        frame(0x00, b"\x82"),
        frame(0x8a, b""),
        frame(0x80, b"\xac"),
        frame(0x81, b"next"),
    ];
    let expected = [Event::Ping(b"ping".to_vec()), Event::Pong, text("a\u{20ac}"), text("next")];
    assert_eq!(events(&torn.concat()), expected);
}

#[test]
fn what_breaks_a_rule_ends_the_connection_with_its_code() {
    let protocol = Event::Broken(CloseCode::PROTOCOL_ERROR);
    let not_utf8 = Event::Broken(CloseCode::NOT_UTF8);
    let unmasked = vec![0x81, 0x01, b'a'];
    for (bytes, expected) in [
        (unmasked, &protocol),
        (frame(0xc1, b"a"), &protocol),
        (frame(0xa1, b"a"), &protocol),
        (frame(0x83, b"a"), &protocol),
        (frame(0x8b, b"a"), &protocol),
        (frame(0x80, b"a"), &protocol),
        ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), &protocol),
        (frame(0x09, b"a"), &protocol),
        (frame(0x89, &[b'x'; 126]), &protocol),
        (vec![0x81, 0xfe, 0, 125, 0, 0, 0, 0], &protocol),
        (vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0], &protocol),
        (vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &protocol),
        (frame(0x88, b"\x03"), &protocol),
        (frame(0x88, &999_u16.to_be_bytes()), &protocol),
        (frame(0x88, &1005_u16.to_be_bytes()), &protocol),
        (frame(0x88, &1006_u16.to_be_bytes()), &protocol),
        (frame(0x88, &5000_u16.to_be_bytes()), &protocol),
        (frame(0x88, b"\x03\xe8\xff"), &not_utf8),
        (frame(0x81, b"\xff"), &not_utf8),
        (frame(0x81, b"cut \xe2\x82"), &not_utf8),
    ] {
        let found = events(&bytes);
        assert_eq!(found.last(), Some(expected), "{bytes:02x?}");
        // Nothing behind it is read.
        let behind = [bytes, frame(0x81, b"more")].concat();
        assert_eq!(decoded(&[&behind]).last(), Some(expected));
    }
    // What can be no text any more is not waited for.
    let begun = frame(0x81, b"\xf4\x90..............");
    assert_eq!(decoded(&[&begun[..8]]), [not_utf8]);
}

#[test]
fn a_close_says_why_or_nothing() {
    let code = |code: u16| Event::Close(Some(CloseCode(code)));
    assert_eq!(events(&frame(0x88, b"")), [Event::Close(None)]);
    for good in [1000_u16, 1001, 1011, 1014, 3000, 4999] {
        let payload = [&good.to_be_bytes()[..], b"why"].concat();
        assert_eq!(events(&frame(0x88, &payload)), [code(good)]);
    }
    let behind = [frame(0x88, b""), frame(0x81, b"more")].concat();
    assert_eq!(events(&behind), [Event::Close(None)]);
}

#[test]
fn a_message_that_is_too_long_is_dropped_and_the_next_one_taken() {
    let long = format!("{{\"id\":7,\"x\":\"{}\"}}", "y".repeat(MAX));
    let too_long = || Event::TooLong(Meant::Request(Some(Id::Number(7))));
    let next = frame(0x81, b"next");
    let whole = [frame(0x81, long.as_bytes()), next.clone()].concat();
    assert_eq!(events(&whole), [too_long(), text("next")]);
    let (one, other) = long.as_bytes().split_at(100);
    let torn = [frame(0x01, one), frame(0x80, other), next].concat();
    assert_eq!(events(&torn), [too_long(), text("next")]);
    // However long a frame says it is, nothing of it is kept.
    let mut decoder = Decoder::new();
    let mut input = Buffer::new();
    input.extend(&[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    for _ in 0..1_000 {
        input.extend(&[0; 1_000]);
        assert_eq!(decoder.decode(&mut input, MAX), Event::NeedMore);
        assert!(input.is_empty());
    }
}
