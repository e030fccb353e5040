//! Reads `[authentication.jwt]`: whose tokens are taken, by which keys. It must never show a
//! secret.

use std::collections::BTreeSet;
use std::sync::Arc;

use jsonwebtoken::Algorithm;

use super::outbound;
use super::reader::Reader;
use super::value::Value;
use crate::guard::authn::jwt::Issuer;
use crate::guard::authn::jwt::key::{Key, KeyError};
use crate::guard::authn::jwt::key_set::KeySource;
use crate::guard::authn::jwt::token::ALGORITHMS;
use crate::guard::settings::Jwt;

const ISSUER: &str = "\"https://auth.example.com\"";
const AUDIENCE: &str = "\"https://mcp.example.com\"";
const JWKS: &str = "\"https://auth.example.com/.well-known/jwks.json\"";
const SHARED: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const KEYS: &str = "{ \"key-2024-01\" = { file = \"/etc/erlmcp/jwt_public.pem\" } }";

/// Reads `[authentication.jwt]`; `None` if there is no issuer.
pub(super) fn read(
    reader: &mut Reader<'_>,
    claims: &Arc<[String]>,
    is_wanted: bool,
) -> Option<Jwt> {
    let is_present = reader.is_present();
    let leeway = reader.seconds("leeway_seconds", 0..=300, 30);
    let more = reader.tables("issuers", |reader| issuer(reader, claims, true));
    let guides =
        ["required_issuer", "required_audience", "public_keys", "shared_secrets", "jwks_url"];
    let has_own = guides.map(|key| reader.has(key)).contains(&true);
    let own = issuer(reader, claims, has_own || (is_wanted && more.is_empty()));
    let issuers: Vec<Issuer> = own.into_iter().chain(more).collect();
    let names: BTreeSet<&str> = issuers.iter().map(|issuer| issuer.name.as_str()).collect();
    if names.len() < issuers.len() {
        reader.error("names an issuer twice", "give each issuer one table with all its keys");
    }
    let prefixes: BTreeSet<&str> = issuers.iter().map(|one| one.user_prefix.as_str()).collect();
    if prefixes.len() < issuers.len() {
        let remedy = "give each issuer a `user_prefix` of its own, such as \"partner/\"";
        reader.error("has several issuers whose users are not told apart", remedy);
    }
    (is_present && !issuers.is_empty()).then_some(Jwt { issuers, leeway })
}

fn issuer(reader: &mut Reader<'_>, claims: &Arc<[String]>, is_needed: bool) -> Option<Issuer> {
    let (name, audience) = if is_needed {
        let name = reader.required("required_issuer", ISSUER);
        (name, reader.required("required_audience", AUDIENCE))
    } else {
        (reader.value("required_issuer"), reader.value("required_audience"))
    };
    let name = name.and_then(|value| name_of(&value));
    let audiences = audience.map(|value| audiences(&value)).unwrap_or_default();
    let allowed = algorithms(reader);
    let mut keys = Vec::new();
    for (table, is_secret) in [("public_keys", false), ("shared_secrets", true)] {
        if let Some(value) = reader.value(table) {
            read_keys(&value, is_secret, &allowed, &mut keys);
        }
    }
    let key_source = key_source(reader, &allowed);
    let has_keys = ["public_keys", "shared_secrets", "jwks_url"].map(|key| reader.has(key));
    if is_needed && !has_keys.contains(&true) {
        reader.error(
            "has no key, so no token could be verified",
            &format!("write public_keys = {KEYS}, or jwks_url = {JWKS}"),
        );
    }
    let user_claim = reader.string("user_claim").unwrap_or_else(|| "sub".to_owned());
    let user_prefix = reader.string("user_prefix").unwrap_or_default();
    let roles_claim = reader.string("roles_claim");
    let requires_bound_tokens = reader.boolean("require_bound_tokens", false);
    let types = reader.strings("types", "[\"at+jwt\"]");
    let types = types.unwrap_or_else(|| vec!["jwt".to_owned(), "at+jwt".to_owned()]);
    let types = types.iter().map(|name| name.to_ascii_lowercase()).collect();
    let name = name.filter(|_| !audiences.is_empty())?;
    Some(Issuer {
        name,
        audiences,
        algorithms: allowed,
        keys,
        key_source,
        user_claim,
        user_prefix,
        roles_claim,
        kept_claims: Arc::clone(claims),
        requires_bound_tokens,
        types,
    })
}

/// Where the issuer publishes its keys. A shared secret is never published.
fn key_source(reader: &mut Reader<'_>, allowed: &[Algorithm]) -> Option<KeySource> {
    let timeout = reader.milliseconds("jwks_timeout_ms", 100..=10_000, 5_000);
    let value = reader.value("jwks_url")?;
    let url = outbound::url(&value, &format!("jwks_url = {JWKS}"))?;
    let algorithms = allowed.iter().copied().filter(|one| !SHARED.contains(one)).collect();
    Some(KeySource { url, algorithms, timeout })
}

pub(super) fn name_of(value: &Value<'_>) -> Option<String> {
    let name = value.string("a string")?;
    let is_good = !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control());
    if !is_good {
        value.error("is no name of an issuer", &format!("write what stands in `iss`: {ISSUER}"));
    }
    is_good.then_some(name)
}

pub(super) fn audiences(value: &Value<'_>) -> Vec<String> {
    let items = match value.value.is_array() {
        true => value.items(&format!("[{AUDIENCE}]")),
        false => vec![value.clone()],
    };
    let texts: Option<Vec<String>> = items.iter().map(|item| item.string("a string")).collect();
    // What is wrong with one that is no string has been told.
    let Some(texts) = texts else { return Vec::new() };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        let remedy = format!("without one, tokens for others would be taken: write {AUDIENCE}");
        value.error("names no audience", &remedy);
        return Vec::new();
    }
    texts
}

/// The algorithms that are taken where none are named: one for each kind of key.
fn algorithms(reader: &mut Reader<'_>) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, HS256, RS256};
    let items = reader.items("algorithms", "[\"ES256\"]");
    let named: Vec<Algorithm> = items.iter().filter_map(|item| item.choice(&ALGORITHMS)).collect();
    if !items.is_empty() {
        return named;
    }
    vec![ES256, ES384, EdDSA, RS256, HS256]
}

fn read_keys(
    table: &Value<'_>,
    is_secret: bool,
    allowed: &[Algorithm],
    keys: &mut Vec<(String, Key)>,
) {
    for (id, mut value) in table.entries(KEYS) {
        let key = if is_secret {
            value.confidential = true;
            let Some((secret, is_literal)) = value.secret() else { continue };
            if is_literal {
                let remedy = "use { env = \"NAME\" } or { file = \"/path\" }";
                value.warning("the secret is stored in the clear in the configuration", remedy);
            }
            Key::from_secret(secret.expose(), allowed)
        } else {
            let Some(text) = value.string("a string") else { continue };
            Key::from_pem(&text, allowed)
        };
        match key {
            Ok(key) if keys.iter().all(|(other, _)| *other != id) => keys.push((id, key)),
            Ok(_) => value.error("this id stands here twice", "give each key an id of its own"),
            Err(error) => value.error(&error.to_string(), remedy(error)),
        }
    }
}

fn remedy(error: KeyError) -> &'static str {
    match error {
        KeyError::Private => "write the public one: openssl pkey -in private.pem -pubout",
        KeyError::ShortSecret => "make one with: openssl rand -hex 32",
        KeyError::NoAlgorithm => "name one that fits in `algorithms`, or leave the key away",
        KeyError::Pem | KeyError::Kind | KeyError::RsaBits => {
            "make keys with: openssl ecparam -genkey -name prime256v1 -noout -out private.pem"
        }
    }
}

/// What is told of a table that nothing uses.
pub(super) fn unused(reader: &Reader<'_>, name: &str) {
    let what = "is not used, for `methods` does not name it";
    reader.context().warning_at(&reader.path_of(name), what, &format!("add {name:?} to it"));
}
