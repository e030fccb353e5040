//! What may be typed behind `erlmcp token`.

use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::{Command, UsageError};

/// Show a token, and what a server would say to it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct TokenCommand {
    /// Whose keys, issuers and audiences are asked.
    pub(in crate::cli) config: Option<PathBuf>,
    /// The certificate of the client that shows the token.
    pub(in crate::cli) certificate: Option<PathBuf>,
}

pub(super) fn parse(parser: &mut Parser) -> Result<Command, UsageError> {
    match parser.next()? {
        Some(Arg::Value(word)) if word == "inspect" => {}
        Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Command::Help),
        _ => return Err(UsageError("`erlmcp token` is followed by `inspect`".into())),
    }
    let mut command = TokenCommand { config: None, certificate: None };
    while let Some(argument) = parser.next()? {
        let file = match argument {
            Arg::Long("config") | Arg::Short('c') => &mut command.config,
            Arg::Long("certificate") => &mut command.certificate,
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            // It would be seen by every process on the host, and stay in the shell's history.
            Arg::Value(_) => {
                let problem = "the token is read from standard input, not from the arguments";
                return Err(UsageError(problem.into()));
            }
            other => return Err(other.unexpected().into()),
        };
        *file = Some(PathBuf::from(parser.value()?));
    }
    if command.certificate.is_some() && command.config.is_none() {
        return Err(UsageError("--certificate is of use only with --config".into()));
    }
    Ok(Command::TokenInspect(command))
}
