//! Reads `authentication.api_keys`, in either form; it must never show a key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use ipnet::IpNet;

use super::identity::role;
use super::limits::networks;
use super::reader::Reader;
use super::time::parse_moment;
use super::value::Value;
use crate::base::secret::Secret;
use crate::guard::authn::api_key::parse_stored_form;
use crate::guard::settings::{ApiKey, KeyCredential};
use crate::mcp::methods::Permission;

const SHORTEST_GOOD_KEY: usize = 16;
/// How keys are written.
pub(super) const EXAMPLE: &str = "[{ key = { env = \"ERLMCP_API_KEY\" }, user = \"alice\" }]";

type Roles = BTreeMap<String, BTreeSet<Permission>>;

/// Reads `api_keys`; `roles` are those that there are.
pub(super) fn read(reader: &mut Reader<'_>, roles: &Roles) -> Vec<ApiKey> {
    match reader.value("api_keys") {
        Some(value) if value.value.is_table() => key_map(&value),
        _ => key_list(reader, roles),
    }
}

fn key_list(reader: &mut Reader<'_>, roles: &Roles) -> Vec<ApiKey> {
    let mut seen: Vec<Secret> = Vec::new();
    reader.tables("api_keys", |reader| {
        reader.keep_confidential();
        let credential = credential(reader, &mut seen);
        let user = reader.required("user", "\"alice\"").and_then(|value| user(&value));
        let label = reader.value("label").and_then(|value| label(&value));
        let own = reader.items("roles", "[\"user\"]");
        let roles = own.iter().filter_map(|item| role(item, roles)).collect();
        let networks = own_networks(reader);
        let expires = reader.value("expires").and_then(|value| expires(&value));
        Some(ApiKey { credential: credential?, user: user?, label, roles, networks, expires })
    })
}

/// Where a key may be used from; if there are none, from everywhere.
fn own_networks(reader: &mut Reader<'_>) -> Vec<IpNet> {
    if let Some(value) = reader.value("networks")
        && value.is_empty_array()
    {
        value.error("names no network", "name some, or remove it: the key is good everywhere then");
    }
    networks(reader, "networks")
}

/// The guide's form, in which the key itself is the name of an entry.
fn key_map(value: &Value<'_>) -> Vec<ApiKey> {
    let mut hidden = value.clone();
    hidden.confidential = true;
    let mut keys = Vec::new();
    for (key, entry) in hidden.entries(EXAMPLE) {
        let key = Secret::new(key);
        if key.expose().starts_with('$') {
            entry.error("a variable is not replaced here", &format!("write {EXAMPLE}"));
            continue;
        }
        if key.expose().trim().is_empty() {
            entry.error("a key is empty", "an empty key would let everyone in: remove it");
            continue;
        }
        warn_of_weak_key(&entry, &key, true);
        if let Some(user) = user(&entry) {
            keys.push(ApiKey {
                credential: KeyCredential::Plain(key),
                user,
                label: None,
                roles: Vec::new(),
                networks: Vec::new(),
                expires: None,
            });
        }
    }
    keys
}

fn credential(reader: &mut Reader<'_>, seen: &mut Vec<Secret>) -> Option<KeyCredential> {
    let key = reader.value("key");
    let hash = reader.value("hash");
    match (key, hash) {
        (Some(mut key), None) => {
            key.confidential = true;
            let (secret, literal) = key.secret()?;
            if literal && secret.expose().contains("${") {
                key.error("a variable is not replaced inside a key", "write { env = \"NAME\" }");
                return None;
            }
            if seen.iter().any(|other| other.expose() == secret.expose()) {
                key.error("this key stands here twice", "give each user a key of their own");
                return None;
            }
            warn_of_weak_key(&key, &secret, literal);
            seen.push(secret.clone());
            Some(KeyCredential::Plain(secret))
        }
        (None, Some(hash)) => hashed(&hash),
        (Some(key), Some(_)) => {
            key.error("stands beside `hash`", "keep one of them");
            None
        }
        (None, None) => {
            reader.error("has neither `key` nor `hash`", "add key = { env = \"ERLMCP_API_KEY\" }");
            None
        }
    }
}

fn warn_of_weak_key(value: &Value<'_>, key: &Secret, literal: bool) {
    if literal {
        let remedy = "use `hash`, { env = \"NAME\" } or { file = \"/path\" }";
        value.warning("the key is stored in the clear in the configuration", remedy);
    }
    if key.expose().chars().count() < SHORTEST_GOOD_KEY {
        let what = format!("the key is shorter than {SHORTEST_GOOD_KEY} characters");
        value.warning(&what, "make one with: openssl rand -hex 32");
    }
}

/// Reads `sha256:<hex salt>:<hex digest>`.
fn hashed(value: &Value<'_>) -> Option<KeyCredential> {
    let text = value.string("a string")?;
    let credential = parse_stored_form(&text);
    if credential.is_none() {
        value.error(
            "is not sha256:<salt>:<digest> in hexadecimal",
            "write 8 to 64 bytes of salt and the 32 bytes of SHA-256 over salt and key",
        );
    }
    credential
}

fn user(value: &Value<'_>) -> Option<String> {
    name(value, "is no name of a user", "alice")
}

fn label(value: &Value<'_>) -> Option<String> {
    name(value, "is no label", "laptop")
}

fn name(value: &Value<'_>, problem: &str, example: &str) -> Option<String> {
    let name = value.string("a string")?;
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        let remedy =
            format!("write 1 to 256 bytes without control characters, for example {example:?}");
        value.error(problem, &remedy);
        return None;
    }
    Some(name)
}

fn expires(value: &Value<'_>) -> Option<SystemTime> {
    let text = match value.value {
        toml::de::DeValue::Datetime(moment) => moment.to_string(),
        _ => value.string("a date and time")?,
    };
    let moment = parse_moment(&text);
    if moment.is_none() {
        let what = format!("{} is no date and time with an offset (RFC 3339)", value.shown(&text));
        value.error(&what, "write for example expires = \"2031-01-01T00:00:00Z\"");
    }
    moment
}
