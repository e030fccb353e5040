//! The signature checks of `jsonwebtoken`, done by the cryptography that TLS uses anyway. It only
//! verifies: nothing here makes a token.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::{hmac, signature as ring_signature};

/// Makes [`jsonwebtoken`] use it; done before the first key is made.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    // A program that has installed another one keeps it.
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(unsupported()),
    verifier_factory: |algorithm, key| {
        let (algorithm, key) = (*algorithm, key.clone());
        Ok(Box::new(RingVerifier { algorithm, key }))
    },
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: |_, _| Err(unsupported()),
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest: |_, _| Err(unsupported()),
    },
};

fn unsupported() -> Error {
    ErrorKind::UnsupportedAlgorithm.into()
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        self.check(message, signature).map_err(|_| SignatureError::new())
    }
}

impl RingVerifier {
    fn check(
        &self,
        message: &[u8],
        signature: &[u8],
    ) -> std::result::Result<(), ring::error::Unspecified> {
        use ring_signature::{
            ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
            RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
            RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
        };
        let public = |with: &'static dyn ring_signature::VerificationAlgorithm| {
            let key = self.key.try_get_as_bytes().map_err(|_| ring::error::Unspecified)?;
            ring_signature::UnparsedPublicKey::new(with, key).verify(message, signature)
        };
        let rsa = |with: &'static ring_signature::RsaParameters| match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                ring_signature::RsaPublicKeyComponents { n, e }.verify(with, message, signature)
            }
            DecodingKeyKind::SecretOrDer(_) => public(with),
        };
        let shared = |with: hmac::Algorithm| {
            let key = self.key.try_get_as_bytes().map_err(|_| ring::error::Unspecified)?;
            hmac::verify(&hmac::Key::new(with, key), message, signature)
        };
        match self.algorithm {
            Algorithm::ES256 => public(&ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => public(&ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => public(&ED25519),
            Algorithm::RS256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => rsa(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => rsa(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => rsa(&RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => rsa(&RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => rsa(&RSA_PSS_2048_8192_SHA512),
            Algorithm::HS256 => shared(hmac::HMAC_SHA256),
            Algorithm::HS384 => shared(hmac::HMAC_SHA384),
            Algorithm::HS512 => shared(hmac::HMAC_SHA512),
            _ => Err(ring::error::Unspecified),
        }
    }
}
