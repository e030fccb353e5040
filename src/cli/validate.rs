//! `erlmcp validate stdin`: the checks of form that every transport makes, without a transport.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use super::{CONFIGURATION, complain};
use crate::config::{self, SystemSources};
use crate::guard::settings::Validation;
use crate::proto::buffer::Buffer;
use crate::proto::json::JsonLimits;
use crate::proto::jsonrpc::{self, PARSE_ERROR, write_error};
use crate::proto::lines::{Line, LineDecoder};

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;

/// Checks the messages on standard input; prints the error of each that is refused.
pub(super) fn stdin(config: Option<&Path>) -> ExitCode {
    let configuration = match config {
        Some(path) => config::load(path, &SystemSources),
        None => config::embedded_default(&SystemSources),
    };
    let bounds = match configuration {
        Ok(configuration) => configuration.validation,
        Err(problems) => {
            complain(&problems.to_string());
            return ExitCode::from(CONFIGURATION);
        }
    };
    match check_all(&bounds) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("erlmcp: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn check_all(bounds: &Validation) -> io::Result<bool> {
    let mut decoder = LineDecoder::new();
    let mut input = Buffer::new();
    let mut chunk = vec![0; READ_BYTES];
    let mut stdin = io::stdin().lock();
    let mut all_good = true;
    loop {
        match decoder.decode(&mut input, bounds.max_message_size) {
            Line::NeedMore => match stdin.read(&mut chunk)? {
                0 => break,
                count => input.extend(chunk.get(..count).unwrap_or_default()),
            },
            line => all_good &= check(&line, bounds)?,
        }
    }
    let last = decoder.finish(&mut input, bounds.max_message_size);
    Ok(check(&last, bounds)? && all_good)
}

/// True if the line is a good message, or none.
fn check(line: &Line, bounds: &Validation) -> io::Result<bool> {
    let mut error = Vec::new();
    match line {
        Line::NeedMore => {}
        Line::TooLong(meant) => {
            write_error(&mut error, meant.id().into(), PARSE_ERROR, "Message too large", None);
        }
        Line::Message(text) => {
            let limits = JsonLimits { depth: bounds.max_depth, nodes: bounds.max_nodes };
            if let Err(refused) = jsonrpc::parse(text, limits) {
                let message = refused.fault.to_string();
                let code = refused.fault.code();
                write_error(&mut error, refused.meant.id().into(), code, &message, None);
            }
        }
    }
    if error.is_empty() {
        return Ok(true);
    }
    error.push(b'\n');
    io::stdout().lock().write_all(&error)?;
    Ok(false)
}
