//! TLS of the listeners: certificates from files, or made on the first start by an authority of our
//! own; suites and versions; certificates of clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::builder::StartError;
use super::material::StateDirectory;
use super::revocation;
use crate::base::clock::{Utc, unix_seconds};
use crate::connection::settings::{TlsIdentity, TlsSettings, TlsVersion};

const CA_CERTIFICATE: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const SERVER_CERTIFICATE: &str = "server.pem";
const SERVER_KEY: &str = "server.key";
/// What the server certificate was made for: expiry in seconds since 1970, then its names.
const SERVER_FACTS: &str = "server.facts";

const DAY: u64 = 86_400;
/// Clients refuse certificates that are valid for longer than 398 days.
const SERVER_DAYS: u64 = 397;
const CA_DAYS: u64 = 3_650;
/// A certificate that is valid for a shorter time is made anew.
const RENEW_DAYS: u64 = 30;

/// Makes the TLS configuration of a listener where this is spoken.
pub(super) fn server_config(
    settings: &TlsSettings,
    protocol: &[u8],
    state: Option<&StateDirectory>,
) -> Result<ServerConfig, StartError> {
    let (chain, key) = match (&settings.identity, state) {
        (TlsIdentity::Files { certificate_chain, private_key }, _) => {
            read_identity(certificate_chain, private_key)?
        }
        (TlsIdentity::Generated { extra_names }, Some(state)) => {
            let names = own_names(extra_names);
            make_if_needed(state, &names)?;
            read_identity(&state.file(SERVER_CERTIFICATE), &state.file(SERVER_KEY))?
        }
        (TlsIdentity::Generated { .. }, None) => {
            return Err(StartError::Tls("there is no state directory for a certificate".into()));
        }
    };
    let provider = Arc::new(ring::default_provider());
    let versions = versions(&settings.versions);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| StartError::Tls(format!("tls.versions: {error}")))?;
    let builder = match client_verifier(settings, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        StartError::Tls(format!(
            "the certificate and the private key cannot be used together: {error}"
        ))
    })?;
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

/// The certificate of the authority that clients must trust, if it is our own.
pub(super) fn authority_file(settings: &TlsSettings, state: &StateDirectory) -> Option<PathBuf> {
    match settings.identity {
        TlsIdentity::Generated { .. } => Some(state.file(CA_CERTIFICATE)),
        TlsIdentity::Files { .. } => None,
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

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read_identity(chain: &Path, key: &Path) -> Result<Identity, StartError> {
    let problem = |path: &Path, error: rustls_pki_types::pem::Error| {
        StartError::Tls(format!("{}: no PEM certificate or key: {error:?}", path.display()))
    };
    let certificates = read_certificates(chain)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| problem(key, error))?;
    Ok((certificates, key))
}

pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let read = || -> Result<Vec<_>, rustls_pki_types::pem::Error> {
        CertificateDer::pem_file_iter(path)?.collect()
    };
    match read() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(StartError::Tls(format!("{}: holds no certificate", path.display()))),
        Err(error) => {
            Err(StartError::Tls(format!("{}: no PEM certificates: {error:?}", path.display())))
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

/// The names and addresses by which this host is reached.
fn own_names(extra: &[String]) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let host = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    if host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
        names.push(host);
    }
    names.extend(extra.iter().cloned());
    names.retain(|name| !name.is_empty() && name != "(none)");
    names.sort();
    names.dedup();
    names
}

/// Makes the authority if there is none, and the server certificate if there is none, if it ends
/// soon, or if it was made for other names.
fn make_if_needed(state: &StateDirectory, names: &[String]) -> Result<(), StartError> {
    let now = unix_seconds();
    let facts = state.read(SERVER_FACTS)?.unwrap_or_default();
    let mut lines = facts.lines();
    let expires: u64 = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
    let is_good = expires > now + RENEW_DAYS * DAY
        && lines.eq(names.iter().map(String::as_str))
        && state.file(SERVER_CERTIFICATE).exists()
        && state.file(SERVER_KEY).exists();
    if is_good {
        return Ok(());
    }
    let authority = load_or_make_authority(state, now)?;
    let expires = now + SERVER_DAYS * DAY;
    let (certificate, key) = make_server(&authority, names, now, expires).map_err(failed)?;
    let chain = certificate.pem();
    state.write(SERVER_KEY, &key.serialize_pem())?;
    state.write(SERVER_CERTIFICATE, &chain)?;
    state.write(SERVER_FACTS, &format!("{expires}\n{}\n", names.join("\n")))
}

fn load_or_make_authority(
    state: &StateDirectory,
    now: u64,
) -> Result<Issuer<'static, KeyPair>, StartError> {
    let stored = state.read(CA_KEY)?;
    let key = match &stored {
        Some(pem) => KeyPair::from_pem(pem).map_err(failed)?,
        None => KeyPair::generate().map_err(failed)?,
    };
    let params = authority_params(now);
    if stored.is_none() || !state.file(CA_CERTIFICATE).exists() {
        let certificate: Certificate = params.self_signed(&key).map_err(failed)?;
        state.write(CA_KEY, &key.serialize_pem())?;
        state.write(CA_CERTIFICATE, &certificate.pem())?;
    }
    Ok(Issuer::new(params, key))
}

fn authority_params(now: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "erlmcp local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now.saturating_sub(DAY), now + CA_DAYS * DAY);
    params
}

fn make_server(
    authority: &Issuer<'static, KeyPair>,
    names: &[String],
    now: u64,
    expires: u64,
) -> Result<(Certificate, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "erlmcp");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now.saturating_sub(DAY), expires);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate, key))
}

/// Sets from when and until when a certificate is valid, in seconds since 1970.
fn set_validity(params: &mut CertificateParams, from: u64, until: u64) {
    let date = |seconds| {
        let utc = Utc::from_unix(seconds);
        let part = |value: u64| u8::try_from(value).unwrap_or(1);
        date_time_ymd(i32::try_from(utc.year).unwrap_or(9_999), part(utc.month), part(utc.day))
    };
    params.not_before = date(from);
    params.not_after = date(until);
}

fn failed(error: rcgen::Error) -> StartError {
    StartError::Tls(format!("the server certificate could not be made: {error}"))
}

/// Time for a handshake where there is no TLS.
pub(super) const NO_HANDSHAKE: Duration = Duration::from_secs(10);
