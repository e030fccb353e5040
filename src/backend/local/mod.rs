//! What this host itself offers: configured programs, files, prompts, and what the system tells
//! about itself.

pub mod command;
pub mod command_tool;
pub mod file_resources;
pub mod files;
pub mod host;
pub mod host_tool;
pub mod prompts;
