//! Tools whose calls may become tasks.

use std::sync::mpsc;
use std::time::Duration;

use erlmcp::{Arguments, Builder, Context, Elicitation, Failure, TaskSupport, Tool, ToolResult};
use serde_json::{Value, json};

use crate::asking::{name, text_form};
use crate::content::tool;

pub(crate) fn offer(builder: Builder) -> Builder {
    builder
        .tool(slow_compute_tool(), slow_compute)
        .tool(task("failing_job", "Fails after a second", TaskSupport::Required), |context, _| {
            context.become_task()?;
            wait(context, Duration::from_secs(1));
            Ok(ToolResult::error("The job failed, as it always does."))
        })
        .tool(
            task("protocol_error_job", "Ends with an error", TaskSupport::Optional),
            |context, _| {
                context.become_task()?;
                Err(Failure::new("The job broke down"))
            },
        )
        .tool(confirm_delete_tool(), confirm_delete)
        .tool(task("multi_input", "Asks two things", TaskSupport::Optional), multi_input)
        .tool(
            task("test_tool_with_task", "Asks, then takes its time", TaskSupport::Required),
            |context, _| {
                let name = name(context, "user_name")?;
                context.become_task()?;
                Ok(ToolResult::text(format!("Hello, {name}!")))
            },
        )
}

fn task(name: &str, description: &str, support: TaskSupport) -> Tool {
    tool(name, description).tasks(support)
}

/// Waits, or less if nobody wants to know any more.
fn wait(context: &Context, time: Duration) {
    let (sender, receiver) = mpsc::channel();
    context.cancellation().on_cancel(move || {
        let _ = sender.send(());
    });
    let _ = receiver.recv_timeout(time);
}

fn slow_compute_tool() -> Tool {
    task("slow_compute", "Computes for some seconds", TaskSupport::Optional).input_schema(json!({
        "type": "object",
        "properties": {
            "seconds": { "type": "integer", "minimum": 0, "maximum": 3600 },
            "label": { "type": "string" }
        },
        "required": ["seconds"]
    }))
}

fn slow_compute(context: &Context, arguments: Arguments) -> Result<ToolResult, Failure> {
    context.become_task()?;
    let seconds = arguments.get("seconds").and_then(Value::as_u64).unwrap_or_default();
    let label = arguments.get("label").and_then(Value::as_str).unwrap_or("unnamed");
    context.progress(0.0, None, Some("computing"));
    wait(context, Duration::from_secs(seconds));
    Ok(ToolResult::text(format!("{label}: computed for {seconds} s")))
}

fn confirm_delete_tool() -> Tool {
    task("confirm_delete", "Asks before it pretends to delete", TaskSupport::Optional).input_schema(
        json!({
            "type": "object",
            "properties": { "filename": { "type": "string" } },
            "required": ["filename"]
        }),
    )
}

fn confirm_delete(context: &Context, arguments: Arguments) -> Result<ToolResult, Failure> {
    context.become_task()?;
    let file = arguments.get("filename").and_then(Value::as_str).unwrap_or_default();
    let schema = json!({
        "type": "object",
        "properties": { "confirm": { "type": "boolean" } },
        "required": ["confirm"]
    });
    let question = Elicitation::form(format!("Delete {file}?"), schema);
    let answer = context.elicit("confirm", question)?;
    Ok(ToolResult::text(format!("{file}: {answer:?}")))
}

fn multi_input(context: &Context, _: Arguments) -> Result<ToolResult, Failure> {
    context.become_task()?;
    let mut inputs = context.ask([
        ("first", text_form("The first name?", "name").into()),
        ("second", text_form("The second name?", "name").into()),
    ])?;
    let (first, second) = (inputs.elicited("first")?, inputs.elicited("second")?);
    Ok(ToolResult::text(format!("{first:?}, {second:?}")))
}
