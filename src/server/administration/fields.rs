//! The members of a JSON object, taken out one by one: what is missing, of another kind or left
//! over is an error.

use serde_json::{Map, Value};

use crate::mcp::errors::shown;
use crate::proto::json::{self, JsonLimits};

/// The members of an object that have not been taken yet.
pub(super) struct Fields(Map<String, Value>);

/// What is wrong, in half a sentence.
pub(super) type Wrong = String;

impl Fields {
    /// Reads a text that is one object.
    pub(super) fn parse(text: &[u8], limits: JsonLimits) -> Result<Self, Wrong> {
        match json::parse(text, limits) {
            Ok(value) => Self::of(value),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) fn of(value: Value) -> Result<Self, Wrong> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err("there is something that is no object".into()),
        }
    }

    fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Option<T>,
        kind: &str,
    ) -> Result<Option<T>, Wrong> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(found) => Ok(Some(found)),
                None => Err(format!("`{name}` is no {kind}")),
            },
        }
    }

    pub(super) fn optional_text(&mut self, name: &str) -> Result<Option<String>, Wrong> {
        let read = |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        };
        self.optional(name, read, "text")
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, Wrong> {
        self.optional_text(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn optional_number(&mut self, name: &str) -> Result<Option<u64>, Wrong> {
        self.optional(name, |value| value.as_u64(), "whole number")
    }

    pub(super) fn number(&mut self, name: &str) -> Result<u64, Wrong> {
        self.optional_number(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Wrong> {
        Ok(self.optional(name, |value| value.as_bool(), "truth value")?.unwrap_or(false))
    }

    /// A text that is read as something else.
    pub(super) fn optional_as<T: std::str::FromStr>(
        &mut self,
        name: &str,
        kind: &str,
    ) -> Result<Option<T>, Wrong> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("`{name}` is no {kind}"))
    }

    /// The objects of an array.
    pub(super) fn list(&mut self, name: &str, most: usize) -> Result<Vec<Self>, Wrong> {
        let read = |value| match value {
            Value::Array(items) => Some(items),
            _ => None,
        };
        let items = self.optional(name, read, "array")?.ok_or_else(|| missing(name))?;
        if items.len() > most {
            return Err(format!("`{name}` has more than {most} entries"));
        }
        items.into_iter().map(Self::of).collect()
    }

    /// Nothing may be left over.
    pub(super) fn finish(self) -> Result<(), Wrong> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("`{}` is not known here", shown(name))),
        }
    }
}

fn missing(name: &str) -> Wrong {
    format!("`{name}` is missing")
}
