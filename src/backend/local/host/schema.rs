//! Builds the tools' JSON Schemas and the objects that satisfy them; it must never declare an
//! object that is open to further properties.

use serde_json::{Map, Value, json};

/// One property of an object schema.
pub(super) struct Property {
    name: &'static str,
    schema: Value,
    required: bool,
}

/// A property that is always there.
pub(super) fn required(name: &'static str, schema: Value) -> Property {
    Property { name, schema, required: true }
}

/// A property that is absent when the host does not offer the fact.
pub(super) fn optional(name: &'static str, schema: Value) -> Property {
    Property { name, schema, required: false }
}

/// A closed object.
pub(super) fn object(properties: impl IntoIterator<Item = Property>) -> Value {
    let mut schemas = Map::new();
    let mut names: Vec<Value> = Vec::new();
    for property in properties {
        if property.required {
            names.push(property.name.into());
        }
        schemas.insert(property.name.to_owned(), property.schema);
    }
    json!({
        "type": "object",
        "properties": schemas,
        "required": names,
        "additionalProperties": false,
    })
}

/// A closed object at the root of a schema, which names its dialect.
pub(super) fn root(properties: impl IntoIterator<Item = Property>) -> Value {
    let mut schema = object(properties);
    if let Some(map) = schema.as_object_mut() {
        map.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    }
    schema
}

/// A whole number of zero or more.
pub(super) fn integer(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

/// A whole number within a range, with a default: for arguments.
pub(super) fn range(description: &str, low: usize, high: usize, default: usize) -> Value {
    json!({
        "type": "integer",
        "minimum": low,
        "maximum": high,
        "default": default,
        "description": description,
    })
}

/// Any number.
pub(super) fn number(description: &str) -> Value {
    json!({ "type": "number", "description": description })
}

/// A string.
pub(super) fn string(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// A string with a bounded length: for arguments.
pub(super) fn bounded_string(description: &str, max_characters: usize) -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": max_characters,
        "description": description,
    })
}

/// One of a list of strings.
pub(super) fn choice<'a>(description: &str, values: impl IntoIterator<Item = &'a str>) -> Value {
    let values: Vec<&str> = values.into_iter().collect();
    json!({ "type": "string", "enum": values, "description": description })
}

/// True or false.
pub(super) fn boolean(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

/// An array whose items share a schema.
pub(super) fn array(description: &str, items: Value) -> Value {
    json!({ "type": "array", "items": items, "description": description })
}

/// An object under construction, in which an unknown fact leaves no property behind.
#[derive(Default)]
pub(super) struct Facts(Map<String, Value>);

impl Facts {
    /// Sets a property.
    pub(super) fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Sets a property when its value is known.
    pub(super) fn put_known(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Sets a property when the list holds anything.
    pub(super) fn put_filled(&mut self, name: &'static str, list: Vec<Value>) {
        if !list.is_empty() {
            self.put(name, list);
        }
    }
}

impl From<Facts> for Value {
    fn from(facts: Facts) -> Self {
        Value::Object(facts.0)
    }
}
