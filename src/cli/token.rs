//! `erlmcp token inspect`: what a token says, and why a server would take or refuse it.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::arguments::token::TokenCommand;
use super::text::{json, list, moment, relative, row};
use super::{CONFIGURATION, complain, logging, say};
use crate::actors::settings::LogLevel;
use crate::base::clock::unix_seconds;
use crate::base::principal::Principal;
use crate::config::{self, Configuration, SystemSources};
use crate::guard::authn::jwt::peek::{Peeked, peek};
use crate::guard::authn::jwt::token::{ALGORITHMS, TOKEN_BYTES};
use crate::guard::authn::jwt::{Issuer, TokenError};
use crate::server::StartError;
use crate::server::inspection::{self, TokenReport};

/// Most bytes that are read: more than the longest token, to tell that one is too long.
const LONGEST: u64 = 1 << 20;
/// Claims that are times (RFC 7519 section 4.1).
const TIMES: [&str; 3] = ["exp", "nbf", "iat"];

pub(super) fn run(command: &TokenCommand) -> ExitCode {
    let mut input = String::new();
    if let Err(error) = io::stdin().lock().take(LONGEST).read_to_string(&mut input) {
        complain(&format!("erlmcp: the token cannot be read: {error}"));
        return ExitCode::FAILURE;
    }
    let token = Shown::new(&input);
    let Some(config) = &command.config else {
        say(&format!("{}not verified: --config FILE says by whose keys\n", token.told()));
        return exit(token.peeked.header.is_some() && token.peeked.claims.is_some());
    };
    // That keys cannot be fetched is logged.
    logging::start(LogLevel::Warn);
    let configuration = match config::load(config, &SystemSources) {
        Ok(configuration) => configuration,
        Err(problems) => {
            complain(&problems.to_string());
            return ExitCode::from(CONFIGURATION);
        }
    };
    match judge(&token, &configuration, command.certificate.as_deref()) {
        Ok((text, is_taken)) => {
            say(&format!("{}{text}", token.told()));
            exit(is_taken)
        }
        Err(error) => {
            complain(&format!("erlmcp: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn exit(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A token as it was given.
struct Shown<'i> {
    text: &'i str,
    peeked: Peeked,
    now: u64,
}

impl<'i> Shown<'i> {
    fn new(input: &'i str) -> Self {
        let text = input.trim();
        // As it stands in a request.
        let text = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => text,
        };
        Self { text, peeked: peek(text), now: unix_seconds() }
    }

    fn told(&self) -> String {
        let mut text = String::new();
        let parts = [("header", &self.peeked.header), ("claims", &self.peeked.claims)];
        for (name, part) in parts {
            let Some(part) = part else {
                let _ = writeln!(text, "{name} that cannot be read");
                continue;
            };
            let _ = writeln!(text, "{name}, as the token says");
            text.extend(part.iter().map(|(name, value)| row(name, &self.value(name, value))));
        }
        text
    }

    fn value(&self, name: &str, value: &Value) -> String {
        match value.as_u64().filter(|_| TIMES.contains(&name)) {
            Some(at) => format!("{at} ({}, {})", moment(at), relative(at, self.now)),
            None => json(value),
        }
    }

    fn claim(&self, name: &str) -> Option<&Value> {
        self.peeked.claims.as_ref()?.get(name)
    }

    fn header(&self, name: &str) -> Option<&Value> {
        self.peeked.header.as_ref()?.get(name)
    }

    fn issuer(&self) -> Option<&str> {
        self.claim("iss").and_then(Value::as_str)
    }
}

/// What a server of this configuration would say, and whether it takes the token.
fn judge(
    token: &Shown<'_>,
    configuration: &Configuration,
    certificate: Option<&Path>,
) -> Result<(String, bool), StartError> {
    let certificate = certificate.map(inspection::certificate).transpose()?;
    let report = inspection::token(configuration, token.text, token.issuer())?;
    let Some(report) = report else {
        let why = "refused: the configuration takes no such tokens (authentication.methods)\n";
        return Ok((why.into(), false));
    };
    let jwt = configuration.authentication.jwt.as_ref();
    let issuers = jwt.map(|jwt| jwt.issuers.as_slice()).unwrap_or_default();
    let mut text = String::new();
    if let Some(error) = &report.without_orders {
        let _ = writeln!(text, "whether it was taken back is not known: {error}");
    }
    let principal = match (&report.verdict, report.revoked) {
        (Err(error), _) => {
            let why = explained(*error, token, issuers, &report);
            let _ = writeln!(text, "refused ({error}): {why}");
            return Ok((text, false));
        }
        (Ok(_), Some(why)) => {
            let _ = writeln!(text, "refused ({why}): it is verified, and was taken back");
            return Ok((text, false));
        }
        (Ok(principal), None) => principal,
    };
    let shown = certificate.map(|certificate| *certificate.thumbprint());
    let bound = match (principal.bound_to, shown) {
        (None, _) => None,
        (Some(to), None) => Some(format!("with the certificate {}", thumbprint(to))),
        (Some(to), Some(shown)) if to == shown => Some("with this certificate".into()),
        (Some(to), Some(shown)) => {
            let (to, shown) = (thumbprint(to), thumbprint(shown));
            let _ = writeln!(
                text,
                "refused (token_bound_to_another): it is good with the certificate {to}, and \
                 this one is {shown}"
            );
            return Ok((text, false));
        }
    };
    text.push_str("taken\n");
    text.push_str(&proven(principal, &report, bound, token.now));
    Ok((text, true))
}

/// In base64url, as in `x5t#S256` (RFC 8705 section 3.1).
fn thumbprint(bytes: [u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn proven(principal: &Principal, report: &TokenReport, bound: Option<String>, now: u64) -> String {
    let mut text = row("user", &principal.user);
    text.push_str(&row("roles", &list(&principal.roles, "none in the token")));
    if let Some(scopes) = &principal.scopes {
        text.push_str(&row("scopes", &list(scopes, "none")));
    }
    if let Some(term) = &principal.term {
        let mut keys = report.keys.iter();
        let key = keys.find(|key| key.issuer == term.issuer && key.id == term.key_id);
        let from = key.map(|key| key.origin.name()).unwrap_or_default();
        text.push_str(&row("key", &format!("{:?} ({from})", term.key_id)));
        let until = format!("{} ({})", moment(term.until), relative(term.until, now));
        text.push_str(&row("until", &until));
    }
    text.extend(bound.map(|bound| row("only", &bound)));
    text
}

/// A sentence on what is wrong, with what would be right.
fn explained(
    error: TokenError,
    token: &Shown<'_>,
    issuers: &[Issuer],
    report: &TokenReport,
) -> String {
    let issuer = issuers.iter().find(|issuer| Some(issuer.name.as_str()) == token.issuer());
    let said = |value: Option<&Value>| value.map_or("nothing".into(), json);
    match error {
        TokenError::Malformed if token.text.len() > TOKEN_BYTES => {
            format!("it is longer than the {TOKEN_BYTES} bytes that are taken")
        }
        TokenError::Malformed => "it is not three parts in base64url without padding, with dots \
                                  between them, the first two of them JSON objects without \
                                  members of the same name"
            .into(),
        TokenError::Extension => {
            "its header has `crit`, `b64`, `zip` or `enc`, and none of these is understood".into()
        }
        TokenError::Algorithm => {
            let known: Vec<_> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
            format!("`alg` is {}, and none of {}", said(token.header("alg")), known.join(", "))
        }
        TokenError::Type => format!(
            "`typ` is {}, and none of {}",
            said(token.header("typ")),
            issuer.map(|issuer| issuer.types.join(", ")).unwrap_or_default()
        ),
        TokenError::Issuer => {
            let known: Vec<_> = issuers.iter().map(|issuer| issuer.name.as_str()).collect();
            format!("`iss` is {}, and none of {}", said(token.claim("iss")), known.join(", "))
        }
        TokenError::Key | TokenError::Signature => about_the_key(error, token, report),
        TokenError::Claim(name) => {
            format!("the claim `{name}` is missing, or has not the form it should have")
        }
        TokenError::Audience => format!(
            "`aud` is {}, and has none of {}",
            said(token.claim("aud")),
            issuer.map(|issuer| issuer.audiences.join(", ")).unwrap_or_default()
        ),
        TokenError::Expired => "its time is over; get a new one".into(),
        TokenError::NotYetValid => {
            "its time has not come; compare the clocks of its issuer and of this host".into()
        }
        TokenError::User => format!(
            "the claim `{}` does not name a user",
            issuer.map(|issuer| issuer.user_claim.as_str()).unwrap_or_default()
        ),
        TokenError::Unbound => {
            "it is bound to no certificate, and tokens of this issuer have to be".into()
        }
    }
}

fn about_the_key(error: TokenError, token: &Shown<'_>, report: &TokenReport) -> String {
    let own = report.keys.iter().filter(|key| Some(key.issuer.as_str()) == token.issuer());
    let known: Vec<_> = own.map(|key| format!("{:?} ({})", key.id, key.origin.name())).collect();
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    let wanted = token.header("kid").map_or("no `kid`".into(), |id| format!("`kid` {}", json(id)));
    if error == TokenError::Key {
        return format!("it has {wanted}, and the keys of its issuer are {known}");
    }
    let algorithm = token.header("alg").map(json).unwrap_or_default();
    format!(
        "it was changed, or not signed with the key it names ({wanted}), or that key is not for \
         {algorithm}; the keys of its issuer are {known}"
    )
}
