//! Bytes to events and back: JSON, JSON-RPC, HTTP/1.1, lines, server-sent events, WebSocket and the
//! PROXY protocol. No socket, no thread, no clock and no file is ever named here.

pub mod buffer;
pub mod forwarded;
pub mod http1;
pub mod idscan;
pub mod json;
pub mod jsonrpc;
pub mod lines;
mod message_id;
pub mod object;
pub mod proxy_protocol;
pub mod sse;
pub mod websocket;
