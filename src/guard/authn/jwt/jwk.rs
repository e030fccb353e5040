//! The keys of a JSON Web Key Set (RFC 7517). A key that is of no use here is passed over, whatever
//! is wrong with it; the others count.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::key::{Key, KeyError, Kind, RSA_BITS, bits_of};
use super::token::ALGORITHMS;
use crate::proto::json::{self, JsonLimits};

/// Longest set that is read, in bytes.
pub const SET_BYTES: u64 = 64 * 1024;
/// Most keys that are looked at.
const MOST_KEYS: usize = 100;
/// Longest id of a key, in bytes.
const ID_BYTES: usize = 256;
const LIMITS: JsonLimits = JsonLimits { depth: 8, nodes: 10_000 };

/// A key of a set: its id, if it has one, and itself.
pub type Entry = (Option<String>, Key);

/// The usable keys of a set, good for those of `allowed` that fit; `None` if it is no set.
pub fn read(bytes: &[u8], allowed: &[Algorithm]) -> Option<Vec<Entry>> {
    let Ok(Value::Object(set)) = json::parse(bytes, LIMITS) else { return None };
    let keys = set.get("keys")?.as_array()?;
    let keys = keys.iter().take(MOST_KEYS).filter_map(Value::as_object);
    Some(keys.filter_map(|jwk| entry(jwk, allowed)).collect())
}

fn entry(jwk: &Map<String, Value>, allowed: &[Algorithm]) -> Option<Entry> {
    let id = match jwk.get("kid") {
        None => None,
        Some(Value::String(id)) if id.len() <= ID_BYTES => Some(id.clone()),
        Some(_) => return None,
    };
    if !is_for_signatures(jwk) {
        return None;
    }
    let own = match jwk.get("alg") {
        None => allowed.to_vec(),
        Some(name) => {
            let (_, own) = ALGORITHMS.iter().find(|(known, _)| name.as_str() == Some(known))?;
            allowed.iter().copied().filter(|one| one == own).collect()
        }
    };
    key(jwk, &own).ok().map(|key| (id, key))
}

/// `use` and `key_ops` say so, where they say anything (sections 4.2 and 4.3).
fn is_for_signatures(jwk: &Map<String, Value>) -> bool {
    let is_verify = |one: &Value| one.as_str() == Some("verify");
    let operations =
        jwk.get("key_ops").map(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(is_verify)));
    jwk.get("use").is_none_or(|one| one.as_str() == Some("sig")) && operations.unwrap_or(true)
}

/// A public key (RFC 7518 section 6, RFC 8037 section 2). One that is private too, or shared, is
/// none: whoever publishes it has lost it.
fn key(jwk: &Map<String, Value>, allowed: &[Algorithm]) -> Result<Key, KeyError> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if jwk.contains_key("d") || jwk.contains_key("k") {
        return Err(KeyError::Private);
    }
    let bytes = |name: &str| {
        text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(KeyError::Kind)
    };
    match (text("kty"), text("crv")) {
        (Some("EC"), Some("P-256")) => point(&bytes("x")?, &bytes("y")?, 32, Kind::P256, allowed),
        (Some("EC"), Some("P-384")) => point(&bytes("x")?, &bytes("y")?, 48, Kind::P384, allowed),
        (Some("OKP"), Some("Ed25519")) => match bytes("x")? {
            x if x.len() == 32 => Key::new(Kind::Ed25519, DecodingKey::from_ed_der(&x), allowed),
            _ => Err(KeyError::Kind),
        },
        (Some("RSA"), _) => {
            let (n, e) = (bytes("n")?, bytes("e")?);
            let is_exponent = (1..=4).contains(&e.len()) && e.first() != Some(&0);
            if !RSA_BITS.contains(&bits_of(&n)) || n.first() == Some(&0) || !is_exponent {
                return Err(KeyError::RsaBits);
            }
            Key::new(Kind::Rsa, DecodingKey::from_rsa_raw_components(&n, &e), allowed)
        }
        _ => Err(KeyError::Kind),
    }
}

/// A point of a curve, uncompressed (SEC 1 section 2.3.3).
fn point(
    x: &[u8],
    y: &[u8],
    bytes: usize,
    kind: Kind,
    allowed: &[Algorithm],
) -> Result<Key, KeyError> {
    if x.len() != bytes || y.len() != bytes {
        return Err(KeyError::Kind);
    }
    let point = [&[4], x, y].concat();
    Key::new(kind, DecodingKey::from_ec_der(&point), allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALLOWED: [Algorithm; 4] =
        [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::RS256];

    fn b64(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0x81; bytes])
    }

    fn ids(keys: &Value) -> Vec<String> {
        let set = json!({ "keys": keys }).to_string();
        let keys = read(set.as_bytes(), &ALLOWED).unwrap();
        keys.into_iter().map(|(id, _)| id.unwrap_or_else(|| "-".into())).collect()
    }

    #[test]
    fn keys_of_every_kind_are_read_and_the_others_passed_over() {
        let ec = |id: &str, change: Value| {
            let mut jwk = json!({
                "kty": "EC", "crv": "P-256", "kid": id, "x": b64(32), "y": b64(32),
            });
            for (name, value) in change.as_object().unwrap() {
                jwk[name] = value.clone();
            }
            jwk
        };
        let rsa =
            |id: &str, n: usize, e: &str| json!({ "kty": "RSA", "kid": id, "n": b64(n), "e": e });
        let keys = json!([
            ec("ec", json!({})),
            ec("sig", json!({ "use": "sig", "key_ops": ["verify"], "alg": "ES256" })),
            ec("p384", json!({ "crv": "P-384", "x": b64(48), "y": b64(48) })),
            { "kty": "OKP", "crv": "Ed25519", "x": b64(32) },
            rsa("rsa", 256, "AQAB"),
            ec("enc", json!({ "use": "enc" })),
            ec("sign only", json!({ "key_ops": ["sign"] })),
            ec("other algorithm", json!({ "alg": "ES384" })),
            ec("unknown algorithm", json!({ "alg": "none" })),
            ec("hmac", json!({ "alg": "HS256" })),
            ec("private", json!({ "d": b64(32) })),
            ec("short", json!({ "x": b64(31) })),
            ec("k1", json!({ "crv": "secp256k1" })),
            ec("no base64", json!({ "x": "!" })),
            ec("id", json!({ "kid": 7 })),
            rsa("small", 128, "AQAB"),
            rsa("large", 1_024, "AQAB"),
            rsa("exponent", 256, "gYGBgYGB"),
            { "kty": "oct", "kid": "shared", "k": b64(32) },
            "no object",
        ]);
        assert_eq!(ids(&keys), ["ec", "sig", "p384", "-", "rsa"]);
    }

    #[test]
    fn what_is_no_set_is_told_from_an_empty_one() {
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
            assert!(read(text.as_bytes(), &ALLOWED).is_none(), "{text}");
        }
        assert_eq!(read(br#"{"keys":[]}"#, &ALLOWED).map(|keys| keys.len()), Some(0));
    }

    #[test]
    fn a_flood_of_keys_is_cut() {
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": b64(32), "y": b64(32) });
        assert_eq!(ids(&json!(vec![jwk; 150])).len(), MOST_KEYS);
    }
}
