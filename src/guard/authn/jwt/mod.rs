//! JSON Web Tokens as proofs of identity (RFC 7519, RFC 8725, RFC 9068). The issuer that a token
//! names decides which keys it may be signed with; the algorithm belongs to the key.

mod cache;
mod der;
pub mod key;
mod provider;
pub mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use self::cache::Cache;
use self::key::Key;
use self::token::Token;
use super::api_key::KeyTag;
use crate::base::principal::{AuthMethod, Principal, Term};

/// Longest name of a user, in bytes.
const USER_BYTES: usize = 256;
/// Most roles that are taken out of a token.
const MOST_ROLES: usize = 64;

/// Whose tokens are taken, and what is read in them.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// What `iss` must be.
    pub name: String,
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// Its keys, by their ids.
    pub keys: Vec<(String, Key)>,
    /// The claim with the name of the user.
    pub user_claim: String,
    /// Stands before the name, so that users of two issuers are told apart.
    pub user_prefix: String,
    /// Where the roles stand, name by name; without it a token brings none.
    pub roles_claim: Option<Vec<String>>,
    /// Media types of tokens that are taken, in lower case, without `application/`; one without
    /// `typ` is taken if `jwt` is.
    pub types: Vec<String>,
}

/// Why a token proves nothing. For operators; its bearer is told nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It is no token in the compact form.
    Malformed,
    /// It needs an extension that is not understood, or is encrypted or compressed.
    Extension,
    /// Its algorithm is not known, or is none.
    Algorithm,
    /// It is of another type.
    Type,
    /// It is of no issuer that is known.
    Issuer,
    /// Its issuer has no such key.
    Key,
    /// The signature is not that of the key, by an algorithm that the key is for.
    Signature,
    /// A claim that it must have is missing or has the wrong form.
    Claim(&'static str),
    /// It is for somebody else.
    Audience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// Its user cannot be a user.
    User,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::Extension => "unknown_extension",
            Self::Algorithm => "unknown_algorithm",
            Self::Type => "wrong_type",
            Self::Issuer => "unknown_issuer",
            Self::Key => "unknown_key_id",
            Self::Signature => "invalid_signature",
            Self::Claim(name) => return write!(f, "invalid_claim_{name}"),
            Self::Audience => "wrong_audience",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::User => "invalid_user",
        })
    }
}

/// Verifies tokens, and remembers those that it has verified.
#[derive(Debug)]
pub struct Tokens {
    issuers: Vec<Issuer>,
    leeway: u64,
    cache: Cache,
}

impl Tokens {
    /// Takes tokens of these issuers, whose clocks may be `leeway` off.
    pub fn new(issuers: Vec<Issuer>, leeway: Duration) -> Self {
        Self { issuers, leeway: leeway.as_secs(), cache: Cache::default() }
    }

    /// True if `text` has the form of a token; an API key of that form is none.
    pub fn look_like(text: &str) -> bool {
        text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() >= 2
    }

    /// Whom a token proves, at `now` in seconds since 1970.
    ///
    /// # Errors
    /// Why it proves nobody.
    pub fn verify(&self, text: &str, tag: KeyTag, now: u64) -> Result<Arc<Principal>, TokenError> {
        if let Some(known) = self.cache.get(&tag, now) {
            return Ok(known);
        }
        let principal = Arc::new(self.check(text, now)?);
        self.cache.put(tag, &principal, now);
        Ok(principal)
    }

    /// True if the issuer of this principal still has the key of its token, which is not over.
    pub fn vouches_for(&self, principal: &Principal, now: u64) -> bool {
        principal.term.as_ref().is_some_and(|term| {
            let issuer = self.issuers.iter().find(|issuer| issuer.name == term.issuer);
            let has_key =
                issuer.is_some_and(|issuer| issuer.keys.iter().any(|(id, _)| *id == term.key_id));
            has_key && now < term.until
        })
    }

    fn check(&self, text: &str, now: u64) -> Result<Principal, TokenError> {
        let token = Token::parse(text)?;
        let claims = &token.claims;
        let name = required_text(claims, "iss")?;
        let issuer = self.issuers.iter().find(|issuer| issuer.name == name);
        let issuer = issuer.ok_or(TokenError::Issuer)?;
        let (key_id, key) = issuer.key(token.key_id.as_deref()).ok_or(TokenError::Key)?;
        if !key.verifies(token.algorithm, token.message, token.signature) {
            return Err(TokenError::Signature);
        }
        issuer.check_type(token.kind.as_deref())?;
        issuer.check_audience(claims)?;
        let until = self.check_times(claims, now)?;
        let user = issuer.user(claims)?;
        let roles = issuer.roles(claims)?;
        let term = Term { issuer: issuer.name.clone(), key_id: key_id.to_owned(), until };
        Ok(Principal::with_term(AuthMethod::Jwt, user, roles, term))
    }

    /// When the token is over; RFC 7519 section 4.1.4 to 4.1.6.
    fn check_times(&self, claims: &Map<String, Value>, now: u64) -> Result<u64, TokenError> {
        let expires = time(claims, "exp")?.ok_or(TokenError::Claim("exp"))?;
        let until = expires.saturating_add(self.leeway);
        if now >= until {
            return Err(TokenError::Expired);
        }
        let latest = now.saturating_add(self.leeway);
        for name in ["nbf", "iat"] {
            if time(claims, name)?.is_some_and(|begins| begins > latest) {
                return Err(TokenError::NotYetValid);
            }
        }
        Ok(until)
    }
}

impl Issuer {
    /// The key with this id; without one, the only key.
    fn key(&self, id: Option<&str>) -> Option<(&str, &Key)> {
        let found = match (id, self.keys.as_slice()) {
            (Some(id), keys) => keys.iter().find(|(known, _)| known == id),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.map(|(id, key)| (id.as_str(), key))
    }

    fn check_type(&self, kind: Option<&str>) -> Result<(), TokenError> {
        let kind = kind.unwrap_or("jwt").to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        if self.types.iter().any(|one| one == kind) { Ok(()) } else { Err(TokenError::Type) }
    }

    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        let is_ours = |text: &str| self.audiences.iter().any(|audience| audience == text);
        let is_for_us = match claims.get("aud") {
            Some(Value::String(one)) => is_ours(one),
            Some(Value::Array(all)) => {
                let texts: Option<Vec<&str>> = all.iter().map(Value::as_str).collect();
                texts.ok_or(TokenError::Claim("aud"))?.into_iter().any(is_ours)
            }
            _ => return Err(TokenError::Claim("aud")),
        };
        if is_for_us { Ok(()) } else { Err(TokenError::Audience) }
    }

    fn user(&self, claims: &Map<String, Value>) -> Result<String, TokenError> {
        let name = claims.get(&self.user_claim).and_then(Value::as_str).unwrap_or_default();
        let user = format!("{}{name}", self.user_prefix);
        let is_user =
            !name.is_empty() && user.len() <= USER_BYTES && !user.chars().any(char::is_control);
        if is_user { Ok(user) } else { Err(TokenError::User) }
    }

    /// Roles stand in an array, or in a text with spaces between them.
    fn roles(&self, claims: &Map<String, Value>) -> Result<Vec<String>, TokenError> {
        let Some((first, rest)) = self.roles_claim.as_ref().and_then(|path| path.split_first())
        else {
            return Ok(Vec::new());
        };
        let start = claims.get(first);
        let roles = match rest.iter().try_fold(start, |at, name| Some(at?.get(name))).flatten() {
            None => return Ok(Vec::new()),
            Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
            Some(Value::Array(all)) => {
                let texts: Option<Vec<String>> =
                    all.iter().map(|one| one.as_str().map(str::to_owned)).collect();
                texts.ok_or(TokenError::Claim("roles"))?
            }
            Some(_) => return Err(TokenError::Claim("roles")),
        };
        if roles.len() > MOST_ROLES { Err(TokenError::Claim("roles")) } else { Ok(roles) }
    }
}

fn required_text<'c>(
    claims: &'c Map<String, Value>,
    name: &'static str,
) -> Result<&'c str, TokenError> {
    claims.get(name).and_then(Value::as_str).ok_or(TokenError::Claim(name))
}

/// A `NumericDate` (RFC 7519 section 2): seconds since 1970, perhaps with a fraction. One of
/// another form is not the same as none.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, TokenError> {
    // Beyond it doubles have no seconds any more.
    const LAST: f64 = 9_007_199_254_740_992.0;
    let Some(value) = claims.get(name) else { return Ok(None) };
    if let Some(seconds) = value.as_u64() {
        return Ok(Some(seconds));
    }
    match value.as_f64().filter(|_| value.is_number()) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is looked at before: neither negative nor beyond what fits"
        )]
        Some(seconds) if (0.0..LAST).contains(&seconds) => Ok(Some(seconds as u64)),
        _ => Err(TokenError::Claim(name)),
    }
}

#[cfg(test)]
mod tests;
