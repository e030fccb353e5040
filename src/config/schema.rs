//! Turns TOML into JSON, for the JSON Schemas of tools; it must never check a schema's meaning.

use std::path::Path;

use serde_json::{Map, Number, Value as Json, json};
use toml::de::{DeFloat, DeTable, DeValue};

use super::reader::Reader;
use super::value::{Value, to_i64};

/// Reads a schema from a table or from a file of JSON, whichever is given.
pub(super) fn read(
    reader: &mut Reader<'_>,
    key: &'static str,
    file_key: &'static str,
) -> Option<Json> {
    let table = reader.value(key);
    let file = reader.value(file_key);
    let (place, schema) = match (table, file) {
        (Some(_), Some(file)) => {
            file.error(&format!("stands beside `{key}`"), "keep one of them");
            return None;
        }
        (Some(value), None) => {
            let Some(table) = value.value.as_table() else {
                value.expected("a table", "{ type = \"object\", properties = {} }");
                return None;
            };
            let schema = object(&value, table);
            (value, schema?)
        }
        (None, Some(value)) => {
            let schema = from_file(&value);
            (value, schema?)
        }
        (None, None) => return None,
    };
    if schema.get("type").and_then(Json::as_str) != Some("object") {
        let what = "the schema is not one of an object";
        place.error(what, "add type = \"object\": arguments and results are always objects");
        return None;
    }
    Some(schema)
}

/// The schema of a tool without arguments.
pub(super) fn without_arguments() -> Json {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

fn from_file(value: &Value<'_>) -> Option<Json> {
    let path = value.absolute_path("/etc/erlmcp/schemas/tool.json")?;
    let text = match value.context.sources.read(Path::new(&path)) {
        Ok((text, facts)) if !facts.writable_by_everyone() => text,
        Ok(_) => {
            let what = format!("{} may be written by everyone", path.display());
            value.error(&what, &format!("run chmod o-w {}", path.display()));
            return None;
        }
        Err(error) => {
            let what = format!("the file {} {error}", path.display());
            value.error(&what, "give the path of a JSON Schema");
            return None;
        }
    };
    match serde_json::from_str(&text) {
        Ok(schema) => Some(schema),
        Err(error) => {
            let what = format!("the file {} is not JSON: {error}", path.display());
            value.error(&what, "correct the file");
            None
        }
    }
}

fn object(place: &Value<'_>, table: &DeTable<'_>) -> Option<Json> {
    let mut members = Map::new();
    for (key, value) in table {
        let member = convert(place, value.get_ref())?;
        members.insert(key.get_ref().as_ref().to_owned(), member);
    }
    Some(Json::Object(members))
}

/// Converts one value. The depth is bounded by that of the TOML parser.
pub(super) fn convert(place: &Value<'_>, value: &DeValue<'_>) -> Option<Json> {
    match value {
        DeValue::String(text) => Some(Json::String(text.as_ref().to_owned())),
        DeValue::Boolean(boolean) => Some(Json::Bool(*boolean)),
        DeValue::Datetime(moment) => Some(Json::String(moment.to_string())),
        DeValue::Integer(integer) => {
            let number = to_i64(integer);
            if number.is_none() {
                place.error(&format!("{integer} is too large"), "write a smaller number");
            }
            number.map(Json::from)
        }
        DeValue::Float(float) => {
            let number = finite(float);
            if number.is_none() {
                place.error(&format!("{float} is no number of JSON"), "write a finite number");
            }
            number.map(Json::Number)
        }
        DeValue::Array(array) => {
            let items = array.iter().map(|item| convert(place, item.get_ref()));
            items.collect::<Option<Vec<Json>>>().map(Json::Array)
        }
        DeValue::Table(table) => object(place, table),
    }
}

fn finite(float: &DeFloat<'_>) -> Option<Number> {
    float.as_str().parse().ok().and_then(Number::from_f64)
}
