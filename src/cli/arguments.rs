//! What may be typed, and the help text that says so.

pub(super) mod admin;
pub(super) mod cert;
pub(super) mod policy;
pub(super) mod token;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};

use admin::AdminCommand;
use cert::CertCommand;
use policy::PolicyCommand;
use token::TokenCommand;

/// The help text.
pub(super) const HELP: &str = "\
erlmcp - a hardened MCP server

usage: erlmcp serve [--config FILE | --listen ADDRESS --state DIRECTORY] [--stdio] [--check]
       erlmcp key new | hash
       erlmcp admin [--socket PATH | --config FILE] [--json] COMMAND
       erlmcp policy explain --config FILE --user NAME --tool NAME [--arguments JSON]
       erlmcp policy test CASES --config FILE
       erlmcp token inspect [--config FILE [--certificate FILE]] < TOKEN
       erlmcp cert inspect FILE
       erlmcp cert verify FILE --config FILE | --authority FILE [--host NAME]
       erlmcp validate stdin [--config FILE]

serve   Serves MCP. Without a configuration: HTTPS on 127.0.0.1:8443 with a certificate and an API
        key that are made on the first start, and the host toolset.
          --config FILE       the configuration, in TOML; etc/erlmcp.toml explains every key
          --check             only check the configuration: exit status 0 if it is good
          --stdio             serve standard input and output and no network
          --listen ADDRESS    without a configuration: another address, such as 127.0.0.1:9443
          --state DIRECTORY   without a configuration: where keys and the audit log are kept
        SIGHUP reads the configuration again; SIGUSR1 writes the counters to the log; SIGTERM and
        SIGINT end the server, which finishes what runs; a second one ends it at once.

key     new   makes an API key and prints it with the hash to put into a configuration
        hash  reads a key from standard input and prints its hash

admin   Asks a running server, through its control socket: by default that of a server without a
        configuration.
          status                       how things stand
          clients [ADDRESS]            who has failed to authenticate, and is locked out
          reset ADDRESS                forgets those failures
          block NETWORK [--for 5m]     shuts a network out; --force if it holds this host itself
          unblock NETWORK
          keys list                    API keys by label, and public keys of issuers
          keys rotate ID FILE [--issuer I] [--retire OLD --after 1h]
                                       takes tokens that are signed with the public key in a file,
                                       too, and after a while those of the old one no more
          keys retire ID [--issuer I] [--after 1h]
          keys revoke LABEL | --user U       API keys
          tokens revoke ID | --user U [--issuer I]
                                       one token by its `jti`, or all that a user has
          sessions list
          sessions revoke HANDLE | --user U
          log-level LEVEL              until the next start
          reload                       reads the configuration again
        --json prints what the server answers. Exit status 0 if it is done.

policy  explain
          Tells whether a user may do something, and which line of the configuration says so.
          --role, --scope, --claim NAME=VALUE   what the credential brings; may be repeated
          --transport NAME, --address IP   where the user is; http, tcp, websocket or stdio
          --tool, --resource, --prompt, --method   what it is about
        test
          Asks the questions of a file, each with the verdict that is expected:
          [[case]] user = \"alice\", tool = \"echo\", arguments = {}, expect = \"allow\"
        Exit status 0 if it is allowed, or if all verdicts are as expected.

token   inspect
          Reads a JSON Web Token from standard input and shows what it says; with a configuration
          also whether its server would take it, and why not. The keys that its issuer publishes
          are fetched for that.
          --certificate FILE   the certificate of the client that shows it
        Exit status 0 if it is taken or, without a configuration, can be read.

cert    inspect
          Shows the certificates of a PEM file.
        verify
          --config FILE        Tells whether a client with this certificate would be let in, and
                               as whom: chain, time, purpose, revocation lists, names.
          --authority FILE     Tells whether clients that trust these authorities would let in a
          --host NAME          server with it, by this name or the first one that it has.
        Exit status 0 if it is good.

validate stdin
        Reads JSON-RPC messages, one a line, and prints the error of each that would be refused
        for its form. Exit status 1 if there is one.

        --help, --version

Exit status: 0 good, 1 failed, 2 not understood, 78 the configuration has problems.
";

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    /// Show the help.
    Help,
    /// Show the version.
    Version,
    /// Serve.
    Serve(ServeOptions),
    /// Make an API key.
    KeyNew,
    /// Hash an API key.
    KeyHash,
    /// Ask a running server.
    Admin(Box<AdminCommand>),
    /// Ask the policy of a configuration.
    Policy(PolicyCommand),
    /// Show or verify certificates.
    Cert(CertCommand),
    /// Show a token.
    TokenInspect(TokenCommand),
    /// Check messages, by the bounds of this configuration.
    ValidateStdin(Option<PathBuf>),
}

/// How to serve.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ServeOptions {
    pub(super) config: Option<PathBuf>,
    pub(super) check: bool,
    pub(super) stdio: bool,
    pub(super) listen: Option<SocketAddr>,
    pub(super) state: Option<PathBuf>,
}

/// What was not understood, in one sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UsageError(pub(super) String);

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads the arguments behind the program's name.
pub(super) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = Parser::from_args(arguments);
    match parser.next()? {
        None => Err(UsageError("what is to be done?".into())),
        Some(Arg::Long("help") | Arg::Short('h')) => Ok(Command::Help),
        Some(Arg::Long("version") | Arg::Short('V')) => Ok(Command::Version),
        Some(Arg::Value(word)) => match word.string()?.as_str() {
            "serve" => serve(&mut parser),
            "key" => key(&mut parser),
            "admin" => admin::parse(&mut parser),
            "policy" => policy::parse(&mut parser),
            "cert" => cert::parse(&mut parser),
            "token" => token::parse(&mut parser),
            "validate" => validate(&mut parser),
            "help" => Ok(Command::Help),
            word => Err(UsageError(format!("there is no command `{word}`"))),
        },
        Some(other) => Err(other.unexpected().into()),
    }
}

fn serve(parser: &mut Parser) -> Result<Command, UsageError> {
    let mut options = ServeOptions::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("config") | Arg::Short('c') => {
                options.config = Some(PathBuf::from(parser.value()?));
            }
            Arg::Long("check") => options.check = true,
            Arg::Long("stdio") => options.stdio = true,
            Arg::Long("listen") => options.listen = Some(parser.value()?.parse()?),
            Arg::Long("state") => options.state = Some(PathBuf::from(parser.value()?)),
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.config.is_some() && (options.listen.is_some() || options.state.is_some()) {
        let problem = "--listen and --state are for a server without a configuration; \
                       set transports.http.listen and server.state_directory instead";
        return Err(UsageError(problem.into()));
    }
    Ok(Command::Serve(options))
}

fn key(parser: &mut Parser) -> Result<Command, UsageError> {
    let command = match parser.next()? {
        Some(Arg::Value(word)) if word == "new" => Command::KeyNew,
        Some(Arg::Value(word)) if word == "hash" => Command::KeyHash,
        Some(Arg::Long("help") | Arg::Short('h')) => Command::Help,
        _ => return Err(UsageError("`erlmcp key` is followed by `new` or `hash`".into())),
    };
    match parser.next()? {
        None => Ok(command),
        // A key would be seen by every process on the host, and stay in the shell's history.
        Some(_) if command == Command::KeyHash => {
            Err(UsageError("the key is read from standard input, not from the arguments".into()))
        }
        Some(other) => Err(other.unexpected().into()),
    }
}

fn validate(parser: &mut Parser) -> Result<Command, UsageError> {
    let mut config = None;
    let mut names_stdin = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Value(word) if word == "stdin" => names_stdin = true,
            Arg::Long("config") | Arg::Short('c') => config = Some(PathBuf::from(parser.value()?)),
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    if names_stdin {
        Ok(Command::ValidateStdin(config))
    } else {
        Err(UsageError("`erlmcp validate` is followed by `stdin`".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, UsageError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_the_help_shows_is_understood() {
        assert_eq!(parsed("serve"), Ok(Command::Serve(ServeOptions::default())));
        assert_eq!(
            parsed("serve --config etc/production.toml --check"),
            Ok(Command::Serve(ServeOptions {
                config: Some("etc/production.toml".into()),
                check: true,
                ..ServeOptions::default()
            }))
        );
        assert_eq!(parsed("key new"), Ok(Command::KeyNew));
        assert_eq!(parsed("validate stdin"), Ok(Command::ValidateStdin(None)));
        assert_eq!(parsed("--version"), Ok(Command::Version));
        assert_eq!(parsed("serve --help"), Ok(Command::Help));
    }

    #[test]
    fn what_it_does_not_show_is_refused_with_a_sentence() {
        for line in [
            "",
            "server",
            "serve --port 1",
            "serve --listen nowhere",
            "serve extra",
            "key",
            "key hash secret",
            "validate",
            "serve --config a --listen 127.0.0.1:1",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
