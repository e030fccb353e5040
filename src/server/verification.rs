//! Whether a chain of certificates is good for what it is shown for, for `erlmcp cert verify`:
//! asked of the same verifiers that TLS asks.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::administration::Orders;
use super::builder::StartError;
use super::{snapshot, tls};
use crate::base::clock::unix_seconds;
use crate::base::principal::Principal;
use crate::config::Configuration;
use crate::guard::authn::certificate::ClientCertificate;

/// The certificates of a file, that of its owner first.
#[derive(Debug)]
pub(crate) struct Chain(Vec<CertificateDer<'static>>);

/// What a client's certificate is good for.
#[derive(Debug)]
pub(crate) enum ClientVerdict {
    /// TLS refuses it.
    Refused(String),
    /// A connection may begin with it, but it proves nobody; why.
    ProvesNobody(&'static str),
    /// It proves this principal.
    Proves(Arc<Principal>),
}

impl Chain {
    /// Reads a PEM file.
    ///
    /// # Errors
    /// It cannot be read, or holds no certificate.
    pub(crate) fn read(path: &Path) -> Result<Self, StartError> {
        tls::read_certificates(path).map(Self)
    }

    /// The certificates, in DER.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }

    fn parts(&self) -> Result<(&CertificateDer<'static>, &[CertificateDer<'static>]), StartError> {
        let parts = self.0.split_first();
        parts.ok_or_else(|| StartError::Tls("there is no certificate".into()))
    }

    /// Verifies it as that of a client of a server with this configuration.
    ///
    /// # Errors
    /// The server could not verify any.
    pub(crate) fn of_client(&self, server: &Configuration) -> Result<ClientVerdict, StartError> {
        let settings = server.network_tls();
        let provider = Arc::new(ring::default_provider());
        let verifier = settings.map(|it| tls::client_verifier(it, provider)).transpose()?;
        let Some(verifier) = verifier.flatten() else {
            let why = "the configuration asks no client for a certificate; tls.cacertfile would";
            return Err(StartError::Tls(why.into()));
        };
        let (own, rest) = self.parts()?;
        if let Err(error) = verifier.verify_client_cert(own, rest, UnixTime::now()) {
            return Ok(ClientVerdict::Refused(told(&error)));
        }
        let authentication = snapshot::authentication(server, None, None, &Orders::load(None)?)?;
        let proofs = authentication.proofs().and_then(|proofs| proofs.certificates.as_ref());
        let proof = match proofs {
            None => Err("authentication.methods has no \"mtls\""),
            Some(proofs) => proofs.verify(&ClientCertificate::new(own), unix_seconds()),
        };
        Ok(proof.map_or_else(ClientVerdict::ProvesNobody, ClientVerdict::Proves))
    }

    /// Verifies it as that of a server by the name `host`, for clients that trust the authorities
    /// of a file; why it is refused.
    ///
    /// # Errors
    /// The file cannot be used, or there is no such name.
    pub(crate) fn of_server(
        &self,
        authorities: &Path,
        host: &str,
    ) -> Result<Result<(), String>, StartError> {
        let roots = Arc::new(tls::authorities(authorities)?);
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = verifier
            .map_err(|error| StartError::Tls(format!("{}: {error}", authorities.display())))?;
        let name = ServerName::try_from(host)
            .map_err(|_| StartError::Tls(format!("{host:?} is no name or address of a host")))?;
        let (own, rest) = self.parts()?;
        let verified = verifier.verify_server_cert(own, rest, &name, &[], UnixTime::now());
        Ok(verified.map(drop).map_err(|error| told(&error)))
    }
}

/// What is wrong with a certificate, and what to do.
fn told(error: &Error) -> String {
    use CertificateError as Wrong;
    let Error::InvalidCertificate(wrong) = error else { return error.to_string() };
    let text = match wrong {
        Wrong::Expired | Wrong::ExpiredContext { .. } => {
            "a certificate of the chain is over; have it renewed"
        }
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            "a certificate of the chain is not valid yet; compare the clocks"
        }
        Wrong::Revoked => "its authority has taken it back",
        Wrong::UnknownIssuer => {
            "it is signed by none of the authorities; if one between is missing, put it behind the \
             first certificate of the file"
        }
        Wrong::BadSignature => {
            "a signature is wrong: that of another authority of the same name, or it was changed"
        }
        Wrong::InvalidPurpose | Wrong::InvalidPurposeContext { .. } => {
            "its purpose (extended key usage) is another one"
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            "it is for other names; that of the host must be a subject alternative name"
        }
        Wrong::UnhandledCriticalExtension => "it has a critical extension that is not understood",
        other => return format!("it cannot be used: {other}"),
    };
    text.into()
}
