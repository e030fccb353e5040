//! The built-in host toolset: facts about this machine read from `/proc` and `/sys`; it must
//! never start a process, change anything, or block on a mount or a pipe.
//!
//! A fact the kernel does not offer is an absent property of the result, never an error: an
//! error means that the call itself was wrong or that a configured log may not be read.

mod addresses;
mod arguments;
mod disks;
mod kernel;
mod log;
mod mounts;
mod network;
mod process;
mod processes;
mod read;
mod schema;
mod sensors;
mod service;
mod status;
mod text;
mod unit;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::backend::settings::{LogFile, Service};

/// What the host toolset reads and how much of it a call may return.
#[derive(Clone, Debug)]
pub struct HostSettings {
    /// The mount point of procfs.
    pub proc_root: PathBuf,
    /// The mount point of sysfs.
    pub sys_root: PathBuf,
    /// The log files `host_log` offers; with none, the tool is not offered.
    pub log_files: Vec<LogFile>,
    /// The services `host_service` offers; with none, the tool is not offered.
    pub services: Vec<Service>,
    /// How many processes `host_processes` lists when the call gives no limit, 1 to 200.
    pub max_processes: usize,
    /// How many bytes `host_log` reads from the end of a file, and how many bytes of lines it
    /// returns; 1 MiB at most.
    pub max_log_bytes: u64,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            proc_root: PathBuf::from("/proc"),
            sys_root: PathBuf::from("/sys"),
            log_files: Vec::new(),
            services: Vec::new(),
            max_processes: 50,
            max_log_bytes: 64 * 1024,
        }
    }
}

/// One tool as `tools/list` describes it; the schemas are JSON Schema 2020-12.
#[derive(Clone, Debug)]
pub struct HostTool {
    /// The name callers use.
    pub name: &'static str,
    /// A short name for people.
    pub title: &'static str,
    /// What the tool answers, for people and models.
    pub description: &'static str,
    /// What the arguments must satisfy.
    pub input_schema: Value,
    /// What every structured result satisfies.
    pub output_schema: Value,
}

/// Why a call gave no result. The texts are fit for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostError {
    /// No such tool, or a tool for which nothing is configured.
    UnknownTool,
    /// An argument the tool does not take.
    UnknownArgument,
    /// A required argument is absent.
    MissingArgument(&'static str),
    /// An argument has the wrong type, or a value outside its range or its list of choices.
    InvalidArgument(&'static str),
    /// The log exists but may not be opened or read.
    LogUnreadable,
    /// The log's path leads to a symbolic link, pipe, device, socket or directory.
    LogNotRegular,
}

impl fmt::Display for HostError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTool => formatter.write_str("The host offers no such tool."),
            Self::UnknownArgument => formatter.write_str("An argument is not one this tool takes."),
            Self::MissingArgument(name) => {
                write!(formatter, "The argument \"{name}\" is required.")
            }
            Self::InvalidArgument(name) => {
                write!(formatter, "The argument \"{name}\" has a value its schema does not allow.")
            }
            Self::LogUnreadable => formatter.write_str("The log cannot be read by this server."),
            Self::LogNotRegular => formatter.write_str("The log is not a regular file."),
        }
    }
}

impl std::error::Error for HostError {}

/// The tools these settings offer, in a fixed order.
#[must_use]
pub fn tools(settings: &HostSettings) -> Vec<HostTool> {
    let mut tools = vec![
        status::tool(),
        disks::tool(),
        network::tool(),
        processes::tool(settings.max_processes),
    ];
    if !settings.log_files.is_empty() {
        tools.push(log::tool(&settings.log_files));
    }
    if !settings.services.is_empty() {
        tools.push(service::tool(&settings.services));
    }
    tools
}

/// Runs one tool and returns structured content that satisfies the tool's output schema.
///
/// # Errors
/// When the tool is not offered, an argument breaks the input schema, or a log may not be read.
pub fn call(
    settings: &HostSettings,
    name: &str,
    arguments: &Map<String, Value>,
) -> Result<Value, HostError> {
    match name {
        status::NAME => arguments::none(arguments).map(|()| status::call(settings)),
        disks::NAME => arguments::none(arguments).map(|()| disks::call(settings)),
        network::NAME => arguments::none(arguments).map(|()| network::call(settings)),
        processes::NAME => processes::call(settings, arguments),
        log::NAME if !settings.log_files.is_empty() => log::call(settings, arguments),
        service::NAME if !settings.services.is_empty() => service::call(settings, arguments),
        _ => Err(HostError::UnknownTool),
    }
}

/// The same facts as a structured result of the tool `name`, as short aligned plain text.
///
/// The text of a tool this module does not know is empty.
#[must_use]
pub fn summary(name: &str, structured: &Value) -> String {
    match name {
        status::NAME => status::summary(structured),
        disks::NAME => disks::summary(structured),
        network::NAME => network::summary(structured),
        processes::NAME => processes::summary(structured),
        log::NAME => log::summary(structured),
        service::NAME => service::summary(structured),
        _ => String::new(),
    }
}
