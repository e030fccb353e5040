//! What a server offers, as its lists show it: tools, resources, templates, prompts. Data only;
//! who answers for them is not known here.

use serde_json::{Map, Value, json};

use super::era::Version;
use super::methods::Permission;
use crate::proto::json::write_value;
use crate::proto::object::Object;

/// Hints about a tool's behaviour (MCP tool annotations), given only where they are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// Changes nothing.
    pub read_only: Option<bool>,
    /// May destroy.
    pub destructive: Option<bool>,
    /// A second call with the same arguments changes nothing more.
    pub idempotent: Option<bool>,
    /// Reaches beyond this host.
    pub open_world: Option<bool>,
}

/// Whether calls of a tool may become tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSupport {
    /// Never.
    #[default]
    Forbidden,
    /// If the client can take a task; else it waits for the result.
    Optional,
    /// Always: a client that cannot take a task cannot call the tool.
    Required,
}

impl TaskSupport {
    fn name(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

/// A tool, as `tools/list` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// 1 to 64 characters of `A-Z a-z 0-9 _ - .`
    pub name: String,
    /// Name for people.
    pub title: Option<String>,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its arguments; the root has `"type": "object"`.
    pub input_schema: Value,
    /// JSON Schema of its structured result.
    pub output_schema: Option<Value>,
    /// Hints.
    pub annotations: Annotations,
    /// Icons, as MCP writes them (`src`, `mimeType`, `sizes`).
    pub icons: Vec<Value>,
    /// `_meta` of the definition.
    pub meta: Map<String, Value>,
    /// What a caller's roles must allow.
    pub permission: Permission,
    /// Whether calls of it may become tasks.
    pub tasks: TaskSupport,
}

impl Tool {
    /// A tool that takes no arguments and needs the permission to execute.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: description.into(),
            input_schema: serde_json::json!({
                "type": "object", "properties": {}, "additionalProperties": false
            }),
            output_schema: None,
            annotations: Annotations::default(),
            icons: Vec::new(),
            meta: Map::new(),
            permission: Permission::Execute,
            tasks: TaskSupport::Forbidden,
        }
    }

    /// Sets the name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the schema of the arguments.
    #[must_use]
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.input_schema = schema;
        self
    }

    /// Sets the schema of the structured result.
    #[must_use]
    pub fn output_schema(mut self, schema: Value) -> Self {
        self.output_schema = Some(schema);
        self
    }

    /// Sets the hints.
    #[must_use]
    pub fn annotations(mut self, annotations: Annotations) -> Self {
        self.annotations = annotations;
        self
    }

    /// Declares that it changes nothing: a caller who may read may call it.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.annotations.read_only = Some(true);
        self.permission = Permission::Read;
        self
    }

    /// Sets what a caller's roles must allow.
    #[must_use]
    pub fn permission(mut self, permission: Permission) -> Self {
        self.permission = permission;
        self
    }

    /// Sets whether calls of it may become tasks. The handler says when: see
    /// [`Context::become_task`](crate::Context::become_task).
    #[must_use]
    pub fn tasks(mut self, support: TaskSupport) -> Self {
        self.tasks = support;
        self
    }

    /// The definition as `version` writes it.
    pub fn to_json(&self, version: Version) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object
            .text("name", &self.name)
            .optional_text("title", self.title.as_deref().filter(|_| version.has_titles()))
            .text("description", &self.description)
            .value("inputSchema", &self.input_schema);
        if version.has_structured_results() {
            object.optional_value("outputSchema", self.output_schema.as_ref());
        }
        if version.has_requested_tasks() && self.tasks != TaskSupport::Forbidden {
            object.value("execution", &json!({ "taskSupport": self.tasks.name() }));
        }
        if self.annotations != Annotations::default() && version.has_tool_annotations() {
            let mut hints = Object::open(object.member("annotations"));
            for (name, hint) in [
                ("readOnlyHint", self.annotations.read_only),
                ("destructiveHint", self.annotations.destructive),
                ("idempotentHint", self.annotations.idempotent),
                ("openWorldHint", self.annotations.open_world),
            ] {
                if let Some(hint) = hint {
                    hints.boolean(name, hint);
                }
            }
            hints.close();
        }
        write_icons_and_meta(&mut object, &self.icons, &self.meta, version);
        object.close();
        out
    }
}

/// A resource or (with `is_template`) a resource template, as the lists show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// The URI, or the URI template (RFC 6570 level 1).
    pub uri: String,
    /// Programmatic name.
    pub name: String,
    /// Name for people.
    pub title: Option<String>,
    /// What it is, for the model.
    pub description: Option<String>,
    /// MIME type, where all of it has one.
    pub mime_type: Option<String>,
    /// Size in bytes, where known.
    pub size: Option<u64>,
    /// `audience`, `priority`, `lastModified`.
    pub annotations: Option<Value>,
    /// Icons.
    pub icons: Vec<Value>,
    /// `_meta` of the definition.
    pub meta: Map<String, Value>,
}

impl Resource {
    /// The definition as `version` writes it; `uri_key` is `uri` or `uriTemplate`.
    pub fn to_json(&self, uri_key: &str, version: Version) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object
            .text(uri_key, &self.uri)
            .text("name", &self.name)
            .optional_text("title", self.title.as_deref().filter(|_| version.has_titles()))
            .optional_text("description", self.description.as_deref())
            .optional_text("mimeType", self.mime_type.as_deref())
            .optional_value("annotations", self.annotations.as_ref());
        if let Some(size) = self.size {
            object.number("size", size);
        }
        write_icons_and_meta(&mut object, &self.icons, &self.meta, version);
        object.close();
        out
    }
}

/// An argument of a prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptArgument {
    /// Name, as messages refer to it.
    pub name: String,
    /// Name for people.
    pub title: Option<String>,
    /// What to give.
    pub description: Option<String>,
    /// The prompt cannot be had without it.
    pub required: bool,
}

/// A prompt, as `prompts/list` shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// Programmatic name.
    pub name: String,
    /// Name for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it can be filled with.
    pub arguments: Vec<PromptArgument>,
    /// Icons.
    pub icons: Vec<Value>,
    /// `_meta` of the definition.
    pub meta: Map<String, Value>,
}

impl Prompt {
    /// The definition as `version` writes it.
    pub fn to_json(&self, version: Version) -> Vec<u8> {
        let has_titles = version.has_titles();
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object
            .text("name", &self.name)
            .optional_text("title", self.title.as_deref().filter(|_| has_titles))
            .optional_text("description", self.description.as_deref());
        if !self.arguments.is_empty() {
            object.array("arguments", &self.arguments, |out, argument| {
                let mut object = Object::open(out);
                object
                    .text("name", &argument.name)
                    .optional_text("title", argument.title.as_deref().filter(|_| has_titles))
                    .optional_text("description", argument.description.as_deref())
                    .boolean("required", argument.required);
                object.close();
            });
        }
        write_icons_and_meta(&mut object, &self.icons, &self.meta, version);
        object.close();
        out
    }
}

fn write_icons_and_meta(
    object: &mut Object<'_>,
    icons: &[Value],
    meta: &Map<String, Value>,
    version: Version,
) {
    if !icons.is_empty() && version.has_icons() {
        object.array("icons", icons, write_value);
    }
    if !meta.is_empty() && version.has_titles() {
        object.members("_meta", meta);
    }
}

/// Who this server says it is (`Implementation`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Implementation {
    /// Programmatic name.
    pub name: String,
    /// Name for people.
    pub title: Option<String>,
    /// Version of the program.
    pub version: String,
}

impl Implementation {
    /// The identity as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object
            .text("name", &self.name)
            .optional_text("title", self.title.as_deref())
            .text("version", &self.version);
        object.close();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWEST: Version = Version::V2026_07_28;

    #[test]
    fn a_revision_is_shown_what_it_has() {
        let mut tool = Tool::new("a", "b").title("A").read_only().output_schema(json!({}));
        tool.icons.push(json!({"src": "https://example.com/icon.png"}));
        tool.meta.insert("example.com/key".into(), json!(1));
        let tool = tool.tasks(TaskSupport::Optional);
        let keys = |version| -> Vec<String> {
            let shown: Map<String, Value> = serde_json::from_slice(&tool.to_json(version)).unwrap();
            shown.keys().cloned().collect()
        };
        assert_eq!(keys(Version::V2024_11_05), ["description", "inputSchema", "name"]);
        assert_eq!(
            keys(Version::V2025_03_26),
            ["annotations", "description", "inputSchema", "name"]
        );
        let third =
            ["_meta", "annotations", "description", "inputSchema", "name", "outputSchema", "title"];
        assert_eq!(keys(Version::V2025_06_18), third);
        assert_eq!(keys(Version::V2025_11_25).len(), third.len() + 2, "icons and execution");
        assert_eq!(keys(NEWEST).len(), third.len() + 1, "icons");
    }

    #[test]
    fn a_tool_shows_what_it_has_and_leaves_out_what_it_has_not() {
        let plain: Value = serde_json::from_slice(&Tool::new("a", "b").to_json(NEWEST)).unwrap();
        assert_eq!(
            plain,
            json!({"name":"a","description":"b","inputSchema":
                {"type":"object","properties":{},"additionalProperties":false}})
        );
        let tool = Tool::new("a", "b").read_only().title("A").output_schema(json!({}));
        let shown: Value = serde_json::from_slice(&tool.to_json(NEWEST)).unwrap();
        assert_eq!(shown["annotations"], json!({"readOnlyHint": true}));
        assert_eq!(shown["outputSchema"], json!({}));
    }

    #[test]
    fn prompt_arguments_say_whether_they_are_required() {
        let prompt = Prompt {
            name: "p".into(),
            arguments: vec![PromptArgument {
                name: "x".into(),
                required: true,
                ..Default::default()
            }],
            ..Default::default()
        };
        let shown: Value = serde_json::from_slice(&prompt.to_json(NEWEST)).unwrap();
        assert_eq!(shown["arguments"], json!([{"name":"x","required":true}]));
    }
}
