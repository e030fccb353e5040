//! The ids of messages, and whose one is: a request of the peer's, or one of ours that is answered.

use serde_json::Value;

use super::json::write_string;

/// Longest id and longest method name that are taken, in bytes.
pub(super) const NAME_BYTES: usize = 256;

/// A request's identifier: a string or an integer, never null (MCP base protocol).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// An integer.
    Number(i64),
    /// A string of at most 256 bytes.
    Text(String),
}

impl Id {
    /// The id that a JSON value stands for; `None` for null, floats, 2^63 and beyond, containers.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64().map(Self::Number),
            Value::String(text) if text.len() <= NAME_BYTES => Some(Self::Text(text.clone())),
            _ => None,
        }
    }

    /// Appends the id as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => write_string(out, text),
        }
    }

    /// The id as a JSON value.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Number(number) => Value::from(*number),
            Self::Text(text) => Value::from(text.as_str()),
        }
    }
}

/// What a message was that cannot be taken, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// A request with this id, or nothing that can be told.
    Request(Option<Id>),
    /// A response to the request of ours with this id: it has `result` or `error` and no `method`.
    /// The id is in our numbering, so an error under it would answer a request of the peer's.
    Response(Option<Id>),
}

impl Meant {
    /// The id to answer under.
    pub fn id(&self) -> Option<&Id> {
        match self {
            Self::Request(id) => id.as_ref(),
            Self::Response(_) => None,
        }
    }
}

/// Which of the members that tell a response from a request a message has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Telling {
    has_method: bool,
    has_outcome: bool,
}

impl Telling {
    /// Notes a member, whether its value can be read or not.
    pub(super) fn note(&mut self, key: &[u8]) {
        self.has_method |= key == b"method";
        self.has_outcome |= key == b"result" || key == b"error";
    }

    /// What a message with these members and this id was.
    pub(super) fn meant(self, id: Option<Id>) -> Meant {
        let is_response = self.has_outcome && !self.has_method;
        if is_response { Meant::Response(id) } else { Meant::Request(id) }
    }
}
