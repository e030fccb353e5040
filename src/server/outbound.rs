//! The threads that ask other servers, and whom they trust.

use super::builder::StartError;
use super::tls::read_certificates;
use crate::actors::handlers::Handlers;
use crate::actors::outbound::OutboundHttp;
use crate::config::Configuration;

/// Threads that ask at once, and requests that wait for one.
const THREADS: usize = 4;
const WAITING: usize = 256;

/// The threads, not started yet.
pub(super) fn outbound(configuration: &Configuration) -> Result<OutboundHttp, StartError> {
    let jobs = Handlers::new("outbound", THREADS, WAITING);
    Ok(OutboundHttp::new(Box::new(jobs), &authorities(configuration)?))
}

/// The certificates of the authorities that are trusted, in DER. Where nobody is asked they are
/// not read: those of a system take more memory than all the rest.
pub(super) fn authorities(configuration: &Configuration) -> Result<Vec<Vec<u8>>, StartError> {
    let authentication = &configuration.authentication;
    let mut issuers = authentication.jwt.iter().flat_map(|jwt| &jwt.issuers);
    let is_asking =
        authentication.oauth2.is_some() || issuers.any(|issuer| issuer.key_source.is_some());
    match &configuration.outbound.authorities {
        Some(path) if authentication.enabled && is_asking => {
            let certificates = read_certificates(path)?;
            Ok(certificates.iter().map(|certificate| certificate.to_vec()).collect())
        }
        _ => Ok(Vec::new()),
    }
}
