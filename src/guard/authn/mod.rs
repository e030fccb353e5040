//! Who is it? Takes an admitted request's credentials and vouches for a principal, or refuses. It
//! never logs a credential and never says which part of one was wrong.

pub mod api_key;
pub mod certificate;
mod claims;
pub mod der;
pub mod inquiry;
pub mod introspection;
pub mod jwt;
pub mod revocations;
pub mod tickets;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use super::gate::Admitted;
use super::refusal::Refusal;
use crate::base::clock::Now;
use crate::base::principal::{AuthMethod, Principal};
use crate::base::secret::Secret;
use crate::mcp::outlet::Wake;
use crate::proto::http1::Head;
use crate::proto::jsonrpc::Params;
use api_key::{ApiKeys, KeyTag, TagKey};
use certificate::{Certificates, ClientCertificate};
use inquiry::{Errand, Heard, Waiter};
use introspection::{Introspected, Introspection};
use jwt::token::TOKEN_BYTES;
use jwt::{TokenError, Tokens, Verified};
use revocations::RevokedCredentials;

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

/// Where a credential stands in the `_meta` of a message that comes over a connection of its own.
const CREDENTIAL: &str = "erlmcp/authorization";

/// Takes the credential out of a message: nobody behind the guards sees it.
pub fn take_credential(params: &mut Params) -> Option<Secret> {
    let meta = params.get_mut("_meta")?.as_object_mut()?;
    // What is no text is no credential, and not the same as none.
    let text = meta.remove(CREDENTIAL)?.as_str().unwrap_or_default().to_owned();
    Some(Secret::new(text))
}

/// The credential that stands in a message: a bearer token, with or without its scheme.
pub fn presented_in(text: &str) -> Presented<'_> {
    let secret = match text.split_once(' ') {
        Some(_) => bearer(text.as_bytes()),
        None => visible(text.as_bytes()),
    };
    secret.map_or(Presented::Unusable, Presented::Secret)
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

/// Whom a credential is said to be of. A token that is renewed stays of the same principal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity<'p> {
    /// Of whoever has it.
    Credential(KeyTag),
    /// Of the principal with this key, which a token names.
    Principal(Cow<'p, str>),
}

/// How callers prove who they are.
#[derive(Debug)]
pub struct Authentication {
    proofs: Option<Proofs>,
    revoked: Option<Arc<RevokedCredentials>>,
}

/// What callers can prove themselves with.
#[derive(Debug)]
pub struct Proofs {
    /// Keys that are known.
    pub keys: ApiKeys,
    /// Tokens that can be verified here.
    pub tokens: Option<Tokens>,
    /// Tokens whose issuer is asked about them.
    pub introspection: Option<Arc<Introspection>>,
    /// Certificates of clients.
    pub certificates: Option<Certificates>,
}

/// When, and for whom, a proof is looked at.
#[derive(Clone, Copy)]
pub struct Occasion<'o> {
    /// The monotonic clock.
    pub now: Now,
    /// The wall clock.
    pub unix_seconds: u64,
    /// Wakes the request, if it has to wait.
    pub wake: &'o Arc<dyn Wake>,
    /// False for a request that has waited long enough.
    pub may_wait: bool,
    /// The certificate that the client has shown.
    pub certificate: Option<&'o ClientCertificate>,
}

/// What is made of a request's credentials.
#[derive(Debug)]
pub enum Verdict {
    /// They prove who it is from.
    Known(Authenticated),
    /// They do not.
    Refused(Admitted, Refusal),
    /// Another server is asked; the request comes again when the waiter has its answer.
    Later(Admitted, Arc<Waiter>),
}

impl Authentication {
    /// Callers must prove who they are.
    pub fn by(proofs: Proofs) -> Self {
        Self { proofs: Some(proofs), revoked: None }
    }

    /// The same without what was taken back.
    #[must_use]
    pub fn without(self, revoked: Arc<RevokedCredentials>) -> Self {
        Self { revoked: Some(revoked), ..self }
    }

    /// Why a principal that could prove itself is not believed any more.
    fn revoked(&self, principal: &Principal, unix_seconds: u64) -> Option<&'static str> {
        self.revoked.as_ref()?.reason(principal, unix_seconds)
    }

    /// What callers can prove themselves with, if they are asked.
    pub fn proofs(&self) -> Option<&Proofs> {
        self.proofs.as_ref()
    }

    /// Nobody is asked: everyone is `anonymous`.
    pub fn off() -> Self {
        Self { proofs: None, revoked: None }
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

    /// Whom the credential of a request is said to be of: for counting failures. It is only asked
    /// where something has failed.
    pub fn identity(&self, credentials: &Credentials<'_>) -> Option<Identity<'static>> {
        let tag = credentials.tag?;
        let tokens = self.proofs.as_ref().and_then(|proofs| proofs.tokens.as_ref());
        let claimed = match credentials.presented {
            Presented::Secret(secret) if Tokens::look_like(secret) => {
                tokens.and_then(|tokens| tokens.claimed(secret))
            }
            _ => None,
        };
        Some(claimed.map_or(Identity::Credential(tag), |key| Identity::Principal(key.into())))
    }

    /// True if the principal could still prove itself as it did; asked of whoever only listens.
    pub fn vouches_for(&self, principal: &Principal, unix_seconds: u64, now: Now) -> bool {
        if self.revoked(principal, unix_seconds).is_some() {
            return false;
        }
        match (&self.proofs, principal.method) {
            (_, AuthMethod::Local) => true,
            (None, method) => method == AuthMethod::None,
            (Some(proofs), AuthMethod::Jwt) => {
                let tokens = proofs.tokens.as_ref();
                tokens.is_some_and(|it| it.vouches_for(principal, unix_seconds, now))
            }
            (Some(proofs), AuthMethod::OAuth2) => {
                let is_over = principal.term.as_ref().is_none_or(|it| it.until <= unix_seconds);
                proofs.introspection.is_some() && !is_over
            }
            (Some(proofs), AuthMethod::Mtls) => {
                proofs.certificates.as_ref().is_some_and(|it| it.vouch_for(principal, unix_seconds))
            }
            (Some(proofs), _) => proofs.keys.knows(principal, unix_seconds),
        }
    }

    /// When what a principal has proved itself with is over, if that is known: in seconds since
    /// 1970.
    pub fn until(&self, principal: &Principal) -> Option<u64> {
        match (&principal.term, &self.proofs) {
            (Some(term), _) => Some(term.until),
            (None, Some(proofs)) => proofs.keys.until(principal),
            (None, None) => None,
        }
    }

    /// Vouches for the caller of a message whose connection has proved who it is from.
    ///
    /// # Errors
    /// What it was proved with is not good any more.
    pub fn vouch_again(
        &self,
        admitted: Admitted,
        principal: &Arc<Principal>,
        unix_seconds: u64,
        now: Now,
    ) -> Result<Authenticated, Refusal> {
        let why = self.revoked(principal, unix_seconds);
        let is_good = self.vouches_for(principal, unix_seconds, now)
            && is_near(principal, admitted.address());
        if is_good {
            return Ok(Authenticated { admitted, principal: Arc::clone(principal) });
        }
        Err(Refusal::BadCredentials(why.unwrap_or("credential_over")))
    }

    /// Vouches for the caller of a request over the network, or not, or not yet. The errand is to
    /// be sent whatever the verdict is.
    pub fn authenticate(
        &self,
        admitted: Admitted,
        credentials: &Credentials<'_>,
        occasion: &Occasion<'_>,
    ) -> (Verdict, Option<Errand>) {
        let Some(proofs) = &self.proofs else {
            let principal = Arc::new(Principal::new(AuthMethod::None, "anonymous", Vec::new()));
            return (Verdict::Known(Authenticated { admitted, principal }), None);
        };
        let (proven, errand) = match (&credentials.presented, credentials.tag) {
            (Presented::Nothing, _) => match proofs.by_certificate(occasion) {
                None => return (Verdict::Refused(admitted, Refusal::NoCredentials), None),
                Some(proven) => (proven, None),
            },
            (Presented::Secret(secret), Some(tag)) => proofs.prove(secret, tag, occasion),
            _ => (Proven::Refused(UNKNOWN), None),
        };
        let verdict = match proven {
            Proven::Known(principal) if !is_bound_to(&principal, occasion.certificate) => {
                Verdict::Refused(admitted, Refusal::BadCredentials("token_bound_to_another"))
            }
            Proven::Known(principal) if !is_near(&principal, admitted.address()) => {
                Verdict::Refused(admitted, Refusal::BadCredentials("api_key_from_elsewhere"))
            }
            Proven::Known(principal) => match self.revoked(&principal, occasion.unix_seconds) {
                Some(why) => Verdict::Refused(admitted, Refusal::BadCredentials(why)),
                None => Verdict::Known(Authenticated { admitted, principal }),
            },
            Proven::Later(waiter) => Verdict::Later(admitted, waiter),
            Proven::Refused(why) => Verdict::Refused(admitted, Refusal::BadCredentials(why)),
            Proven::Unavailable => Verdict::Refused(admitted, Refusal::Undecided),
        };
        (verdict, errand)
    }
}

/// Why a credential that is no token is refused.
const UNKNOWN: &str = "bad_credentials";

/// What a credential has proved.
enum Proven {
    Known(Arc<Principal>),
    Refused(&'static str),
    Later(Arc<Waiter>),
    Unavailable,
}

/// Asked anew for each request: a token that was good over one connection is not over another.
fn is_bound_to(principal: &Principal, certificate: Option<&ClientCertificate>) -> bool {
    principal.bound_to.as_ref().is_none_or(|thumbprint| {
        certificate.is_some_and(|certificate| certificate.thumbprint() == thumbprint)
    })
}

/// Asked anew for each request: a stolen key is good where its owner is only.
fn is_near(principal: &Principal, address: Option<IpAddr>) -> bool {
    principal.api_key.as_ref().is_none_or(|key| key.is_good_from(address))
}

impl Proofs {
    /// What the certificate of the client proves, if certificates are proofs.
    fn by_certificate(&self, occasion: &Occasion<'_>) -> Option<Proven> {
        let (certificates, certificate) = self.certificates.as_ref().zip(occasion.certificate)?;
        Some(match certificates.verify(certificate, occasion.unix_seconds) {
            Ok(principal) => Proven::Known(principal),
            Err(why) => Proven::Refused(why),
        })
    }

    fn prove(
        &self,
        secret: &str,
        tag: KeyTag,
        occasion: &Occasion<'_>,
    ) -> (Proven, Option<Errand>) {
        let Occasion { now, unix_seconds, wake, may_wait, .. } = *occasion;
        let is_token = Tokens::look_like(secret);
        let Some(tokens) = self.tokens.as_ref().filter(|_| is_token) else {
            return match self.keys.verify(secret, tag, unix_seconds) {
                Some(Ok(principal)) => (Proven::Known(principal), None),
                Some(Err(why)) => (Proven::Refused(why), None),
                None => self.introspect(secret, tag, occasion, UNKNOWN),
            };
        };
        match tokens.verify(secret, tag, unix_seconds, now) {
            Verified::Known(principal) => (Proven::Known(principal), tokens.refresh(now)),
            // It may be one of those that only their issuer can read.
            Verified::Refused(
                error @ (TokenError::Issuer | TokenError::Malformed | TokenError::Extension),
            ) => self.introspect(secret, tag, occasion, error.reason()),
            Verified::Refused(error) => (Proven::Refused(error.reason()), None),
            Verified::Unsettled(keys, id, error) => {
                settle(keys.ask(&id, wake, may_wait, now), error.reason())
            }
        }
    }

    fn introspect(
        &self,
        secret: &str,
        tag: KeyTag,
        occasion: &Occasion<'_>,
        otherwise: &'static str,
    ) -> (Proven, Option<Errand>) {
        let Occasion { now, unix_seconds, wake, may_wait, .. } = *occasion;
        let Some(introspection) = &self.introspection else {
            return (Proven::Refused(otherwise), None);
        };
        match introspection.look_up(secret, tag, wake, may_wait, (unix_seconds, now)) {
            Introspected::Known(principal) => (Proven::Known(principal), None),
            Introspected::Refused(why) => (Proven::Refused(why), None),
            Introspected::Unsettled(heard) => settle(heard, otherwise),
        }
    }
}

fn settle(heard: Heard, otherwise: &'static str) -> (Proven, Option<Errand>) {
    match heard {
        Heard::Later(waiter, errand) => (Proven::Later(waiter), errand),
        Heard::Nothing => (Proven::Refused(otherwise), None),
        Heard::Unavailable => (Proven::Unavailable, None),
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
