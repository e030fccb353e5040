//! WebSocket (RFC 6455) of a server: its handshake value, frames to messages and back. It holds no
//! more of a message than it may be long, and no extension is ever agreed on.

mod decoder;
mod utf8;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

pub use decoder::{Decoder, Event};

/// What a close says, of which only a part may stand in a frame (section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// All is done.
    pub const NORMAL: Self = Self(1000);
    /// The server is going down.
    pub const GOING_AWAY: Self = Self(1001);
    /// The frames are wrong.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// Messages of this kind are not taken.
    pub const UNSUPPORTED: Self = Self(1003);
    /// A text is no UTF-8.
    pub const NOT_UTF8: Self = Self(1007);
    /// The peer may not go on.
    pub const POLICY: Self = Self(1008);

    /// True if a peer may send it.
    fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// The kinds of frames (section 5.2).
mod opcode {
    pub(super) const CONTINUATION: u8 = 0x0;
    pub(super) const TEXT: u8 = 0x1;
    pub(super) const BINARY: u8 = 0x2;
    pub(super) const CLOSE: u8 = 0x8;
    pub(super) const PING: u8 = 0x9;
    pub(super) const PONG: u8 = 0xa;
}

/// Longest payload of a control frame, in bytes (section 5.5).
const CONTROL_BYTES: usize = 125;

/// The value of `Sec-WebSocket-Accept` for that of `Sec-WebSocket-Key`; `None` if the latter is not
/// 16 bytes in base64 (sections 4.1 and 4.2.2).
pub fn accept_value(key: &str) -> Option<String> {
    const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    STANDARD.decode(key).ok().filter(|bytes| bytes.len() == 16)?;
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(SUFFIX);
    Some(STANDARD.encode(context.finish()))
}

/// Appends a message of text.
pub fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    write_frame(out, opcode::TEXT, text);
}

/// Appends a message of bytes.
pub fn write_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    write_frame(out, opcode::BINARY, bytes);
}

/// Appends a ping without a payload.
pub fn write_ping(out: &mut Vec<u8>) {
    write_frame(out, opcode::PING, &[]);
}

/// Appends the answer to a ping with this payload.
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    write_frame(out, opcode::PONG, payload);
}

/// Appends the last frame; without a code where the peer gave none.
pub fn write_close(out: &mut Vec<u8>, code: Option<CloseCode>) {
    let payload = code.map(|code| code.0.to_be_bytes());
    write_frame(out, opcode::CLOSE, payload.as_ref().map_or(&[], |bytes| bytes));
}

/// One whole frame. A server masks nothing (section 5.1).
fn write_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => out.push(u8::try_from(length).unwrap_or_default()),
        length => match u16::try_from(length) {
            Ok(length) => {
                out.push(126);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                out.push(127);
                out.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
            }
        },
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_value_is_that_of_the_rfc() {
        let value = accept_value("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(value.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for wrong in
            ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "not base64 at all!!==="]
        {
            assert_eq!(accept_value(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lengths_are_written_in_their_shortest_form() {
        for (length, head) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            write_text(&mut out, &vec![b'x'; length]);
            assert!(out.starts_with(head) && out.len() == head.len() + length, "{length}");
        }
        let mut out = Vec::new();
        write_close(&mut out, Some(CloseCode::NORMAL));
        write_close(&mut out, None);
        assert_eq!(out, [0x88, 2, 0x03, 0xe8, 0x88, 0]);
    }
}
