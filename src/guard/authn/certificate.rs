//! Certificates of clients as proofs of identity: TLS has verified the chain, the time and the
//! purpose; here is read whose it is. Names are believed only if nothing about them is odd.

pub mod describe;
mod x509;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ring::digest;

pub use self::x509::{NameKind, ParsedCertificate};
use crate::base::ids::{hex, unhex};
use crate::base::principal::{AuthMethod, Principal, Term};
use crate::base::wildcard::Wildcard;

/// Which certificates were taken back.
pub trait Revocations: Send + Sync + fmt::Debug {
    /// True if the authority with this [`issuer_id`] has taken back the certificate of this serial.
    fn is_revoked(&self, issuer: &str, serial: &[u8]) -> bool;
}

/// Whom a certificate stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mtls {
    /// The kinds of names that are looked at, the best first.
    pub kinds: Vec<NameKind>,
    /// The names that are known; if there are none, every name is that of a user.
    pub identities: Vec<Identity>,
    /// Stands before the name of a user that is read in a certificate.
    pub user_prefix: String,
}

/// Names in certificates and the user they stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The names.
    pub name: Wildcard,
    /// The user; without one the name itself is.
    pub user: Option<String>,
    /// Roles beside those of the user.
    pub roles: Vec<String>,
}

/// The certificate that a client has shown.
#[derive(Debug)]
pub struct ClientCertificate {
    thumbprint: [u8; 32],
    issuer: String,
    parsed: Option<ParsedCertificate>,
}

/// A short name for an authority: the beginning of SHA-256 over its name, in DER without its
/// outermost tag, in hexadecimal.
pub fn issuer_id(name: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, name);
    hex(digest.as_ref().get(..8).unwrap_or_default())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut result = [0; 32];
    for (to, from) in result.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()) {
        *to = *from;
    }
    result
}

/// Longest name, in bytes.
const NAME_BYTES: usize = 256;

impl ClientCertificate {
    /// Reads a certificate, in DER. One that cannot be read proves nothing, but tokens may be bound
    /// to it.
    pub fn new(der: &[u8]) -> Self {
        let thumbprint = sha256(der);
        let parsed = ParsedCertificate::parse(der);
        let issuer = parsed.as_ref().map(|parsed| issuer_id(&parsed.issuer)).unwrap_or_default();
        Self { thumbprint, issuer, parsed }
    }

    /// SHA-256 over the certificate, which tokens are bound to (RFC 8705 section 3.1).
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// Whom it proves at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// Why it proves nobody, for the record.
    pub(super) fn verify(
        &self,
        mtls: &Mtls,
        revocations: Option<&dyn Revocations>,
        now: u64,
    ) -> Result<Principal, &'static str> {
        let parsed = self.parsed.as_ref().ok_or("certificate_malformed")?;
        // TLS has asked when the connection began, which may be long ago.
        if now < parsed.not_before {
            return Err("certificate_not_yet_valid");
        }
        if now >= parsed.not_after {
            return Err("certificate_expired");
        }
        if revocations.is_some_and(|it| it.is_revoked(&self.issuer, &parsed.serial)) {
            return Err("certificate_revoked");
        }
        let (name, identity) = mtls.find(parsed)?;
        let user = match identity.and_then(|identity| identity.user.as_ref()) {
            Some(user) => user.clone(),
            None => format!("{}{name}", mtls.user_prefix),
        };
        let roles = identity.map(|identity| identity.roles.clone()).unwrap_or_default();
        let issuer = self.issuer.clone();
        let term = Term {
            issuer,
            key_id: hex(&parsed.serial),
            until: parsed.not_after,
            ..Term::default()
        };
        Ok(Principal::with_term(AuthMethod::Mtls, user, roles, term))
    }
}

impl Mtls {
    fn find<'c, 'm>(
        &'m self,
        parsed: &'c ParsedCertificate,
    ) -> Result<(&'c str, Option<&'m Identity>), &'static str> {
        for kind in &self.kinds {
            let names: Vec<&str> = parsed.names_of(*kind).collect();
            if names.iter().any(|name| !is_plain(*kind, name)) {
                return Err("certificate_name_invalid");
            }
            if self.identities.is_empty() {
                match names.as_slice() {
                    [] => {}
                    [only] => return Ok((only, None)),
                    _ => return Err("certificate_name_ambiguous"),
                }
                continue;
            }
            for name in names {
                if let Some(known) = self.identities.iter().find(|one| one.name.matches(name)) {
                    return Ok((name, Some(known)));
                }
            }
        }
        Err("certificate_name_unknown")
    }
}

/// A name as one is written by who means well: visible ASCII and no wildcard; what else stands in a
/// certificate may be meant for another reader than us.
fn is_plain(kind: NameKind, name: &str) -> bool {
    let is_visible =
        |byte: u8| byte.is_ascii_graphic() || (byte == b' ' && kind == NameKind::CommonName);
    let has_form = match kind {
        NameKind::Uri => name.contains(':'),
        NameKind::Email => name.split('@').filter(|part| !part.is_empty()).count() == 2,
        NameKind::Dns => name.parse::<IpAddr>().is_err(),
        NameKind::CommonName => name.trim() == name,
    };
    (1..=NAME_BYTES).contains(&name.len())
        && name.bytes().all(is_visible)
        && !name.contains('*')
        && has_form
}

/// The proofs by certificate of one configuration.
#[derive(Debug)]
pub struct Certificates {
    /// Whom they stand for.
    pub mtls: Mtls,
    /// Those that were taken back.
    pub revocations: Option<Arc<dyn Revocations>>,
}

impl Certificates {
    /// Whom a certificate proves at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// Why it proves nobody, for the record.
    pub fn verify(
        &self,
        certificate: &ClientCertificate,
        now: u64,
    ) -> Result<Arc<Principal>, &'static str> {
        certificate.verify(&self.mtls, self.revocations.as_deref(), now).map(Arc::new)
    }

    /// True if the certificate of a principal is not over, and was not taken back.
    pub(super) fn vouch_for(&self, principal: &Principal, now: u64) -> bool {
        let Some(term) = &principal.term else { return false };
        let is_revoked = |it: &Arc<dyn Revocations>| {
            unhex(&term.key_id).is_none_or(|serial| it.is_revoked(&term.issuer, &serial))
        };
        now < term.until && !self.revocations.as_ref().is_some_and(is_revoked)
    }
}

#[cfg(test)]
mod tests;
