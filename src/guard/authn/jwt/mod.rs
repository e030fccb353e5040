//! JSON Web Tokens as proofs of identity (RFC 7519, RFC 8725, RFC 9068). The issuer that a token
//! names decides which keys it may be signed with; the algorithm belongs to the key.

mod cache;
pub mod jwk;
pub mod key;
pub mod key_set;
pub mod peek;
mod provider;
pub mod rotation;
pub mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;

use self::cache::Cache;
use self::jwk::Entry;
use self::key::Key;
use self::key_set::{KeySet, KeySource};
use self::rotation::{RotatedKey, RotatedKeys};
use self::token::Token;
use super::api_key::KeyTag;
use super::claims::{self, required_text};
use super::inquiry::Errand;
use crate::base::clock::Now;
use crate::base::principal::{AuthMethod, Principal, Term};

/// Most keys of one id that are tried.
const SAME_ID: usize = 4;

/// Whose tokens are taken, and what is read in them.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// What `iss` must be.
    pub name: String,
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// What its keys may be used with.
    pub algorithms: Vec<Algorithm>,
    /// Keys that were given to us, by their ids.
    pub keys: Vec<(String, Key)>,
    /// Where it publishes its keys, if it does.
    pub key_source: Option<KeySource>,
    /// The claim with the name of the user.
    pub user_claim: String,
    /// Stands before the name, so that users of two issuers are told apart.
    pub user_prefix: String,
    /// Where the roles stand: a claim, or names with dots between them for one inside of others;
    /// without it a token brings none.
    pub roles_claim: Option<String>,
    /// The claims that are kept for the rules of the policy.
    pub kept_claims: Arc<[String]>,
    /// Whether its tokens must be bound to certificates (RFC 8705).
    pub requires_bound_tokens: bool,
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
    /// It is bound to no certificate, and should be.
    Unbound,
}

impl TokenError {
    /// One word for it, for the record.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Extension => "unknown_extension",
            Self::Algorithm => "unknown_algorithm",
            Self::Type => "wrong_type",
            Self::Issuer => "unknown_issuer",
            Self::Key => "unknown_key_id",
            Self::Signature => "invalid_signature",
            Self::Claim("iss") => "invalid_claim_iss",
            Self::Claim("aud") => "invalid_claim_aud",
            Self::Claim("exp") => "invalid_claim_exp",
            Self::Claim("nbf") => "invalid_claim_nbf",
            Self::Claim("iat") => "invalid_claim_iat",
            Self::Claim("jti") => "invalid_claim_jti",
            Self::Claim("roles") => "invalid_claim_roles",
            Self::Claim("scope") => "invalid_claim_scope",
            Self::Claim("cnf") => "invalid_claim_cnf",
            Self::Claim(_) => "invalid_claim",
            Self::Audience => "wrong_audience",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::User => "invalid_user",
            Self::Unbound => "token_not_bound",
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// Verifies tokens, and remembers those that it has verified.
#[derive(Debug)]
pub struct Tokens {
    issuers: Vec<Trusted>,
    leeway: u64,
    cache: Cache,
    rotated: Arc<RotatedKeys>,
}

/// An issuer with the keys that it publishes.
#[derive(Debug)]
struct Trusted {
    issuer: Issuer,
    published: Option<Arc<KeySet>>,
}

/// What came of a token.
#[derive(Debug)]
pub(super) enum Verified {
    /// It proves this principal.
    Known(Arc<Principal>),
    /// It proves nobody.
    Refused(TokenError),
    /// It would prove nobody, if these were the newest keys of its issuer; the id of its key.
    Unsettled(Arc<KeySet>, String, TokenError),
}

impl Tokens {
    /// Takes tokens of these issuers, whose clocks may be `leeway` off. What `former` has fetched
    /// from the same sources is taken over.
    pub fn new(issuers: Vec<Issuer>, leeway: Duration, former: Option<&Self>) -> Self {
        let trusted = issuers.into_iter().map(|issuer| {
            let published = issuer.key_source.as_ref().map(|source| {
                let sets = former.into_iter().flat_map(|former| &former.issuers);
                let mut sets = sets.filter_map(|trusted| trusted.published.as_ref());
                let kept = sets.find(|set| set.is_of(&issuer.name, source)).map(Arc::clone);
                kept.unwrap_or_else(|| Arc::new(KeySet::new(&issuer.name, source.clone())))
            });
            Trusted { issuer, published }
        });
        Self {
            issuers: trusted.collect(),
            leeway: leeway.as_secs(),
            cache: Cache::default(),
            rotated: Arc::default(),
        }
    }

    /// The same with keys that were put beside those of the issuers.
    #[must_use]
    pub fn with_rotated(self, rotated: Arc<RotatedKeys>) -> Self {
        Self { rotated, ..self }
    }

    /// True if `text` has the form of a token; an API key of that form is none.
    pub fn look_like(text: &str) -> bool {
        text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() >= 2
    }

    /// Whom a token proves; `unix_seconds` is the wall clock.
    pub(super) fn verify(&self, text: &str, tag: KeyTag, unix_seconds: u64, now: Now) -> Verified {
        let generation = self.generation();
        if let Some(known) = self.cache.get(&tag, generation, unix_seconds) {
            return Verified::Known(known);
        }
        let (trusted, token) = match self.open(text) {
            Ok(opened) => opened,
            Err(error) => return Verified::Refused(error),
        };
        match (self.judge(trusted, &token, unix_seconds, now), &trusted.published) {
            (Ok(principal), _) => {
                let principal = Arc::new(principal);
                self.cache.put(tag, &principal, generation, unix_seconds);
                Verified::Known(principal)
            }
            (Err(error @ (TokenError::Key | TokenError::Signature)), Some(set)) => {
                let key_id = token.key_id.unwrap_or_default();
                Verified::Unsettled(Arc::clone(set), key_id, error)
            }
            (Err(error), _) => Verified::Refused(error),
        }
    }

    /// The request for published keys that will soon be too old.
    pub(super) fn refresh(&self, now: Now) -> Option<Errand> {
        self.issuers.iter().find_map(|trusted| trusted.published.as_ref()?.refresh(now))
    }

    /// True if the issuer of this principal still has the key of its token, which is not over.
    pub fn vouches_for(&self, principal: &Principal, unix_seconds: u64, now: Now) -> bool {
        principal.term.as_ref().is_some_and(|term| {
            let trusted = self.issuer(&term.issuer);
            let has_key = trusted
                .is_some_and(|trusted| trusted.has_key(&term.key_id, &self.rotated.list(), now));
            has_key && unix_seconds < term.until
        })
    }

    fn issuer(&self, name: &str) -> Option<&Trusted> {
        self.issuers.iter().find(|trusted| trusted.issuer.name == name)
    }

    /// The request for the keys that this issuer publishes, if it does; nobody waits for it.
    pub fn fetch(&self, issuer: &str) -> Option<Errand> {
        self.issuer(issuer)?.published.as_ref().map(KeySet::errand)
    }

    /// A number that changes when any published key does.
    fn generation(&self) -> u64 {
        let published = self.issuers.iter().filter_map(|trusted| trusted.published.as_ref());
        published.fold(0, |sum, set| sum.wrapping_add(set.generation()))
    }

    /// Whom a token proves by the keys that are known now; nothing is asked and nothing kept.
    ///
    /// # Errors
    /// Why it proves nobody.
    pub fn check(&self, text: &str, unix_seconds: u64, now: Now) -> Result<Principal, TokenError> {
        let (trusted, token) = self.open(text)?;
        self.judge(trusted, &token, unix_seconds, now)
    }

    /// The key of the principal that a token says it proves. Nothing of it is verified: it is for
    /// counting failures.
    pub fn claimed(&self, text: &str) -> Option<String> {
        let (trusted, token) = self.open(text).ok()?;
        let issuer = &trusted.issuer;
        let user = claims::user(&token.claims, &issuer.user_claim, &issuer.user_prefix).ok()?;
        Some(Principal::key_of(AuthMethod::Jwt, &issuer.name, &user))
    }

    /// A token and the issuer that it names; nothing of it is believed yet.
    fn open<'t>(&self, text: &'t str) -> Result<(&Trusted, Token<'t>), TokenError> {
        let token = Token::parse(text)?;
        let trusted = self.issuer(required_text(&token.claims, "iss")?);
        Ok((trusted.ok_or(TokenError::Issuer)?, token))
    }

    fn judge(
        &self,
        trusted: &Trusted,
        token: &Token<'_>,
        unix_seconds: u64,
        now: Now,
    ) -> Result<Principal, TokenError> {
        let issuer = &trusted.issuer;
        let claims = &token.claims;
        let key_id = trusted.key_id(token, &self.rotated.list(), now)?;
        issuer.check_type(token.kind.as_deref())?;
        claims::check_audience(claims, &issuer.audiences)?;
        let until = claims::check_times(claims, unix_seconds, self.leeway)?;
        let until = until.ok_or(TokenError::Claim("exp"))?;
        let user = claims::user(claims, &issuer.user_claim, &issuer.user_prefix)?;
        let roles = claims::roles(claims, issuer.roles_claim.as_deref())?;
        let (jti, issued) = (claims::jti(claims)?, claims::issued(claims)?);
        let term = Term { issuer: issuer.name.clone(), key_id, until, jti, issued };
        let scopes = Some(claims::scopes(claims)?);
        let kept = claims::kept(claims, &issuer.kept_claims);
        let principal = Principal::with_term(AuthMethod::Jwt, user, roles, term);
        let bound_to = claims::bound_to(claims)?;
        if issuer.requires_bound_tokens && bound_to.is_none() {
            return Err(TokenError::Unbound);
        }
        Ok(Principal { scopes, claims: kept, bound_to, ..principal })
    }
}

impl Trusted {
    /// The id of the key that has signed the token: the key that it names, or else the only one.
    fn key_id(
        &self,
        token: &Token<'_>,
        rotated: &[RotatedKey],
        now: Now,
    ) -> Result<String, TokenError> {
        let published = self.published.as_ref().and_then(|set| set.keys(now));
        let published: &[Entry] = published.as_deref().map_or(&[], Vec::as_slice);
        let given = self.issuer.keys.iter().map(|(id, key)| (Some(id.as_str()), key));
        let keys = given.chain(published.iter().map(|(id, key)| (id.as_deref(), key)));
        let rotated = rotated.iter().filter(|key| self.may_use(key, token.algorithm));
        let keys = keys.chain(rotated.map(|one| (Some(one.id.as_str()), one.key())));
        let wanted = token.key_id.as_deref();
        // A token without an id was good before a rotation, and is as good during one.
        let is_only = wanted.is_none() && self.issuer.keys.len() + published.len() == 1;
        let mut found = Err(TokenError::Key);
        let fitting = keys.filter(|(id, _)| is_only || (wanted.is_some() && *id == wanted));
        // Two keys of one id are keys for different algorithms; a flood of them costs nothing.
        for (id, key) in fitting.take(SAME_ID) {
            if key.verifies(token.algorithm, token.message, token.signature) {
                return Ok(id.unwrap_or_default().to_owned());
            }
            found = Err(TokenError::Signature);
        }
        found
    }

    fn may_use(&self, key: &RotatedKey, algorithm: Algorithm) -> bool {
        key.issuer == self.issuer.name && self.issuer.algorithms.contains(&algorithm)
    }

    fn has_key(&self, id: &str, rotated: &[RotatedKey], now: Now) -> bool {
        let published = self.published.as_ref().and_then(|set| set.keys(now));
        let is_published = published.is_some_and(|keys| {
            keys.iter().any(|(known, _)| known.as_deref().unwrap_or_default() == id)
        });
        let is_rotated = |key: &RotatedKey| key.issuer == self.issuer.name && key.id == id;
        is_published
            || self.issuer.keys.iter().any(|(known, _)| known == id)
            || rotated.iter().any(is_rotated)
    }
}

impl Issuer {
    fn check_type(&self, kind: Option<&str>) -> Result<(), TokenError> {
        let kind = kind.unwrap_or("jwt").to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        if self.types.iter().any(|one| one == kind) { Ok(()) } else { Err(TokenError::Type) }
    }
}

#[cfg(test)]
mod tests;
