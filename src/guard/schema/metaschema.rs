//! The metaschemas of the two dialects, for schemas that refer to them; never read from outside.

use std::cell::OnceCell;

use serde_json::{Value, json};

use super::dialect::Dialect;

/// Metaschemas that were asked for.
#[derive(Default)]
pub(super) struct Metaschemas {
    draft_2020_12: OnceCell<Value>,
    draft_07: OnceCell<Value>,
}

impl Metaschemas {
    pub(super) fn of(&self, dialect: Dialect) -> &Value {
        match dialect {
            Dialect::Draft202012 => self.draft_2020_12.get_or_init(draft_2020_12),
            Dialect::Draft07 => self.draft_07.get_or_init(draft_07),
        }
    }
}

/// What both dialects share, with `own` as the reference to a schema.
fn shared(own: &Value, dialect: Dialect) -> Value {
    let map = json!({"type": "object", "additionalProperties": own});
    let list = json!({"type": "array", "minItems": 1, "items": own});
    let count = json!({"type": "integer", "minimum": 0});
    let names = json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true});
    let simple = json!({"enum": super::node::TYPE_NAMES});
    let types = json!({"type": "array", "items": simple, "minItems": 1, "uniqueItems": true});
    let dependency = json!({"anyOf": [own, names]});
    let mut properties = json!({
        "multipleOf": {"type": "number", "exclusiveMinimum": 0},
        "pattern": {"type": "string", "format": "regex"},
        "uniqueItems": {"type": "boolean"}, "enum": {"type": "array"},
        "required": names, "type": {"anyOf": [simple, types]},
        "dependencies": {"type": "object", "additionalProperties": dependency},
        "examples": {"type": "array"},
    });
    let mut put = |keywords: &[&str], form: &Value| {
        if let Some(members) = properties.as_object_mut() {
            members.extend(keywords.iter().map(|keyword| ((*keyword).to_owned(), form.clone())));
        }
    };
    put(&["$id", "$schema", "$ref", "$comment", "title", "description", "format"], &string());
    put(&["contentMediaType", "contentEncoding"], &string());
    put(&["readOnly", "writeOnly"], &json!({"type": "boolean"}));
    let bounds = ["maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"];
    put(&bounds, &json!({"type": "number"}));
    let counts = ["minLength", "maxLength", "minItems", "maxItems", "minProperties"];
    put(&counts, &count);
    put(&["maxProperties"], &count);
    put(&["allOf", "anyOf", "oneOf"], &list);
    put(&["not", "if", "then", "else", "contains", "propertyNames"], own);
    put(&["additionalProperties", "items"], own);
    put(&["properties", "patternProperties", "definitions"], &map);
    match dialect {
        Dialect::Draft202012 => {
            put(&["$anchor", "$dynamicAnchor"], &anchor());
            put(&["$dynamicRef"], &string());
            put(&["deprecated"], &json!({"type": "boolean"}));
            put(&["minContains", "maxContains"], &count);
            put(&["prefixItems"], &list);
            put(&["unevaluatedItems", "unevaluatedProperties", "contentSchema"], own);
            put(&["$defs", "dependentSchemas"], &map);
            let dependent = json!({"type": "object", "additionalProperties": names});
            put(&["dependentRequired"], &dependent);
            let vocabulary = json!({"type": "object", "additionalProperties": {"type": "boolean"}});
            put(&["$vocabulary"], &vocabulary);
            put(&["$id"], &json!({"type": "string", "pattern": "^[^#]*#?$"}));
        }
        Dialect::Draft07 => {
            put(&["items"], &json!({"anyOf": [own, list]}));
            put(&["additionalItems"], own);
        }
    }
    properties
}

fn string() -> Value {
    json!({"type": "string"})
}

fn anchor() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z_][-A-Za-z0-9._]*$"})
}

fn draft_2020_12() -> Value {
    json!({
        "$schema": Dialect::Draft202012.uri(), "$id": Dialect::Draft202012.uri(),
        "$dynamicAnchor": "meta", "type": ["object", "boolean"],
        "properties": shared(&json!({"$dynamicRef": "#meta"}), Dialect::Draft202012),
    })
}

fn draft_07() -> Value {
    json!({
        "$schema": Dialect::Draft07.uri(), "$id": Dialect::Draft07.uri(),
        "type": ["object", "boolean"],
        "properties": shared(&json!({"$ref": "#"}), Dialect::Draft07),
        "definitions": {"nonNegativeInteger": {"type": "integer", "minimum": 0}},
    })
}
