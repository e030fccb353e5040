//! TLS of the listeners: suites and versions, the server's certificates, and those of clients.

mod authority;
mod files;
mod identity;
mod ocsp;
pub(super) mod revocation;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

pub(super) use files::TlsFiles;
use identity::Identities;

use super::builder::StartError;
use super::material::StateDirectory;
use crate::connection::settings::{TlsIdentity, TlsSettings, TlsVersion};

/// Makes the TLS configuration of a listener where this is spoken.
pub(super) fn server_config(
    settings: &TlsSettings,
    protocol: &[u8],
    state: Option<&StateDirectory>,
) -> Result<ServerConfig, StartError> {
    let provider = Arc::new(ring::default_provider());
    let identities = Identities::read(settings, state, &provider)?;
    let versions = versions(&settings.versions);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| StartError::Tls(format!("versions: {error}")))?;
    let builder = match client_verifier(settings, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(identities));
    config.alpn_protocols = vec![protocol.to_vec()];
    config.ignore_client_order = true;
    // The client keeps its session, sealed in a ticket: a table of sessions here would hold memory
    // of connections that are gone. The keys of tickets change by themselves and with every reload:
    // no client resumes what a former configuration admitted.
    config.send_tls13_tickets = 1;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new()
        .map_err(|error| StartError::Tls(format!("no keys for session tickets: {error}")))?;
    Ok(config)
}

/// Reads all files of these settings, as a start does, and makes none.
pub(super) fn check(settings: &TlsSettings) -> Result<(), StartError> {
    let provider = Arc::new(ring::default_provider());
    Identities::check(settings, &provider)?;
    client_verifier(settings, provider).map(drop)
}

/// The certificate of the authority that clients must trust, if it is our own.
pub(super) fn authority_file(settings: &TlsSettings, state: &StateDirectory) -> Option<PathBuf> {
    match settings.identity {
        TlsIdentity::Generated { .. } => Some(state.file(authority::CA_CERTIFICATE)),
        TlsIdentity::Files(_) => None,
    }
}

/// When the server's certificate has to be made anew, in seconds since 1970, if it is our own.
pub(super) fn renewal(
    settings: Option<&TlsSettings>,
    state: Option<&StateDirectory>,
) -> Result<Option<u64>, StartError> {
    match (settings.map(|settings| &settings.identity), state) {
        (Some(TlsIdentity::Generated { .. }), Some(state)) => authority::renewal(state).map(Some),
        _ => Ok(None),
    }
}

fn versions(wanted: &[TlsVersion]) -> Vec<&'static SupportedProtocolVersion> {
    wanted
        .iter()
        .map(|version| match version {
            TlsVersion::V1_2 => &rustls::version::TLS12,
            TlsVersion::V1_3 => &rustls::version::TLS13,
        })
        .collect()
}

pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let read = || -> Result<Vec<_>, rustls_pki_types::pem::Error> {
        CertificateDer::pem_file_iter(path)?.collect()
    };
    match read() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(StartError::Tls(format!("{}: holds no certificate", path.display()))),
        Err(rustls_pki_types::pem::Error::Io(error)) => {
            Err(StartError::Tls(format!("{}: {error}", path.display())))
        }
        Err(_) => {
            let what = "holds something else than whole certificates in PEM";
            Err(StartError::Tls(format!("{}: {what}", path.display())))
        }
    }
}

/// The authorities of a PEM file.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, StartError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| StartError::Tls(format!("{}: {error}", path.display())))?;
    }
    Ok(roots)
}

/// What verifies certificates of clients, if any are asked for.
pub(super) fn client_verifier(
    settings: &TlsSettings,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, StartError> {
    let Some(path) = settings.client_authorities.as_ref().filter(|_| settings.verify_peer) else {
        return Ok(None);
    };
    let roots = Arc::new(authorities(path)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
    // A list that is over is no reason to let in whom it names; an authority without a list has
    // taken nothing back.
    let builder = builder
        .with_crls(revocation::read(&settings.revocation_lists)?)
        .allow_unknown_revocation_status();
    let builder = if settings.client_certificate_required {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    builder
        .build()
        .map(Some)
        .map_err(|error| StartError::Tls(format!("{}: {error}", path.display())))
}
