//! The opening handshake of WebSocket (RFC 6455 section 4.2.1): what a head must say before its
//! connection changes over. It never looks at who it is from.

use crate::guard::refusal::Refusal;
use crate::mcp::errors::RpcError;
use crate::proto::http1::Head;
use crate::proto::jsonrpc::INVALID_REQUEST;
use crate::proto::websocket::accept_value;

/// The subprotocol that clients of MCP name.
pub const SUBPROTOCOL: &str = "mcp";
/// What a ticket stands behind among the subprotocols: a page can send nothing else of its own.
const TICKET: &str = "erlmcp.ticket.";
/// The one version of the protocol that there is.
pub const VERSION: &str = "13";

/// What is answered to a head that asks for WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// Whether the client has named the subprotocol, which is then repeated.
    pub names_subprotocol: bool,
}

impl Handshake {
    /// Reads a head.
    ///
    /// # Errors
    /// It asks for no WebSocket, for another version, or for it in a wrong way.
    pub fn read(head: &Head) -> Result<Self, Refusal> {
        let names =
            |header, word: &str| tokens(head, header).any(|token| token.eq_ignore_ascii_case(word));
        let version = head.header_str("sec-websocket-version");
        if head.http_1_0() || !names("upgrade", "websocket") || version != Some(VERSION) {
            return Err(Refusal::UpgradeRequired);
        }
        if !names("connection", "upgrade") {
            return Err(wrong("The Connection header must name Upgrade"));
        }
        if head.is_chunked() || head.content_length().unwrap_or(0) > 0 {
            return Err(wrong("A request for WebSocket has no body"));
        }
        let key = head.header_str("sec-websocket-key").unwrap_or_default();
        let is_one = ["sec-websocket-key", "sec-websocket-version"]
            .iter()
            .all(|name| head.count_of(name) == 1);
        let Some(accept) = accept_value(key).filter(|_| is_one) else {
            return Err(wrong("Sec-WebSocket-Key must be 16 bytes in base64"));
        };
        let offered = || tokens(head, "sec-websocket-protocol");
        let names_subprotocol = offered().any(|token| token == SUBPROTOCOL);
        if !names_subprotocol && offered().next().is_some() {
            return Err(wrong("The subprotocol of MCP is mcp"));
        }
        Ok(Self { accept, names_subprotocol })
    }
}

/// The ticket that a page has shown.
pub fn ticket(head: &Head) -> Option<&str> {
    tokens(head, "sec-websocket-protocol").find_map(|token| token.strip_prefix(TICKET))
}

fn wrong(sentence: &'static str) -> Refusal {
    Refusal::invalid(RpcError::new(INVALID_REQUEST, sentence))
}

/// The members of a header that is a list.
fn tokens<'h>(head: &'h Head, name: &str) -> impl Iterator<Item = &'h str> {
    head.headers_named(name)
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}
