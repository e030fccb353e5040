//! Keys that tokens are verified with. A key is good for the algorithms of its own kind and no
//! others, whatever a token says (RFC 8725 section 3.1).

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;

use super::provider;
use crate::guard::authn::der::Der;

/// Smallest and largest modulus of an RSA key, in bits: below it is weak (RFC 7518 section 3.3),
/// and above it a signature costs too much to check.
pub(super) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Shortest shared secret: that of the hash of HS256 (RFC 7518 section 3.2).
pub const SECRET_BYTES: usize = 32;

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    P256,
    P384,
    Ed25519,
    Rsa,
    Shared,
}

/// A key and what it is good for.
#[derive(Clone)]
pub struct Key {
    kind: Kind,
    key: DecodingKey,
    allowed: Vec<Algorithm>,
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It is not a public key in PEM.
    Pem,
    /// It is a private key.
    Private,
    /// It is of a kind that is not taken.
    Kind,
    /// An RSA key has too few or too many bits.
    RsaBits,
    /// A shared secret is too short.
    ShortSecret,
    /// None of the algorithms that are allowed fits it.
    NoAlgorithm,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pem => "is no public key in PEM (\"-----BEGIN PUBLIC KEY-----\")",
            Self::Private => "is a private key; only the issuer of tokens may have it",
            Self::Kind => {
                "is a key of a kind that is not taken (P-256, P-384, Ed25519 and RSA are)"
            }
            Self::RsaBits => "is an RSA key that has not 2048 to 4096 bits",
            Self::ShortSecret => "is shorter than 32 bytes",
            Self::NoAlgorithm => "is a key that none of the allowed algorithms can be used with",
        })
    }
}

impl Key {
    /// A public key in PEM, good for those of `allowed` that fit it.
    ///
    /// # Errors
    /// Why it is none, or of no use.
    pub fn from_pem(text: &str, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        let pem = text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes());
        let spki = spki.map_err(|_| KeyError::Pem)?;
        let (kind, bytes) = read_spki(&spki)?;
        let key = match kind {
            Kind::P256 | Kind::P384 => DecodingKey::from_ec_der(bytes),
            Kind::Ed25519 => DecodingKey::from_ed_der(bytes),
            Kind::Rsa | Kind::Shared => DecodingKey::from_rsa_der(bytes),
        };
        Self::new(kind, key, allowed)
    }

    /// A secret that the issuer shares.
    ///
    /// # Errors
    /// It is too short, or of no use.
    pub fn from_secret(secret: &str, allowed: &[Algorithm]) -> Result<Self, KeyError> {
        if secret.len() < SECRET_BYTES {
            return Err(KeyError::ShortSecret);
        }
        Self::new(Kind::Shared, DecodingKey::from_secret(secret.as_bytes()), allowed)
    }

    pub(super) fn new(
        kind: Kind,
        key: DecodingKey,
        allowed: &[Algorithm],
    ) -> Result<Self, KeyError> {
        provider::install();
        let allowed: Vec<_> = allowed.iter().copied().filter(|one| kind.fits(*one)).collect();
        if allowed.is_empty() {
            Err(KeyError::NoAlgorithm)
        } else {
            Ok(Self { kind, key, allowed })
        }
    }

    /// True if `signature`, in base64url, is one over `message`.
    pub fn verifies(&self, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        self.allowed.contains(&algorithm)
            && jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, algorithm)
                .unwrap_or(false)
    }
}

impl Kind {
    fn fits(self, algorithm: Algorithm) -> bool {
        use Algorithm::{
            ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
        };
        match self {
            Self::P256 => algorithm == ES256,
            Self::P384 => algorithm == ES384,
            Self::Ed25519 => algorithm == EdDSA,
            Self::Rsa => matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512),
            Self::Shared => matches!(algorithm, HS256 | HS384 | HS512),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The bits of a number without leading zero bytes.
pub(super) fn bits_of(n: &[u8]) -> usize {
    n.first().map_or(0, |top| n.len() * 8 - top.leading_zeros() as usize)
}

/// The key in a `SubjectPublicKeyInfo` (RFC 5280 section 4.1): its kind and its bytes, as the
/// verification of its kind takes them.
fn read_spki(der: &[u8]) -> Result<(Kind, &[u8]), KeyError> {
    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let mut whole = Der::new(der);
    let mut spki = whole.sequence().ok_or(KeyError::Pem)?;
    let mut algorithm = spki.sequence().ok_or(KeyError::Pem)?;
    let bits = spki.bit_string().ok_or(KeyError::Pem)?;
    if !whole.is_empty() || !spki.is_empty() {
        return Err(KeyError::Pem);
    }
    match algorithm.oid().ok_or(KeyError::Pem)? {
        EC => match (algorithm.oid(), bits.len()) {
            (Some(P256), 65) => Ok((Kind::P256, bits)),
            (Some(P384), 97) => Ok((Kind::P384, bits)),
            _ => Err(KeyError::Kind),
        },
        ED25519 if bits.len() == 32 => Ok((Kind::Ed25519, bits)),
        RSA => {
            let modulus = Der::new(bits).sequence().and_then(|mut key| key.unsigned());
            let fits = RSA_BITS.contains(&bits_of(modulus.ok_or(KeyError::Pem)?));
            if fits { Ok((Kind::Rsa, bits)) } else { Err(KeyError::RsaBits) }
        }
        _ => Err(KeyError::Kind),
    }
}
