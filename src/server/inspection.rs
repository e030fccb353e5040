//! What a server of some configuration would say to a token, for `erlmcp token inspect`: asked
//! without a server that runs, of the files that one would read and the issuers it would ask.

use std::path::Path;

use super::administration::Orders;
use super::builder::StartError;
use super::material::StateDirectory;
use super::outbound::authorities;
use super::{snapshot, tls};
use crate::actors::outbound::OutboundHttp;
use crate::base::clock::{Now, unix_seconds};
use crate::base::principal::Principal;
use crate::config::Configuration;
use crate::guard::authn::certificate::ClientCertificate;
use crate::guard::authn::jwt::TokenError;
use crate::guard::authn::jwt::rotation::ListedKey;
use crate::pipeline::services::{Job, Jobs, Outbound as _};

/// What is found out about a token.
#[derive(Debug)]
pub(crate) struct TokenReport {
    /// Whom it proves, or why it proves nobody.
    pub(crate) verdict: Result<Principal, TokenError>,
    /// Why it is not believed any more, though it is verified.
    pub(crate) revoked: Option<&'static str>,
    /// All keys that tokens are verified with.
    pub(crate) keys: Vec<ListedKey>,
    /// Why it is not known what administrators have taken back.
    pub(crate) without_orders: Option<StartError>,
}

/// Asks about a token that says it is of this issuer; `None` if no tokens are taken.
pub(crate) fn token(
    configuration: &Configuration,
    text: &str,
    issuer: Option<&str>,
) -> Result<Option<TokenReport>, StartError> {
    let state = StateDirectory::shared(&configuration.runtime.state_directory);
    let (orders, without_orders) = match Orders::load(Some(&state)) {
        Ok(orders) => (orders, None),
        Err(error) => (Orders::load(None)?, Some(error)),
    };
    let authentication = snapshot::authentication(configuration, None, None, &orders)?;
    let Some(tokens) = authentication.proofs().and_then(|proofs| proofs.tokens.as_ref()) else {
        return Ok(None);
    };
    if let Some(errand) = issuer.and_then(|issuer| tokens.fetch(issuer)) {
        OutboundHttp::new(Box::new(AtOnce), &authorities(configuration)?).send(errand);
    }
    let verdict = tokens.check(text, unix_seconds(), Now::read());
    let revoked = verdict.as_ref().ok();
    let revoked = revoked.and_then(|principal| orders.revoked.reason(principal, unix_seconds()));
    Ok(Some(TokenReport { verdict, revoked, keys: tokens.keys(Now::read()), without_orders }))
}

/// Runs jobs where they are submitted.
struct AtOnce;

impl Jobs for AtOnce {
    fn submit(&self, job: Job) -> Result<(), Job> {
        job();
        Ok(())
    }
}

/// Reads the first certificate of a PEM file.
pub(crate) fn certificate(path: &Path) -> Result<ClientCertificate, StartError> {
    let chain = tls::read_certificates(path)?;
    Ok(ClientCertificate::new(chain.first().map(AsRef::as_ref).unwrap_or_default()))
}
