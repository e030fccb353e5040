//! Reads `[server]`, `[log]` and `[host]`; it must never start anything.

use std::path::PathBuf;

use super::reader::Reader;
use super::sources::Sources;
use super::value::Value;
use crate::actors::settings::{LogLevel, LogSettings, RuntimeSettings};
use crate::backend::settings::{HostSettings, LogFile, Service};
use crate::mcp::settings::ServerSettings;

/// Reads `[server]`: what clients are told, and how the process runs.
pub(super) fn server(reader: &mut Reader<'_>) -> (ServerSettings, RuntimeSettings) {
    let settings = ServerSettings {
        name: filled(reader, "name").unwrap_or_else(|| "erlmcp".to_owned()),
        title: reader.string("title"),
        version: filled(reader, "version").unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
        instructions: reader.text("instructions"),
        page_size: reader.integer_in("page_size", 1..=1000, 100),
    };
    let state_directory = reader.absolute_path("state_directory", "/var/lib/erlmcp");
    let runtime = RuntimeSettings {
        state_directory: state_directory
            .unwrap_or_else(|| default_state_directory(reader.context().sources)),
        workers: reader.integer_in("workers", 0..=1024, 0),
        handlers: reader.integer_in("handlers", 1..=256, 16),
        drain: reader.seconds("drain_seconds", 0..=3600, 10),
    };
    (settings, runtime)
}

fn filled(reader: &mut Reader<'_>, key: &'static str) -> Option<String> {
    let value = reader.value(key)?;
    let text = value.string("a string")?;
    if text.trim().is_empty() {
        value.error("is empty", "give it a value or remove it");
        return None;
    }
    Some(text)
}

/// The directory of the user's programs for state (XDG Base Directory Specification 0.8), or that
/// of the system for a process without a home.
fn default_state_directory(sources: &dyn Sources) -> PathBuf {
    let absolute = |name| sources.variable(name).ok().filter(|path| path.starts_with('/'));
    if let Some(state) = absolute("XDG_STATE_HOME") {
        return PathBuf::from(state).join("erlmcp");
    }
    match absolute("HOME") {
        Some(home) => PathBuf::from(home).join(".local/state/erlmcp"),
        None => PathBuf::from("/var/lib/erlmcp"),
    }
}

/// Reads `[log]`.
pub(super) fn log(reader: &mut Reader<'_>) -> LogSettings {
    const LEVELS: [(&str, LogLevel); 6] = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
        ("off", LogLevel::Off),
    ];
    LogSettings { level: reader.choice("level", &LEVELS, LogLevel::Info) }
}

/// Reads `[host]`.
pub(super) fn host(reader: &mut Reader<'_>) -> HostSettings {
    let mut log_names = Vec::new();
    let mut service_names = Vec::new();
    HostSettings {
        enabled: reader.boolean("enabled", true),
        log_files: reader.tables("log_files", |reader| {
            let name = unique_name(reader, &mut log_names);
            let path = reader.required("path", "\"/var/log/messages\"");
            let path = path.and_then(|path| path.absolute_path("/var/log/messages"));
            Some(LogFile { name: name?, path: path? })
        }),
        services: reader.tables("services", |reader| {
            let name = unique_name(reader, &mut service_names);
            let pid_file = reader.absolute_path("pid_file", "/run/sshd.pid");
            Some(Service { name: name?, pid_file })
        }),
        max_processes: reader.integer_in("max_processes", 1..=10_000, 50),
    }
}

/// Reads a required `name` of 1 to 64 characters that no earlier table of the array has.
pub(super) fn unique_name(reader: &mut Reader<'_>, taken: &mut Vec<String>) -> Option<String> {
    let value = reader.required("name", "\"disk-usage\"")?;
    let name = value.string("a string")?;
    if !is_name(&name) {
        let what = format!("{} is no name", value.shown(&name));
        value.error(&what, "use 1 to 64 letters, digits, `_`, `-` or `.`");
        return None;
    }
    claim(&value, name, taken)
}

/// Takes a name, unless it is taken.
pub(super) fn claim(value: &Value<'_>, name: String, taken: &mut Vec<String>) -> Option<String> {
    if taken.contains(&name) {
        let what = format!("{} is already taken", value.shown(&name));
        value.error(&what, "choose another one: each must be unique");
        return None;
    }
    taken.push(name.clone());
    Some(name)
}

/// Whether a text is 1 to 64 of the characters that every client accepts in a name.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}
