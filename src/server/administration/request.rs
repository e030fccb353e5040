//! What may be asked at the control socket: one JSON object, read strictly.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use log::LevelFilter;

use super::fields::{Fields, Wrong};
use crate::actors::settings::Right;
use crate::guard::authn::jwt::Tokens;
use crate::guard::authn::jwt::rotation::ID_BYTES;
use crate::proto::json::JsonLimits;

/// Longest name of a user, issuer or label, and longest id of a token, in bytes.
const NAME_BYTES: usize = 512;
/// Longest time that can be named, in seconds: ten years.
const LONGEST: u64 = 10 * 366 * 86_400;
const LIMITS: JsonLimits = JsonLimits { depth: 2, nodes: 32 };

/// Something that is asked for, with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Status,
    Clients(Option<IpAddr>),
    Keys,
    Sessions,
    Reset(IpAddr),
    Block { network: IpNet, seconds: Option<u64>, force: bool },
    Unblock(IpNet),
    Rotate { id: String, pem: String, issuer: Option<String>, retire: Option<(String, u64)> },
    Retire { id: String, issuer: Option<String>, after: u64 },
    RevokeKeys(Owner),
    RevokeToken { id: String, issuer: Option<String> },
    RevokeTokensOf { user: String, issuer: Option<String> },
    RevokeSessions(Owner),
    LogLevel(LevelFilter),
    Reload,
}

/// Which of many things are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The one that is called so.
    Name(String),
    /// All of a user.
    User(String),
}

impl Request {
    /// Reads a line.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Wrong> {
        let mut fields = Fields::parse(line, LIMITS)?;
        let command = fields.text("command")?;
        let request = match command.as_str() {
            "status" => Self::Status,
            "clients" => Self::Clients(fields.optional_as("address", "address")?),
            "keys list" => Self::Keys,
            "sessions list" => Self::Sessions,
            "reload" => Self::Reload,
            "reset" => Self::Reset(required(fields.optional_as("address", "address")?, "address")?),
            "block" => Self::Block {
                network: network(&fields.text("network")?)?,
                seconds: seconds(&mut fields, "seconds")?,
                force: fields.flag("force")?,
            },
            "unblock" => Self::Unblock(network(&fields.text("network")?)?),
            "keys rotate" => rotate(&mut fields)?,
            "keys retire" => Self::Retire {
                id: key_id(fields.text("id")?)?,
                issuer: optional_name(&mut fields, "issuer")?,
                after: seconds(&mut fields, "after")?.unwrap_or(0),
            },
            "keys revoke" => Self::RevokeKeys(owner(&mut fields, "label")?),
            "tokens revoke" => tokens(&mut fields)?,
            "sessions revoke" => Self::RevokeSessions(owner(&mut fields, "id")?),
            "log-level" => Self::LogLevel(level(&fields.text("level")?)?),
            _ => return Err("there is no such command".into()),
        };
        fields.finish()?;
        Ok(request)
    }

    /// The words that it is called by.
    pub(super) fn command(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Clients(_) => "clients",
            Self::Keys => "keys list",
            Self::Sessions => "sessions list",
            Self::Reset(_) => "reset",
            Self::Block { .. } => "block",
            Self::Unblock(_) => "unblock",
            Self::Rotate { .. } => "keys rotate",
            Self::Retire { .. } => "keys retire",
            Self::RevokeKeys(_) => "keys revoke",
            Self::RevokeToken { .. } | Self::RevokeTokensOf { .. } => "tokens revoke",
            Self::RevokeSessions(_) => "sessions revoke",
            Self::LogLevel(_) => "log-level",
            Self::Reload => "reload",
        }
    }

    /// What it is about, for the record of how it ended. A name that was not found may be the key,
    /// or the id of the session, that somebody has typed in its place.
    pub(super) fn target(&self, is_done: bool) -> Option<String> {
        let by_name =
            matches!(self, Self::RevokeKeys(Owner::Name(_)) | Self::RevokeSessions(Owner::Name(_)));
        let target = if by_name && !is_done { String::new() } else { self.to_string() };
        Some(target).filter(|target| !target.is_empty())
    }

    /// What it needs.
    pub(super) fn needs(&self) -> Right {
        match self {
            Self::Status | Self::Clients(_) | Self::Keys | Self::Sessions => Right::Look,
            _ => Right::Act,
        }
    }
}

/// What it is about, for the record: no key and no session id.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |f: &mut fmt::Formatter<'_>, issuer: &Option<String>| match issuer {
            Some(issuer) => write!(f, " of {issuer:?}"),
            None => Ok(()),
        };
        match self {
            Self::Status | Self::Keys | Self::Sessions | Self::Reload | Self::Clients(None) => {
                Ok(())
            }
            Self::Clients(Some(address)) | Self::Reset(address) => write!(f, "{address}"),
            Self::Block { network, seconds, .. } => match seconds {
                Some(seconds) => write!(f, "{network} for {seconds} s"),
                None => write!(f, "{network}"),
            },
            Self::Unblock(network) => write!(f, "{network}"),
            Self::Rotate { id, issuer, retire, .. } => {
                write!(f, "{id:?}")?;
                of(f, issuer)?;
                match retire {
                    Some((old, after)) => write!(f, ", {old:?} retires after {after} s"),
                    None => Ok(()),
                }
            }
            Self::Retire { id, issuer, after } => {
                write!(f, "{id:?}")?;
                of(f, issuer)?;
                write!(f, " after {after} s")
            }
            Self::RevokeToken { id, issuer } => {
                write!(f, "{id:?}")?;
                of(f, issuer)
            }
            Self::RevokeTokensOf { user, issuer } => {
                write!(f, "user {user:?}")?;
                of(f, issuer)
            }
            Self::RevokeKeys(Owner::Name(name)) | Self::RevokeSessions(Owner::Name(name)) => {
                write!(f, "{name:?}")
            }
            Self::RevokeKeys(Owner::User(user)) | Self::RevokeSessions(Owner::User(user)) => {
                write!(f, "user {user:?}")
            }
            Self::LogLevel(level) => write!(f, "{}", level.as_str().to_ascii_lowercase()),
        }
    }
}

fn rotate(fields: &mut Fields) -> Result<Request, Wrong> {
    let after = seconds(fields, "after")?;
    let retire = fields.optional_text("retire")?.map(key_id).transpose()?;
    let retire = match (retire, after) {
        (Some(old), after) => Some((old, after.unwrap_or(0))),
        (None, None) => None,
        (None, Some(_)) => return Err("`after` says when, and `retire` is missing".into()),
    };
    Ok(Request::Rotate {
        id: key_id(fields.text("id")?)?,
        pem: fields.text("pem")?,
        issuer: optional_name(fields, "issuer")?,
        retire,
    })
}

fn tokens(fields: &mut Fields) -> Result<Request, Wrong> {
    let issuer = optional_name(fields, "issuer")?;
    match owner(fields, "id")? {
        Owner::Name(text) if Tokens::look_like(&text) => {
            Err("this is a token; its id is what `erlmcp token inspect` shows as `jti`".into())
        }
        Owner::Name(id) => Ok(Request::RevokeToken { id, issuer }),
        Owner::User(user) => Ok(Request::RevokeTokensOf { user, issuer }),
    }
}

fn owner(fields: &mut Fields, name: &str) -> Result<Owner, Wrong> {
    match (optional_name(fields, name)?, optional_name(fields, "user")?) {
        (Some(name), None) => Ok(Owner::Name(name)),
        (None, Some(user)) => Ok(Owner::User(user)),
        _ => Err(format!("either `{name}` or `user` is needed")),
    }
}

fn required<T>(found: Option<T>, name: &str) -> Result<T, Wrong> {
    found.ok_or_else(|| format!("`{name}` is missing"))
}

fn optional_name(fields: &mut Fields, name: &str) -> Result<Option<String>, Wrong> {
    let text = fields.optional_text(name)?;
    match text.as_ref().is_none_or(|text| (1..=NAME_BYTES).contains(&text.len())) {
        true => Ok(text),
        false => Err(format!("`{name}` has not 1 to {NAME_BYTES} bytes")),
    }
}

fn key_id(id: String) -> Result<String, Wrong> {
    let is_good = (1..=ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    if is_good { Ok(id) } else { Err(format!("the id of a key has 1 to {ID_BYTES} bytes")) }
}

fn seconds(fields: &mut Fields, name: &str) -> Result<Option<u64>, Wrong> {
    match fields.optional_number(name)? {
        Some(seconds) if seconds > LONGEST => Err(format!("`{name}` is more than ten years")),
        seconds => Ok(seconds),
    }
}

/// A network, or one address. Addresses of IPv4 that are written as such of IPv6 stand for what
/// they are.
fn network(text: &str) -> Result<IpNet, Wrong> {
    const MAPPED: u8 = 96;
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or_else(|_| address());
    let network = network.map_err(|_| "`network` is neither a network nor an address")?.trunc();
    let mapped = match network {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED => v6
            .addr()
            .to_ipv4_mapped()
            .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - MAPPED).ok()),
        _ => None,
    };
    Ok(mapped.map_or(network, IpNet::V4))
}

fn level(text: &str) -> Result<LevelFilter, Wrong> {
    text.parse().map_err(|_| "`level` is not one of error, warn, info, debug, trace, off".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, Wrong> {
        Request::parse(line.as_bytes())
    }

    #[test]
    fn what_is_asked_for_is_told_as_it_was_meant() {
        for (line, right, told) in [
            (r#"{"command":"status"}"#, Right::Look, ""),
            (r#"{"command":"clients","address":"::1"}"#, Right::Look, "::1"),
            (r#"{"command":"block","network":"203.0.113.7/24"}"#, Right::Act, "203.0.113.0/24"),
            (
                r#"{"command":"block","network":"::ffff:203.0.113.7","seconds":5}"#,
                Right::Act,
                "203.0.113.7/32 for 5 s",
            ),
            (r#"{"command":"unblock","network":"2001:db8::1"}"#, Right::Act, "2001:db8::1/128"),
            (
                r#"{"command":"keys rotate","id":"2","pem":"…","retire":"1","after":9}"#,
                Right::Act,
                "\"2\", \"1\" retires after 9 s",
            ),
            (
                r#"{"command":"tokens revoke","id":"j","issuer":"https://a"}"#,
                Right::Act,
                "\"j\" of \"https://a\"",
            ),
            (r#"{"command":"sessions revoke","user":"ann"}"#, Right::Act, "user \"ann\""),
            (r#"{"command":"log-level","level":"debug"}"#, Right::Act, "debug"),
        ] {
            let request = parsed(line).unwrap_or_else(|wrong| panic!("{line}: {wrong}"));
            assert_eq!((request.needs(), request.to_string().as_str()), (right, told), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_to_the_last_member_is_refused() {
        for line in [
            "",
            "status",
            "[]",
            "{}",
            r#"{"command":"statu"}"#,
            r#"{"command":"status","command":"reload"}"#,
            r#"{"command":"status","verbose":true}"#,
            r#"{"command":["status"]}"#,
            r#"{"command":"reset"}"#,
            r#"{"command":"reset","address":"203.0.113.0/24"}"#,
            r#"{"command":"block","network":"203.0.113.0/33"}"#,
            r#"{"command":"block","network":"203.0.113.7","seconds":-1}"#,
            r#"{"command":"block","network":"203.0.113.7","seconds":99999999999}"#,
            r#"{"command":"keys rotate","id":"","pem":"x"}"#,
            r#"{"command":"keys rotate","id":"1","pem":"x","after":5}"#,
            r#"{"command":"keys revoke"}"#,
            r#"{"command":"keys revoke","label":"a","user":"b"}"#,
            r#"{"command":"tokens revoke","id":""}"#,
            r#"{"command":"log-level","level":"loud"}"#,
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
