//! The built-in host toolset, as tools.

use std::sync::Arc;

use super::host::{self, HostSettings};
use crate::backend::context::Context;
use crate::backend::provider::{Arguments, Failure, ToolHandler};
use crate::backend::settings::HostSettings as Configured;
use crate::mcp::content::Content;
use crate::mcp::definitions::{Annotations, Tool};
use crate::mcp::result::ToolResult;

/// One tool of the host toolset.
#[derive(Debug)]
pub struct HostTool {
    settings: Arc<HostSettings>,
    name: &'static str,
}

/// All tools of the host toolset and their definitions.
pub fn tools(configured: &Configured) -> Vec<(Tool, HostTool)> {
    let settings = Arc::new(HostSettings {
        log_files: configured.log_files.clone(),
        services: configured.services.clone(),
        max_processes: configured.max_processes,
        ..HostSettings::default()
    });
    host::tools(&settings)
        .into_iter()
        .map(|tool| {
            let definition = Tool::new(tool.name, tool.description)
                .title(tool.title)
                .input_schema(tool.input_schema)
                .output_schema(tool.output_schema)
                .read_only();
            let hints = Annotations { open_world: Some(false), ..definition.annotations.clone() };
            let handler = HostTool { settings: Arc::clone(&settings), name: tool.name };
            (definition.annotations(hints), handler)
        })
        .collect()
}

impl ToolHandler for HostTool {
    fn call(&self, _: &Context, arguments: Arguments) -> Result<ToolResult, Failure> {
        Ok(match host::call(&self.settings, self.name, &arguments) {
            Ok(structured) => ToolResult {
                content: vec![Content::text(host::summary(self.name, &structured))],
                structured: Some(structured),
                ..ToolResult::default()
            },
            Err(error) => ToolResult::error(error.to_string()),
        })
    }
}
