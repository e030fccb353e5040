//! Tools that take their time: progress, log messages, changes, and a client that polls.

use std::thread::sleep;
use std::time::Duration;

use erlmcp::{Arguments, Builder, Change, Context, Failure, LogLevel, ToolResult};
use serde_json::json;

use crate::content::tool;

/// The pause that the suite asks for between two messages.
const STEP: Duration = Duration::from_millis(50);

pub(crate) fn offer(builder: Builder) -> Builder {
    builder
        .tool(tool("test_tool_with_logging", "Logs while it runs"), logging)
        .tool(tool("test_logging_tool", "Logs while it runs"), logging)
        .tool(tool("test_tool_with_progress", "Reports its progress"), progress)
        .tool(tool("test_reconnection", "Lets its client go and come back"), reconnection)
        .tool(tool("test_trigger_tool_change", "Says that the tools changed"), |context, _| {
            context.announce(&Change::Tools);
            Ok(ToolResult::text("told"))
        })
        .tool(tool("test_trigger_prompt_change", "Says that the prompts changed"), |context, _| {
            context.announce(&Change::Prompts);
            Ok(ToolResult::text("told"))
        })
}

fn logging(context: &Context, _: Arguments) -> Result<ToolResult, Failure> {
    for (number, message) in
        ["Tool execution started", "Tool processing data", "Tool execution completed"]
            .iter()
            .enumerate()
    {
        if number > 0 {
            sleep(STEP);
        }
        context.log(LogLevel::Info, Some("conformance"), &json!(message));
    }
    Ok(ToolResult::text("Logged three messages."))
}

fn progress(context: &Context, _: Arguments) -> Result<ToolResult, Failure> {
    for done in [0.0, 50.0, 100.0] {
        context.progress(done, Some(100.0), None);
        sleep(STEP);
    }
    Ok(ToolResult::text("Reported three steps."))
}

/// The connection of the client ends here; it comes back for the answer.
fn reconnection(context: &Context, _: Arguments) -> Result<ToolResult, Failure> {
    context.let_client_poll();
    sleep(2 * STEP);
    Ok(ToolResult::text("Here is what you came back for."))
}
