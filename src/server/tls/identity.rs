//! The certificates that the server shows, and which of them a client gets: by the name that it
//! asked for and the kinds of keys that it understands.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::ocsp::Unusable;
use super::{authority, ocsp, read_certificates};
use crate::base::clock::{rfc3339, unix_seconds};
use crate::base::secret::Secret;
use crate::config::{Sources as _, SystemSources};
use crate::connection::settings::{CertificateFiles, TlsIdentity, TlsSettings};
use crate::guard::authn::certificate::{NameKind, ParsedCertificate};
use crate::server::builder::StartError;
use crate::server::material::StateDirectory;

/// A certificate that ends within this time, and the last tenth of its own, should have been
/// renewed, in seconds.
const SOON: u64 = 3 * 86_400;

/// All certificates of a listener, the one that any client may get first.
#[derive(Debug)]
pub(super) struct Identities(Vec<Identity>);

/// One certificate and its key.
#[derive(Debug)]
struct Identity {
    /// The DNS names that it is for, in lower case.
    names: Vec<String>,
    plain: Arc<CertifiedKey>,
    stapled: Option<Stapled>,
}

/// The same with what its authority has said of it, as long as that holds.
#[derive(Debug)]
struct Stapled {
    key: Arc<CertifiedKey>,
    /// In seconds since 1970.
    until: u64,
}

impl Identities {
    /// Reads the files of a configuration; what is not configured is made.
    pub(super) fn read(
        settings: &TlsSettings,
        state: Option<&StateDirectory>,
        provider: &CryptoProvider,
    ) -> Result<Self, StartError> {
        let first = match (&settings.identity, state) {
            (TlsIdentity::Files(files), _) => Identity::read(files, provider)?,
            (TlsIdentity::Generated { extra_names }, Some(state)) => {
                let files = authority::certificate(state, extra_names)?;
                Identity::read(&files, provider)?
            }
            (TlsIdentity::Generated { .. }, None) => {
                let what = "there is no state directory for a certificate";
                return Err(StartError::Tls(what.into()));
            }
        };
        let mut all = vec![first];
        for files in &settings.further {
            all.push(Identity::further(files, provider)?);
        }
        Ok(Self(all))
    }

    /// Reads the files of a configuration, and makes nothing.
    pub(super) fn check(
        settings: &TlsSettings,
        provider: &CryptoProvider,
    ) -> Result<(), StartError> {
        if let TlsIdentity::Files(files) = &settings.identity {
            Identity::read(files, provider)?;
        }
        settings.further.iter().try_for_each(|files| Identity::further(files, provider).map(drop))
    }

    /// The certificate for a client that asks for `name` (RFC 6066 section 3) and understands
    /// these signatures: one that is for the name, otherwise any that it understands. Where there
    /// is none, the handshake fails behind it, with the alert for that.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Identity> {
        let signs = |one: &&Identity| one.plain.key.choose_scheme(schemes).is_some();
        let named = name.and_then(|name| self.0.iter().filter(signs).find(|one| one.is_for(name)));
        named.or_else(|| self.0.iter().find(signs)).or(self.0.first())
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.choose(hello.server_name(), hello.signature_schemes())?;
        Some(chosen.at(unix_seconds()))
    }
}

impl Identity {
    /// One that only clients get that ask for its name.
    fn further(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Self, StartError> {
        let further = Self::read(files, provider)?;
        if further.names.is_empty() {
            let path = files.certificate_chain.display();
            let what = "has no DNS name, so that no client would ever get it";
            return Err(StartError::Tls(format!("{path}: {what}")));
        }
        Ok(further)
    }

    fn read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Self, StartError> {
        let chain = read_certificates(&files.certificate_chain)?;
        let key = private_key(&files.private_key)?;
        let plain = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
            let (chain, key) = (files.certificate_chain.display(), files.private_key.display());
            StartError::Tls(format!("{chain} and {key} cannot be used together: {error}"))
        })?;
        let certificate = plain.end_entity_cert().ok().map(AsRef::as_ref);
        let certificate = certificate.and_then(ParsedCertificate::parse).ok_or_else(|| {
            let path = files.certificate_chain.display();
            StartError::Tls(format!("{path}: holds something else than certificates"))
        })?;
        warn_of_time(&files.certificate_chain, &certificate);
        let names = certificate.names_of(NameKind::Dns).map(str::to_ascii_lowercase).collect();
        let response = files.ocsp_response.as_deref();
        let stapled = response.map(|path| Stapled::read(path, &plain, &certificate));
        let stapled = stapled.transpose()?.flatten();
        Ok(Self { names, plain: Arc::new(plain), stapled })
    }

    /// A wildcard stands for one label (RFC 9525 section 6.3).
    fn is_for(&self, name: &str) -> bool {
        let behind_first = name.split_once('.').map(|(_, rest)| rest);
        self.names.iter().any(|known| match known.strip_prefix("*.") {
            Some(domain) => behind_first.is_some_and(|rest| rest.eq_ignore_ascii_case(domain)),
            None => known.eq_ignore_ascii_case(name),
        })
    }

    /// What is shown at this time, in seconds since 1970. A response that is over would turn away
    /// clients that look at it, and none makes them ask themselves.
    fn at(&self, now: u64) -> Arc<CertifiedKey> {
        let stapled = self.stapled.as_ref().filter(|stapled| now < stapled.until);
        Arc::clone(stapled.map_or(&self.plain, |stapled| &stapled.key))
    }
}

impl Stapled {
    /// Reads what the authority has said. What is missing, over or of another certificate is left
    /// out: a certificate that was renewed must not wait for it.
    fn read(
        path: &Path,
        plain: &CertifiedKey,
        certificate: &ParsedCertificate,
    ) -> Result<Option<Self>, StartError> {
        let problem = |what: &str| StartError::Tls(format!("{}: {what}", path.display()));
        let left_out = |what: &str| {
            log::warn!("{}: {what}, and is not shown to clients; fetch it anew", path.display());
        };
        let response = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                left_out("is missing");
                return Ok(None);
            }
            read => read.map_err(|error| problem(&error.to_string()))?,
        };
        let until = match ocsp::valid_until(&response, &certificate.serial) {
            Err(Unusable::Other(what)) => {
                left_out(what);
                return Ok(None);
            }
            said => said.map_err(|unusable| problem(unusable.what()))?,
        };
        if until <= unix_seconds() {
            left_out("is over");
        }
        let key = CertifiedKey { ocsp: Some(response), ..plain.clone() };
        Ok(Some(Self { key: Arc::new(key), until }))
    }
}

/// Reads a key, which nobody else may read: at the start as when it is replaced.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, StartError> {
    let problem = |what: String| StartError::Tls(format!("{}: {what}", path.display()));
    let read = SystemSources.read(path).map_err(|error| problem(error.to_string()))?;
    let (text, facts) = (Secret::new(read.0), read.1);
    if let Some(reason) = facts.unfit_for_secret(SystemSources.user()) {
        return Err(problem(format!("{reason}; run `chmod 600` and `chown` on it")));
    }
    PrivateKeyDer::from_pem_slice(text.expose().as_bytes())
        .map_err(|_| problem("holds no whole private key in PEM".to_owned()))
}

/// Warns of a certificate that clients refuse, or soon will.
fn warn_of_time(path: &Path, certificate: &ParsedCertificate) {
    let (path, now) = (path.display(), unix_seconds());
    let life = certificate.not_after.saturating_sub(certificate.not_before);
    let moment = |seconds: u64| rfc3339(seconds.saturating_mul(1_000_000));
    if now < certificate.not_before {
        log::warn!("{path}: is not valid before {}", moment(certificate.not_before));
    } else if now >= certificate.not_after {
        log::warn!("{path}: is over since {}; clients refuse it", moment(certificate.not_after));
    } else if certificate.not_after - now < SOON.min(life / 10) {
        log::warn!("{path}: ends at {}; renew it", moment(certificate.not_after));
    }
}
