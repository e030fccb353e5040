//! The certificates that the server shows, and which of them a client gets: by the name that it
//! asked for and the kinds of keys that it understands.

use std::path::Path;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::{authority, ocsp, read_certificates};
use crate::base::clock::unix_seconds;
use crate::connection::settings::{CertificateFiles, TlsIdentity, TlsSettings};
use crate::guard::authn::certificate::{NameKind, ParsedCertificate};
use crate::server::builder::StartError;
use crate::server::material::StateDirectory;

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
            let further = Identity::read(files, provider)?;
            if further.names.is_empty() {
                let path = files.certificate_chain.display();
                let what = "has no DNS name, so that no client would ever get it";
                return Err(StartError::Tls(format!("{path}: {what}")));
            }
            all.push(further);
        }
        Ok(Self(all))
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
    fn read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Self, StartError> {
        let chain = read_certificates(&files.certificate_chain)?;
        let key = PrivateKeyDer::from_pem_file(&files.private_key).map_err(|error| {
            let path = files.private_key.display();
            StartError::Tls(format!("{path}: no private key in PEM: {error:?}"))
        })?;
        let plain = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
            let (chain, key) = (files.certificate_chain.display(), files.private_key.display());
            StartError::Tls(format!("{chain} and {key} cannot be used together: {error}"))
        })?;
        let certificate = plain.end_entity_cert().ok().map(AsRef::as_ref);
        let certificate = certificate.and_then(ParsedCertificate::parse).ok_or_else(|| {
            let path = files.certificate_chain.display();
            StartError::Tls(format!("{path}: holds something else than certificates"))
        })?;
        let names = certificate.names_of(NameKind::Dns).map(str::to_ascii_lowercase).collect();
        let response = files.ocsp_response.as_deref();
        let stapled = response.map(|path| Stapled::read(path, &plain, &certificate)).transpose()?;
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
    fn read(
        path: &Path,
        plain: &CertifiedKey,
        certificate: &ParsedCertificate,
    ) -> Result<Self, StartError> {
        let problem = |what: &str| StartError::Tls(format!("{}: {what}", path.display()));
        let response = std::fs::read(path).map_err(|error| problem(&error.to_string()))?;
        let until = ocsp::valid_until(&response, &certificate.serial).map_err(problem)?;
        if until <= unix_seconds() {
            let path = path.display();
            log::warn!("{path}: is over, and is not shown to clients; fetch it anew");
        }
        let key = CertifiedKey { ocsp: Some(response), ..plain.clone() };
        Ok(Self { key: Arc::new(key), until })
    }
}
