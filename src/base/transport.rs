//! What a caller comes over.

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Standard input and output.
    Stdio,
    /// Lines over TCP.
    Tcp,
    /// HTTP.
    Http,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stdio, Self::Tcp, Self::Http, Self::WebSocket];

    /// The word of configuration and audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::WebSocket => "websocket",
        }
    }
}
