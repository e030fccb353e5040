//! The command line: what a person types becomes a call of the rooms, and what they say becomes
//! text and an exit status. It is the only room that writes to standard output.

mod admin;
mod arguments;
mod cert;
mod key;
mod logging;
mod policy;
mod serve;
mod text;
mod token;
mod validate;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use arguments::{Command, UsageError};

/// The command line was not understood.
const USAGE: u8 = 2;
/// The configuration has problems (sysexits.h, EX_CONFIG).
const CONFIGURATION: u8 = 78;

/// Runs the program with these arguments, the first of which is its name.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == "jail") {
        // The inside of a command tool: it becomes the program, or says why it cannot.
        return crate::jail::enter(arguments.skip(1)).report();
    }
    match arguments::parse(arguments) {
        Ok(Command::Help) => say(arguments::HELP),
        Ok(Command::Version) => say(concat!("erlmcp ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Serve(options)) => serve::run(&options),
        Ok(Command::KeyNew) => key::new(),
        Ok(Command::KeyHash) => key::hash(),
        Ok(Command::Admin(command)) => admin::run(&command),
        Ok(Command::Policy(command)) => policy::run(&command),
        Ok(Command::Cert(command)) => cert::run(&command),
        Ok(Command::TokenInspect(command)) => token::run(&command),
        Ok(Command::ValidateStdin(config)) => validate::stdin(config.as_deref()),
        Err(UsageError(problem)) => {
            complain(&format!("erlmcp: {problem}\nTry `erlmcp --help`."));
            ExitCode::from(USAGE)
        }
    }
}

/// Writes to standard output; a reader that has gone is no failure of ours.
fn say(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes a line to standard error.
fn complain(text: &str) {
    // There is nowhere left to say that this failed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
