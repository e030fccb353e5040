//! Who is it? Takes an admitted request's credentials and vouches for a principal, or refuses. It
//! never logs a credential and never says which part of one was wrong.

pub mod api_key;
pub mod jwt;

use std::sync::Arc;

use super::gate::Admitted;
use super::refusal::Refusal;
use crate::base::principal::{AuthMethod, Principal};
use crate::proto::http1::Head;
use api_key::{ApiKeys, KeyTag, TagKey};
use jwt::Tokens;
use jwt::token::TOKEN_BYTES;

/// Longest credential that is looked at, in bytes.
const CREDENTIAL_BYTES: usize = TOKEN_BYTES;

/// Token: the caller is known. Made only here.
#[derive(Debug)]
pub struct Authenticated {
    admitted: Admitted,
    principal: Arc<Principal>,
}

impl Authenticated {
    /// Where the request is from.
    pub fn admitted(&self) -> &Admitted {
        &self.admitted
    }

    /// The same caller once more, for another message of the same request.
    pub(in crate::guard) fn again(&self) -> Self {
        Self { admitted: self.admitted.again(), principal: Arc::clone(&self.principal) }
    }

    /// Who it is from.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }
}

/// What a request presented.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented<'h> {
    /// Nothing.
    Nothing,
    /// Something that cannot be a credential of ours: another scheme, two different ones, too long.
    Unusable,
    /// A bearer token or API key.
    Secret(&'h str),
}

/// Finds the credential of a request: `Authorization: Bearer` (RFC 6750) or `X-API-Key`.
pub fn presented(head: &Head) -> Presented<'_> {
    let mut bearers = head.headers_named("authorization");
    let mut keys = head.headers_named("x-api-key");
    let secret = match (bearers.next(), keys.next()) {
        (None, None) => return Presented::Nothing,
        (Some(value), None) => bearer(value),
        (None, Some(value)) => visible(value),
        (Some(value), Some(key)) => bearer(value).filter(|bearer| visible(key) == Some(bearer)),
    };
    match secret {
        Some(secret) if bearers.next().is_none() && keys.next().is_none() => {
            Presented::Secret(secret)
        }
        _ => Presented::Unusable,
    }
}

fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = visible(value)?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") { visible(token.trim().as_bytes()) } else { None }
}

fn visible(value: &[u8]) -> Option<&str> {
    let fits = !value.is_empty()
        && value.len() <= CREDENTIAL_BYTES
        && value.iter().all(|b| matches!(b, 0x20..=0x7e));
    if fits { std::str::from_utf8(value).ok() } else { None }
}

/// What a request presented, with its tag; made by [`Authentication::tagged`].
#[derive(Debug)]
pub struct Credentials<'h> {
    presented: Presented<'h>,
    tag: Option<KeyTag>,
}

impl Credentials<'_> {
    /// A tag of the credential that is the same whenever it is presented to this process, and tells
    /// nothing about it to anybody else; for counting failures and knowing good keys again.
    pub fn tag(&self) -> Option<KeyTag> {
        self.tag
    }

    /// True if the request presented nothing at all.
    pub fn are_absent(&self) -> bool {
        self.presented == Presented::Nothing
    }
}

/// How callers prove who they are.
#[derive(Debug)]
pub struct Authentication {
    proofs: Option<Proofs>,
}

/// What callers can prove themselves with.
#[derive(Debug)]
struct Proofs {
    keys: ApiKeys,
    tokens: Option<Tokens>,
}

impl Authentication {
    /// Callers must present one of these keys.
    pub fn by_keys(keys: ApiKeys) -> Self {
        Self { proofs: Some(Proofs { keys, tokens: None }) }
    }

    /// Callers must present one of these keys, or such a token.
    pub fn by_keys_or_tokens(keys: ApiKeys, tokens: Tokens) -> Self {
        Self { proofs: Some(Proofs { keys, tokens: Some(tokens) }) }
    }

    /// Nobody is asked: everyone is `anonymous`.
    pub fn off() -> Self {
        Self { proofs: None }
    }

    /// True if callers are asked.
    pub fn is_on(&self) -> bool {
        self.proofs.is_some()
    }

    /// What tags are made with: kept across reloads, so that a known credential stays known.
    pub fn tag_key(&self) -> Option<TagKey> {
        self.proofs.as_ref().map(|proofs| proofs.keys.tag_key())
    }

    /// Computes the tag of what was presented, once per request.
    pub fn tagged<'h>(&self, presented: Presented<'h>) -> Credentials<'h> {
        let tag = match (&presented, &self.proofs) {
            (Presented::Secret(secret), Some(proofs)) => Some(proofs.keys.tag(secret)),
            _ => None,
        };
        Credentials { presented, tag }
    }

    /// True if the principal could still prove itself as it did; asked of whoever only listens.
    pub fn vouches_for(&self, principal: &Principal, unix_seconds: u64) -> bool {
        match (&self.proofs, principal.method) {
            (_, AuthMethod::Local) => true,
            (None, method) => method == AuthMethod::None,
            (Some(proofs), AuthMethod::Jwt) => {
                proofs.tokens.as_ref().is_some_and(|it| it.vouches_for(principal, unix_seconds))
            }
            (Some(proofs), _) => proofs.keys.knows(principal, unix_seconds),
        }
    }

    /// Vouches for the caller of a request over the network; `unix_seconds` is the wall clock.
    pub fn authenticate(
        &self,
        admitted: Admitted,
        credentials: &Credentials<'_>,
        unix_seconds: u64,
    ) -> Result<Authenticated, (Admitted, Refusal)> {
        let Some(proofs) = &self.proofs else {
            let principal = Arc::new(Principal::new(AuthMethod::None, "anonymous", Vec::new()));
            return Ok(Authenticated { admitted, principal });
        };
        let refusal = match (&credentials.presented, credentials.tag) {
            (Presented::Nothing, _) => Refusal::NoCredentials,
            (Presented::Secret(secret), Some(tag)) => {
                match proofs.verify(secret, tag, unix_seconds) {
                    Some(principal) => return Ok(Authenticated { admitted, principal }),
                    None => Refusal::BadCredentials,
                }
            }
            _ => Refusal::BadCredentials,
        };
        Err((admitted, refusal))
    }
}

impl Proofs {
    fn verify(&self, secret: &str, tag: KeyTag, unix_seconds: u64) -> Option<Arc<Principal>> {
        match &self.tokens {
            Some(tokens) if Tokens::look_like(secret) => {
                let verified = tokens.verify(secret, tag, unix_seconds);
                verified.inspect_err(|error| log::debug!("a token was refused: {error}")).ok()
            }
            _ => self.keys.verify(secret, tag, unix_seconds),
        }
    }
}

/// Vouches for the process that started us.
pub fn authenticate_local(admitted: Admitted) -> Authenticated {
    let principal = Arc::new(Principal::new(AuthMethod::Local, "local", Vec::new()));
    Authenticated { admitted, principal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::buffer::Buffer;
    use crate::proto::http1::{Decoded, HttpLimits, RequestDecoder};

    fn head(headers: &[&str]) -> Head {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", headers.join("\r\n"));
        let mut input = Buffer::default();
        input.extend(text.as_bytes());
        match RequestDecoder::new().decode(&mut input, &HttpLimits::default()) {
            Ok(Decoded::Head(head)) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_credential_is_found_in_either_header_and_only_if_it_is_one() {
        for (headers, expected) in [
            (&["Authorization: Bearer abc"][..], Presented::Secret("abc")),
            (&["authorization: bEARER  abc"], Presented::Secret("abc")),
            (&["X-API-Key: abc"], Presented::Secret("abc")),
            (&["X-API-Key: abc", "Authorization: Bearer abc"], Presented::Secret("abc")),
            (&["X-API-Key: abc", "Authorization: Bearer xyz"], Presented::Unusable),
            (&["X-API-Key: abc", "X-API-Key: abc"], Presented::Unusable),
            (&["Authorization: Basic abc"], Presented::Unusable),
            (&["Authorization: Bearer"], Presented::Unusable),
            (&["Authorization: Bearer \u{e9}"], Presented::Unusable),
            (&["X-Other: abc"], Presented::Nothing),
        ] {
            assert_eq!(presented(&head(headers)), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_key_in_the_query_is_not_seen() {
        let text = "GET /?api_key=abc HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut input = Buffer::default();
        input.extend(text.as_bytes());
        let Ok(Decoded::Head(head)) =
            RequestDecoder::new().decode(&mut input, &HttpLimits::default())
        else {
            panic!("no head")
        };
        assert_eq!(presented(&head), Presented::Nothing);
    }
}
