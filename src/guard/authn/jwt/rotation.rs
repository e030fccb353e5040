//! Public keys of issuers that an administrator has put beside those of the configuration while the
//! server runs. They stay through reloads and restarts, until they are retired.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jsonwebtoken::Algorithm;

use super::key::{Key, KeyError};
use super::token::ALGORITHMS;
use super::{Tokens, Trusted};
use crate::base::clock::Now;

/// Most keys.
pub const MOST_KEYS: usize = 100;
/// Longest id of a key, in bytes.
pub const ID_BYTES: usize = 256;

/// A key that was put beside the others.
#[derive(Clone, Debug)]
pub struct RotatedKey {
    /// Whose it is.
    pub issuer: String,
    /// Its id.
    pub id: String,
    /// What was given, in PEM.
    pub pem: String,
    key: Key,
}

impl RotatedKey {
    /// Reads a key. Which algorithms it may be used with is asked when it is used, for that is the
    /// configuration's to say.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(issuer: &str, id: &str, pem: &str) -> Result<Self, KeyError> {
        let all: Vec<Algorithm> = ALGORITHMS.iter().map(|(_, algorithm)| *algorithm).collect();
        let key = Key::from_pem(pem, &all)?;
        Ok(Self { issuer: issuer.to_owned(), id: id.to_owned(), pem: pem.to_owned(), key })
    }

    /// True if it can be used with one of these algorithms.
    pub fn fits(&self, algorithms: &[Algorithm]) -> bool {
        Key::from_pem(&self.pem, algorithms).is_ok()
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

/// All such keys; see the module.
#[derive(Debug, Default)]
pub struct RotatedKeys(ArcSwap<Vec<RotatedKey>>);

impl RotatedKeys {
    /// The keys.
    pub fn list(&self) -> Arc<Vec<RotatedKey>> {
        self.0.load_full()
    }

    /// Puts other keys in force.
    pub fn replace(&self, keys: Vec<RotatedKey>) {
        self.0.store(Arc::new(keys));
    }
}

/// Where a key is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// It stands in the configuration.
    Configuration,
    /// Its issuer has published it.
    Published,
    /// It was put beside the others.
    Rotation,
}

impl KeyOrigin {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Published => "published",
            Self::Rotation => "rotation",
        }
    }
}

/// What can be told of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// Whose it is.
    pub issuer: String,
    /// Its id; empty where its issuer gives none.
    pub id: String,
    /// Where it is from.
    pub origin: KeyOrigin,
}

impl Tokens {
    /// The issuers, and what keys of each may be used with.
    pub fn issuers(&self) -> impl Iterator<Item = (&str, &[Algorithm])> {
        let all = self.issuers.iter().map(|trusted| &trusted.issuer);
        all.map(|issuer| (issuer.name.as_str(), issuer.algorithms.as_slice()))
    }

    /// All keys that tokens are verified with.
    pub fn keys(&self, now: Now) -> Vec<ListedKey> {
        self.issuers.iter().flat_map(|trusted| trusted.keys(&self.rotated.list(), now)).collect()
    }

    /// True if this issuer publishes its keys.
    pub fn are_published_by(&self, issuer: &str) -> bool {
        self.issuer(issuer).is_some_and(|trusted| trusted.published.is_some())
    }

    /// When a token of this id is over, in seconds since 1970, if it has been seen.
    pub fn until_of(&self, jti: &str, issuer: Option<&str>) -> Option<u64> {
        let known = self.cache.find(|principal| {
            principal.term.as_ref().is_some_and(|term| {
                term.jti.as_deref() == Some(jti) && issuer.is_none_or(|it| it == term.issuer)
            })
        });
        known?.term.as_ref().map(|term| term.until)
    }
}

impl Trusted {
    fn keys(&self, rotated: &[RotatedKey], now: Now) -> Vec<ListedKey> {
        let listed = |id: &str, origin| ListedKey {
            issuer: self.issuer.name.clone(),
            id: id.to_owned(),
            origin,
        };
        let given = self.issuer.keys.iter().map(|(id, _)| listed(id, KeyOrigin::Configuration));
        let published = self.published.as_ref().and_then(|set| set.keys(now));
        let published = published.iter().flat_map(|keys| keys.iter());
        let published = published
            .map(|(id, _)| listed(id.as_deref().unwrap_or_default(), KeyOrigin::Published));
        let own = rotated.iter().filter(|key| key.issuer == self.issuer.name);
        let rotated = own.map(|key| listed(&key.id, KeyOrigin::Rotation));
        given.chain(published).chain(rotated).collect()
    }
}
