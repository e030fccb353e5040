//! What an answer of an introspection endpoint says of a token (RFC 7662 section 2.2).

use std::sync::Arc;

use serde_json::Value;

use super::{Introspected, IntrospectionSettings};
use crate::base::principal::{AuthMethod, Principal, Term};
use crate::guard::authn::claims::{self, Claims};
use crate::guard::authn::jwt::TokenError;
use crate::proto::json::{self, JsonLimits};

const LIMITS: JsonLimits = JsonLimits { depth: 8, nodes: 1_000 };
/// How long a principal is vouched for of whose token its issuer has not said how long it is good:
/// a stream that only listens lasts no longer. In seconds.
const SHORT_TERM: u64 = 300;

/// What was told of a token.
#[derive(Debug)]
pub(super) enum Told {
    /// It is good, and whose.
    Active(Arc<Principal>),
    /// It is not, and why.
    Refused(&'static str),
}

impl Told {
    pub(super) fn at(&self, unix_seconds: u64) -> Introspected {
        match self {
            Self::Active(principal) => {
                let is_over = |term: &Term| term.until <= unix_seconds;
                match &principal.term {
                    Some(term) if is_over(term) => Introspected::Refused("token_expired"),
                    _ => Introspected::Known(Arc::clone(principal)),
                }
            }
            Self::Refused(why) => Introspected::Refused(why),
        }
    }
}

/// Reads an answer; `None` if it is none.
pub(super) fn read(
    bytes: &[u8],
    settings: &IntrospectionSettings,
    unix_seconds: u64,
) -> Option<Told> {
    let Ok(Value::Object(members)) = json::parse(bytes, LIMITS) else { return None };
    match members.get("active")? {
        Value::Bool(true) => {
            let principal = principal(&members, settings, unix_seconds);
            Some(match principal {
                Ok(principal) => Told::Active(Arc::new(principal)),
                Err(error) => Told::Refused(error.reason()),
            })
        }
        Value::Bool(false) => Some(Told::Refused("token_inactive")),
        _ => None,
    }
}

fn principal(
    members: &Claims,
    settings: &IntrospectionSettings,
    unix_seconds: u64,
) -> Result<Principal, TokenError> {
    let issuer = match (members.get("iss"), &settings.issuer) {
        (None, _) => settings.url.to_string(),
        (Some(Value::String(found)), wanted) => match wanted {
            Some(wanted) if wanted != found => return Err(TokenError::Issuer),
            _ => found.clone(),
        },
        (Some(_), _) => return Err(TokenError::Claim("iss")),
    };
    if members.contains_key("aud") || !settings.takes_missing_audience {
        claims::check_audience(members, &settings.audiences)?;
    }
    let until = claims::check_times(members, unix_seconds, settings.leeway.as_secs())?;
    let short = unix_seconds.saturating_add(SHORT_TERM);
    let until = until.unwrap_or(short).min(short);
    let user = claims::user(members, &settings.user_claim, &settings.user_prefix)?;
    let roles = claims::roles(members, settings.roles_claim.as_deref())?;
    let (jti, issued) = (claims::jti(members)?, claims::issued(members)?);
    let term = Term { issuer, key_id: String::new(), until, jti, issued };
    let scopes = Some(claims::scopes(members)?);
    let kept = claims::kept(members, &settings.kept_claims);
    let principal = Principal::with_term(AuthMethod::OAuth2, user, roles, term);
    let bound_to = claims::bound_to(members)?;
    Ok(Principal { scopes, claims: kept, bound_to, ..principal })
}
