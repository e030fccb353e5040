//! Credentials that an administrator has taken back before their time: API keys, tokens, all tokens
//! that a user had at a moment, and the keys that tokens are signed with. It is asked for each
//! request after all else has been verified, and for whoever listens; it never shows a key.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use ring::hmac;

use crate::base::principal::{AuthMethod, KeyPrint, Principal, Term};

/// Most entries of each kind.
pub const MOST_ENTRIES: usize = 10_000;

/// An API key that was taken back, and how it was called in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    /// Its label.
    pub label: Option<String>,
    /// Its user.
    pub user: String,
}

/// A token that was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedToken {
    /// Its issuer; `None` stands for any.
    pub issuer: Option<String>,
    /// When the token is over by itself, in seconds since 1970; `None` where nobody knows.
    pub until: Option<u64>,
}

/// A user all of whose tokens were taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedUser {
    /// The issuer of the tokens; `None` stands for any.
    pub issuer: Option<String>,
    /// Those that were issued up to this second since 1970 are taken back.
    pub before: u64,
}

/// A key of an issuer by which no token is verified any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredKey {
    /// The issuer.
    pub issuer: String,
    /// From when on, in seconds since 1970.
    pub from: u64,
}

/// All that was taken back. The names of tokens, users and keys are what an issuer may give twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    /// API keys, by their prints.
    pub api_keys: BTreeMap<KeyPrint, RevokedKey>,
    /// Tokens, by their ids (`jti`).
    pub tokens: HashMap<String, Vec<RevokedToken>>,
    /// Users.
    pub users: HashMap<String, Vec<RevokedUser>>,
    /// Keys of issuers, by their ids (`kid`).
    pub retired: HashMap<String, Vec<RetiredKey>>,
}

impl Revoked {
    /// How many entries there are of each kind: API keys, tokens, users, retired keys.
    pub fn counts(&self) -> [usize; 4] {
        [
            self.api_keys.len(),
            self.tokens.values().map(Vec::len).sum(),
            self.users.values().map(Vec::len).sum(),
            self.retired.values().map(Vec::len).sum(),
        ]
    }

    /// Takes a token back.
    pub fn add_token(&mut self, id: &str, token: RevokedToken) {
        let known = self.tokens.entry(id.to_owned()).or_default();
        known.retain(|one| one.issuer != token.issuer);
        known.push(token);
    }

    /// Takes all present tokens of a user back.
    pub fn add_user(&mut self, name: &str, user: RevokedUser) {
        let known = self.users.entry(name.to_owned()).or_default();
        known.retain(|one| one.issuer != user.issuer);
        known.push(user);
    }

    /// Retires a key; an earlier moment that was set before stays.
    pub fn add_retired(&mut self, id: &str, mut key: RetiredKey) {
        let known = self.retired.entry(id.to_owned()).or_default();
        for former in known.extract_if(.., |one| one.issuer == key.issuer) {
            key.from = key.from.min(former.from);
        }
        known.push(key);
    }

    /// When a key of an issuer retires or has retired.
    pub fn retires(&self, issuer: &str, id: &str) -> Option<u64> {
        let known = self.retired.get(id)?;
        known.iter().find(|key| key.issuer == issuer).map(|key| key.from)
    }

    /// Forgets tokens that are over by themselves.
    pub fn forget_old(&mut self, unix_seconds: u64) {
        self.tokens.retain(|_, tokens| {
            tokens.retain(|token| token.until.is_none_or(|until| unix_seconds < until));
            !tokens.is_empty()
        });
    }

    /// Why a principal is not believed any more, for the record; `None` if it is.
    fn reason(&self, principal: &Principal, unix_seconds: u64) -> Option<&'static str> {
        match (principal.method, &principal.term) {
            (AuthMethod::ApiKey, _) => {
                let key = principal.api_key.as_ref();
                let is_revoked = key.is_some_and(|it| self.api_keys.contains_key(&it.print));
                is_revoked.then_some("api_key_revoked")
            }
            (AuthMethod::Jwt | AuthMethod::OAuth2, Some(term)) => {
                self.reason_of_token(&principal.user, term, unix_seconds)
            }
            _ => None,
        }
    }

    fn reason_of_token(&self, user: &str, term: &Term, unix_seconds: u64) -> Option<&'static str> {
        let is_of = |issuer: &Option<String>| issuer.as_ref().is_none_or(|it| *it == term.issuer);
        let tokens = term.jti.as_ref().and_then(|jti| self.tokens.get(jti)).into_iter().flatten();
        if tokens.into_iter().any(|token| is_of(&token.issuer)) {
            return Some("token_revoked");
        }
        // When a token without a time was issued nobody knows: it may have been before.
        let was_before = |user: &RevokedUser| term.issued.is_none_or(|at| at <= user.before);
        let mut users = self.users.get(user).into_iter().flatten();
        if users.any(|user| is_of(&user.issuer) && was_before(user)) {
            return Some("tokens_of_user_revoked");
        }
        let from = self.retires(&term.issuer, &term.key_id);
        from.is_some_and(|from| from <= unix_seconds).then_some("key_retired")
    }
}

/// What was taken back, as it is asked; see the module.
#[derive(Debug)]
pub struct RevokedCredentials {
    has_any: AtomicBool,
    list: ArcSwap<Revoked>,
    prints: PrintKey,
}

/// What prints of API keys are made with. It is kept with the list, for prints must be the same
/// after a restart, and tell nothing to who sees the list alone.
#[derive(Clone, Debug)]
pub struct PrintKey(pub [u8; 16]);

impl PrintKey {
    /// The print of a key, or of what is known of one.
    pub fn print(&self, of: &[&[u8]]) -> KeyPrint {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        for part in of {
            context.update(part);
        }
        let mut print = [0; 16];
        for (to, from) in print.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        KeyPrint(print)
    }
}

impl RevokedCredentials {
    /// What was taken back before, with what the prints in it are made with.
    pub fn new(list: Revoked, prints: PrintKey) -> Self {
        let has_any = AtomicBool::new(list != Revoked::default());
        Self { has_any, list: ArcSwap::from_pointee(list), prints }
    }

    /// What prints are made with.
    pub fn prints(&self) -> &PrintKey {
        &self.prints
    }

    /// The list.
    pub fn list(&self) -> Arc<Revoked> {
        self.list.load_full()
    }

    /// Puts another list in force.
    pub fn replace(&self, list: Revoked) {
        let has_any = list != Revoked::default();
        self.list.store(Arc::new(list));
        self.has_any.store(has_any, Ordering::Release);
    }

    /// Why a principal is not believed any more, for the record; `None` if it is.
    pub fn reason(&self, principal: &Principal, unix_seconds: u64) -> Option<&'static str> {
        if !self.has_any.load(Ordering::Acquire) {
            return None;
        }
        self.list.load().reason(principal, unix_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::principal::KnownKey;

    fn token(jti: Option<&str>, issued: Option<u64>, key_id: &str) -> Principal {
        let term = Term {
            issuer: "https://a".into(),
            key_id: key_id.into(),
            until: 1_000,
            jti: jti.map(str::to_owned),
            issued,
        };
        Principal::with_term(AuthMethod::Jwt, "user".into(), Vec::new(), term)
    }

    fn issuer(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn a_token_is_taken_back_by_its_id_and_for_its_issuer() {
        let mut list = Revoked::default();
        list.add_token("1", RevokedToken { issuer: None, until: Some(100) });
        list.add_token("2", RevokedToken { issuer: issuer("https://a"), until: None });
        list.add_token("3", RevokedToken { issuer: issuer("https://b"), until: None });
        let reason = |jti| list.reason(&token(jti, Some(5), "k"), 50);
        assert_eq!(reason(Some("1")), Some("token_revoked"));
        assert_eq!(reason(Some("2")), Some("token_revoked"));
        assert_eq!(reason(Some("3")), None, "that of somebody else");
        assert_eq!(reason(None), None);
        list.forget_old(99);
        assert_eq!(list.counts(), [0, 3, 0, 0]);
        list.forget_old(100);
        assert_eq!(list.counts(), [0, 2, 0, 0], "it is over by itself");
    }

    #[test]
    fn all_tokens_up_to_a_moment_are_taken_back_and_later_ones_are_good() {
        let mut list = Revoked::default();
        list.add_user("user", RevokedUser { issuer: None, before: 10 });
        let reason = |issued| list.reason(&token(None, issued, "k"), 50);
        assert_eq!(reason(Some(10)), Some("tokens_of_user_revoked"));
        assert_eq!(reason(None), Some("tokens_of_user_revoked"), "it may be as old");
        assert_eq!(reason(Some(11)), None);
        list.add_user("user", RevokedUser { issuer: None, before: 20 });
        assert_eq!(list.counts(), [0, 0, 1, 0], "one entry for each user");
    }

    #[test]
    fn a_key_is_good_until_it_retires_and_no_later_order_moves_that() {
        let mut list = Revoked::default();
        let retire = |from| RetiredKey { issuer: "https://a".into(), from };
        list.add_retired("old", retire(100));
        list.add_retired("old", retire(200));
        assert_eq!(list.retires("https://a", "old"), Some(100));
        assert_eq!(list.reason(&token(None, None, "old"), 99), None);
        assert_eq!(list.reason(&token(None, None, "old"), 100), Some("key_retired"));
        assert_eq!(list.reason(&token(None, None, "new"), 100), None);
        assert_eq!(list.retires("https://b", "old"), None);
    }

    #[test]
    fn an_api_key_is_known_by_a_print_that_depends_on_what_it_is_made_with() {
        let prints = PrintKey([1; 16]);
        let print = prints.print(&[b"a key"]);
        assert_eq!(print, prints.print(&[b"a ", b"key"]));
        assert_ne!(print, PrintKey([2; 16]).print(&[b"a key"]));
        let revoked = RevokedCredentials::new(Revoked::default(), prints);
        let mut principal = Principal::new(AuthMethod::ApiKey, "user", Vec::new());
        let (label, networks) = (None, Vec::new());
        principal.api_key = Some(Arc::new(KnownKey { print, label, networks }));
        assert_eq!(revoked.reason(&principal, 0), None);
        let mut list = Revoked::default();
        list.api_keys.insert(print, RevokedKey { label: None, user: "user".into() });
        revoked.replace(list);
        assert_eq!(revoked.reason(&principal, 0), Some("api_key_revoked"));
        principal.api_key = None;
        assert_eq!(revoked.reason(&principal, 0), None);
    }
}
