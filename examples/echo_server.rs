//! A server with tools, a prompt and a resource written in Rust.
//!
//! ```text
//! cargo run --example echo_server -- etc/development.toml
//! ```
//!
//! Transports, keys, roles and limits are those of the configuration file, as for the program
//! `erlmcp` itself; what the file offers (command tools, files) is offered beside what is here.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use erlmcp::{
    Arguments, Builder, Context, Failure, FilledPrompt, Prompt, PromptArgument, PromptHandler,
    PromptMessage, ReadError, Resource, ResourceContents, ResourceProvider, StartError, Tool,
    ToolResult,
};
use serde_json::json;

fn main() -> ExitCode {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let mut arguments = std::env::args_os().skip(1);
    let Some(first) = arguments.next() else {
        log::error!("usage: echo_server CONFIGURATION.toml");
        return ExitCode::from(2);
    };
    // Command tools of the configuration are started by this same program, which limits itself
    // and then becomes the tool.
    if first == "jail" {
        return erlmcp::jail::enter(arguments).report();
    }
    match serve(first) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(configuration: OsString) -> Result<(), StartError> {
    let server = Builder::from_file(configuration)
        .quick_tool(echo_definition(), echo)
        .tool(count_definition(), count)
        .prompt(greeting_definition(), Arc::new(Greeting))
        .resources(Arc::new(Motto))
        .start()?;
    if let Some(url) = server.url() {
        log::info!("serving {url}");
    }
    server.run()
}

/// Arguments and results are checked against these schemas; [`echo`] need not.
fn echo_definition() -> Tool {
    let schema = json!({
        "type": "object",
        "properties": { "text": { "type": "string", "maxLength": 10_000 } },
        "required": ["text"],
        "additionalProperties": false
    });
    Tool::new("echo", "Returns its text")
        .input_schema(schema.clone())
        .output_schema(schema)
        .read_only()
}

/// A quick tool: it never blocks, so it runs where the request was read.
fn echo(_: &Context, mut arguments: Arguments) -> Result<ToolResult, Failure> {
    let text = arguments.remove("text").unwrap_or_default();
    Ok(ToolResult::structured(json!({ "text": text })))
}

fn count_definition() -> Tool {
    Tool::new("count", "Counts to a number, a step every tenth of a second")
        .input_schema(json!({
            "type": "object",
            "properties": { "to": { "type": "integer", "minimum": 1, "maximum": 1_000 } },
            "required": ["to"],
            "additionalProperties": false
        }))
        .read_only()
}

/// A tool that takes its time on a thread of its own. It tells how far it is, and stops as soon as
/// nobody waits for its answer any more.
fn count(context: &Context, arguments: Arguments) -> Result<ToolResult, Failure> {
    let to = arguments.get("to").and_then(|to| to.as_u64()).unwrap_or(1);
    let (cancelled, wait) = mpsc::channel();
    context.cancellation().on_cancel(move || {
        let _ = cancelled.send(());
    });
    for step in 1..=to {
        if wait.recv_timeout(Duration::from_millis(100)).is_ok() {
            return Ok(ToolResult::error(format!("stopped before {step}")));
        }
        let message = format!("{step} of {to}");
        #[allow(clippy::cast_precision_loss, reason = "the schema keeps it below 1000")]
        context.progress(step as f64, Some(to as f64), Some(&message));
    }
    Ok(ToolResult::text(format!("counted to {to}")))
}

/// The names that a greeting may be completed with.
const NAMES: [&str; 3] = ["Agnes", "Alan", "Joe"];

fn greeting_definition() -> Prompt {
    let name = PromptArgument {
        name: "name".into(),
        description: Some("Who is greeted".into()),
        required: true,
        ..PromptArgument::default()
    };
    Prompt {
        name: "greeting".into(),
        description: Some("Asks for a greeting".into()),
        arguments: vec![name],
        ..Prompt::default()
    }
}

struct Greeting;

impl PromptHandler for Greeting {
    fn fill(&self, _: &Context, arguments: Arguments) -> Result<FilledPrompt, Failure> {
        let name = arguments.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        let message = PromptMessage::user(format!("Write one friendly line to {name}."));
        Ok(FilledPrompt { description: None, messages: vec![message] })
    }

    fn complete(&self, _: &str, prefix: &str) -> Vec<String> {
        NAMES.iter().filter(|name| name.starts_with(prefix)).map(|&name| name.into()).collect()
    }
}

const MOTTO: &str = "example://motto";

/// A set of resources that has one.
struct Motto;

impl ResourceProvider for Motto {
    fn list(&self, after: Option<&str>, most: usize) -> Result<Vec<Resource>, Failure> {
        let motto = Resource {
            uri: MOTTO.into(),
            name: "motto".into(),
            mime_type: Some("text/plain".into()),
            ..Resource::default()
        };
        let is_wanted = |resource: &Resource| after.is_none_or(|after| *resource.uri > *after);
        Ok(Some(motto).filter(is_wanted).into_iter().take(most).collect())
    }

    fn claims(&self, uri: &str) -> bool {
        uri == MOTTO
    }

    fn read(&self, _: &Context, uri: &str) -> Result<Vec<ResourceContents>, ReadError> {
        if uri != MOTTO {
            return Err(ReadError::NotFound);
        }
        Ok(vec![ResourceContents::text(uri, "text/plain", "What is not allowed is refused.")])
    }
}
