//! Frames of WebSocket: no cut makes a difference, no message passes its bound, and what a client
//! would send for the same bytes comes out as they are.

use erlmcp::proto::buffer::Buffer;
use erlmcp::proto::websocket::{Decoder, Event};

const MESSAGE_BYTES: usize = 256;
/// Longest payload of a control frame, in bytes (RFC 6455, section 5.5).
const CONTROL_BYTES: usize = 125;

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut decoder = Decoder::new();
    let mut input = Buffer::new();
    let mut events = Vec::new();
    let mut is_over = false;
    for piece in pieces {
        input.extend(piece);
        loop {
            let event = decoder.decode(&mut input, MESSAGE_BYTES);
            if event == Event::NeedMore {
                break;
            }
            assert!(!is_over, "something follows the end");
            match &event {
                Event::Text(text) => {
                    assert!(text.len() <= MESSAGE_BYTES && std::str::from_utf8(text).is_ok());
                }
                Event::Binary(bytes) => assert!(bytes.len() <= MESSAGE_BYTES),
                Event::Ping(payload) => assert!(payload.len() <= CONTROL_BYTES),
                Event::Close(_) | Event::Broken(_) => is_over = true,
                Event::TooLong { .. } | Event::Pong | Event::NeedMore => {}
            }
            events.push(event);
        }
        assert!(input.len() < 14, "more than the head of a frame is kept");
    }
    events
}

/// A message as a client sends it, in frames of at most `step` bytes.
fn masked(opcode: u8, content: &[u8], step: usize, mask: [u8; 4]) -> Vec<u8> {
    let mut stream = Vec::new();
    let frames: Vec<&[u8]> =
        if content.is_empty() { vec![content] } else { content.chunks(step).collect() };
    for (at, part) in frames.iter().enumerate() {
        let is_last = at + 1 == frames.len();
        stream.push(if is_last { 0x80 } else { 0 } | if at == 0 { opcode } else { 0 });
        match u8::try_from(part.len()) {
            Ok(length) if length < 126 => stream.push(0x80 | length),
            _ => {
                stream.push(0x80 | 126);
                stream.extend(u16::try_from(part.len()).expect("a short part").to_be_bytes());
            }
        }
        stream.extend(mask);
        stream.extend(part.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
    stream
}

/// First the data as frames, then the data as the content of a message.
pub fn frames(data: &[u8]) {
    let whole = decode(std::iter::once(data));
    assert_eq!(whole, decode(data.chunks(1)), "byte by byte they mean something else");
    assert_eq!(whole, decode(data.chunks(7)), "in sevens they mean something else");

    let content = data.get(..MESSAGE_BYTES).unwrap_or(data);
    let step = 1 + data.first().copied().map_or(0, usize::from);
    for mask in [[0; 4], [0x37, 0xfa, 0x21, 0x3d]] {
        let bytes = decode(std::iter::once(masked(2, content, step, mask).as_slice()));
        assert_eq!(bytes, [Event::Binary(content.to_vec())]);
        let text = decode(masked(1, content, step, mask).chunks(3));
        match std::str::from_utf8(content) {
            Ok(_) => assert_eq!(text, [Event::Text(content.to_vec())]),
            Err(_) => assert!(matches!(text.as_slice(), [Event::Broken(_)])),
        }
    }
}
