//! API keys: known by a hash, compared in constant time, the same work for a wrong key as for a
//! right one. The keys themselves are not kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;
use ring::{digest, hmac};
use subtle::ConstantTimeEq as _;

use super::revocations::PrintKey;
use crate::base::ids::{NoRandomness, hex, random, unhex};
use crate::base::principal::{AuthMethod, KeyPrint, KnownKey, Principal};
use crate::guard::settings::{ApiKey, KeyCredential};

/// HMAC of a presented key under a key of this process: stable here, meaningless elsewhere.
pub type KeyTag = [u8; 32];

/// What tags are made with. It lives as long as the process and is shown to nobody.
#[derive(Clone, Debug)]
pub struct TagKey(hmac::Key);

/// The keys of a configuration.
#[derive(Debug)]
pub struct ApiKeys {
    process_key: hmac::Key,
    entries: Vec<Entry>,
    by_tag: RwLock<HashMap<KeyTag, usize>>,
    by_print: HashMap<KeyPrint, usize>,
    salted: Vec<Salted>,
}

#[derive(Debug)]
struct Entry {
    principal: Arc<Principal>,
    expires: Option<u64>,
}

#[derive(Debug)]
struct Salted {
    salt: Vec<u8>,
    digest: [u8; 32],
    entry: usize,
}

impl ApiKeys {
    /// Takes over the configured keys; tags are made with `tag_key`, or with a fresh one, and what
    /// a key is known by when it is taken back with `prints`.
    pub fn new(
        keys: &[ApiKey],
        tag_key: Option<TagKey>,
        prints: &PrintKey,
    ) -> Result<Self, NoRandomness> {
        let process_key = match tag_key {
            Some(TagKey(key)) => key,
            None => hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?),
        };
        let mut this = Self {
            process_key,
            entries: Vec::new(),
            by_tag: RwLock::default(),
            by_print: HashMap::new(),
            salted: Vec::new(),
        };
        for (entry, key) in keys.iter().enumerate() {
            let mut principal = Principal::new(AuthMethod::ApiKey, &*key.user, key.roles.clone());
            let print = print(&key.credential, prints);
            let (label, networks) = (key.label.clone(), key.networks.clone());
            this.by_print.insert(print, entry);
            principal.api_key = Some(Arc::new(KnownKey { print, label, networks }));
            let expires = key.expires.map(seconds);
            this.entries.push(Entry { principal: Arc::new(principal), expires });
            match &key.credential {
                KeyCredential::Plain(secret) => {
                    let tag = this.tag(secret.expose());
                    this.by_tag.write().insert(tag, entry);
                }
                KeyCredential::Sha256 { salt, digest } => {
                    this.salted.push(Salted { salt: salt.clone(), digest: *digest, entry });
                }
            }
        }
        Ok(this)
    }

    /// The keys: whose each is, what is known of it, and when it expires in seconds since 1970.
    pub fn list(&self) -> impl Iterator<Item = (&Principal, &KnownKey, Option<u64>)> {
        self.entries.iter().filter_map(|entry| {
            let key = entry.principal.api_key.as_ref()?;
            Some((&*entry.principal, &**key, entry.expires))
        })
    }

    /// What tags are made with.
    pub fn tag_key(&self) -> TagKey {
        TagKey(self.process_key.clone())
    }

    /// True if the key of this principal, with the same roles, is good at `unix_seconds`.
    pub fn knows(&self, principal: &Principal, unix_seconds: u64) -> bool {
        let entry = self.of(principal);
        entry.is_some_and(|entry| entry.expires.is_none_or(|expires| expires > unix_seconds))
    }

    /// When the key of this principal expires, if it does, in seconds since 1970.
    pub fn until(&self, principal: &Principal) -> Option<u64> {
        self.of(principal)?.expires
    }

    fn of(&self, principal: &Principal) -> Option<&Entry> {
        let index = self.by_print.get(&principal.api_key.as_ref()?.print)?;
        self.entries.get(*index).filter(|entry| *entry.principal == *principal)
    }

    /// The tag of a presented key.
    pub fn tag(&self, presented: &str) -> KeyTag {
        let mut tag = [0; 32];
        for (to, from) in
            tag.iter_mut().zip(hmac::sign(&self.process_key, presented.as_bytes()).as_ref())
        {
            *to = *from;
        }
        tag
    }

    /// Whose key it is, if it is one, or why it is not good at `unix_seconds`; `tag` is its tag.
    ///
    /// A look-up by tag tells a stranger nothing, for it cannot compute tags. A key whose salted
    /// hash was right once is known by its tag from then on.
    pub(super) fn verify(
        &self,
        presented: &str,
        tag: KeyTag,
        unix_seconds: u64,
    ) -> Option<Result<Arc<Principal>, &'static str>> {
        let known = self.by_tag.read().get(&tag).copied();
        let index = known.or_else(|| self.search_salted(presented, tag))?;
        let entry = self.entries.get(index)?;
        Some(match entry.expires {
            Some(expires) if expires <= unix_seconds => Err("api_key_expired"),
            _ => Ok(Arc::clone(&entry.principal)),
        })
    }

    /// Compares with every salted hash, whether one was right already or not.
    fn search_salted(&self, presented: &str, tag: KeyTag) -> Option<usize> {
        let mut found = None;
        for salted in &self.salted {
            let digest = salted_digest(&salted.salt, presented);
            if bool::from(digest.ct_eq(&salted.digest)) {
                found = Some(salted.entry);
            }
        }
        if let Some(entry) = found {
            self.by_tag.write().insert(tag, entry);
        }
        found
    }
}

fn print(credential: &KeyCredential, prints: &PrintKey) -> KeyPrint {
    match credential {
        KeyCredential::Plain(secret) => prints.print(&[b"key", secret.expose().as_bytes()]),
        KeyCredential::Sha256 { salt, digest } => prints.print(&[b"hash", digest, salt]),
    }
}

/// SHA-256 over salt and key.
fn salted_digest(salt: &[u8], key: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(salt);
    context.update(key.as_bytes());
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    out
}

/// A new key: 256 random bits. It is shown once; what is stored is [`stored_form`].
pub fn generate() -> Result<String, NoRandomness> {
    Ok(format!("erlmcp_{}", hex(&random::<32>()?)))
}

/// `sha256:<salt>:<digest>` of a key with a fresh salt: what a configuration or state file holds.
pub fn stored_form(key: &str) -> Result<String, NoRandomness> {
    let salt = random::<16>()?;
    Ok(format!("sha256:{}:{}", hex(&salt), hex(&salted_digest(&salt, key))))
}

/// Reads what [`stored_form`] wrote.
pub fn parse_stored_form(text: &str) -> Option<KeyCredential> {
    let (salt, digest) = text.strip_prefix("sha256:")?.split_once(':')?;
    let salt = unhex(salt).filter(|salt| (8..=64).contains(&salt.len()))?;
    let digest = unhex(digest)?.try_into().ok()?;
    Some(KeyCredential::Sha256 { salt, digest })
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use std::time::Duration;

    fn key(credential: KeyCredential, user: &str, expires: Option<u64>) -> ApiKey {
        ApiKey {
            credential,
            user: user.into(),
            label: None,
            roles: vec![],
            networks: vec![],
            expires: expires.map(|s| UNIX_EPOCH + Duration::from_secs(s)),
        }
    }

    fn keys() -> ApiKeys {
        let hashed = parse_stored_form(&stored_form("hashed-key").unwrap()).unwrap();
        let old = parse_stored_form(&stored_form("old-key").unwrap()).unwrap();
        ApiKeys::new(
            &[
                key(KeyCredential::Plain(Secret::new("plain-key".into())), "plain", None),
                key(hashed, "hashed", None),
                key(old, "old", Some(1_000)),
            ],
            None,
            &PrintKey([0; 16]),
        )
        .unwrap()
    }

    fn verify(keys: &ApiKeys, presented: &str, at: u64) -> Option<Arc<Principal>> {
        keys.verify(presented, keys.tag(presented), at)?.ok()
    }

    #[test]
    fn a_key_is_known_in_both_forms_and_again() {
        let keys = keys();
        for (presented, user) in [("plain-key", "plain"), ("hashed-key", "hashed")] {
            for _ in 0..2 {
                assert_eq!(verify(&keys, presented, 0).unwrap().user, user);
            }
        }
        for wrong in ["", "plain-ke", "plain-key ", "PLAIN-KEY", "hashed-keyx", "sha256:"] {
            assert!(verify(&keys, wrong, 0).is_none(), "{wrong}");
        }
    }

    #[test]
    fn it_is_known_until_when_a_key_is_good() {
        let keys = keys();
        let until = |presented| keys.until(&verify(&keys, presented, 0).unwrap());
        assert_eq!((until("old-key"), until("plain-key")), (Some(1_000), None));
    }

    #[test]
    fn a_key_that_was_good_stops_being_good_when_it_expires() {
        let keys = keys();
        assert!(verify(&keys, "old-key", 999).is_some());
        assert!(verify(&keys, "old-key", 1_000).is_none());
    }

    #[test]
    fn the_stored_form_holds_no_key_and_differs_each_time() {
        let key = generate().unwrap();
        assert_eq!(key.len(), "erlmcp_".len() + 64);
        let (one, two) = (stored_form(&key).unwrap(), stored_form(&key).unwrap());
        assert_ne!(one, two);
        assert!(!one.contains(key.trim_start_matches("erlmcp_")));
        for bad in [
            "",
            "sha256:",
            "sha256:00:11",
            "md5:00112233445566778899:00",
            one.trim_end_matches(|c: char| c.is_ascii_hexdigit()),
        ] {
            assert!(parse_stored_form(bad).is_none(), "{bad}");
        }
    }
}
