//! Finds the `id` of a JSON-RPC message too large to keep, as it streams past, and whether it is a
//! response. It must never keep more than one id's text, nor return text that is not itself valid
//! JSON.

use super::message_id::{Id, Meant, Telling};

/// The longest string id recovered, in bytes between its quotes.
const STRING_BYTES: usize = 256;
/// The longest integer id recovered, sign included: room for every 64-bit number.
const INTEGER_BYTES: usize = 20;

/// An incremental scanner for the member `id` of a top-level JSON object, wherever it stands.
///
/// It follows strings and nesting only as far as needed to tell what is top-level; the message as a
/// whole is not validated. An `id` that occurs twice, that is neither a string nor an integer, or
/// that is longer than an id may be, counts as none.
#[derive(Debug, Default)]
pub struct IdScanner {
    state: State,
    /// Objects and arrays open inside a top-level member's value.
    depth: usize,
    /// The current top-level member is named `id`.
    is_id: bool,
    /// The text of the id's value so far.
    text: Vec<u8>,
    id: Option<Vec<u8>>,
    ids: usize,
    /// The text of the current key so far, and one byte more than the longest that matters.
    key: Vec<u8>,
    telling: Telling,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Start,
    KeyOrEnd,
    Key,
    KeyEscape,
    Colon,
    Value,
    String,
    StringEscape,
    Scalar,
    Nested,
    NestedString,
    NestedEscape,
    AfterValue,
    /// The object has ended, or this is no object.
    Over,
}

/// The longest key that matters, in bytes.
const KEY_BYTES: usize = b"method".len();

impl IdScanner {
    /// A scanner at the start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the next bytes of the message.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = self.next(*byte);
        }
    }

    /// The id's raw JSON text, a string with its quotes or an integer.
    #[must_use]
    pub fn finish(self) -> Option<String> {
        if self.ids == 1 { self.id.and_then(|id| String::from_utf8(id).ok()) } else { None }
    }

    /// What the message was.
    #[must_use]
    pub fn meant(self) -> Meant {
        let telling = self.telling;
        let id = self.finish().and_then(|text| serde_json::from_str(&text).ok());
        telling.meant(id.as_ref().and_then(Id::of))
    }

    fn next(&mut self, byte: u8) -> State {
        let blank = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        match (self.state, byte) {
            (State::Nested, _) => self.nested(byte),
            (State::NestedString, b'"') => State::Nested,
            (State::NestedString, b'\\') => State::NestedEscape,
            (State::NestedString | State::NestedEscape, _) => State::NestedString,

            (State::String, b'"') => {
                self.keep(byte);
                self.end_value();
                State::AfterValue
            }
            (State::String, _) => {
                self.keep(byte);
                if byte == b'\\' { State::StringEscape } else { State::String }
            }
            (State::StringEscape, _) => {
                self.keep(byte);
                State::String
            }

            (State::Scalar, b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n') => {
                self.end_value();
                after_value(byte)
            }
            (State::Scalar, _) => {
                self.keep(byte);
                State::Scalar
            }

            (State::Key, b'"') => {
                self.end_key();
                State::Colon
            }
            (State::Key | State::KeyEscape, _) => {
                if self.key.len() <= KEY_BYTES {
                    self.key.push(byte);
                }
                let begins_escape = byte == b'\\' && matches!(self.state, State::Key);
                if begins_escape { State::KeyEscape } else { State::Key }
            }

            (state, _) if blank => state,
            (State::Start, b'{') => State::KeyOrEnd,
            (State::KeyOrEnd, b'"') => {
                self.key.clear();
                State::Key
            }
            (State::Colon, b':') => State::Value,
            (State::Value, _) => self.value(byte),
            (State::AfterValue, _) => after_value(byte),
            (State::Start | State::KeyOrEnd | State::Colon | State::Over, _) => State::Over,
        }
    }

    /// A key with an escape is none of these, whatever it spells.
    fn end_key(&mut self) {
        self.is_id = self.key == b"id";
        self.ids = self.ids.saturating_add(usize::from(self.is_id));
        self.telling.note(&self.key);
    }

    fn value(&mut self, first: u8) -> State {
        self.text.clear();
        match first {
            b'{' | b'[' => {
                self.depth = 1;
                State::Nested
            }
            b'"' => {
                self.keep(first);
                State::String
            }
            _ => {
                self.keep(first);
                State::Scalar
            }
        }
    }

    fn nested(&mut self, byte: u8) -> State {
        match byte {
            b'"' => return State::NestedString,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if self.depth == 0 { State::AfterValue } else { State::Nested }
    }

    /// Keeps a byte of an id's value; one byte over the longest id marks it as too long.
    fn keep(&mut self, byte: u8) {
        if self.is_id && self.text.len() <= STRING_BYTES.saturating_add(2) {
            self.text.push(byte);
        }
    }

    fn end_value(&mut self) {
        if self.is_id && (is_string(&self.text) || is_integer(&self.text)) {
            self.id = Some(std::mem::take(&mut self.text));
        }
    }
}

fn after_value(byte: u8) -> State {
    match byte {
        b',' => State::KeyOrEnd,
        b' ' | b'\t' | b'\r' | b'\n' => State::AfterValue,
        _ => State::Over,
    }
}

/// Whether `text` is an integer as RFC 8259, section 6 spells it.
fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    text.len() <= INTEGER_BYTES
        && digits.iter().all(u8::is_ascii_digit)
        && match digits {
            [b'0'] => true,
            [first, ..] => *first != b'0',
            [] => false,
        }
}

/// Whether `text`, if it is UTF-8, is a string as RFC 8259, section 7 spells it. Escaped surrogates
/// are refused, since telling a pair from a lone half is not worth it for an id.
fn is_string(text: &[u8]) -> bool {
    let [b'"', inner @ .., b'"'] = text else { return false };
    if inner.len() > STRING_BYTES {
        return false;
    }
    let mut rest = inner;
    loop {
        rest = match rest {
            [] => return true,
            [b'\\', b'u', a, b, c, d, next @ ..]
                if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit())
                    && !matches!((a, b), (b'd' | b'D', b'8'..=b'f')) =>
            {
                next
            }
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', next @ ..] => next,
            [b'\\' | b'"' | 0..=0x1f, ..] => return false,
            [_, next @ ..] => next,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the message whole, byte by byte and at every split; all must agree.
    fn scan(message: &[u8]) -> Option<String> {
        let run = |parts: &[&[u8]]| {
            let mut scanner = IdScanner::new();
            parts.iter().for_each(|part| scanner.feed(part));
            scanner.finish()
        };
        let whole = run(&[message]);
        assert_eq!(run(&message.chunks(1).collect::<Vec<_>>()), whole);
        for at in 0..message.len() {
            let (left, right) = message.split_at(at);
            assert_eq!(run(&[left, right]), whole, "split at {at}");
        }
        whole
    }

    #[test]
    fn the_top_level_id_is_found_wherever_it_stands() {
        for (message, id) in [
            (r#"{"id":1,"params":{"a":"b"}}"#, "1"),
            (r#"{"params":{"id":2,"x":[{"id":3}]},"id":4}"#, "4"),
            (r#"{ "x" : "}\"{\\" , "id" : "a b" }"#, r#""a b""#),
            (r#"{"x":[[[]],"]"],"id":-12 }"#, "-12"),
            (r#"{"a\"":1,"\\":[],"id":6}"#, "6"),
            (r#"{"x":["\"]",{"}\\":2}],"id":3}"#, "3"),
            (r#"{"x":true,"y":1.5e3,"id":0}"#, "0"),
            (r#"{"id":"\u00e9\n\"","z":null}"#, r#""\u00e9\n\"""#),
            (r#"{"Id":9,"id ":9,"iid":9,"i":9,"id":"é"}"#, r#""é""#),
            ("\t{\"\":1,\"id\":9223372036854775807}", "9223372036854775807"),
        ] {
            assert_eq!(scan(message.as_bytes()).as_deref(), Some(id), "{message}");
        }
    }

    #[test]
    fn anything_else_has_no_id() {
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(STRING_BYTES + 1));
        let digits = format!(r#"{{"id":{}}}"#, "1".repeat(INTEGER_BYTES + 1));
        for message in [
            r#"{"params":{"id":1}}"#,
            r#"{"a":"\"id\":1"}"#,
            r#"[{"id":1}]"#,
            r#""id""#,
            r#"{"id":null}"#,
            r#"{"id":1.0}"#,
            r#"{"id":1e3}"#,
            r#"{"id":01}"#,
            r#"{"id":-}"#,
            r#"{"id":{"id":1}}"#,
            r#"{"id":[1]}"#,
            r#"{"id":1,"id":2}"#,
            r#"{"id":1,"id":null}"#,
            r#"{"\u0069d":1}"#,
            r#"{"id\u0000":1}"#,
            r#"{"id" 1}"#,
            r#"{"id":12"#,
            r#"{"id":"12"#,
            r#"{"id":"\x"}"#,
            r#"{"id":"\u12"}"#,
            r#"{"id":"\ud83d"}"#,
            "{\"id\":\"a\tb\"}",
            "",
            &long,
            &digits,
        ] {
            assert_eq!(scan(message.as_bytes()), None, "{message}");
        }
        assert_eq!(scan(b"{\"id\":\"\xff\"}"), None);
    }

    #[test]
    fn a_response_is_told_from_a_request() {
        let meant = |message: &str| {
            let mut scanner = IdScanner::new();
            scanner.feed(message.as_bytes());
            scanner.meant()
        };
        let seven = || Some(Id::Number(7));
        for (message, expected) in [
            (r#"{"id":7,"result":[1"#, Meant::Response(seven())),
            (r#"{"error":{"method":1},"id":7}"#, Meant::Response(seven())),
            (r#"{"result":1}"#, Meant::Response(None)),
            (r#"{"id":7,"method":"x","result":1}"#, Meant::Request(seven())),
            (r#"{"id":7,"params":{"result":1}}"#, Meant::Request(seven())),
            (r#"{"id":7,"results":1,"resul":2,"\u0065rror":3}"#, Meant::Request(seven())),
            (r#"{"id":99999999999999999999,"result":1}"#, Meant::Response(None)),
            ("result", Meant::Request(None)),
        ] {
            assert_eq!(meant(message), expected, "{message}");
        }
    }

    #[test]
    fn the_longest_ids_are_kept_and_memory_stays_bounded() {
        let id = format!("\"{}\"", "x".repeat(STRING_BYTES));
        assert_eq!(scan(format!("{{\"id\":{id}}}").as_bytes()), Some(id));
        let mut scanner = IdScanner::new();
        scanner.feed(b"{\"id\":\"");
        for _ in 0..1000 {
            scanner.feed(&[b'x'; 1024]);
        }
        assert!(scanner.text.capacity() <= 1024);
    }
}
