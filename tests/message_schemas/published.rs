//! The JSON Schema that was published with a revision of MCP.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use erlmcp::guard::schema::{Schema, SchemaLimits};
use serde_json::{Value, json};

/// The definitions of one revision.
pub(crate) struct Published {
    pub(crate) name: String,
    document: Value,
    /// Where the definitions stand: `definitions` in draft-07, `$defs` later.
    place: &'static str,
    compiled: RefCell<HashMap<String, Schema>>,
}

impl Published {
    pub(crate) fn read(folder: &Path, name: &str) -> Self {
        let path = folder.join(name).join("schema.json");
        let text = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("MCP_SCHEMAS, {}: {error}", path.display()));
        let document: Value = serde_json::from_str(&text).expect("a schema");
        let place = if document.get("$defs").is_some() { "$defs" } else { "definitions" };
        Self { name: name.into(), document, place, compiled: RefCell::default() }
    }

    fn definition(&self, name: &str) -> &Value {
        &self.document[self.place][name]
    }

    /// The first of these names that the revision defines.
    pub(crate) fn first_of<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.definition(name).is_object())
    }

    /// True if a definition wants this member.
    pub(crate) fn requires(&self, definition: &str, member: &str) -> bool {
        let required = self.definition(definition)["required"].as_array();
        required.is_some_and(|names| names.iter().any(|name| name == member))
    }

    /// Holds a value against a definition.
    pub(crate) fn check(&self, definition: &str, value: &Value) -> Result<(), String> {
        let mut compiled = self.compiled.borrow_mut();
        let schema = compiled.entry(definition.into()).or_insert_with(|| self.compile(definition));
        let violations = schema.violations(value, 3);
        if violations.is_empty() {
            return Ok(());
        }
        let violations: Vec<_> = violations.iter().map(ToString::to_string).collect();
        Err(format!("{definition}: {}", violations.join("; ")))
    }

    fn compile(&self, definition: &str) -> Schema {
        // Draft-07 looks at nothing beside a `$ref`.
        let document = json!({
            "$schema": self.document["$schema"],
            "allOf": [{ "$ref": format!("#/{}/{definition}", self.place) }],
            self.place: self.document[self.place],
        });
        let limits = SchemaLimits { max_steps: 100_000_000, ..SchemaLimits::default() };
        Schema::compile(&document, &limits)
            .unwrap_or_else(|error| panic!("{} {definition}: {error}", self.name))
    }

    /// The definitions that a union such as `ClientRequest` names. One that names none is its own
    /// only member.
    fn members<'d>(&'d self, union: &'d str) -> Vec<&'d str> {
        let Some(members) = self.definition(union)["anyOf"].as_array() else {
            return self.first_of(&[union]).into_iter().collect();
        };
        let name = |member: &'d Value| member["$ref"].as_str()?.rsplit('/').next();
        members.iter().filter_map(name).collect()
    }

    fn method_of(&self, definition: &str) -> Option<&str> {
        self.definition(definition)["properties"]["method"]["const"].as_str()
    }

    /// The methods of a union.
    pub(crate) fn methods<'d>(&'d self, union: &'d str) -> Vec<&'d str> {
        self.members(union).into_iter().filter_map(|name| self.method_of(name)).collect()
    }

    /// The definition of a method in a union.
    pub(crate) fn of_method<'d>(&'d self, union: &'d str, method: &str) -> Result<&'d str, String> {
        let members = self.members(union);
        let found = members.into_iter().find(|name| self.method_of(name) == Some(method));
        found.ok_or_else(|| format!("{union} has no method {method}"))
    }

    /// The definition of the errors with this code, and whether it defines the whole message.
    pub(crate) fn of_code(&self, code: &Value) -> Option<(&str, bool)> {
        let is = |error: &Value| error["properties"]["code"].get("const") == Some(code);
        let definitions = self.document[self.place].as_object().expect("definitions");
        definitions.iter().find_map(|(name, definition)| {
            let parts = definition["properties"]["error"]["allOf"].as_array();
            let is_message = parts.is_some_and(|parts| parts.iter().any(is));
            (is(definition) || is_message).then_some((name.as_str(), is_message))
        })
    }
}
