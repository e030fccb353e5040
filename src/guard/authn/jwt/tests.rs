//! Tokens made with real keys, and what becomes of each when one thing about it is wrong.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use serde_json::{Value, json};

use super::key::KeyError;
use super::*;

const NOW: u64 = 1_700_000_000;
const START: Now = Now::from_micros(0);
const ALL: [Algorithm; 4] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::HS256];

/// Signs as an issuer does.
enum Signer {
    Ecdsa(&'static str, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Shared(&'static str),
}

impl Signer {
    fn ecdsa(name: &'static str, with: &'static EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(with, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(with, document.as_ref(), &random).unwrap();
        Self::Ecdsa(name, pair)
    }

    fn es256() -> Self {
        Self::ecdsa("ES256", &ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Ecdsa(name, _) => name,
            Self::Ed25519(_) => "EdDSA",
            Self::Shared(_) => "HS256",
        }
    }

    fn pem(&self) -> String {
        const P256: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        const P384: &str = "3076301006072a8648ce3d020106052b81040022036200";
        const ED25519: &str = "302a300506032b6570032100";
        let (prefix, key) = match self {
            Self::Ecdsa("ES256", pair) => (P256, pair.public_key().as_ref()),
            Self::Ecdsa(_, pair) => (P384, pair.public_key().as_ref()),
            Self::Ed25519(pair) => (ED25519, pair.public_key().as_ref()),
            Self::Shared(_) => panic!("it has no public key"),
        };
        let mut der = crate::base::ids::unhex(prefix).unwrap();
        der.extend_from_slice(key);
        pem("PUBLIC KEY", &der)
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let message = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = match self {
            Self::Ecdsa(_, pair) => {
                encode(pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref())
            }
            Self::Ed25519(pair) => encode(pair.sign(message.as_bytes()).as_ref()),
            Self::Shared(secret) => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
                encode(ring::hmac::sign(&key, message.as_bytes()).as_ref())
            }
        };
        format!("{message}.{signature}")
    }

    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = claims();
        change(&mut claims);
        self.sign(&json!({ "alg": self.name(), "kid": "k" }), &claims)
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn claims() -> Value {
    json!({ "iss": "https://a", "aud": "us", "sub": "user_123", "exp": NOW + 60 })
}

fn issuer(name: &str, key: Key) -> Issuer {
    Issuer {
        name: name.into(),
        audiences: vec!["us".into()],
        algorithms: ALL.to_vec(),
        keys: vec![("k".into(), key)],
        key_source: None,
        user_claim: "sub".into(),
        user_prefix: String::new(),
        roles_claim: Some("realm.roles".into()),
        kept_claims: Arc::default(),
        requires_bound_tokens: false,
        types: vec!["jwt".into(), "at+jwt".into()],
    }
}

fn tokens(signer: &Signer) -> Tokens {
    let key = Key::from_pem(&signer.pem(), &ALL).unwrap();
    Tokens::new(vec![issuer("https://a", key)], Duration::from_secs(30), None)
}

fn refusal(tokens: &Tokens, token: &str) -> TokenError {
    tokens.check(token, NOW, START).unwrap_err()
}

#[test]
fn each_kind_of_key_verifies_its_own_and_nothing_else() {
    let signers = [
        Signer::es256(),
        Signer::ecdsa("ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
        Signer::ed25519(),
    ];
    for (number, signer) in signers.iter().enumerate() {
        let tokens = tokens(signer);
        for (other, by) in signers.iter().enumerate() {
            let verified = tokens.check(&by.token(|_| ()), NOW, START);
            if number == other {
                let principal = verified.unwrap();
                assert_eq!(principal.key, "jwt:https://a user_123");
            } else {
                assert_eq!(verified.unwrap_err(), TokenError::Signature);
            }
        }
    }
    let secret = "0123456789abcdef0123456789abcdef";
    let key = Key::from_secret(secret, &ALL).unwrap();
    let shared = Tokens::new(vec![issuer("https://a", key)], Duration::ZERO, None);
    shared.check(&Signer::Shared(secret).token(|_| ()), NOW, START).unwrap();
}

#[test]
fn what_was_signed_cannot_be_changed() {
    let signer = Signer::es256();
    let tokens = tokens(&signer);
    let token = signer.token(|_| ());
    let bytes = token.as_bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(tokens.check(&changed, NOW, START).is_err(), "at {at}");
    }
    for end in 0..bytes.len() {
        assert!(tokens.check(token.get(..end).unwrap(), NOW, START).is_err(), "up to {end}");
    }
    for zeros in [64, 63, 65, 0] {
        let (message, _) = token.rsplit_once('.').unwrap();
        let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(vec![0; zeros]));
        assert!(tokens.check(&forged, NOW, START).is_err(), "{zeros} zeros");
    }
}

#[test]
fn a_header_cannot_choose_how_it_is_verified() {
    use TokenError::{Algorithm, Extension, Key, Malformed, Signature, Type};
    let signer = Signer::es256();
    let tokens = tokens(&signer);
    for (header, expected) in [
        (json!({ "alg": "none", "kid": "k" }), Algorithm),
        (json!({ "alg": "None", "kid": "k" }), Algorithm),
        (json!({ "alg": "nOnE", "kid": "k" }), Algorithm),
        (json!({ "alg": "es256", "kid": "k" }), Algorithm),
        (json!({ "alg": ["ES256"], "kid": "k" }), Algorithm),
        (json!({ "kid": "k" }), Algorithm),
        (json!({ "alg": "ES512", "kid": "k" }), Algorithm),
        (json!({ "alg": "RS256", "kid": "k" }), Signature),
        (json!({ "alg": "ES384", "kid": "k" }), Signature),
        (json!({ "alg": "ES256", "kid": "other" }), Key),
        (json!({ "alg": "ES256", "kid": "../k" }), Key),
        (json!({ "alg": "ES256", "kid": 1 }), Malformed),
        (json!({ "alg": "ES256", "kid": "k", "crit": ["exp"], "exp": 1 }), Extension),
        (json!({ "alg": "ES256", "kid": "k", "crit": [] }), Extension),
        (json!({ "alg": "ES256", "kid": "k", "b64": false }), Extension),
        (json!({ "alg": "ES256", "kid": "k", "zip": "DEF" }), Extension),
        (json!({ "alg": "ES256", "kid": "k", "enc": "A128GCM" }), Extension),
        (json!({ "alg": "ES256", "kid": "k", "typ": "id+jwt" }), Type),
        (json!({ "alg": "ES256", "kid": "k", "typ": 1 }), Malformed),
    ] {
        assert_eq!(refusal(&tokens, &signer.sign(&header, &claims())), expected, "{header}");
    }
    for typ in ["JWT", "at+jwt", "application/at+JWT"] {
        let header = json!({ "alg": "ES256", "kid": "k", "typ": typ, "jku": "https://evil" });
        tokens.check(&signer.sign(&header, &claims()), NOW, START).unwrap();
    }
    // The only key of an issuer needs no id.
    tokens.check(&signer.sign(&json!({ "alg": "ES256" }), &claims()), NOW, START).unwrap();
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let signer = Signer::es256();
    let tokens = tokens(&signer);
    let pem = Box::leak(signer.pem().into_boxed_str());
    let forged = Signer::Shared(pem).token(|_| ());
    assert_eq!(refusal(&tokens, &forged), TokenError::Signature);
}

#[test]
fn claims_have_their_forms() {
    use TokenError::{Audience, Claim, Expired, Issuer, NotYetValid, User};
    let signer = Signer::es256();
    let tokens = tokens(&signer);
    for (name, value, expected) in [
        ("exp", Value::Null, Claim("exp")),
        ("exp", json!(NOW - 30), Expired),
        ("exp", json!(0), Expired),
        ("exp", json!((NOW + 60).to_string()), Claim("exp")),
        ("exp", json!(-1), Claim("exp")),
        ("exp", json!(1e300), Claim("exp")),
        ("exp", json!([NOW + 60]), Claim("exp")),
        ("nbf", json!(NOW + 31), NotYetValid),
        ("nbf", json!((NOW - 60).to_string()), Claim("nbf")),
        ("nbf", json!(true), Claim("nbf")),
        ("iat", json!(NOW + 31), NotYetValid),
        ("iat", json!({}), Claim("iat")),
        ("iss", json!("https://a/"), Issuer),
        ("iss", json!(["https://a"]), Claim("iss")),
        ("aud", json!("them"), Audience),
        ("aud", json!([]), Audience),
        ("aud", json!(["them", "US"]), Audience),
        ("aud", json!(["us", 1]), Claim("aud")),
        ("aud", json!({ "us": 1 }), Claim("aud")),
        ("sub", json!(""), User),
        ("sub", json!(5), User),
        ("sub", json!("a\nb"), User),
        ("sub", json!("x".repeat(257)), User),
        ("realm", json!({ "roles": [1] }), Claim("roles")),
        ("realm", json!({ "roles": { "admin": true } }), Claim("roles")),
        ("realm", json!({ "roles": vec!["r"; 65] }), Claim("roles")),
    ] {
        let token = signer.token(|claims| claims[name] = value.clone());
        assert_eq!(refusal(&tokens, &token), expected, "{name}: {value}");
    }
    for name in ["exp", "iss", "aud", "sub"] {
        let token = signer.token(|claims| drop(claims.as_object_mut().unwrap().remove(name)));
        assert!(tokens.check(&token, NOW, START).is_err(), "without {name}");
    }
    let twice = r#"{"iss":"https://a","aud":"us","sub":"a","sub":"b","exp":9999999999}"#;
    let twice = signer.sign_text(r#"{"alg":"ES256","kid":"k"}"#, twice);
    assert_eq!(refusal(&tokens, &twice), TokenError::Malformed);
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(60), "]".repeat(60));
    let deep = signer.sign_text(r#"{"alg":"ES256","kid":"k"}"#, &deep);
    assert_eq!(refusal(&tokens, &deep), TokenError::Malformed);
    let large = signer.token(|claims| claims["x"] = json!("x".repeat(8_192)));
    assert_eq!(refusal(&tokens, &large), TokenError::Malformed);
}

#[test]
fn roles_stand_where_they_are_looked_for() {
    let signer = Signer::es256();
    let tokens = tokens(&signer);
    for (realm, expected) in [
        (json!({ "roles": ["a", "b"] }), &["a", "b"][..]),
        (json!({ "roles": "a  b" }), &["a", "b"]),
        (json!({ "other": ["a"] }), &[]),
        (json!("roles"), &[]),
    ] {
        let token = signer.token(|claims| claims["realm"] = realm.clone());
        assert_eq!(tokens.check(&token, NOW, START).unwrap().roles, expected, "{realm}");
    }
}

#[test]
fn clocks_may_be_a_little_off() {
    let signer = Signer::es256();
    let tokens = tokens(&signer);
    let token = signer.token(|claims| {
        claims["exp"] = json!(NOW as f64 + 0.5);
        claims["nbf"] = json!(NOW + 30);
    });
    for (now, holds) in [(NOW - 1, false), (NOW, true), (NOW + 29, true), (NOW + 30, false)] {
        assert_eq!(tokens.check(&token, now, START).is_ok(), holds, "{now}");
    }
}

#[test]
fn each_issuer_has_keys_of_its_own() {
    let (ours, theirs) = (Signer::es256(), Signer::es256());
    let key = |signer: &Signer| Key::from_pem(&signer.pem(), &ALL).unwrap();
    let issuers = vec![issuer("https://a", key(&ours)), issuer("https://b", key(&theirs))];
    let tokens = Tokens::new(issuers, Duration::ZERO, None);
    tokens.check(&ours.token(|_| ()), NOW, START).unwrap();
    tokens.check(&theirs.token(|claims| claims["iss"] = json!("https://b")), NOW, START).unwrap();
    assert_eq!(refusal(&tokens, &theirs.token(|_| ())), TokenError::Signature);
}

#[test]
fn a_token_is_remembered_as_long_as_it_holds() {
    let signer = Signer::es256();
    let tokens = tokens(&signer);
    let token = signer.token(|_| ());
    let tag = [7; 32];
    let verify = |token: &str, at| match tokens.verify(token, tag, at, START) {
        Verified::Known(principal) => Ok(principal),
        Verified::Refused(error) | Verified::Unsettled(_, _, error) => Err(error),
    };
    let first = verify(&token, NOW).unwrap();
    // What stands there is not looked at again: the tag is that of the token.
    let again = verify("", NOW + 89).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    let vouches = |tokens: &Tokens, at| tokens.vouches_for(&first, at, START);
    assert!(vouches(&tokens, NOW + 89) && !vouches(&tokens, NOW + 90));
    assert_eq!(verify(&token, NOW + 90), Err(TokenError::Expired));
    let others = Tokens::new(Vec::new(), Duration::ZERO, None);
    assert!(!vouches(&others, NOW), "its issuer is gone");
}

#[test]
fn keys_that_are_none_are_told_apart() {
    let signer = Signer::es256();
    let only = |algorithm| Key::from_pem(&signer.pem(), &[algorithm]).map(|_| ());
    assert_eq!(only(Algorithm::ES384), Err(KeyError::NoAlgorithm));
    for (text, expected) in [
        ("", KeyError::Pem),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", KeyError::Pem),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", KeyError::Private),
        ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----", KeyError::Private),
    ] {
        assert_eq!(Key::from_pem(text, &ALL).map(|_| ()), Err(expected), "{text}");
    }
    assert_eq!(Key::from_secret("short", &ALL).map(|_| ()), Err(KeyError::ShortSecret));
    // Indented, as in the text of a configuration.
    let indented = signer.pem().replace('\n', "\n    ");
    assert!(Key::from_pem(&indented, &ALL).is_ok());
}

#[test]
fn a_key_beside_that_of_the_configuration_is_good_at_once_and_for_its_issuer_only() {
    let (old, new) = (Signer::es256(), Signer::es256());
    let rotated = Arc::new(RotatedKeys::default());
    let one = Key::from_pem(&old.pem(), &[Algorithm::ES256]).unwrap();
    let one = Issuer { algorithms: vec![Algorithm::ES256], ..issuer("https://a", one) };
    let tokens = Tokens::new(vec![one], Duration::ZERO, None).with_rotated(Arc::clone(&rotated));
    let named = |signer: &Signer, id: &str| {
        signer.sign(&json!({ "alg": signer.name(), "kid": id }), &claims())
    };
    let nameless = |signer: &Signer| signer.sign(&json!({ "alg": signer.name() }), &claims());
    assert_eq!(refusal(&tokens, &named(&new, "new")), TokenError::Key);
    let ed25519 = Signer::ed25519();
    rotated.replace(vec![
        RotatedKey::new("https://a", "new", &new.pem()).unwrap(),
        RotatedKey::new("https://a", "other kind", &ed25519.pem()).unwrap(),
        RotatedKey::new("https://b", "of another", &new.pem()).unwrap(),
    ]);
    for (token, key_id) in [
        (named(&new, "new"), "new"),
        (named(&old, "k"), "k"),
        // Who names no key must not fail while there are two.
        (nameless(&old), "k"),
        (nameless(&new), "new"),
    ] {
        let principal = tokens.check(&token, NOW, START).unwrap();
        let term = principal.term.clone().unwrap();
        assert_eq!(term.key_id, key_id);
        assert!(tokens.vouches_for(&principal, NOW, START));
    }
    assert_eq!(refusal(&tokens, &named(&new, "of another")), TokenError::Key);
    let forbidden = named(&ed25519, "other kind");
    assert_eq!(refusal(&tokens, &forbidden), TokenError::Key, "the configuration forbids its kind");
    assert_eq!(refusal(&tokens, &named(&old, "new")), TokenError::Signature);
}
