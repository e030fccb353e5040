//! A tool of the configuration: a command, its limits, and how its output becomes a result.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::command::{
    CommandError, CommandLimits, CommandOutput, CommandSpec, CommandStatus, Interrupt, Launcher,
    StderrLine, run,
};
use crate::backend::context::Context;
use crate::backend::provider::{Arguments, Failure, ToolHandler};
use crate::backend::settings::{ToolOutput, ToolSettings};
use crate::mcp::content::Content;
use crate::mcp::definitions::{Annotations, Tool};
use crate::mcp::meta::LogLevel;
use crate::mcp::result::ToolResult;
use crate::proto::json::{JsonLimits, parse};

/// From SIGTERM to SIGKILL.
const KILL_GRACE: Duration = Duration::from_secs(2);

/// A command tool.
#[derive(Debug)]
pub struct CommandTool {
    name: String,
    spec: CommandSpec,
    output: ToolOutput,
    launcher: Arc<Launcher>,
}

impl CommandTool {
    /// The tool of these settings, started through `launcher`.
    pub fn new(settings: &ToolSettings, launcher: Arc<Launcher>) -> Self {
        let limits = &settings.limits;
        let spec = CommandSpec {
            program: settings.program.clone(),
            arguments: settings.arguments.clone(),
            environment: settings
                .environment
                .iter()
                .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect(),
            directory: settings.directory.clone(),
            stdin: settings.stdin.clone(),
            progress: settings.progress,
            limits: CommandLimits {
                timeout: limits.timeout,
                output_bytes: limits.max_output_bytes,
                memory_bytes: limits.memory_bytes,
                cpu_seconds: limits.cpu.as_secs(),
                processes: limits.processes,
                open_files: limits.open_files,
                file_bytes: limits.file_bytes,
                kill_grace: KILL_GRACE,
            },
        };
        Self { name: settings.name.clone(), spec, output: settings.output, launcher }
    }

    fn result(&self, output: &CommandOutput) -> ToolResult {
        if output.status != CommandStatus::Exited(0) {
            return failed(output);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        if self.output == ToolOutput::Text {
            return ToolResult::text(text);
        }
        match parse(output.stdout.trim_ascii(), JsonLimits::default()) {
            Ok(value) => ToolResult {
                content: vec![Content::text(text)],
                structured: Some(value),
                ..ToolResult::default()
            },
            Err(_) => ToolResult::error("The tool's output is not valid JSON"),
        }
    }
}

/// The definition of the tool of these settings.
pub fn definition(settings: &ToolSettings) -> Tool {
    let hints = settings.hints;
    let mut tool = Tool::new(&settings.name, &settings.description)
        .input_schema(settings.input_schema.clone())
        .permission(settings.permission)
        .tasks(settings.tasks)
        .annotations(Annotations {
            read_only: Some(hints.read_only),
            destructive: Some(hints.destructive),
            idempotent: Some(hints.idempotent),
            open_world: Some(hints.open_world),
        });
    tool.title.clone_from(&settings.title);
    tool.output_schema.clone_from(&settings.output_schema);
    tool
}

impl ToolHandler for CommandTool {
    fn call(&self, context: &Context, arguments: Arguments) -> Result<ToolResult, Failure> {
        context.become_task()?;
        let interrupt = Arc::new(Interrupt::new().map_err(|error| {
            log::error!("tool {}: no descriptor for its interrupt: {error}", self.name);
            Failure::new("The tool could not be started")
        })?);
        let raised = Arc::clone(&interrupt);
        context.cancellation().on_cancel(move || raised.raise());
        let mut on_line = |line| match line {
            StderrLine::Progress { progress, total, message } => {
                context.progress(progress, total, message.as_deref());
            }
            StderrLine::Text(text) => {
                context.log(LogLevel::Info, Some(&self.name), &Value::from(text));
            }
        };
        let ran = run(&self.spec, &self.launcher, &arguments, &interrupt, &mut on_line);
        context.cancellation().clear_hook();
        match ran {
            Ok(output) => Ok(self.result(&output)),
            Err(error) => Ok(ToolResult::error(self.sentence(&error))),
        }
    }
}

impl CommandTool {
    /// What the model is told; the operator is told more.
    fn sentence(&self, error: &CommandError) -> String {
        match error {
            CommandError::Spawn(reason) => {
                log::error!("tool {}: could not be started: {reason}", self.name);
            }
            CommandError::Io(error) => log::error!("tool {}: {error}", self.name),
            CommandError::Stuck => log::error!("tool {}: could not be ended", self.name),
            _ => log::info!("tool {}: {error}", self.name),
        }
        let sentence = error.to_string();
        let mut characters = sentence.chars();
        characters
            .next()
            .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
    }
}

/// A program that ran and failed: the model sees what it wrote.
fn failed(output: &CommandOutput) -> ToolResult {
    let how = match output.status {
        CommandStatus::Exited(code) => format!("The tool exited with status {code}"),
        CommandStatus::Signalled(signal) => format!("The tool was ended by signal {signal}"),
    };
    let mut result = ToolResult::error(how);
    for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr_tail)] {
        let text = String::from_utf8_lossy(bytes);
        if !text.trim().is_empty() {
            result = result.with(Content::text(format!("{stream}:\n{text}")));
        }
    }
    result.structured = None;
    result.meta.insert(
        "exitStatus".into(),
        match output.status {
            CommandStatus::Exited(code) => json!(code),
            CommandStatus::Signalled(signal) => json!(format!("signal {signal}")),
        },
    );
    result
}
