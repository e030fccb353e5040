//! The server that the official conformance suite asks for: every kind of content, progress and log
//! messages, questions to the client, tasks. It shows the whole of the library at work, and is
//! what the suite runs against.
//!
//! ```text
//! cargo run --example conformance_server -- CONFIGURATION.toml [--stdio]
//! ```

mod asking;
mod content;
mod prompts;
mod resources;
mod running;
mod tasks;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use erlmcp::{Builder, StartError};

fn main() -> ExitCode {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let mut arguments = std::env::args_os().skip(1);
    let Some(configuration) = arguments.next() else {
        log::error!("usage: conformance_server CONFIGURATION.toml [--stdio]");
        return ExitCode::from(2);
    };
    match serve(configuration, arguments.any(|argument| argument == "--stdio")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(configuration: OsString, is_stdio: bool) -> Result<(), StartError> {
    let mut builder = Builder::from_file(configuration);
    if is_stdio {
        builder = builder.stdio_only();
    }
    for offer in [content::offer, running::offer, asking::offer, tasks::offer, prompts::offer] {
        builder = offer(builder);
    }
    let server = builder.resources(Arc::new(resources::Fixtures)).start()?;
    for url in server.urls() {
        log::info!("listening on {url}");
    }
    server.run()
}
