//! Reads `[[tools]]`; it must never run a program.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::diagnostics::quote;
use super::identity::PERMISSIONS;
use super::reader::Reader;
use super::schema;
use super::server::unique_name;
use super::suggest::nearest;
use super::value::Value;
use crate::backend::local::command::Argument;
use crate::backend::settings::{ToolHints, ToolLimits, ToolOutput, ToolSettings};
use crate::backend::template::{Template, TemplateError};
use crate::base::secret::Secret;
use crate::mcp::definitions::TaskSupport;
use crate::mcp::methods::Permission;

const TASKS: [(&str, TaskSupport); 3] = [
    ("forbidden", TaskSupport::Forbidden),
    ("optional", TaskSupport::Optional),
    ("required", TaskSupport::Required),
];
const COMMAND_EXAMPLE: &str = "[\"/usr/bin/df\", \"--output=avail\", \"{mount}\"]";

/// Reads all tools.
pub(super) fn read(root: &mut Reader<'_>) -> Vec<ToolSettings> {
    let mut names = Vec::new();
    root.tables("tools", |reader| tool(reader, &mut names))
}

fn tool(reader: &mut Reader<'_>, names: &mut Vec<String>) -> Option<ToolSettings> {
    let name = unique_name(reader, names);
    let title = reader.string("title");
    let description = description(reader, "\"Free space of a file system\"");
    let input_given = reader.has("input_schema") || reader.has("input_schema_file");
    let input_schema = match schema::read(reader, "input_schema", "input_schema_file") {
        None if !input_given => Some(schema::without_arguments()),
        found => found,
    };
    let output_schema = schema::read(reader, "output_schema", "output_schema_file");
    let command = command(reader, input_schema.as_ref());
    let stdin = reader.value("stdin");
    let stdin = stdin.and_then(|value| template(&value, input_schema.as_ref()));
    let output = output(reader, output_schema.is_some());
    let environment = environment(reader);
    let directory = reader.absolute_path("directory", "/");
    let hints = hints(reader);
    let least = if hints.read_only { Permission::Read } else { Permission::Execute };
    let permission = reader.choice("permission", &PERMISSIONS, least);
    let progress = reader.boolean("progress", false);
    let tasks = reader.choice("tasks", &TASKS, TaskSupport::Forbidden);
    let limits = limits(reader);
    // Everything has been read by now: a tool that is left out leaves no key behind as unknown.
    let (program, arguments) = command?;
    Some(ToolSettings {
        name: name?,
        title,
        description: description?,
        program,
        arguments,
        input_schema: input_schema?,
        output_schema,
        output,
        stdin,
        environment,
        directory: directory.unwrap_or_else(|| PathBuf::from("/")),
        permission,
        hints,
        progress,
        tasks,
        limits,
    })
}

fn hints(reader: &mut Reader<'_>) -> ToolHints {
    let read_only = reader.boolean("read_only", false);
    ToolHints {
        read_only,
        destructive: reader.boolean("destructive", !read_only),
        idempotent: reader.boolean("idempotent", false),
        open_world: reader.boolean("open_world", true),
    }
}

/// Reads a required text for people and models.
pub(super) fn description(reader: &mut Reader<'_>, example: &str) -> Option<String> {
    let value = reader.required("description", example)?;
    let text = value.text("a string")?;
    if text.trim().is_empty() {
        value.error("is empty", &format!("write for example description = {example}"));
        return None;
    }
    Some(text)
}

fn output(reader: &mut Reader<'_>, has_schema: bool) -> ToolOutput {
    const OUTPUTS: [(&str, ToolOutput); 2] =
        [("text", ToolOutput::Text), ("json", ToolOutput::Json)];
    let output = reader.choice("output", &OUTPUTS, ToolOutput::Text);
    if has_schema && output == ToolOutput::Text {
        let what = "output = \"text\" cannot follow `output_schema`";
        reader.error(what, "write output = \"json\", or remove the schema");
    }
    output
}

fn command(reader: &mut Reader<'_>, schema: Option<&Json>) -> Option<(PathBuf, Vec<Argument>)> {
    let value = reader.required("command", COMMAND_EXAMPLE)?;
    let items = value.items(COMMAND_EXAMPLE);
    let Some((program, arguments)) = items.split_first() else {
        if value.value.is_array() {
            let remedy = format!("write for example command = {COMMAND_EXAMPLE}");
            value.error("names no program", &remedy);
        }
        return None;
    };
    let path = program.absolute_path("/usr/bin/df").filter(|path| may_run(program, path));
    let arguments: Vec<_> = arguments.iter().map(|item| argument(item, schema)).collect();
    Some((path?, arguments.into_iter().collect::<Option<_>>()?))
}

fn may_run(value: &Value<'_>, path: &Path) -> bool {
    let shown = path.display();
    if shown.to_string().contains(['{', '}']) {
        value.error("the program cannot be chosen by the caller", "write its whole path");
        return false;
    }
    let sources = value.context.sources;
    if !sources.inspects_named_files() {
        return true;
    }
    match sources.facts(path) {
        Ok(facts) if facts.writable_by_everyone() => {
            let what = format!("the program {shown} may be written by everyone");
            value.error(&what, &format!("run chmod o-w {shown}"));
            false
        }
        Ok(facts) if facts.is_program() => true,
        Ok(_) => {
            let what = format!("{shown} is not an executable file");
            value.error(&what, &format!("run chmod +x {shown}, or name another program"));
            false
        }
        Err(error) => {
            let what = format!("the program {shown} {error}");
            value.error(&what, "install it, or correct the path");
            false
        }
    }
}

const UNKNOWN_NAME: &str = "add it to the properties of input_schema";

/// The names of a tool's arguments; `None` where the schema itself is wrong, for then that is the
/// one thing to tell.
fn names_of(schema: Option<&Json>) -> Option<Vec<&str>> {
    let properties = schema?.get("properties").and_then(Json::as_object);
    Some(properties.into_iter().flat_map(|members| members.keys().map(String::as_str)).collect())
}

/// Reads a template whose placeholders are arguments of the tool.
fn template(value: &Value<'_>, schema: Option<&Json>) -> Option<Template> {
    checked_template(value, names_of(schema).as_deref(), UNKNOWN_NAME)
}

/// Reads an element of the command.
fn argument(value: &Value<'_>, schema: Option<&Json>) -> Option<Argument> {
    let text = value.text("a string")?;
    let argument = parsed(value, &text, Argument::parse(&text))?;
    check_names(value, &argument.names(), &names_of(schema)?, UNKNOWN_NAME);
    Some(argument)
}

/// Reads a template and checks that each placeholder is one of `known`.
pub(super) fn checked_template(
    value: &Value<'_>,
    known: Option<&[&str]>,
    remedy: &str,
) -> Option<Template> {
    let text = value.text("a string")?;
    let template = parsed(value, &text, Template::parse(&text))?;
    check_names(value, &template.placeholders().collect::<Vec<_>>(), known?, remedy);
    Some(template)
}

fn parsed<T>(value: &Value<'_>, text: &str, result: Result<T, TemplateError>) -> Option<T> {
    match result {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            let what = format!("{} {error}", value.shown(text));
            value.error(&what, "write {name} for a placeholder, and {{ or }} for a brace");
            None
        }
    }
}

fn check_names(value: &Value<'_>, names: &[&str], known: &[&str], remedy: &str) {
    for name in names.iter().filter(|name| !known.contains(name)) {
        let what = format!("there is no argument {}", quote(name));
        match nearest(name, known.iter().copied()) {
            Some(near) => value.error(&what, &format!("did you mean {{{near}}}?")),
            None => value.error(&what, remedy),
        }
    }
}

fn environment(reader: &mut Reader<'_>) -> Vec<(String, Secret)> {
    let Some(value) = reader.value("environment") else { return Vec::new() };
    let mut variables = Vec::new();
    for (name, mut entry) in value.entries("{ LANG = \"C.UTF-8\" }") {
        entry.confidential = true;
        if name.is_empty() || name.contains(['=', '\0']) {
            entry.error("is no name of a variable", "remove `=` from it");
            continue;
        }
        let Some(text) = entry.string("a string").map(Secret::new) else { continue };
        if text.expose().contains('\0') {
            entry.error("holds a NUL character", "remove it");
            continue;
        }
        variables.push((name, text));
    }
    variables
}

fn limits(reader: &mut Reader<'_>) -> ToolLimits {
    const MIB: u64 = 1 << 20;
    ToolLimits {
        timeout: reader.milliseconds("timeout_ms", 100..=86_400_000, 30_000),
        max_output_bytes: reader.integer_in("max_output_bytes", 1..=256 << 20, 1 << 20),
        memory_bytes: reader.integer_in("memory_bytes", MIB..=1 << 40, 512 * MIB),
        cpu: reader.seconds("cpu_seconds", 1..=86_400, 30),
        processes: reader.integer_in("processes", 1..=65_536, 64),
        open_files: reader.integer_in("open_files", 8..=65_536, 256),
        file_bytes: reader.integer_in("file_bytes", 0..=1 << 40, 64 * MIB),
    }
}
