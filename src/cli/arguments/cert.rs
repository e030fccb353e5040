//! What may be typed behind `erlmcp cert`.

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};

use super::{Command, UsageError};

/// What is to be done with certificates.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum CertCommand {
    /// Show those of a file.
    Inspect(PathBuf),
    /// Verify a file as the chain of a client, for the server of a configuration.
    VerifyClient { chain: PathBuf, config: PathBuf },
    /// Verify a file as the chain of a server, for clients that trust these authorities.
    VerifyServer {
        chain: PathBuf,
        authorities: PathBuf,
        /// The name that they connect to.
        host: Option<String>,
    },
}

pub(super) fn parse(parser: &mut Parser) -> Result<Command, UsageError> {
    let verifies = match parser.next()? {
        Some(Arg::Value(word)) if word == "inspect" => false,
        Some(Arg::Value(word)) if word == "verify" => true,
        Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Command::Help),
        _ => return Err(UsageError("`erlmcp cert` is followed by `inspect` or `verify`".into())),
    };
    let (mut file, mut config, mut authorities, mut host) = (None, None, None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            Arg::Long("config") | Arg::Short('c') if verifies => {
                config = Some(PathBuf::from(parser.value()?));
            }
            Arg::Long("authority") if verifies => {
                authorities = Some(PathBuf::from(parser.value()?));
            }
            Arg::Long("host") if verifies => host = Some(parser.value()?.string()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    let chain = file.ok_or_else(|| UsageError("which file holds the certificate?".into()))?;
    let command = match (verifies, config, authorities) {
        (false, ..) => CertCommand::Inspect(chain),
        (true, Some(config), None) if host.is_none() => CertCommand::VerifyClient { chain, config },
        (true, None, Some(authorities)) => CertCommand::VerifyServer { chain, authorities, host },
        _ => {
            let problem = "`erlmcp cert verify` needs either --config FILE, for the certificate of \
                           a client, or --authority FILE, for that of a server";
            return Err(UsageError(problem.into()));
        }
    };
    Ok(Command::Cert(command))
}
