//! Tokens that were verified, by tags that tell nothing of them: the second request with a token
//! costs no signature check. It lives as long as the configuration by which they were verified,
//! and a token as long as the keys do.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::base::principal::Principal;
use crate::guard::authn::api_key::KeyTag;

/// Most tokens that are remembered.
const MOST: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Cache(RwLock<HashMap<KeyTag, Known>>);

#[derive(Debug)]
struct Known {
    principal: Arc<Principal>,
    /// That of the keys by which it was verified.
    generation: u64,
}

impl Cache {
    pub(super) fn get(&self, tag: &KeyTag, generation: u64, now: u64) -> Option<Arc<Principal>> {
        let known = self.0.read();
        let known = known.get(tag).filter(|known| known.is_good(generation, now));
        known.map(|known| Arc::clone(&known.principal))
    }

    /// A principal of whose token this is true.
    pub(super) fn find(&self, is_it: impl Fn(&Principal) -> bool) -> Option<Arc<Principal>> {
        let known = self.0.read();
        let mut all = known.values().map(|known| &known.principal);
        all.find(|principal| is_it(principal)).map(Arc::clone)
    }

    /// Remembers a token. When there are too many, those that are over are forgotten; if none is,
    /// the new one is not remembered.
    pub(super) fn put(&self, tag: KeyTag, principal: &Arc<Principal>, generation: u64, now: u64) {
        let mut known = self.0.write();
        if known.len() >= MOST && !known.contains_key(&tag) {
            known.retain(|_, one| one.is_good(generation, now));
        }
        if known.len() < MOST || known.contains_key(&tag) {
            known.insert(tag, Known { principal: Arc::clone(principal), generation });
        }
    }
}

impl Known {
    fn is_good(&self, generation: u64, now: u64) -> bool {
        let term = self.principal.term.as_ref();
        self.generation == generation && term.is_some_and(|term| now < term.until)
    }
}
