//! `erlmcp cert`: what certificates say, and what they are good for.

use std::path::Path;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::arguments::cert::CertCommand;
use super::text::{list, moment, plain, relative, row};
use super::{CONFIGURATION, complain, say};
use crate::base::clock::unix_seconds;
use crate::base::ids::hex;
use crate::config::{self, Problems, SystemSources};
use crate::guard::authn::certificate::NameKind;
use crate::guard::authn::certificate::describe::{Description, describe};
use crate::server::StartError;
use crate::server::verification::{Chain, ClientVerdict};

/// Why nothing can be said.
enum Failed {
    Problems(Problems),
    Start(StartError),
    /// No client would know what to call the server.
    Nameless,
}

pub(super) fn run(command: &CertCommand) -> ExitCode {
    let done = match command {
        CertCommand::Inspect(file) => inspect(file),
        CertCommand::VerifyClient { chain, config } => verify_client(chain, config),
        CertCommand::VerifyServer { chain, authorities, host } => {
            verify_server(chain, authorities, host.as_deref())
        }
    };
    match done {
        Ok((text, true)) => say(&text),
        Ok((text, false)) => {
            say(&text);
            ExitCode::FAILURE
        }
        Err(Failed::Problems(problems)) => {
            complain(&problems.to_string());
            ExitCode::from(CONFIGURATION)
        }
        Err(Failed::Start(error)) => {
            complain(&format!("erlmcp: {error}"));
            ExitCode::FAILURE
        }
        Err(Failed::Nameless) => {
            complain("erlmcp: the certificate names no host; --host says which one it is for");
            ExitCode::FAILURE
        }
    }
}

impl From<StartError> for Failed {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

/// What is to be said, and whether it is good.
type Told = Result<(String, bool), Failed>;

fn inspect(file: &Path) -> Told {
    let chain = Chain::read(file)?;
    let mut text = String::new();
    let mut are_all_read = true;
    for (number, der) in chain.certificates().enumerate() {
        text.push_str(&format!("certificate {}\n", number + 1));
        match describe(der) {
            Some(description) => text.push_str(&described(&description)),
            None => {
                are_all_read = false;
                text.push_str("  it has not the form of one (X.509 version 3)\n");
            }
        }
    }
    Ok((text, are_all_read))
}

fn described(it: &Description) -> String {
    let now = unix_seconds();
    let time = |at: u64| format!("{} ({})", moment(at), relative(at, now));
    let names: Vec<String> = it.names.iter().map(|(kind, name)| named(*kind, name)).collect();
    let purposes = it.purposes.as_ref().map_or("any".into(), |purposes| list(purposes, "none"));
    let signs = if it.is_authority { "signs others" } else { "signs no others" };
    let mut text = String::new();
    for (name, what) in [
        ("subject", it.subject.clone()),
        ("issuer", it.issuer.clone()),
        ("serial", hex(&it.parsed.serial)),
        ("valid from", time(it.parsed.not_before)),
        ("until", time(it.parsed.not_after)),
        ("names", list(&names, "none")),
        ("purposes", format!("{purposes}; {signs}")),
        ("key", it.key.clone()),
        ("SHA-256", hex(&it.sha256)),
        ("x5t#S256", URL_SAFE_NO_PAD.encode(it.sha256)),
    ] {
        text.push_str(&row(name, &what));
    }
    text
}

fn named(kind: NameKind, name: &str) -> String {
    let kind = match kind {
        NameKind::Uri => "URI",
        NameKind::Dns => "DNS",
        NameKind::Email => "e-mail",
        NameKind::CommonName => "common name",
    };
    format!("{kind} {name:?}")
}

fn verify_client(chain: &Path, config: &Path) -> Told {
    let configuration = config::load(config, &SystemSources).map_err(Failed::Problems)?;
    Ok(match Chain::read(chain)?.of_client(&configuration)? {
        ClientVerdict::Refused(why) => (format!("refused: {why}\n"), false),
        ClientVerdict::ProvesNobody(why) => {
            (format!("a connection may begin with it, and it proves nobody: {why}\n"), false)
        }
        ClientVerdict::Proves(principal) => {
            let user = row("user", &principal.user);
            let roles = row("roles", &list(&principal.roles, "none beside those of the user"));
            (format!("good\n{user}{roles}"), true)
        }
    })
}

fn verify_server(chain: &Path, authorities: &Path, host: Option<&str>) -> Told {
    let chain = Chain::read(chain)?;
    let described = chain.certificates().next().and_then(describe);
    let own = described.as_ref().and_then(|it| it.parsed.names_of(NameKind::Dns).next());
    let own = own.map(|name| name.replace('*', "any"));
    let host = host.or(own.as_deref()).ok_or(Failed::Nameless)?;
    Ok(match chain.of_server(authorities, host)? {
        Ok(()) => (plain(&format!("good for {host}\n")), true),
        Err(why) => (plain(&format!("refused for {host}: {why}\n")), false),
    })
}
