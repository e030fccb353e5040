//! `tools/call`: arguments against the schema, the handler, its result against its schema.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::dispatch::{Blocking, TaskChoice, Work};
use super::inputs;
use crate::backend::catalog::OfferedTool;
use crate::backend::context::Context;
use crate::backend::provider::Arguments;
use crate::guard::refusal::Refusal;
use crate::guard::validate::Call;
use crate::mcp::capability::{ClientCapabilities, ClientCapability};
use crate::mcp::definitions::TaskSupport;
use crate::mcp::era::Version;
use crate::mcp::errors::RpcError;
use crate::mcp::mirror::check_parameters;
use crate::mcp::result::{ResultWriter, ToolResult};
use crate::pipeline::calls::outcome::{Outcome, Ran};
use crate::pipeline::services::Services;
use crate::pipeline::snapshot::Snapshot;

/// Gives the one value of a header of the request, or says that there is not one; lines have none.
pub type HeaderOf<'h> = &'h dyn Fn(&str) -> Result<Option<String>, ()>;

/// Prepares the call of a tool.
pub fn call(
    services: &Services,
    snapshot: &Arc<Snapshot>,
    call: &mut Call,
    header: Option<HeaderOf<'_>>,
) -> Result<Work, Refusal> {
    let capabilities = call.meta().capabilities;
    let name = call.target().unwrap_or_default().to_owned();
    let tool = tool_of(snapshot, &name)?;
    let (inputs, mut params) = if tool.is_quick {
        (None, call.take_params())
    } else {
        let (inputs, params) = inputs::take(services, call)?;
        (Some(inputs), params)
    };
    let arguments = match params.remove("arguments") {
        Some(Value::Object(arguments)) => arguments,
        _ => Arguments::new(),
    };
    if let Some(header) = header {
        check_parameters(&tool.mirrored, &arguments, header).map_err(|header| {
            Refusal::invalid(RpcError::header_mismatch(header, "does not say what the body says"))
        })?;
    }
    let version = call.version();
    let tasks = task_choice(tool, version, capabilities, params.get("task"))?;
    let arguments = match checked(tool, arguments) {
        Ok(arguments) => arguments,
        Err(message) if version.has_argument_errors_as_results() => {
            let result = ToolResult::error(message);
            return Ok(Work::now(Outcome::ToolError(writer(snapshot, version).tool(&result))));
        }
        Err(message) => return Err(Refusal::Invalid(200, RpcError::invalid_params(message))),
    };
    let snapshot = Arc::clone(snapshot);
    let Some(inputs) = inputs else {
        let run = move |context: &Context| match tool_of(&snapshot, &name) {
            Ok(tool) => run(&snapshot, tool, context, arguments, version),
            Err(refusal) => Ok(Outcome::Error(refusal.error())),
        };
        return Ok(Work::Quick(Box::new(run)));
    };
    let tool = name.clone();
    let run = move |context: &Context| match tool_of(&snapshot, &name) {
        Ok(tool) => run(&snapshot, tool, context, arguments.clone(), version),
        Err(refusal) => Ok(Outcome::Error(refusal.error())),
    };
    Ok(Work::Blocking(Blocking { tasks, tool, ..Blocking::asking(Arc::new(run), inputs) }))
}

/// True if a client of this revision can call the tool at all.
pub fn can_call(tool: &OfferedTool, version: Version) -> bool {
    let has_tasks = version.has_requested_tasks() || version.has_task_handles();
    tool.tasks != TaskSupport::Required || has_tasks
}

/// Whether a call becomes a task: in 2025-11-25 its client says so, since then its handler.
fn task_choice(
    tool: &OfferedTool,
    version: Version,
    capabilities: ClientCapabilities,
    wish: Option<&Value>,
) -> Result<TaskChoice, Refusal> {
    let unavailable = || Refusal::NotFound(RpcError::unknown_method());
    if version.has_task_handles() {
        return match (tool.tasks, capabilities.has(ClientCapability::Tasks)) {
            (TaskSupport::Forbidden, _) | (TaskSupport::Optional, false) => Ok(TaskChoice::Never),
            (TaskSupport::Optional | TaskSupport::Required, true) => {
                Ok(TaskChoice::WhenHandlerSays)
            }
            (TaskSupport::Required, false) => Err(Refusal::invalid(RpcError::missing_capability(
                ClientCapability::Tasks,
                version,
            ))),
        };
    }
    let Some(wish) = wish.filter(|_| version.has_requested_tasks()) else {
        let is_possible = tool.tasks != TaskSupport::Required;
        return if is_possible { Ok(TaskChoice::Never) } else { Err(unavailable()) };
    };
    let ttl = wish.get("ttl").and_then(Value::as_u64);
    match tool.tasks {
        TaskSupport::Forbidden => Err(unavailable()),
        _ => Ok(TaskChoice::AtOnce(ttl.map(Duration::from_millis))),
    }
}

fn tool_of<'s>(snapshot: &'s Snapshot, name: &str) -> Result<&'s OfferedTool, Refusal> {
    snapshot.catalog.tool(name).ok_or_else(|| Refusal::NotFound(RpcError::unknown_tool(name)))
}

/// The arguments, if the tool's schema allows them; else one sentence for the model.
fn checked(tool: &OfferedTool, arguments: Arguments) -> Result<Arguments, String> {
    let Some(schema) = &tool.input else { return Ok(arguments) };
    let value = Value::Object(arguments);
    match schema.check(&value) {
        Ok(()) => match value {
            Value::Object(arguments) => Ok(arguments),
            _ => Ok(Arguments::new()),
        },
        Err(violation) => Err(format!("Invalid arguments: {violation}")),
    }
}

fn run(
    snapshot: &Snapshot,
    tool: &OfferedTool,
    context: &Context,
    arguments: Arguments,
    version: Version,
) -> Ran {
    let mut result = tool.handler.call(context, arguments)?;
    if let Some(violation) = output_violation(tool, &result) {
        log::error!("tool {}: its result does not match its output schema: {violation}", tool.name);
        let sentence = "The tool's result does not match its output schema";
        return Ok(Outcome::Error(RpcError::internal(sentence)));
    }
    if version.has_requested_tasks() {
        result.meta.extend(context.related());
    }
    let json = writer(snapshot, version).tool(&result);
    Ok(if result.is_error { Outcome::ToolError(json) } else { Outcome::Result(json) })
}

fn output_violation(tool: &OfferedTool, result: &ToolResult) -> Option<String> {
    let schema = tool.output.as_ref().filter(|_| !result.is_error)?;
    match &result.structured {
        None => Some("there is no structured result".to_owned()),
        Some(structured) => schema.check(structured).err().map(|violation| violation.to_string()),
    }
}

/// A writer of results for a version.
pub fn writer(snapshot: &Snapshot, version: Version) -> ResultWriter<'_> {
    ResultWriter { version, server_info: &snapshot.identity.info }
}
