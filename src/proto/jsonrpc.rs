//! JSON-RPC 2.0 messages as MCP uses them: one object, ids that are strings or integers, params
//! that are an object. Bytes to messages only; it does not know what a method means.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::json::{
    Budget, JsonError, JsonLimits, Strict, parse as parse_json, write_string, write_value,
};
pub use super::message_id::{Id, Meant};
use super::message_id::{NAME_BYTES, Telling};

/// Object parameters; absent parameters are an empty object.
pub type Params = Map<String, Value>;

/// One message of a client.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// Wants an answer with the same id.
    Request {
        /// The id to answer under.
        id: Id,
        /// Method name as sent; at most 256 bytes.
        method: String,
        /// Parameters.
        params: Params,
    },
    /// Wants no answer.
    Notification {
        /// Method name as sent.
        method: String,
        /// Parameters.
        params: Params,
    },
    /// Answers a request of ours.
    Response {
        /// The id of our request. An error may come without one: what it is about was not read.
        id: Option<Id>,
        /// The result, or the error object.
        outcome: Result<Value, Value>,
    },
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON, or beyond a bound of it.
    Json(JsonError),
    /// A JSON array: a batch.
    Batch,
    /// JSON, but neither request nor notification nor response.
    Shape(&'static str),
}

/// A refused message.
#[derive(Debug, PartialEq)]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// What it was.
    pub meant: Meant,
}

/// True for what gets an answer: a request, and what is no message at all.
pub fn is_answered(read: &Result<Message, Malformed>) -> bool {
    match read {
        Ok(message) => matches!(message, Message::Request { .. }),
        Err(malformed) => matches!(malformed.meant, Meant::Request(_)),
    }
}

/// The id that what was read is answered under.
pub fn id_to_answer(read: &Result<Message, Malformed>) -> Option<&Id> {
    match read {
        Ok(Message::Request { id, .. }) => Some(id),
        Ok(_) => None,
        Err(malformed) => malformed.meant.id(),
    }
}

impl Fault {
    /// The JSON-RPC error code: -32700 for what is not JSON, -32600 for all else.
    pub fn code(&self) -> i64 {
        match self {
            Self::Json(JsonError::Syntax) => PARSE_ERROR,
            _ => INVALID_REQUEST,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Batch => f.write_str("JSON-RPC batches are not part of this protocol version"),
            Self::Shape(what) => f.write_str(what),
        }
    }
}

/// The text was not JSON (JSON-RPC 2.0 §5.1).
pub const PARSE_ERROR: i64 = -32700;
/// JSON, but not a valid request.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// Parameters that the method cannot take.
pub const INVALID_PARAMS: i64 = -32602;
/// Our fault, or a backend's.
pub const INTERNAL_ERROR: i64 = -32603;

/// Reads one message.
pub fn parse(text: &[u8], limits: JsonLimits) -> Result<Message, Malformed> {
    let budget = Budget::new(limits);
    let mut envelope = Envelope::default();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let seed = EnvelopeSeed { budget: &budget, envelope: &mut envelope };
    let read = seed.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match read {
        Ok(()) => envelope.into_message(),
        Err(error) => {
            let fault = envelope.fault.unwrap_or_else(|| Fault::Json(budget.verdict(&error)));
            // A text that is not JSON has no id: what was read of it proves nothing.
            let is_json = fault.code() != PARSE_ERROR;
            let meant = if is_json { envelope.meant() } else { Meant::Request(None) };
            Err(Malformed { fault, meant })
        }
    }
}

/// Reads an array of messages (2025-03-26); each may be wrong on its own.
///
/// # Errors
/// The text is not JSON, beyond a bound of it, or no array.
pub fn parse_batch(
    text: &[u8],
    limits: JsonLimits,
) -> Result<Vec<Result<Message, Malformed>>, Fault> {
    match parse_json(text, limits).map_err(Fault::Json)? {
        Value::Array(elements) => Ok(elements.into_iter().map(of_value).collect()),
        _ => Err(Fault::Shape("the message must be an array")),
    }
}

fn of_value(value: Value) -> Result<Message, Malformed> {
    let Value::Object(members) = value else {
        return Err(Malformed { fault: NO_OBJECT, meant: Meant::Request(None) });
    };
    let mut envelope = Envelope::default();
    for (key, value) in members {
        envelope.telling.note(key.as_bytes());
        if let Some(slot) = envelope.slot(&key) {
            *slot = Some(value);
        }
    }
    envelope.into_message()
}

/// The members of the outermost object, as far as they were read.
#[derive(Default)]
struct Envelope {
    version: Option<Value>,
    id: Option<Value>,
    method: Option<Value>,
    params: Option<Value>,
    result: Option<Value>,
    error: Option<Value>,
    fault: Option<Fault>,
    telling: Telling,
}

impl Envelope {
    fn slot(&mut self, key: &str) -> Option<&mut Option<Value>> {
        Some(match key {
            "jsonrpc" => &mut self.version,
            "id" => &mut self.id,
            "method" => &mut self.method,
            "params" => &mut self.params,
            "result" => &mut self.result,
            "error" => &mut self.error,
            _ => return None,
        })
    }

    fn meant(&self) -> Meant {
        self.telling.meant(self.id.as_ref().and_then(Id::of))
    }

    fn into_message(mut self) -> Result<Message, Malformed> {
        let meant = self.meant();
        self.shape().map_err(|what| Malformed { fault: Fault::Shape(what), meant })
    }

    fn shape(&mut self) -> Result<Message, &'static str> {
        if self.version.as_ref().and_then(Value::as_str) != Some("2.0") {
            return Err("`jsonrpc` must be \"2.0\"");
        }
        let id = match self.id.take() {
            None => None,
            // Thus JSON-RPC 2.0 says that the id of a request could not be read.
            Some(Value::Null) if self.method.is_none() && self.error.is_some() => None,
            Some(value) => {
                Some(Id::of(&value).ok_or("`id` must be a string or an integer, and not null")?)
            }
        };
        match self.method.take() {
            Some(Value::String(method)) => self.call(id, method),
            Some(_) => Err("`method` must be a string"),
            None => self.response(id),
        }
    }

    fn call(&mut self, id: Option<Id>, method: String) -> Result<Message, &'static str> {
        if self.result.is_some() || self.error.is_some() {
            return Err("a message with a `method` has no `result` and no `error`");
        }
        if !is_method_name(&method) {
            return Err("`method` is not a valid method name");
        }
        let params = match self.params.take() {
            None => Params::new(),
            Some(Value::Object(members)) => members,
            Some(_) => return Err("`params` must be an object"),
        };
        Ok(match id {
            Some(id) => Message::Request { id, method, params },
            None => Message::Notification { method, params },
        })
    }

    fn response(&mut self, id: Option<Id>) -> Result<Message, &'static str> {
        match (self.result.take(), self.error.take()) {
            (Some(_), None) if id.is_none() => Err("the response has no `id`"),
            (Some(result), None) => Ok(Message::Response { id, outcome: Ok(result) }),
            (None, Some(error @ Value::Object(_))) => {
                Ok(Message::Response { id, outcome: Err(error) })
            }
            (None, None) if id.is_none() => Err("the message has neither a `method` nor an `id`"),
            _ => Err("the message is neither a request nor a response"),
        }
    }
}

/// Method names are slash-separated words; anything that looks like a path to elsewhere is not one.
fn is_method_name(method: &str) -> bool {
    !method.is_empty()
        && method.len() <= NAME_BYTES
        && method
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'$' | b'.'))
        && !method.contains("..")
        && !method.starts_with('/')
}

struct EnvelopeSeed<'a> {
    budget: &'a Budget,
    envelope: &'a mut Envelope,
}

impl<'de> DeserializeSeed<'de> for EnvelopeSeed<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.budget.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl EnvelopeSeed<'_> {
    /// Stops the parser for a reason that is not JSON's.
    fn refuse<E: de::Error>(self, fault: Fault) -> E {
        self.envelope.fault = Some(fault);
        E::custom("refused")
    }
}

impl<'de> Visitor<'de> for EnvelopeSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let strict = Strict { budget: self.budget, depth: 2 };
        let mut others: Vec<String> = Vec::new();
        while let Some(key) = members.next_key::<String>()? {
            self.envelope.telling.note(key.as_bytes());
            let is_id = key == "id";
            let value = members.next_value_seed(strict)?;
            let twice = match self.envelope.slot(&key) {
                Some(slot) => slot.replace(value).is_some(),
                None if others.contains(&key) => true,
                None if others.len() >= MAX_OTHER_MEMBERS => {
                    return Err(self.refuse(Fault::Shape("the message has too many members")));
                }
                None => {
                    others.push(key);
                    false
                }
            };
            if twice {
                if is_id {
                    // Which of the two is meant, nobody can tell.
                    self.envelope.id = None;
                }
                return Err(self.budget.fail(JsonError::DuplicateKey));
            }
        }
        Ok(())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        // The rest is read (and bounded) so that broken JSON is called broken, not a batch.
        let strict = Strict { budget: self.budget, depth: 2 };
        while items.next_element_seed(strict)?.is_some() {}
        Err(self.refuse(Fault::Batch))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(self.refuse(NO_OBJECT))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Err(self.refuse(NO_OBJECT))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Err(self.refuse(NO_OBJECT))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Err(self.refuse(NO_OBJECT))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Err(self.refuse(NO_OBJECT))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.refuse(NO_OBJECT))
    }
}

const NO_OBJECT: Fault = Fault::Shape("the message must be a JSON object");

/// Members outside JSON-RPC's six are ignored, but not without end.
const MAX_OTHER_MEMBERS: usize = 16;

/// Appends `{"jsonrpc":"2.0","id":…,"result":…}`; `result` is JSON already.
pub fn write_result(out: &mut Vec<u8>, id: &Id, result: &[u8]) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    id.write(out);
    out.extend_from_slice(br#","result":"#);
    out.extend_from_slice(result);
    out.push(b'}');
}

/// What an error response says it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorId<'i> {
    /// This request.
    Known(&'i Id),
    /// A message whose id could not be read, told as JSON-RPC 2.0 does: `"id":null`.
    Null,
    /// The same, told as MCP does since 2025-11-25: without an id.
    Absent,
}

impl<'i> From<Option<&'i Id>> for ErrorId<'i> {
    fn from(id: Option<&'i Id>) -> Self {
        id.map_or(Self::Null, Self::Known)
    }
}

/// Appends an error response.
pub fn write_error(
    out: &mut Vec<u8>,
    id: ErrorId<'_>,
    code: i64,
    message: &str,
    data: Option<&Value>,
) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","#);
    match id {
        ErrorId::Known(id) => {
            out.extend_from_slice(br#""id":"#);
            id.write(out);
            out.push(b',');
        }
        ErrorId::Null => out.extend_from_slice(br#""id":null,"#),
        ErrorId::Absent => {}
    }
    out.extend_from_slice(br#""error":{"code":"#);
    out.extend_from_slice(code.to_string().as_bytes());
    out.extend_from_slice(br#","message":"#);
    write_string(out, message);
    if let Some(data) = data {
        out.extend_from_slice(br#","data":"#);
        write_value(out, data);
    }
    out.extend_from_slice(b"}}");
}

/// Appends a request; `params` is JSON already.
pub fn write_request(out: &mut Vec<u8>, id: &Id, method: &str, params: &[u8]) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    id.write(out);
    out.extend_from_slice(br#","method":"#);
    write_string(out, method);
    out.extend_from_slice(br#","params":"#);
    out.extend_from_slice(params);
    out.push(b'}');
}

/// Appends a notification; `params` is JSON already.
pub fn write_notification(out: &mut Vec<u8>, method: &str, params: &[u8]) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","method":"#);
    write_string(out, method);
    if !params.is_empty() {
        out.extend_from_slice(br#","params":"#);
        out.extend_from_slice(params);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Message, Malformed> {
        parse(text.as_bytes(), JsonLimits::default())
    }

    fn fault(text: &str) -> (i64, Option<Id>) {
        let refused = read(text).expect_err(text);
        (refused.fault.code(), refused.meant.id().cloned())
    }

    #[test]
    fn a_request_may_come_without_params_and_with_id_zero() {
        assert_eq!(
            read(r#"{"id":0,"jsonrpc":"2.0","method":"tools/list"}"#),
            Ok(Message::Request {
                id: Id::Number(0),
                method: "tools/list".into(),
                params: Params::new()
            })
        );
    }

    #[test]
    fn notifications_and_responses_are_told_apart() {
        assert!(matches!(
            read(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            Ok(Message::Notification { .. })
        ));
        assert_eq!(
            read(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#),
            Ok(Message::Response { id: Some(Id::Text("a".into())), outcome: Ok(json!({})) })
        );
        for id in ["", r#","id":null"#] {
            let text = format!(r#"{{"jsonrpc":"2.0"{id},"error":{{"code":1,"message":""}}}}"#);
            assert!(matches!(read(&text), Ok(Message::Response { id: None, .. })), "{text}");
        }
        assert!(matches!(
            read(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#),
            Ok(Message::Response { outcome: Err(_), .. })
        ));
    }

    #[test]
    fn ids_that_are_no_ids_are_refused() {
        for id in ["null", "{}", "[1]", "9223372036854775808", "1.5", "true", "1e3"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(fault(&text), (INVALID_REQUEST, None), "{id}");
        }
    }

    #[test]
    fn a_wrong_shape_is_answered_under_the_id_that_was_sent() {
        let seven = Some(Id::Number(7));
        for text in [
            r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#,
            r#"{"id":7,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":7}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":9}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":null}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","result":1}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","method":"pong"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","x":1,"x":2}"#,
        ] {
            assert_eq!(fault(text), (INVALID_REQUEST, seven.clone()), "{text}");
        }
    }

    #[test]
    fn a_response_that_cannot_be_taken_is_no_request() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let seven = Some(Id::Number(7));
        for (members, id) in [
            (r#""id":7,"result":{},"error":{}"#, &seven),
            (r#""id":7,"error":"text""#, &seven),
            (r#""id":7,"error":null"#, &seven),
            (r#""id":7,"result":1,"result":1"#, &seven),
            (r#""id":7,"result":1,"id":8"#, &None),
            (r#""result":1"#, &None),
            (r#""result":1,"id":null"#, &None),
            (r#""id":{},"error":{}"#, &None),
            (&format!(r#""id":7,"result":{deep}"#), &seven),
            (&format!(r#""error":{deep},"id":7"#), &None),
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0",{members}}}"#);
            let refused = read(&text).expect_err(&text);
            assert_eq!(refused.meant, Meant::Response(id.clone()), "{text}");
            assert_eq!(refused.meant.id(), None);
        }
        let refused = read(r#"{"id":7,"result":1}"#).unwrap_err();
        assert_eq!(refused.meant, Meant::Response(seven), "even without `jsonrpc`");
    }

    #[test]
    fn method_names_that_look_like_paths_are_refused() {
        for method in
            ["../../etc/passwd", "/etc/passwd", "a b", "", "a\\u0000b", "tools%2flist", "é"]
        {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
            assert_eq!(fault(&text).0, INVALID_REQUEST, "{method}");
        }
    }

    #[test]
    fn other_spellings_of_members_do_not_count() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"Method":"ping"}"#,
            r#"{"JSONRPC":"2.0","id":1,"method":"ping"}"#,
        ] {
            assert_eq!(fault(text).0, INVALID_REQUEST, "{text}");
        }
    }

    #[test]
    fn batches_scalars_and_broken_texts_have_their_own_answers() {
        assert_eq!(read("[]").expect_err("batch").fault, Fault::Batch);
        assert_eq!(
            read(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#).expect_err("").fault,
            Fault::Batch
        );
        for text in ["1", "\"x\"", "null", "true", "-1.5"] {
            assert_eq!(fault(text), (INVALID_REQUEST, None), "{text}");
        }
        assert_eq!(
            fault(r#"{"jsonrpc":"2.0":"method":"../../etc/passwd","id":1}"#),
            (PARSE_ERROR, None)
        );
        assert_eq!(fault("[1,"), (PARSE_ERROR, None));
    }

    #[test]
    fn each_message_of_a_batch_is_right_or_wrong_on_its_own() {
        let read = |text: &str| parse_batch(text.as_bytes(), JsonLimits::default());
        let mixed = read(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},5,{"id":2},[]]"#).unwrap();
        assert!(matches!(mixed[0], Ok(Message::Request { .. })));
        let ids: Vec<_> =
            mixed.iter().map(|one| one.as_ref().err().map(|e| e.meant.id().cloned())).collect();
        assert_eq!(ids, [None, Some(None), Some(Some(Id::Number(2))), Some(None)]);
        assert_eq!(read("[]"), Ok(vec![]));
        assert_eq!(read("{}").unwrap_err().code(), INVALID_REQUEST);
        assert_eq!(read("[1,").unwrap_err().code(), PARSE_ERROR);
        assert_eq!(read(r#"[{"a":1,"a":2}]"#).unwrap_err().code(), INVALID_REQUEST);
    }

    #[test]
    fn writers_give_what_the_reader_takes() {
        let mut out = Vec::new();
        write_result(&mut out, &Id::Text("a\"b".into()), b"{}");
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"jsonrpc":"2.0","id":"a\"b","result":{}}"#);
        let mut out = Vec::new();
        write_error(&mut out, ErrorId::Null, -32700, "no", Some(&json!({"k":1})));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no","data":{"k":1}}}"#
        );
        let mut out = Vec::new();
        write_error(&mut out, ErrorId::Absent, -1, "no", None);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, r#"{"jsonrpc":"2.0","error":{"code":-1,"message":"no"}}"#);
    }
}
