//! JSON from strangers: parsed once, with bounds on depth and size and without duplicate keys. It
//! never builds a value that it has not finished checking.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Bounds of one JSON text.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// Deepest nesting of arrays and objects; the outermost is 1. At most 120.
    pub depth: usize,
    /// Most values, object members counted too.
    pub nodes: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self { depth: 64, nodes: 100_000 }
    }
}

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON in UTF-8 (RFC 8259).
    Syntax,
    /// Nested deeper than the limit.
    TooDeep,
    /// More values than the limit.
    TooManyValues,
    /// An object names a member twice: readers would disagree on which one counts.
    DuplicateKey,
    /// A number outside what a double can hold.
    NumberOutOfRange,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "The message is not valid JSON",
            Self::TooDeep => "The message is nested too deeply",
            Self::TooManyValues => "The message has too many values",
            Self::DuplicateKey => "An object in the message has the same key twice",
            Self::NumberOutOfRange => "A number in the message is out of range",
        })
    }
}

/// What has been used up of the limits while one text is read.
pub(super) struct Budget {
    limits: JsonLimits,
    nodes: Cell<usize>,
    violation: Cell<Option<JsonError>>,
}

impl Budget {
    pub(super) fn new(limits: JsonLimits) -> Self {
        Self { limits, nodes: Cell::new(limits.nodes), violation: Cell::new(None) }
    }

    /// Records `error` and gives the error that makes the parser stop.
    pub(super) fn fail<E: de::Error>(&self, error: JsonError) -> E {
        self.violation.set(Some(error));
        E::custom("refused")
    }

    /// What stopped the parser: a broken limit, or else the syntax.
    pub(super) fn verdict(&self, error: &serde_json::Error) -> JsonError {
        let out_of_range =
            error.is_syntax() && error.to_string().starts_with("number out of range");
        self.violation.get().unwrap_or(if out_of_range {
            JsonError::NumberOutOfRange
        } else {
            JsonError::Syntax
        })
    }

    pub(super) fn spend<E: de::Error>(&self) -> Result<(), E> {
        match self.nodes.get().checked_sub(1) {
            Some(left) => {
                self.nodes.set(left);
                Ok(())
            }
            None => Err(self.fail(JsonError::TooManyValues)),
        }
    }
}

/// Reads one value at `depth` (the depth a container at this place would have).
#[derive(Clone, Copy)]
pub(super) struct Strict<'b> {
    pub(super) budget: &'b Budget,
    pub(super) depth: usize,
}

impl<'b> Strict<'b> {
    fn inside<E: de::Error>(self) -> Result<Strict<'b>, E> {
        if self.depth > self.budget.limits.depth {
            return Err(self.budget.fail(JsonError::TooDeep));
        }
        Ok(Strict { budget: self.budget, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.budget.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| self.budget.fail(JsonError::NumberOutOfRange))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(inside)?;
            if object.insert(key, value).is_some() {
                return Err(self.budget.fail(JsonError::DuplicateKey));
            }
        }
        Ok(Value::Object(object))
    }
}

/// Parses one whole JSON text.
pub fn parse(text: &[u8], limits: JsonLimits) -> Result<Value, JsonError> {
    let budget = Budget::new(limits);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Strict { budget: &budget, depth: 1 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| budget.verdict(&error))
}

/// Appends `value` as JSON.
pub fn write_value(out: &mut Vec<u8>, value: &Value) {
    // Writing to memory cannot fail, and every key of a `Value` is a string.
    let _ = serde_json::to_writer(out, value);
}

/// Appends `text` as a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    // Most texts need no escape; one pass without a branch finds that out.
    let is_plain =
        text.bytes().fold(true, |plain, b| plain & (b >= 0x20) & (b != b'"') & (b != b'\\'));
    if is_plain {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        let _ = serde_json::to_writer(out, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: JsonLimits = JsonLimits { depth: 4, nodes: 8 };

    #[test]
    fn every_character_is_written_as_json() {
        for code in (0..0x300).chain([0x2028, 0xfffd, 0x1f600]) {
            let text = format!("a{}z", char::from_u32(code).unwrap());
            let mut out = Vec::new();
            write_string(&mut out, &text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text, "{code:x}");
        }
    }

    #[test]
    fn depth_is_cut_before_it_can_hurt() {
        assert!(parse(b"[[[[1]]]]", LIMITS).is_ok());
        assert_eq!(parse(b"[[[[[1]]]]]", LIMITS), Err(JsonError::TooDeep));
        let deep = "[".repeat(100_000);
        assert_eq!(parse(deep.as_bytes(), JsonLimits::default()), Err(JsonError::TooDeep));
        let objects = "{\"a\":".repeat(100_000);
        assert_eq!(parse(objects.as_bytes(), JsonLimits::default()), Err(JsonError::TooDeep));
    }

    #[test]
    fn duplicate_keys_are_refused_at_every_level_and_in_every_spelling() {
        for text in
            [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"[{"b":{"x":null,"y":1,"x":null}}]"#]
        {
            assert_eq!(parse(text.as_bytes(), LIMITS), Err(JsonError::DuplicateKey), "{text}");
        }
        assert!(parse(br#"{"a":1,"A":2}"#, LIMITS).is_ok(), "keys differ by case");
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        assert!(parse(b"[1,2,3,4,5,6,7]", LIMITS).is_ok());
        assert_eq!(parse(b"[1,2,3,4,5,6,7,8]", LIMITS), Err(JsonError::TooManyValues));
    }

    #[test]
    fn what_is_not_json_is_called_a_syntax_error() {
        for text in [
            &b""[..],
            b"{",
            b"[1,]",
            b"{'a':1}",
            b"NaN",
            b"01",
            b"\xef\xbb\xbf{}",
            b"{} {}",
            b"\"\xff\"",
            b"\"\xed\xa0\x80\"",
            br#""\ud800""#,
            b"\"a\nb\"",
            b"\"\x00\"",
        ] {
            assert_eq!(parse(text, LIMITS), Err(JsonError::Syntax), "{text:?}");
        }
        assert_eq!(parse(b"1e400", LIMITS), Err(JsonError::NumberOutOfRange));
    }

    #[test]
    fn names_that_mean_something_elsewhere_are_plain_strings() {
        let value = parse(br#"{"__proto__":1,"constructor":2}"#, LIMITS).unwrap();
        assert_eq!(value.to_string(), r#"{"__proto__":1,"constructor":2}"#);
    }
}
