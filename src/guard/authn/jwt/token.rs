//! The compact form of a signed token (RFC 7515 section 7.1), taken apart strictly. Nothing in it
//! is believed here: not even its issuer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::TokenError;
use crate::proto::json::{self, JsonLimits};

/// Longest token, in bytes.
pub const TOKEN_BYTES: usize = 8_192;
/// Enough for a header, and for the claims of a token.
pub(super) const LIMITS: JsonLimits = JsonLimits { depth: 8, nodes: 1_000 };

/// The algorithms by the names they have in tokens (RFC 7518 section 3.1, RFC 8037 section 3.1).
pub const ALGORITHMS: [(&str, Algorithm); 12] = [
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
];

/// A token, taken apart.
#[derive(Debug)]
pub(super) struct Token<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) claims: Map<String, Value>,
    /// What is signed.
    pub(super) message: &'t str,
    /// In base64url.
    pub(super) signature: &'t str,
}

impl<'t> Token<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, TokenError> {
        let (message, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
        if text.len() > TOKEN_BYTES || claims.contains('.') || signature.is_empty() {
            return Err(TokenError::Malformed);
        }
        let header = object(header)?;
        // Extensions that must be understood are not, and nothing is unpacked. Keys and their
        // addresses in a header (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.
        if ["crit", "b64", "zip", "enc"].iter().any(|name| header.contains_key(*name)) {
            return Err(TokenError::Extension);
        }
        let name = header.get("alg").and_then(Value::as_str);
        let algorithm = ALGORITHMS.iter().find(|(known, _)| Some(*known) == name);
        Ok(Self {
            algorithm: algorithm.map(|(_, one)| *one).ok_or(TokenError::Algorithm)?,
            key_id: text_of(&header, "kid")?,
            kind: text_of(&header, "typ")?,
            claims: object(claims)?,
            message,
            signature,
        })
    }
}

fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    match json::parse(&bytes, LIMITS) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(TokenError::Malformed),
    }
}

fn text_of(object: &Map<String, Value>, name: &str) -> Result<Option<String>, TokenError> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TokenError::Malformed),
    }
}
