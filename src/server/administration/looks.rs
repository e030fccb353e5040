//! What an administrator can see: counts, networks, labels, ids of keys and handles of sessions;
//! never a credential or the id of a session.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::Administration;
use crate::base::clock::{Now, unix_seconds};
use crate::guard::authn::jwt::rotation::ListedKey;

/// Most entries of a list that are told.
const MOST_LISTED: usize = 1_000;
/// Most blocked networks that a status names.
const MOST_NAMED: usize = 100;

impl Administration {
    pub(super) fn status(&self) -> Value {
        let services = &self.services;
        let blocks = services.blocks.list(unix_seconds());
        let named = blocks.iter().take(MOST_NAMED);
        let named: Vec<_> = named
            .map(|block| json!({ "network": block.network.to_string(), "until": block.until }))
            .collect();
        let [api_keys, tokens, users, keys] = self.orders.revoked.list().counts();
        let counters: BTreeMap<_, _> = services.counters.all().into_iter().collect();
        let audit = match (self.has_audit, services.audit.is_able()) {
            (false, _) => "off",
            (true, true) => "able",
            (true, false) => "failing",
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime_seconds": Now::read().since(Now::from_micros(0)).as_secs(),
            "configuration": services.snapshot.load().number,
            "log_level": log::max_level().as_str().to_ascii_lowercase(),
            "connections": self.caps.count(),
            "sessions": services.sessions.len(),
            "event_streams": services.event_sessions.all().len(),
            "calls": services.calls.count(),
            "tasks": services.tasks.len(),
            "audit": audit,
            "blocked_networks": blocks.len(),
            "blocks": named,
            "revoked": {
                "api_keys": api_keys, "tokens": tokens, "users": users, "retired_keys": keys,
            },
            "rotated_keys": self.orders.rotated.list().len(),
            "counters": counters,
        })
    }

    pub(super) fn clients(&self, address: Option<IpAddr>) -> Value {
        let rate = &self.services.snapshot.load().rate;
        let now = Now::read();
        let blocks = &self.services.blocks;
        match address {
            Some(address) => {
                let status = rate.status_of(address, now);
                json!({
                    "address": address.to_string(),
                    "failures": status.failures,
                    "locked_out_ms": millis(status.blocked_for),
                    "tokens": status.tokens,
                    "blocked": blocks.hold(address, unix_seconds),
                })
            }
            None => {
                let clients = rate.clients(MOST_LISTED, now).into_iter().map(|one| {
                    json!({
                        "network": one.network.to_string(),
                        "failures": one.failures,
                        "locked_out_ms": millis(one.blocked_for),
                    })
                });
                json!({ "clients": clients.collect::<Vec<_>>() })
            }
        }
    }

    pub(super) fn keys(&self) -> Value {
        let snapshot = self.services.snapshot.load();
        let proofs = snapshot.authentication.proofs();
        let revoked = self.orders.revoked.list();
        let api_keys = proofs.into_iter().flat_map(|proofs| proofs.keys.list());
        let api_keys = api_keys.map(|(principal, key, expires)| {
            json!({
                "label": key.label,
                "user": principal.user,
                "expires": expires,
                "revoked": revoked.api_keys.contains_key(&key.print),
            })
        });
        let api_keys: Vec<_> = api_keys.take(MOST_LISTED).collect();
        let public = self.public_keys().into_iter().map(|key| {
            json!({
                "issuer": key.issuer,
                "id": key.id,
                "from": key.origin.name(),
                "retires": revoked.retires(&key.issuer, &key.id),
            })
        });
        json!({ "api_keys": api_keys, "public_keys": public.collect::<Vec<_>>() })
    }

    /// All keys that tokens are verified with.
    pub(super) fn public_keys(&self) -> Vec<ListedKey> {
        let snapshot = self.services.snapshot.load();
        let tokens = snapshot.authentication.proofs().and_then(|proofs| proofs.tokens.as_ref());
        tokens.map(|tokens| tokens.keys(Now::read())).unwrap_or_default()
    }

    pub(super) fn sessions(&self) -> Value {
        let now = Now::read();
        let sessions = self.services.sessions.all();
        let streams = self.services.event_sessions.all();
        let count = sessions.len() + streams.len();
        let sessions = sessions.iter().map(|session| {
            let (age, idle) = session.age(now);
            json!({
                "handle": self.handle(&session.id),
                "user": session.principal.user,
                "authentication": session.principal.method.name(),
                "revision": session.version.name(),
                "age_seconds": age.as_secs(),
                "idle_seconds": idle.as_secs(),
            })
        });
        let streams = streams.iter().map(|(id, principal, opened)| {
            json!({
                "handle": self.handle(id),
                "user": principal.user,
                "authentication": principal.method.name(),
                "revision": "2024-11-05",
                "age_seconds": now.since(*opened).as_secs(),
                "idle_seconds": null,
            })
        });
        let listed: Vec<_> = sessions.chain(streams).take(MOST_LISTED).collect();
        json!({ "count": count, "sessions": listed })
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
