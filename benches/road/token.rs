//! A token of an issuer, signed with ES256, and who verifies it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use erlmcp::base::clock::unix_seconds;
use erlmcp::guard::authn::jwt::key::Key;
use erlmcp::guard::authn::jwt::token::ALGORITHMS;
use erlmcp::guard::authn::jwt::{Issuer, Tokens};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "erlmcp-benchmark";
/// What stands before the point of a P-256 key in a `SubjectPublicKeyInfo`.
const SPKI: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A token that is good for an hour, and its issuer.
pub(crate) fn signed() -> (String, Issuer) {
    let random = SystemRandom::new();
    let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "load", "exp": unix_seconds() + 3_600,
        "roles": ["user"], "scope": "mcp:read mcp:write",
    });
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"key-2024-01","typ":"at+jwt"}"#),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature = pair.sign(&random, message.as_bytes()).unwrap();
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    let der = [SPKI, pair.public_key().as_ref()].concat();
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    let algorithms: Vec<_> = ALGORITHMS.iter().map(|(_, algorithm)| *algorithm).collect();
    let issuer = Issuer {
        name: ISSUER.into(),
        audiences: vec![AUDIENCE.into()],
        keys: vec![("key-2024-01".into(), Key::from_pem(&pem, &algorithms).unwrap())],
        algorithms,
        key_source: None,
        user_claim: "sub".into(),
        user_prefix: String::new(),
        roles_claim: Some("roles".into()),
        kept_claims: [].into(),
        requires_bound_tokens: false,
        types: vec!["at+jwt".into()],
    };
    (token, issuer)
}

/// Who verifies tokens of this issuer, and remembers none yet.
pub(crate) fn verifier(issuer: &Issuer) -> Tokens {
    Tokens::new(vec![issuer.clone()], Duration::ZERO, None)
}
