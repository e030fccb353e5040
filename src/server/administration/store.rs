//! What administrators have ordered, as files of the state directory: it outlives a restart. A file
//! that cannot be understood stops the start, for to forget a revocation is to take it back.

use std::io;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::fields::{Fields, Wrong};
use crate::base::clock::unix_seconds;
use crate::base::ids::{hex, random, unhex};
use crate::base::principal::KeyPrint;
use crate::guard::authn::jwt::rotation::{MOST_KEYS, RotatedKey, RotatedKeys};
use crate::guard::authn::revocations::{
    MOST_ENTRIES, PrintKey, RetiredKey, Revoked, RevokedCredentials, RevokedKey, RevokedToken,
    RevokedUser,
};
use crate::guard::blocks::Block;
use crate::proto::json::JsonLimits;
use crate::server::builder::StartError;
use crate::server::material::StateDirectory;

pub(super) const BLOCKS: &str = "blocks.json";
pub(super) const REVOCATIONS: &str = "revocations.json";
pub(super) const ROTATED_KEYS: &str = "rotated_keys.json";
/// More than the fullest file has.
const LIMITS: JsonLimits = JsonLimits { depth: 4, nodes: 1_000_000 };

/// All that was ordered, as it is asked.
#[derive(Clone, Debug)]
pub(in crate::server) struct Orders {
    /// Credentials that were taken back.
    pub(in crate::server) revoked: Arc<RevokedCredentials>,
    /// Keys that were put beside those of the configuration.
    pub(in crate::server) rotated: Arc<RotatedKeys>,
    /// Networks that were shut out.
    pub(in crate::server) blocks: Vec<Block>,
}

impl Orders {
    /// Reads the files of a state directory, if there is one.
    pub(in crate::server) fn load(state: Option<&StateDirectory>) -> Result<Self, StartError> {
        let fresh = (Revoked::default(), PrintKey(random()?));
        let (list, prints) = read(state, REVOCATIONS, read_revocations)?.unwrap_or(fresh);
        let rotated = RotatedKeys::default();
        rotated.replace(read(state, ROTATED_KEYS, read_rotated)?.unwrap_or_default());
        Ok(Self {
            revoked: Arc::new(RevokedCredentials::new(list, prints)),
            rotated: Arc::new(rotated),
            blocks: read(state, BLOCKS, read_blocks)?.unwrap_or_default(),
        })
    }
}

fn read<T>(
    state: Option<&StateDirectory>,
    name: &str,
    read: impl FnOnce(&mut Fields) -> Result<T, Wrong>,
) -> Result<Option<T>, StartError> {
    let Some(state) = state else { return Ok(None) };
    let Some(text) = state.read(name)? else { return Ok(None) };
    let found = Fields::parse(text.as_bytes(), LIMITS).and_then(|mut fields| {
        if fields.number("version")? != 1 {
            return Err("it is of another version".into());
        }
        let found = read(&mut fields)?;
        fields.finish()?;
        Ok(found)
    });
    found.map(Some).map_err(|wrong| {
        let what = format!(
            "is damaged ({wrong}); put back a copy of it, or remove it and give its orders anew \
             with `erlmcp admin`: without it they are forgotten"
        );
        state.failed(name, io::Error::new(io::ErrorKind::InvalidData, what))
    })
}

fn read_blocks(fields: &mut Fields) -> Result<Vec<Block>, Wrong> {
    let now = unix_seconds();
    let mut blocks = Vec::new();
    for mut entry in fields.list("blocks", MOST_ENTRIES)? {
        let network = entry.optional_as::<IpNet>("network", "network")?;
        let network = network.ok_or("`network` is missing")?.trunc();
        let block = Block { network, until: entry.optional_number("until")? };
        entry.finish()?;
        blocks.push(block);
    }
    blocks.retain(|block| !block.is_over(now));
    Ok(blocks)
}

pub(super) fn blocks_text(blocks: &[Block]) -> String {
    let entry = |block: &Block| {
        entry_of([
            ("network", Some(block.network.to_string().into())),
            ("until", block.until.map(Value::from)),
        ])
    };
    let blocks: Vec<Value> = blocks.iter().map(entry).collect();
    text(&json!({ "version": 1, "blocks": blocks }))
}

fn read_rotated(fields: &mut Fields) -> Result<Vec<RotatedKey>, Wrong> {
    let mut keys = Vec::new();
    for mut entry in fields.list("keys", MOST_KEYS)? {
        let (issuer, id, pem) = (entry.text("issuer")?, entry.text("id")?, entry.text("pem")?);
        entry.finish()?;
        let key = RotatedKey::new(&issuer, &id, &pem);
        keys.push(key.map_err(|error| format!("the key {id:?} {error}"))?);
    }
    Ok(keys)
}

pub(super) fn rotated_text(keys: &[RotatedKey]) -> String {
    let entry = |key: &RotatedKey| json!({ "issuer": key.issuer, "id": key.id, "pem": key.pem });
    let keys: Vec<Value> = keys.iter().map(entry).collect();
    text(&json!({ "version": 1, "keys": keys }))
}

fn read_revocations(fields: &mut Fields) -> Result<(Revoked, PrintKey), Wrong> {
    let mut list = Revoked::default();
    let salt = fields.text("salt")?;
    for mut entry in fields.list("api_keys", MOST_ENTRIES)? {
        let print = bytes(&entry.text("print")?, "print")?;
        let (label, user) = (entry.optional_text("label")?, entry.text("user")?);
        entry.finish()?;
        list.api_keys.insert(KeyPrint(print), RevokedKey { label, user });
    }
    for mut entry in fields.list("tokens", MOST_ENTRIES)? {
        let id = entry.text("id")?;
        let issuer = entry.optional_text("issuer")?;
        let token = RevokedToken { issuer, until: entry.optional_number("until")? };
        entry.finish()?;
        list.add_token(&id, token);
    }
    for mut entry in fields.list("users", MOST_ENTRIES)? {
        let name = entry.text("user")?;
        let issuer = entry.optional_text("issuer")?;
        let user = RevokedUser { issuer, before: entry.number("before")? };
        entry.finish()?;
        list.add_user(&name, user);
    }
    for mut entry in fields.list("retired_keys", MOST_ENTRIES)? {
        let id = entry.text("id")?;
        let key = RetiredKey { issuer: entry.text("issuer")?, from: entry.number("from")? };
        entry.finish()?;
        list.add_retired(&id, key);
    }
    list.forget_old(unix_seconds());
    Ok((list, PrintKey(bytes(&salt, "salt")?)))
}

pub(super) fn revocations_text(list: &Revoked, prints: &PrintKey) -> String {
    let optional = |text: &Option<String>| text.clone().map(Value::from);
    let api_keys = list.api_keys.iter().map(|(print, key)| {
        let (print, user) = (hex(&print.0), key.user.clone());
        entry_of([
            ("print", Some(print.into())),
            ("label", optional(&key.label)),
            ("user", Some(user.into())),
        ])
    });
    let tokens = all(&list.tokens).map(|(id, token)| {
        entry_of([
            ("id", Some(id.into())),
            ("issuer", optional(&token.issuer)),
            ("until", token.until.map(Value::from)),
        ])
    });
    let users = all(&list.users).map(|(name, user)| {
        entry_of([
            ("user", Some(name.into())),
            ("issuer", optional(&user.issuer)),
            ("before", Some(user.before.into())),
        ])
    });
    let retired = all(&list.retired)
        .map(|(id, key)| json!({ "id": id, "issuer": key.issuer, "from": key.from }));
    text(&json!({
        "version": 1,
        "salt": hex(&prints.0),
        "api_keys": api_keys.collect::<Vec<_>>(),
        "tokens": tokens.collect::<Vec<_>>(),
        "users": users.collect::<Vec<_>>(),
        "retired_keys": retired.collect::<Vec<_>>(),
    }))
}

fn all<T>(by_name: &std::collections::HashMap<String, Vec<T>>) -> impl Iterator<Item = (&str, &T)> {
    by_name.iter().flat_map(|(name, all)| all.iter().map(move |one| (name.as_str(), one)))
}

/// An object of the members that have a value.
fn entry_of<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let present = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect())
}

fn bytes(text: &str, name: &str) -> Result<[u8; 16], Wrong> {
    let bytes = unhex(text).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| format!("`{name}` has not 32 hexadecimal digits"))
}

fn text(value: &Value) -> String {
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reread<T>(text: &str, read: impl FnOnce(&mut Fields) -> Result<T, Wrong>) -> T {
        let mut fields = Fields::parse(text.as_bytes(), LIMITS).unwrap();
        assert_eq!(fields.number("version"), Ok(1));
        let found = read(&mut fields).unwrap();
        fields.finish().unwrap();
        found
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut list = Revoked::default();
        let label = Some("laptop".to_owned());
        list.api_keys.insert(KeyPrint([7; 16]), RevokedKey { label, user: "ann".into() });
        list.add_token("j", RevokedToken { issuer: None, until: Some(u64::MAX) });
        list.add_token("j", RevokedToken { issuer: Some("i".into()), until: None });
        list.add_user("ann", RevokedUser { issuer: None, before: 9 });
        list.add_retired("k", RetiredKey { issuer: "i".into(), from: 5 });
        let text = revocations_text(&list, &PrintKey([9; 16]));
        let (again, prints) = reread(&text, read_revocations);
        assert_eq!((again, prints.0), (list, [9; 16]));
        let blocks = [
            Block { network: "2001:db8::/32".parse().unwrap(), until: None },
            Block { network: "203.0.113.0/24".parse().unwrap(), until: Some(u64::MAX) },
        ];
        assert_eq!(reread(&blocks_text(&blocks), read_blocks), blocks);
    }

    #[test]
    fn what_is_over_is_forgotten_when_it_is_read() {
        let blocks = [Block { network: "203.0.113.0/24".parse().unwrap(), until: Some(1) }];
        assert_eq!(reread(&blocks_text(&blocks), read_blocks), []);
        let mut list = Revoked::default();
        list.add_token("j", RevokedToken { issuer: None, until: Some(1) });
        let text = revocations_text(&list, &PrintKey([9; 16]));
        assert_eq!(reread(&text, read_revocations).0, Revoked::default());
    }

    #[test]
    fn what_was_not_written_here_is_not_understood() {
        let good = r#"{"version":1,"blocks":[{"network":"203.0.113.0/24"}]}"#;
        let wrong = |text: &str| {
            Fields::parse(text.as_bytes(), LIMITS).and_then(|mut fields| {
                fields.number("version")?;
                read_blocks(&mut fields)?;
                fields.finish()
            })
        };
        assert_eq!(wrong(good), Ok(()));
        for (from, to) in [
            ("}]}", "}]"),
            ("network\":\"", "network\":\"x"),
            ("\"network\"", "\"nets\""),
            ("{\"network\":\"203.0.113.0/24\"}", "7"),
            ("/24\"}", "/24\",\"until\":-1}"),
            ("/24\"}", "/24\",\"more\":1}"),
            ("]}", "],\"blocks\":[]}"),
            ("]}", "],\"more\":[]}"),
            ("blocks", "block"),
        ] {
            let text = good.replace(from, to);
            assert!(wrong(&text).is_err(), "{text}");
        }
        let many = vec![json!({ "network": "203.0.113.0/24" }); MOST_ENTRIES + 1];
        assert!(wrong(&json!({ "version": 1, "blocks": many }).to_string()).is_err());
    }
}
