//! What an administrator can do. An order is in force at once, and then written down; where that
//! fails it stays in force, and whoever gave it is told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::Administration;
use super::request::Owner;
use super::store::{self, BLOCKS, REVOCATIONS, ROTATED_KEYS};
use crate::base::clock::{Now, unix_seconds};
use crate::guard::authn::jwt::rotation::{MOST_KEYS, RotatedKey};
use crate::guard::authn::revocations::{
    MOST_ENTRIES, RetiredKey, Revoked, RevokedKey, RevokedToken, RevokedUser,
};
use crate::guard::blocks::Block;
use crate::server::material::StateDirectory;

/// How long it may take to read the configuration again.
const RELOAD: Duration = Duration::from_secs(30);

/// How far the clock of an issuer can be said to be off, in seconds.
const LONGEST_LEEWAY: u64 = 300;

/// What came of an act, or a sentence about why not.
pub(super) type Done = Result<Value, String>;

impl Administration {
    pub(super) fn reset(&self, address: IpAddr) -> Done {
        let rate = &self.services.snapshot.load().rate;
        Ok(json!({ "had_failures": rate.reset(address, Now::read()) }))
    }

    pub(super) fn block(&self, network: IpNet, seconds: Option<u64>, force: bool) -> Done {
        if covers_this_host(&network) && !force {
            return Err(format!(
                "{network} holds addresses of this host itself; --force blocks it nevertheless"
            ));
        }
        let now = unix_seconds();
        let until = seconds.map(|seconds| now.saturating_add(seconds));
        let mut blocks = self.services.blocks.list(now);
        blocks.retain(|block| block.network != network);
        if blocks.len() >= MOST_ENTRIES {
            return Err(full("unblock some, or block a network that holds several of them"));
        }
        blocks.push(Block { network, until });
        self.services.blocks.replace(&blocks);
        self.mailbox.networks_blocked();
        self.keep(BLOCKS, &store::blocks_text(&blocks))?;
        Ok(json!({ "network": network.to_string(), "until": until }))
    }

    pub(super) fn unblock(&self, network: IpNet) -> Done {
        let mut blocks = self.services.blocks.list(unix_seconds());
        let before = blocks.len();
        blocks.retain(|block| block.network != network);
        if blocks.len() == before {
            return Err(format!("{network} is not blocked; `erlmcp admin status` lists what is"));
        }
        self.services.blocks.replace(&blocks);
        self.keep(BLOCKS, &store::blocks_text(&blocks))?;
        Ok(json!({ "network": network.to_string() }))
    }

    pub(super) fn rotate(
        &self,
        (id, pem): (&str, &str),
        issuer: Option<&str>,
        retire: Option<(&str, u64)>,
    ) -> Done {
        let issuer = self.issuer(issuer)?;
        let list = self.orders.revoked.list();
        let known = self.public_keys();
        if known.iter().any(|key| key.issuer == issuer && key.id == id) {
            return Err(format!("{issuer} has a key {id:?} already; give the new one its own id"));
        }
        if list.retires(&issuer, id).is_some() {
            return Err(format!("the key {id:?} was retired; give the new one an id of its own"));
        }
        let key = RotatedKey::new(&issuer, id, pem).map_err(|error| format!("the file {error}"))?;
        if !self.fits(&issuer, &key) {
            return Err(format!(
                "none of the algorithms that the configuration allows {issuer} can be used with \
                 this key; name one that can in authentication.jwt.algorithms and reload"
            ));
        }
        if let Some((old, _)) = retire {
            self.check_retirement(&issuer, old)?;
        }
        let mut keys = self.orders.rotated.list().to_vec();
        // What has retired is not needed any more.
        let now = unix_seconds();
        keys.retain(|key| list.retires(&key.issuer, &key.id).is_none_or(|from| from > now));
        if keys.len() >= MOST_KEYS {
            return Err(full("put the keys into the configuration"));
        }
        keys.push(key);
        self.orders.rotated.replace(keys.clone());
        let kept = self.keep(ROTATED_KEYS, &store::rotated_text(&keys));
        let retires = retire.map(|(old, after)| self.retire_of(&issuer, old, after)).transpose();
        kept?;
        Ok(json!({ "issuer": issuer, "id": id, "retires": retires? }))
    }

    pub(super) fn retire(&self, id: &str, issuer: Option<&str>, after: u64) -> Done {
        let issuer = self.issuer(issuer)?;
        self.check_retirement(&issuer, id)?;
        let from = self.retire_of(&issuer, id, after)?;
        Ok(json!({ "issuer": issuer, "id": id, "retires": from }))
    }

    /// A key that is not there is misspelt, unless it may be published and was not fetched yet.
    fn check_retirement(&self, issuer: &str, id: &str) -> Result<(), String> {
        let known = self.public_keys();
        let mut own = known.iter().filter(|key| key.issuer == issuer);
        if own.any(|key| key.id == id) || self.publishes(issuer) {
            return Ok(());
        }
        Err(format!("{issuer} has no key {id:?}; `erlmcp admin keys list` names those that it has"))
    }

    fn retire_of(&self, issuer: &str, id: &str, after: u64) -> Result<u64, String> {
        let from = unix_seconds().saturating_add(after);
        let key = RetiredKey { issuer: issuer.to_owned(), from };
        self.revoke(|list| list.add_retired(id, key))?;
        Ok(self.orders.revoked.list().retires(issuer, id).unwrap_or(from))
    }

    pub(super) fn revoke_keys(&self, owner: &Owner) -> Done {
        let snapshot = self.services.snapshot.load();
        let keys = snapshot.authentication.proofs().into_iter().flat_map(|it| it.keys.list());
        let meant = keys.filter(|(principal, key, _)| match owner {
            Owner::Name(name) => key.label.as_ref() == Some(name),
            Owner::User(user) => principal.user == *user,
        });
        let found: Vec<_> = meant
            .map(|(principal, key, _)| {
                let (label, user) = (key.label.clone(), principal.user.clone());
                (key.print, RevokedKey { label, user })
            })
            .collect();
        if found.is_empty() {
            return Err(match owner {
                // It may be the key itself that was typed.
                Owner::Name(_) => "no API key has this label".into(),
                Owner::User(user) => format!("the user {user:?} has no API key"),
            });
        }
        let count = found.len();
        self.revoke(|list| list.api_keys.extend(found))?;
        Ok(json!({ "revoked": count }))
    }

    pub(super) fn revoke_token(&self, id: &str, issuer: Option<&str>) -> Done {
        self.check_issuer(issuer)?;
        let snapshot = self.services.snapshot.load();
        let tokens = snapshot.authentication.proofs().and_then(|it| it.tokens.as_ref());
        let until = tokens.and_then(|tokens| tokens.until_of(id, issuer));
        // One of another issuer may have the same id and be good for longer.
        let is_only = self.issuers().len() == 1 && !self.asks_issuers();
        let until = until.filter(|_| issuer.is_some() || is_only);
        // A reload may allow the clock of the issuer to be further off.
        let remembered = until.map(|until| until.saturating_add(LONGEST_LEEWAY));
        let token = RevokedToken { issuer: issuer.map(str::to_owned), until: remembered };
        self.revoke(|list| list.add_token(id, token))?;
        Ok(json!({ "until": until }))
    }

    pub(super) fn revoke_tokens_of(&self, user: &str, issuer: Option<&str>) -> Done {
        self.check_issuer(issuer)?;
        let before = unix_seconds();
        let revoked = RevokedUser { issuer: issuer.map(str::to_owned), before };
        self.revoke(|list| list.add_user(user, revoked))?;
        Ok(json!({ "before": before }))
    }

    pub(super) fn revoke_sessions(&self, owner: &Owner) -> Done {
        let services = &self.services;
        let is_meant = |id: &str, user: &str| match owner {
            Owner::Name(handle) => self.handle(id) == *handle,
            Owner::User(name) => user == name,
        };
        let mut count = 0_usize;
        for session in services.sessions.all() {
            if is_meant(&session.id, &session.principal.user) {
                services.sessions.remove(&session.id);
                count += 1;
            }
        }
        for (id, principal, _) in services.event_sessions.all() {
            if is_meant(&id, &principal.user) {
                services.event_sessions.remove(&id);
                count += 1;
            }
        }
        if count == 0 {
            return Err("there is no such session; `erlmcp admin sessions list` lists them".into());
        }
        Ok(json!({ "revoked": count }))
    }

    pub(super) fn reload(&self) -> Done {
        match self.mailbox.reload(RELOAD) {
            Some(Ok(number)) => Ok(json!({ "configuration": number })),
            Some(Err(problems)) => Err(format!("the configuration stays as it was:\n{problems}")),
            None => Err("it takes longer than 30 s; see the log of the server".into()),
        }
    }

    /// Adds to what was taken back, puts it in force for open streams, too, and writes it down.
    fn revoke(&self, add: impl FnOnce(&mut Revoked)) -> Result<(), String> {
        let mut list = Revoked::clone(&self.orders.revoked.list());
        list.forget_old(unix_seconds());
        add(&mut list);
        if list.counts().iter().any(|count| *count > MOST_ENTRIES) {
            return Err(full("take the credentials out of the configuration, or retire the key"));
        }
        let text = store::revocations_text(&list, self.orders.revoked.prints());
        self.orders.revoked.replace(list);
        self.services.let_go();
        self.keep(REVOCATIONS, &text)
    }

    /// Writes what is in force already.
    fn keep(&self, name: &str, text: &str) -> Result<(), String> {
        let written = StateDirectory::shared(&self.state).write(name, text);
        written.map_err(|error| {
            format!("it is in force, but will not outlive a restart: it cannot be kept: {error}")
        })
    }

    /// The names of the issuers whose tokens are verified here.
    fn issuers(&self) -> Vec<String> {
        let snapshot = self.services.snapshot.load();
        let tokens = snapshot.authentication.proofs().and_then(|it| it.tokens.as_ref());
        let names = tokens.into_iter().flat_map(|tokens| tokens.issuers());
        names.map(|(name, _)| name.to_owned()).collect()
    }

    /// The issuer of this name, or the only one.
    fn issuer(&self, name: Option<&str>) -> Result<String, String> {
        let issuers = self.issuers();
        match (name, issuers.as_slice()) {
            (_, []) => Err("no tokens are verified here: there is no [authentication.jwt]".into()),
            (None, [only]) => Ok(only.clone()),
            (None, all) => Err(format!("name one of the issuers: {}", all.join(", "))),
            (Some(name), all) => {
                let found = all.iter().find(|one| *one == name).cloned();
                found.ok_or_else(|| format!("there is no issuer {name:?}, but {}", all.join(", ")))
            }
        }
    }

    /// An issuer that is misspelt would be taken for a revocation that works.
    fn check_issuer(&self, name: Option<&str>) -> Result<(), String> {
        match name {
            Some(_) if !self.asks_issuers() => self.issuer(name).map(drop),
            _ => Ok(()),
        }
    }

    /// True if there are issuers that are asked about their tokens, whatever their names are.
    fn asks_issuers(&self) -> bool {
        let snapshot = self.services.snapshot.load();
        snapshot.authentication.proofs().is_some_and(|proofs| proofs.introspection.is_some())
    }

    fn publishes(&self, issuer: &str) -> bool {
        let snapshot = self.services.snapshot.load();
        let tokens = snapshot.authentication.proofs().and_then(|it| it.tokens.as_ref());
        tokens.is_some_and(|tokens| tokens.are_published_by(issuer))
    }

    fn fits(&self, issuer: &str, key: &RotatedKey) -> bool {
        let snapshot = self.services.snapshot.load();
        let tokens = snapshot.authentication.proofs().and_then(|it| it.tokens.as_ref());
        let mut issuers = tokens.into_iter().flat_map(|tokens| tokens.issuers());
        issuers.any(|(name, algorithms)| name == issuer && key.fits(algorithms))
    }
}

fn full(remedy: &str) -> String {
    format!("the list is full; {remedy}")
}

fn covers_this_host(network: &IpNet) -> bool {
    const LOOPBACK: [IpAddr; 2] =
        [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    LOOPBACK.iter().any(|address| network.contains(address)) || network.addr().is_loopback()
}
