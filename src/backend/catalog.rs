//! All that this server offers, made once per configuration: definitions already written as JSON,
//! schemas already compiled, handlers at hand. It never changes; a reload makes another.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::provider::{PromptHandler, ResourceProvider, ToolHandler};
use crate::guard::schema::{Schema, SchemaError, SchemaLimits, is_of_draft_07};
use crate::mcp::definitions::{Prompt, PromptArgument, TaskSupport, Tool};
use crate::mcp::era::PerVersion;
use crate::mcp::methods::Permission;
use crate::mcp::mirror::{BadAnnotation, MirroredParameter, mirrored_parameters};

/// A tool that can be called.
pub struct OfferedTool {
    /// Its name.
    pub name: String,
    /// Its definition, as `tools/list` shows it to each revision.
    pub json: PerVersion<Vec<u8>>,
    /// What it needs of the caller.
    pub permission: Permission,
    /// The schema of its arguments, unless checking is off.
    pub input: Option<Schema>,
    /// The schema of its structured results, unless there is none or checking is off.
    pub output: Option<Schema>,
    /// Parameters that are mirrored in headers.
    pub mirrored: Vec<MirroredParameter>,
    /// Who carries it out.
    pub handler: Arc<dyn ToolHandler>,
    /// True if it never blocks and may run where it was asked for.
    pub is_quick: bool,
    /// Whether calls of it may become tasks.
    pub tasks: TaskSupport,
}

/// A prompt that can be had.
pub struct OfferedPrompt {
    /// Its name.
    pub name: String,
    /// Its definition, as `prompts/list` shows it to each revision.
    pub json: PerVersion<Vec<u8>>,
    /// Its arguments.
    pub arguments: Vec<PromptArgument>,
    /// Who fills it.
    pub handler: Arc<dyn PromptHandler>,
}

/// Why something cannot be offered.
#[derive(Clone, Debug, PartialEq)]
pub enum OfferError {
    /// The name is taken.
    DuplicateName(String),
    /// The name is not 1 to 64 characters of `A-Z a-z 0-9 _ - .`
    BadName(String),
    /// The root of the input schema of this tool is not `"type": "object"`.
    NoObject(String),
    /// A schema of this tool is not valid.
    Schema(String, SchemaError),
    /// An `x-mcp-header` annotation of this tool is not valid.
    Annotation(String, BadAnnotation),
    /// A quick tool cannot become a task.
    QuickTask(String),
}

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateName(name) => write!(f, "{name}: the name is used twice"),
            Self::BadName(name) => {
                write!(f, "{name}: a name has 1 to 64 characters of A-Z a-z 0-9 _ - .")
            }
            Self::NoObject(name) => {
                write!(f, "{name}: the input schema must have \"type\": \"object\" at its root")
            }
            Self::Schema(name, error) => write!(f, "{name}: {error}"),
            Self::Annotation(name, error) => write!(f, "{name}: {}", error.0),
            Self::QuickTask(name) => write!(f, "{name}: a quick tool cannot become a task"),
        }
    }
}

impl std::error::Error for OfferError {}

/// Which results and arguments are checked against their schemas.
#[derive(Clone, Copy, Debug)]
pub struct Checking {
    /// Arguments.
    pub input: bool,
    /// Structured results.
    pub output: bool,
    /// Whether arguments are refused that a schema does not name, where it leaves that open.
    pub closes: bool,
}

/// The catalogue; see the module.
#[derive(Default)]
pub struct Catalog {
    tools: Vec<OfferedTool>,
    tools_by_name: HashMap<String, usize>,
    prompts: Vec<OfferedPrompt>,
    prompts_by_name: HashMap<String, usize>,
    providers: Vec<Arc<dyn ResourceProvider>>,
}

impl Catalog {
    /// Offers a tool.
    pub fn add_tool(
        &mut self,
        definition: &Tool,
        handler: Arc<dyn ToolHandler>,
        is_quick: bool,
        checking: Checking,
    ) -> Result<(), OfferError> {
        let closed;
        let definition = if checking.closes {
            closed = closed_to_unknown(definition);
            &closed
        } else {
            definition
        };
        let name = definition.name.clone();
        check_name(&name, self.tools_by_name.contains_key(&name))?;
        if definition.input_schema.get("type").and_then(|t| t.as_str()) != Some("object") {
            return Err(OfferError::NoObject(name));
        }
        if is_quick && definition.tasks != TaskSupport::Forbidden {
            return Err(OfferError::QuickTask(name));
        }
        let compile = |schema: &serde_json::Value| {
            Schema::compile(schema, &SchemaLimits::default())
                .map_err(|error| OfferError::Schema(name.clone(), error))
        };
        // A schema must be valid even where it is not applied: clients read it.
        let input = Some(compile(&definition.input_schema)?).filter(|_| checking.input);
        let output = definition.output_schema.as_ref().map(compile).transpose()?;
        let mirrored = mirrored_parameters(&definition.input_schema)
            .map_err(|error| OfferError::Annotation(name.clone(), error))?;
        self.tools_by_name.insert(name.clone(), self.tools.len());
        self.tools.push(OfferedTool {
            json: PerVersion::new(|version| definition.to_json(version)),
            permission: definition.permission,
            input,
            output: output.filter(|_| checking.output),
            mirrored,
            handler,
            is_quick,
            tasks: definition.tasks,
            name,
        });
        Ok(())
    }

    /// Offers a prompt.
    pub fn add_prompt(
        &mut self,
        definition: &Prompt,
        handler: Arc<dyn PromptHandler>,
    ) -> Result<(), OfferError> {
        let name = definition.name.clone();
        check_name(&name, self.prompts_by_name.contains_key(&name))?;
        self.prompts_by_name.insert(name.clone(), self.prompts.len());
        self.prompts.push(OfferedPrompt {
            json: PerVersion::new(|version| definition.to_json(version)),
            arguments: definition.arguments.clone(),
            handler,
            name,
        });
        Ok(())
    }

    /// Offers a set of resources.
    pub fn add_resources(&mut self, provider: Arc<dyn ResourceProvider>) {
        self.providers.push(provider);
    }

    /// All tools, in the order they were offered.
    pub fn tools(&self) -> &[OfferedTool] {
        &self.tools
    }

    /// The tool of this name.
    pub fn tool(&self, name: &str) -> Option<&OfferedTool> {
        self.tools.get(*self.tools_by_name.get(name)?)
    }

    /// True if calls of one of the tools may become tasks.
    pub fn has_tasks(&self) -> bool {
        self.tools.iter().any(|tool| tool.tasks != TaskSupport::Forbidden)
    }

    /// All prompts, in the order they were offered.
    pub fn prompts(&self) -> &[OfferedPrompt] {
        &self.prompts
    }

    /// The prompt of this name.
    pub fn prompt(&self, name: &str) -> Option<&OfferedPrompt> {
        self.prompts.get(*self.prompts_by_name.get(name)?)
    }

    /// All sets of resources, in the order they were offered.
    pub fn providers(&self) -> &[Arc<dyn ResourceProvider>] {
        &self.providers
    }

    /// The set that a resource of this URI is of.
    pub fn provider_of(&self, uri: &str) -> Option<&Arc<dyn ResourceProvider>> {
        self.providers.iter().find(|provider| provider.claims(uri))
    }

    /// True if both catalogues show the same tools.
    pub fn has_same_tools(&self, other: &Self) -> bool {
        self.tools.iter().map(|tool| &tool.json).eq(other.tools.iter().map(|tool| &tool.json))
    }

    /// True if both catalogues show the same prompts.
    pub fn has_same_prompts(&self, other: &Self) -> bool {
        self.prompts.iter().map(|prompt| &prompt.json).eq(other.prompts.iter().map(|p| &p.json))
    }
}

/// The tool with an input schema that takes only the arguments that it names. A schema that says
/// itself what becomes of others keeps its word.
fn closed_to_unknown(definition: &Tool) -> Tool {
    const SAYS: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
    const PARTS: [&str; 7] =
        ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"];
    let mut closed = definition.clone();
    let Some(schema) = closed.input_schema.as_object_mut() else { return closed };
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| schema.contains_key(*keyword));
    if has(&SAYS) {
        return closed;
    }
    // What a part of the schema names, only the newer keyword sees.
    let keyword = match (has(&PARTS), is_of_draft_07(schema)) {
        (false, _) => "additionalProperties",
        (true, false) => "unevaluatedProperties",
        (true, true) => {
            let name = &definition.name;
            log::warn!("{name}: its schema of draft-07 has parts, and cannot be closed to others");
            return closed;
        }
    };
    schema.insert(keyword.into(), false.into());
    closed
}

fn check_name(name: &str, is_taken: bool) -> Result<(), OfferError> {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    match (fits, is_taken) {
        (false, _) => Err(OfferError::BadName(name.to_owned())),
        (true, true) => Err(OfferError::DuplicateName(name.to_owned())),
        (true, false) => Ok(()),
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("tools", &self.tools_by_name.len())
            .field("prompts", &self.prompts_by_name.len())
            .field("providers", &self.providers.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::context::Context;
    use crate::backend::provider::{Arguments, Failure};
    use crate::mcp::result::ToolResult;
    use serde_json::json;

    const CHECKING: Checking = Checking { input: true, output: true, closes: false };

    fn add(catalog: &mut Catalog, tool: &Tool) -> Result<(), OfferError> {
        let handler =
            |_: &Context, _: Arguments| -> Result<ToolResult, Failure> { Ok(ToolResult::text("")) };
        catalog.add_tool(tool, Arc::new(handler), true, CHECKING)
    }

    #[test]
    fn what_clients_could_not_use_is_not_offered() {
        let mut catalog = Catalog::default();
        add(&mut catalog, &Tool::new("a", "")).unwrap();
        assert_eq!(
            add(&mut catalog, &Tool::new("a", "")),
            Err(OfferError::DuplicateName("a".into()))
        );
        for name in ["", "a b", "é", "a/b", &"x".repeat(65)] {
            let error = add(&mut catalog, &Tool::new(name, "")).unwrap_err();
            assert_eq!(error, OfferError::BadName(name.into()));
        }
        let with = |schema| Tool::new("b", "").input_schema(schema);
        assert!(matches!(
            add(&mut catalog, &with(json!({"type": "array"}))),
            Err(OfferError::NoObject(_))
        ));
        assert!(matches!(
            add(&mut catalog, &with(json!({"type": "object", "properties": 1}))),
            Err(OfferError::Schema(..))
        ));
        assert!(matches!(
            add(
                &mut catalog,
                &with(json!({"type": "object", "properties":
                {"n": {"type": "number", "x-mcp-header": "N"}}}))
            ),
            Err(OfferError::Annotation(..))
        ));
        assert_eq!(catalog.tools().len(), 1);
    }

    #[test]
    fn a_schema_is_closed_unless_it_says_itself_what_becomes_of_others() {
        let closed = |schema| closed_to_unknown(&Tool::new("a", "").input_schema(schema));
        for (schema, keyword) in [
            (json!({"type": "object"}), Some("additionalProperties")),
            (json!({"type": "object", "$ref": "#/$defs/a"}), Some("unevaluatedProperties")),
            (json!({"type": "object", "allOf": [{}]}), Some("unevaluatedProperties")),
            (json!({"type": "object", "additionalProperties": true}), None),
            (json!({"type": "object", "additionalProperties": {}, "anyOf": [{}]}), None),
            (json!({"type": "object", "unevaluatedProperties": true}), None),
            (
                json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}),
                Some("additionalProperties"),
            ),
            (
                json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
                    "allOf": [{}]}),
                None,
            ),
        ] {
            let mut expected = schema.clone();
            if let Some(keyword) = keyword {
                expected[keyword] = false.into();
            }
            assert_eq!(closed(schema).input_schema, expected);
        }
    }
}
