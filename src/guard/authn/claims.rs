//! What claims say of a token (RFC 7519 section 4, RFC 7662 section 2.2), once somebody has vouched
//! for them. A claim of a wrong form is never taken for a missing one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::jwt::TokenError;

/// Longest name of a user, in bytes.
const USER_BYTES: usize = 256;
/// Longest id of a token, in bytes: it is remembered as long as the token is.
const ID_BYTES: usize = 512;
/// Most roles, scopes or values of a claim that are taken out of a token.
const MOST_WORDS: usize = 64;

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// A claim that must be there and be a text.
pub(super) fn required_text<'c>(
    claims: &'c Claims,
    name: &'static str,
) -> Result<&'c str, TokenError> {
    claims.get(name).and_then(Value::as_str).ok_or(TokenError::Claim(name))
}

/// One of `audiences` must be in `aud`, which is a text or an array of texts.
pub(super) fn check_audience(claims: &Claims, audiences: &[String]) -> Result<(), TokenError> {
    let is_ours = |text: &str| audiences.iter().any(|audience| audience == text);
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

/// When a token is over, if it says so, in seconds since 1970. It is an error if it is over by now
/// or has not begun; `leeway` is how far the clock of its issuer may be off, in seconds.
pub(super) fn check_times(
    claims: &Claims,
    now: u64,
    leeway: u64,
) -> Result<Option<u64>, TokenError> {
    let until = time(claims, "exp")?.map(|expires| expires.saturating_add(leeway));
    if until.is_some_and(|until| now >= until) {
        return Err(TokenError::Expired);
    }
    let latest = now.saturating_add(leeway);
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|begins| begins > latest) {
            return Err(TokenError::NotYetValid);
        }
    }
    Ok(until)
}

/// The id of a token, if it has one. Some issuers write a number where a text belongs.
pub(super) fn jti(claims: &Claims) -> Result<Option<String>, TokenError> {
    match claims.get("jti") {
        None => Ok(None),
        Some(Value::Number(id)) => Ok(Some(id.to_string())),
        Some(Value::String(id)) if (1..=ID_BYTES).contains(&id.len()) => Ok(Some(id.clone())),
        Some(_) => Err(TokenError::Claim("jti")),
    }
}

/// When a token was issued, if it says so, in seconds since 1970.
pub(super) fn issued(claims: &Claims) -> Result<Option<u64>, TokenError> {
    time(claims, "iat")
}

/// The name of the user: what stands in `claim`, behind `prefix`.
pub(super) fn user(claims: &Claims, claim: &str, prefix: &str) -> Result<String, TokenError> {
    let name = claims.get(claim).and_then(Value::as_str).unwrap_or_default();
    let user = format!("{prefix}{name}");
    let is_user =
        !name.is_empty() && user.len() <= USER_BYTES && !user.chars().any(char::is_control);
    if is_user { Ok(user) } else { Err(TokenError::User) }
}

/// The roles at `path`: in an array, or in a text with spaces between them.
pub(super) fn roles(claims: &Claims, path: Option<&str>) -> Result<Vec<String>, TokenError> {
    let found = path.and_then(|path| find(claims, path));
    let roles = words(found).ok_or(TokenError::Claim("roles"))?;
    if roles.len() > MOST_WORDS { Err(TokenError::Claim("roles")) } else { Ok(roles) }
}

/// The scopes (RFC 8693 section 4.2), which some issuers write as an array, or call `scp`.
pub(super) fn scopes(claims: &Claims) -> Result<Vec<String>, TokenError> {
    let scopes = words(claims.get("scope").or(claims.get("scp")));
    let scopes = scopes.ok_or(TokenError::Claim("scope"))?;
    if scopes.len() > MOST_WORDS { Err(TokenError::Claim("scope")) } else { Ok(scopes) }
}

/// The certificate that the token is bound to (RFC 8705 section 3.1). A token that is bound to
/// something else is none for us: who shows it may have stolen it.
pub(super) fn bound_to(claims: &Claims) -> Result<Option<[u8; 32]>, TokenError> {
    let Some(confirmation) = claims.get("cnf") else { return Ok(None) };
    let thumbprint = confirmation.get("x5t#S256").and_then(Value::as_str);
    let decoded = thumbprint.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bytes = decoded.and_then(|bytes| bytes.try_into().ok());
    bytes.map(Some).ok_or(TokenError::Claim("cnf"))
}

/// The claims of these names, each with its values as texts. One that has other values is left out.
pub(super) fn kept(claims: &Claims, names: &[String]) -> Vec<(String, Vec<String>)> {
    let mut kept = Vec::new();
    for name in names {
        let values = match find(claims, name) {
            Some(Value::Array(all)) if all.len() <= MOST_WORDS => all.iter().map(text_of).collect(),
            Some(one) => text_of(one).map(|text| vec![text]),
            None => None,
        };
        kept.extend(values.map(|values: Vec<String>| (name.clone(), values)));
    }
    kept
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A claim of this name, or one inside of others, whose names stand with dots between them.
fn find<'c>(claims: &'c Claims, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let mut names = path.split('.');
    let first = claims.get(names.next()?)?;
    names.try_fold(first, |at, name| at.get(name))
}

/// The words of an array, or of a text with spaces between them; none of what is not there.
pub(super) fn words(value: Option<&Value>) -> Option<Vec<String>> {
    match value {
        None => Some(Vec::new()),
        Some(Value::String(text)) => Some(text.split_whitespace().map(str::to_owned).collect()),
        Some(Value::Array(all)) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}

/// A `NumericDate` (RFC 7519 section 2): seconds since 1970, perhaps with a fraction.
fn time(claims: &Claims, name: &'static str) -> Result<Option<u64>, TokenError> {
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
