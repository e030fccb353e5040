//! Headers that mirror the body of a modern request (2026-07-28, Streamable HTTP): `Mcp-Name` and
//! `Mcp-Param-*`. It compares; it never takes a value from a header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::proto::http1::is_token;

/// A tool parameter that is mirrored in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredParameter {
    /// The whole header name, lower-case: `mcp-param-region`.
    pub header: String,
    /// The property names that lead to the value.
    pub path: Vec<String>,
}

/// Why an `x-mcp-header` annotation makes a tool definition invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAnnotation(pub String);

/// Integers beyond this are not the same number everywhere (2^53 - 1).
const SAFE_INTEGER: i64 = 9_007_199_254_740_991;
/// Deepest property that may be mirrored.
const DEPTH: usize = 16;

/// Finds the `x-mcp-header` annotations of an input schema.
///
/// Errors name the first annotation that stands where none may stand, is not a token, is used
/// twice, or is on a parameter that is not a string, an integer or a boolean.
pub fn mirrored_parameters(schema: &Value) -> Result<Vec<MirroredParameter>, BadAnnotation> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found)?;
    let reachable = found.len();
    if count(schema) != reachable {
        return Err(BadAnnotation(
            "x-mcp-header stands below something other than `properties`".into(),
        ));
    }
    for (index, parameter) in found.iter().enumerate() {
        if found.iter().skip(index + 1).any(|other| other.header == parameter.header) {
            return Err(BadAnnotation(format!("{} is used twice", parameter.header)));
        }
    }
    Ok(found)
}

fn collect(
    schema: &Value,
    path: &mut Vec<String>,
    found: &mut Vec<MirroredParameter>,
) -> Result<(), BadAnnotation> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(());
    };
    if path.len() >= DEPTH {
        return Ok(());
    }
    for (name, property) in properties {
        path.push(name.clone());
        if let Some(annotation) = property.get("x-mcp-header") {
            found.push(MirroredParameter {
                header: header_name(annotation, property)?,
                path: path.clone(),
            });
        }
        collect(property, path, found)?;
        path.pop();
    }
    Ok(())
}

fn header_name(annotation: &Value, property: &Value) -> Result<String, BadAnnotation> {
    let name = annotation.as_str().unwrap_or_default();
    if !is_token(name.as_bytes()) {
        return Err(BadAnnotation("x-mcp-header must be an HTTP token".into()));
    }
    match property.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "boolean") => {
            Ok(format!("mcp-param-{}", name.to_ascii_lowercase()))
        }
        _ => Err(BadAnnotation(format!(
            "x-mcp-header {name} is on a parameter that is not a string, an integer or a boolean"
        ))),
    }
}

/// All annotations anywhere in the schema, wherever they stand.
fn count(schema: &Value) -> usize {
    match schema {
        Value::Object(members) => {
            // A property may itself be called `x-mcp-header`; only a string annotates.
            let here = members.get("x-mcp-header").is_some_and(|a| !a.is_object());
            usize::from(here) + members.values().map(count).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

/// True if a header value says what the body says.
///
/// `=?base64?…?=` is decoded first; a value with only one of the markers is taken as it stands.
pub fn says(header: &str, body: &str) -> bool {
    match encoded(header) {
        Some(encoded) => STANDARD.decode(encoded).is_ok_and(|decoded| decoded == body.as_bytes()),
        None => header == body,
    }
}

fn encoded(header: &str) -> Option<&str> {
    header.strip_prefix("=?base64?")?.strip_suffix("?=")
}

/// Checks the `Mcp-Param-*` headers of a call against its arguments.
///
/// `header` gives the one value of a header, or says that it has none that could be compared;
/// `Err` gives the header that disagrees.
pub fn check_parameters<'p>(
    parameters: &'p [MirroredParameter],
    arguments: &Map<String, Value>,
    header: impl Fn(&str) -> Result<Option<String>, ()>,
) -> Result<(), &'p str> {
    for parameter in parameters {
        let agrees = match (header(&parameter.header), value_at(arguments, &parameter.path)) {
            (Ok(None), None | Some(Value::Null)) => true,
            (Ok(Some(header)), Some(value)) => value_says(&header, value),
            // A value without its header, or a header for what the body does not say.
            _ => false,
        };
        if !agrees {
            return Err(&parameter.header);
        }
    }
    Ok(())
}

fn value_at<'v>(arguments: &'v Map<String, Value>, path: &[String]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(arguments.get(first)?, |value, name| value.get(name))
}

fn value_says(header: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => says(header, text),
        Value::Bool(flag) => says(header, if *flag { "true" } else { "false" }),
        Value::Number(number) => {
            let Some(body) = number.as_i64().filter(|n| n.abs() <= SAFE_INTEGER) else {
                return false;
            };
            match encoded(header) {
                Some(_) => says(header, &body.to_string()),
                None => integer(header) == Some(body),
            }
        }
        _ => false,
    }
}

/// The integer a header stands for; `42.0` is 42.
fn integer(text: &str) -> Option<i64> {
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|b| b == b'0') => {
            whole
        }
        Some(_) => return None,
        None => text,
    };
    if whole.starts_with('+') { None } else { whole.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: &Value, arguments: Value, headers: &[(&str, &str)]) -> bool {
        let parameters = mirrored_parameters(schema).unwrap();
        let lookup = |name: &str| {
            Ok(headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        check_parameters(&parameters, arguments.as_object().unwrap(), lookup).is_ok()
    }

    #[test]
    fn values_are_compared_after_decoding_and_integers_as_numbers() {
        let schema = json!({"type":"object","properties":{
            "region":{"type":"string","x-mcp-header":"Region"},
            "n":{"type":"integer","x-mcp-header":"N"}}});
        let region = "mcp-param-region";
        assert!(check(&schema, json!({"region":"eu"}), &[(region, "eu")]));
        assert!(check(&schema, json!({"region":"eu"}), &[(region, "=?base64?ZXU=?=")]));
        assert!(check(&schema, json!({"region":"=?base64?x"}), &[(region, "=?base64?x")]));
        assert!(check(&schema, json!({}), &[]));
        assert!(check(&schema, json!({"region":null}), &[]));
        assert!(check(&schema, json!({"n":42}), &[("mcp-param-n", "42.0")]));
        for (arguments, value) in [
            (json!({"region":"eu"}), "us"),
            (json!({"region":"eu"}), "EU"),
            (json!({"region":"eu"}), "=?base64?ZXU?="),
            (json!({"region":"eu"}), "=?base64?Z*U=?="),
            (json!({}), "eu"),
            (json!({"region":null}), "eu"),
        ] {
            assert!(!check(&schema, arguments.clone(), &[(region, value)]), "{arguments} {value}");
        }
        assert!(!check(&schema, json!({"region":"eu"}), &[]));
        assert!(!check(&schema, json!({"n":42}), &[("mcp-param-n", "+42")]));
    }

    #[test]
    fn annotations_stand_only_on_plain_reachable_parameters() {
        for (schema, why) in [
            (json!({"properties":{"a":{"type":"number","x-mcp-header":"A"}}}), "number"),
            (json!({"properties":{"a":{"type":"string","x-mcp-header":""}}}), "empty"),
            (json!({"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}), "no token"),
            (
                json!({"properties":{"a":{"type":"string","x-mcp-header":"X"},
                    "b":{"type":"string","x-mcp-header":"x"}}}),
                "twice",
            ),
            (json!({"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}), "anyOf"),
            (json!({"properties":{"a":{"items":{"type":"string","x-mcp-header":"A"}}}}), "items"),
        ] {
            assert!(mirrored_parameters(&schema).is_err(), "{why}");
        }
        let nested =
            json!({"properties":{"o":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}});
        assert_eq!(mirrored_parameters(&nested).unwrap()[0].path, ["o", "a"]);
    }
}
