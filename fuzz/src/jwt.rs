//! JSON Web Tokens: one that nobody has signed proves nobody, and one that is signed proves no
//! more than its claims say. JSON Web Key Sets: no key is private, and there are not too many.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use erlmcp::base::clock::Now;
use erlmcp::guard::authn::jwt::jwk;
use erlmcp::guard::authn::jwt::key::Key;
use erlmcp::guard::authn::jwt::token::ALGORITHMS;
use erlmcp::guard::authn::jwt::{Issuer, Tokens};
use ring::hmac;
use serde_json::Value;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_700_000_000;

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let allowed: Vec<_> = ALGORITHMS.iter().map(|(_, algorithm)| *algorithm).collect();
    let issuer = Issuer {
        name: "i".into(),
        audiences: vec!["a".into()],
        algorithms: allowed.clone(),
        keys: vec![("k".into(), Key::from_secret(SECRET, &allowed).expect("a key"))],
        key_source: None,
        user_claim: "sub".into(),
        user_prefix: String::new(),
        roles_claim: Some("roles".into()),
        kept_claims: Default::default(),
        requires_bound_tokens: false,
        types: vec!["jwt".into()],
    };
    Tokens::new(vec![issuer], Duration::ZERO, None)
});

/// Two lines: the header and the claims of a token; or a token as it is.
pub fn jwt(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let verify = |token: &str| TOKENS.check(token, NOW, Now::from_micros(0));
    assert!(verify(text).is_err(), "a token that nobody has signed is accepted");
    let Some((header, claims)) = text.split_once('\n') else { return };
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    assert!(verify(&format!("{message}.")).is_err());
    assert!(verify(&format!("{message}.{}", encode(&[0; 32]))).is_err());
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = encode(hmac::sign(&key, message.as_bytes()).as_ref());
    let Ok(principal) = verify(&format!("{message}.{signature}")) else { return };
    let header: Value = serde_json::from_str(header).expect("a header");
    let claims: Value = serde_json::from_str(claims).expect("claims");
    assert!(header["alg"] == "HS256" && header.get("crit").is_none());
    assert!(claims["iss"] == "i" && claims["exp"].as_f64().expect("a time") > NOW as f64 - 1.0);
    assert!(claims["aud"] == "a" || claims["aud"].as_array().expect("many").contains(&"a".into()));
    assert_eq!(claims["sub"], principal.user);
    let claimed = TOKENS.claimed(&format!("{message}.x"));
    assert_eq!(claimed.as_deref(), Some(principal.key.as_str()), "it claims somebody else");
    assert!(!principal.user.is_empty() && !principal.user.contains(char::is_control));
}

/// A set of keys.
pub fn jwks(data: &[u8]) {
    let allowed: Vec<_> = ALGORITHMS.iter().map(|(_, algorithm)| *algorithm).collect();
    let Some(keys) = jwk::read(data, &allowed) else { return };
    let set: Value = serde_json::from_slice(data).expect("a set is JSON");
    let listed = set["keys"].as_array().expect("keys");
    let is_public = |key: &&Value| key.get("d").is_none() && key.get("k").is_none();
    assert!(keys.len() <= listed.iter().filter(is_public).count().min(100));
    let named = |id: &str| listed.iter().any(|key| key["kid"] == id);
    assert!(keys.iter().all(|(id, _)| id.as_deref().is_none_or(named)));
}
