//! A client that speaks over WebSocket, down to the single frame.

use serde_json::{Value, json};

use super::http::{Connection, Response};
use super::process::Server;
use super::recorder::LineRecorder;
use super::request::Request;
use super::{Messages, initialize};

/// The kinds of frames that tests look at.
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

const MASK: [u8; 4] = [0x3c, 0xa5, 0x01, 0xff];

/// The request of the administrator for WebSocket.
pub fn upgrade() -> Request {
    Request::bare("GET")
        .target("/ws")
        .without("Accept")
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Protocol", "mcp")
}

/// A connection that has gone over.
pub struct WebSocket {
    connection: Connection,
    recorder: LineRecorder,
    pub head: Response,
}

impl WebSocket {
    /// Goes over on this connection.
    pub fn over(mut connection: Connection, request: &Request) -> Self {
        connection.write(&request.bytes());
        let head = connection.response_head();
        assert_eq!(head.status, 101, "{head:?}");
        assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(head.leaks(), [""; 0]);
        Self { connection, recorder: LineRecorder::default(), head }
    }

    pub fn of(server: &Server, key: &str) -> Self {
        Self::over(server.connect(), &upgrade().key(key))
    }

    /// A connection on which this revision was agreed on by the user with this key.
    pub fn session(server: &Server, version: &str, key: &str) -> Self {
        let mut socket = Self::of(server, key);
        let hello = socket.ask(&initialize("hello", version));
        assert_eq!(hello["result"]["protocolVersion"], version, "{hello}");
        socket.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        socket
    }

    /// Sends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.connection.write(bytes);
    }

    /// Sends a whole frame.
    pub fn frame(&mut self, first: u8, payload: &[u8]) {
        let bytes = frame(first, payload);
        self.connection.write(&bytes);
    }

    /// Writes down a message that is sent frame by frame.
    pub fn will_send(&mut self, message: &Value) {
        self.recorder.sent(format!("{message}\n").as_bytes());
    }

    /// The next frame: its kind and what it holds.
    pub fn next(&mut self) -> (u8, Vec<u8>) {
        let head = self.connection.take(2);
        assert_eq!(head[0] & 0xf0, 0x80, "a frame that is whole and has no extension");
        assert_eq!(head[1] & 0x80, 0, "a server masks nothing");
        let length = match head[1] {
            126 => {
                self.connection.take(2).iter().fold(0, |all, byte| all << 8 | usize::from(*byte))
            }
            127 => {
                self.connection.take(8).iter().fold(0, |all, byte| all << 8 | usize::from(*byte))
            }
            short => usize::from(short),
        };
        (head[0] & 0x0f, self.connection.take(length))
    }

    /// Reads up to the close of the server, behind which nothing comes; its code.
    pub fn closed(&mut self) -> Option<u16> {
        loop {
            let (kind, payload) = self.next();
            if kind != CLOSE {
                assert!([PING, PONG].contains(&kind), "{:?}", String::from_utf8_lossy(&payload));
                continue;
            }
            assert!(self.connection.is_closed());
            let code = payload.first_chunk::<2>()?;
            return Some(u16::from_be_bytes(*code));
        }
    }
}

impl Messages for WebSocket {
    /// Sends a message in one frame.
    fn send(&mut self, message: &Value) {
        self.will_send(message);
        self.frame(0x80 | TEXT, message.to_string().as_bytes());
    }

    /// The next message; pings before it are answered.
    fn message(&mut self) -> Value {
        loop {
            let (kind, payload) = self.next();
            match kind {
                PING => self.frame(0x80 | PONG, &payload),
                PONG => {}
                TEXT => {
                    let message = serde_json::from_slice(&payload).unwrap();
                    self.recorder.received(&message);
                    return message;
                }
                _ => panic!("a frame of kind {kind}: {payload:?}"),
            }
        }
    }
}

/// A frame of a client. `first` holds the kind and whether it is the last of its message.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=65_535 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
