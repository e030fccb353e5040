//! Tokens that were verified, by tags that tell nothing of them: the second request with a token
//! costs no signature check. It lives as long as the configuration by which they were verified.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::base::principal::Principal;
use crate::guard::authn::api_key::KeyTag;

/// Most tokens that are remembered.
const MOST: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Cache(RwLock<HashMap<KeyTag, Arc<Principal>>>);

impl Cache {
    pub(super) fn get(&self, tag: &KeyTag, now: u64) -> Option<Arc<Principal>> {
        self.0.read().get(tag).filter(|known| is_good(known, now)).cloned()
    }

    /// Remembers a token. When there are too many, those that are over are forgotten; if none is,
    /// the new one is not remembered.
    pub(super) fn put(&self, tag: KeyTag, principal: &Arc<Principal>, now: u64) {
        let mut known = self.0.write();
        if known.len() >= MOST {
            known.retain(|_, principal| is_good(principal, now));
        }
        if known.len() < MOST {
            known.insert(tag, Arc::clone(principal));
        }
    }
}

fn is_good(principal: &Principal, now: u64) -> bool {
    principal.term.as_ref().is_some_and(|term| now < term.until)
}
