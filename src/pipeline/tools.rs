//! `tools/call`: arguments against the schema, the handler, its result against its schema.

use std::sync::Arc;

use super::dispatch::Work;
use super::pending::Outcome;
use super::snapshot::Snapshot;
use crate::backend::catalog::OfferedTool;
use crate::backend::context::Context;
use crate::backend::provider::Arguments;
use crate::guard::refusal::Refusal;
use crate::guard::validate::Call;
use crate::mcp::era::Version;
use crate::mcp::errors::RpcError;
use crate::mcp::mirror::check_parameters;
use crate::mcp::result::{ResultWriter, ToolResult};

/// Gives the one value of a header of the request, or says that there is not one; lines have none.
pub type HeaderOf<'h> = &'h dyn Fn(&str) -> Result<Option<String>, ()>;

/// Prepares the call of a tool.
pub fn call(
    snapshot: &Arc<Snapshot>,
    call: &mut Call,
    header: Option<HeaderOf<'_>>,
) -> Result<Work, Refusal> {
    let mut params = call.take_params();
    let name = params.get("name").and_then(|name| name.as_str()).unwrap_or_default().to_owned();
    let arguments = match params.remove("arguments") {
        Some(serde_json::Value::Object(arguments)) => arguments,
        _ => Arguments::new(),
    };
    let tool = tool_of(snapshot, &name)?;
    if let Some(header) = header {
        check_parameters(&tool.mirrored, &arguments, header).map_err(|header| {
            Refusal::invalid(RpcError::header_mismatch(header, "does not say what the body says"))
        })?;
    }
    let version = call.version();
    let arguments = match checked(tool, arguments) {
        Ok(arguments) => arguments,
        Err(message) if version.has_argument_errors_as_results() => {
            let result = ToolResult::error(message);
            return Ok(Work::now(Outcome::ToolError(writer(snapshot, version).tool(&result))));
        }
        Err(message) => return Err(Refusal::Invalid(200, RpcError::invalid_params(message))),
    };
    let is_quick = tool.is_quick;
    let snapshot = Arc::clone(snapshot);
    let run = move |context: &Context| match tool_of(&snapshot, &name) {
        Ok(tool) => run(&snapshot, tool, context, arguments, version),
        Err(refusal) => Outcome::Error(refusal.error()),
    };
    Ok(if is_quick { Work::Quick(Box::new(run)) } else { Work::Blocking(Box::new(run)) })
}

fn tool_of<'s>(snapshot: &'s Snapshot, name: &str) -> Result<&'s OfferedTool, Refusal> {
    snapshot.catalog.tool(name).ok_or_else(|| Refusal::NotFound(RpcError::unknown_tool(name)))
}

/// The arguments, if the tool's schema allows them; else one sentence for the model.
fn checked(tool: &OfferedTool, arguments: Arguments) -> Result<Arguments, String> {
    let Some(schema) = &tool.input else { return Ok(arguments) };
    let value = serde_json::Value::Object(arguments);
    match schema.check(&value) {
        Ok(()) => match value {
            serde_json::Value::Object(arguments) => Ok(arguments),
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
) -> Outcome {
    let result = match tool.handler.call(context, arguments) {
        Ok(result) => result,
        Err(failure) => return Outcome::Error(RpcError::internal(failure.public)),
    };
    if let Some(violation) = output_violation(tool, &result) {
        log::error!("tool {}: its result does not match its output schema: {violation}", tool.name);
        return Outcome::Error(RpcError::internal(
            "The tool's result does not match its output schema",
        ));
    }
    let json = writer(snapshot, version).tool(&result);
    if result.is_error { Outcome::ToolError(json) } else { Outcome::Result(json) }
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
