//! The operator's log: lines on standard error with time and level. A message cannot begin a line
//! of its own choosing.

use std::io::Write as _;

use env_logger::{Builder, Target};
use log::LevelFilter;

use crate::actors::settings::LogLevel;
use crate::base::clock::{rfc3339, unix_micros};

/// Starts the log. A second call changes the level only.
pub(super) fn start(level: LogLevel) {
    let level = match level {
        LogLevel::Off => LevelFilter::Off,
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    };
    let started = Builder::new()
        .filter_level(LevelFilter::Trace)
        // It warns of what any stranger may send.
        .filter_module("rustls", LevelFilter::Error)
        .target(Target::Stderr)
        .format(|out, record| {
            let message = record.args().to_string();
            let lines = message
                .replace('\n', "\n    ")
                .replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
            writeln!(out, "{} {:5} {lines}", rfc3339(unix_micros()), record.level())
        })
        .try_init();
    // It is started already where a program has its own log: that stays as it is.
    drop(started);
    log::set_max_level(level);
}
