//! Reads `[authentication]` and `[authorization]`.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::Reader;
use super::suggest::nearest;
use super::value::Value;
use super::{api_keys, jwt, mtls, oauth2, outbound, rules};
use crate::guard::authn::introspection::IntrospectionSettings;
use crate::guard::settings::{Authentication, AuthenticationMethod, Authorization, Jwt, Lines};
use crate::mcp::methods::Permission;

/// The permissions by the names they have in a configuration.
pub(super) const PERMISSIONS: [(&str, Permission); 4] = [
    ("read", Permission::Read),
    ("write", Permission::Write),
    ("execute", Permission::Execute),
    ("delete", Permission::Delete),
];

const SCOPES: &str = "{ \"mcp:read\" = [\"read\"] }";

/// Reads `[authorization]`.
pub(super) fn authorization(reader: &mut Reader<'_>) -> Authorization {
    let enabled = reader.boolean("enabled", true);
    let written = reader.value("roles");
    let roles = match &written {
        Some(value) => roles(value),
        None => default_roles(),
    };
    let lines = written.map(|value| role_lines(&value)).unwrap_or_default();
    let default_role = reader.value("default_role");
    let default_name = default_role.as_ref().map(|value| role(value, &roles));
    if default_role.is_none() && !roles.contains_key("guest") {
        reader.context().error_at(
            &reader.path_of("roles"),
            "the default role \"guest\" is not among the roles",
            "add it, or name another one: default_role = \"…\"",
        );
    }
    let users = reader.value("user_roles");
    let users = users.map(|value| value.entries("{ alice = [\"user\"] }")).unwrap_or_default();
    let user_roles = users.into_iter().map(|(user, value)| {
        let items = value.items("[\"user\"]");
        (user, items.iter().filter_map(|item| role(item, &roles)).collect())
    });
    let user_roles = user_roles.collect();
    let default_role = default_name.flatten().unwrap_or_else(|| "guest".to_owned());
    let scopes = reader.value("scopes").map(|value| scopes(&value)).unwrap_or_default();
    let rules = rules::read(reader, &roles);
    Authorization { enabled, default_role, roles, user_roles, scopes, rules, lines }
}

fn default_roles() -> BTreeMap<String, BTreeSet<Permission>> {
    use Permission::{Delete, Execute, Read, Write};
    BTreeMap::from([
        ("guest".to_owned(), BTreeSet::from([Read])),
        ("user".to_owned(), BTreeSet::from([Read, Write])),
        ("admin".to_owned(), BTreeSet::from([Read, Write, Execute, Delete])),
    ])
}

fn roles(value: &Value<'_>) -> BTreeMap<String, BTreeSet<Permission>> {
    let entries = value.entries("{ guest = [\"read\"] }").into_iter();
    entries
        .map(|(name, value)| {
            let items = value.items("[\"read\"]");
            (name, items.iter().filter_map(|item| item.choice(&PERMISSIONS)).collect())
        })
        .collect()
}

/// What the scopes of tokens allow. None has a space or a quote in it (RFC 6749, appendix A.4).
fn scopes(value: &Value<'_>) -> BTreeMap<String, BTreeSet<Permission>> {
    let is_scope = |name: &str| {
        let is_good = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        !name.is_empty() && name.bytes().all(is_good)
    };
    for (name, entry) in value.entries(SCOPES) {
        if !is_scope(&name) {
            entry.error("is no name of a scope", &format!("write for example {SCOPES}"));
        }
    }
    roles(value)
}

/// The lines on which roles stand.
fn role_lines(value: &Value<'_>) -> Lines {
    let context = value.context;
    // A table that is no table is told of by who reads the roles.
    let entries = value.value.as_table().map(|table| value.entries_of(table)).unwrap_or_default();
    let lines = entries.into_iter().map(|(name, entry)| (name, context.line_of(entry.offset)));
    Lines(lines.collect())
}

/// The name of a role that exists.
pub(super) fn role(
    value: &Value<'_>,
    roles: &BTreeMap<String, BTreeSet<Permission>>,
) -> Option<String> {
    let name = value.string("a string")?;
    role_name(value, &name, &value.shown(&name), roles).then_some(name)
}

/// True if there is such a role; the error is about `value` and shows the name so.
pub(super) fn role_name(
    value: &Value<'_>,
    name: &str,
    shown: &str,
    roles: &BTreeMap<String, BTreeSet<Permission>>,
) -> bool {
    if roles.contains_key(name) {
        return true;
    }
    let known = || roles.keys().map(String::as_str);
    let remedy = match nearest(name, known()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if roles.is_empty() => "add it to authorization.roles".to_owned(),
        None => format!("the roles are {}", known().collect::<Vec<_>>().join(", ")),
    };
    value.error(&format!("there is no role {shown}"), &remedy);
    false
}

/// Reads `[authentication]`. `network` says whether anyone can come over a network, and
/// `keys_may_follow` whether the first key is still to be made.
pub(super) fn authentication(
    reader: &mut Reader<'_>,
    authorization: &Authorization,
    network: bool,
    keys_may_follow: bool,
) -> Authentication {
    let enabled = reader.boolean("enabled", network);
    let named = methods(reader, enabled);
    let claims = rules::claim_names(&authorization.rules);
    let wants_tokens = named.as_ref().is_some_and(|it| it.contains(&AuthenticationMethod::Jwt));
    let tokens = reader.table("jwt", |reader| jwt::read(reader, &claims, wants_tokens));
    let wants_oauth2 = named.as_ref().is_some_and(|it| it.contains(&AuthenticationMethod::OAuth2));
    let oauth2 = reader
        .table("oauth2", |reader| oauth2::read(reader, tokens.as_ref(), &claims, wants_oauth2));
    let methods = named.unwrap_or_else(|| {
        let tokens = tokens.as_ref().map(|_| AuthenticationMethod::Jwt);
        let introspection = oauth2.as_ref().map(|_| AuthenticationMethod::OAuth2);
        [AuthenticationMethod::ApiKey].into_iter().chain(tokens).chain(introspection).collect()
    });
    if oauth2.is_some() && !methods.contains(&AuthenticationMethod::OAuth2) {
        jwt::unused(reader, "oauth2");
    }
    if tokens.is_some() && !methods.contains(&AuthenticationMethod::Jwt) {
        jwt::unused(reader, "jwt");
    }
    let none_written = reader.value("api_keys").as_ref().is_none_or(is_empty);
    let api_keys = api_keys::read(reader, &authorization.roles);
    if enabled
        && network
        && none_written
        && !keys_may_follow
        && methods == [AuthenticationMethod::ApiKey]
    {
        let place = if reader.is_present() { "authentication.api_keys" } else { "transports.http" };
        let context = reader.context();
        context.error(
            context.offset_of(place),
            &reader.path_of("api_keys"),
            "there is no key, so nobody could call",
            &format!("write for example api_keys = {}", api_keys::EXAMPLE),
        );
    }
    let authorization_servers = authorization_servers(reader, tokens.as_ref(), oauth2.as_ref());
    let wants_mtls = methods.contains(&AuthenticationMethod::Mtls);
    let mtls = reader.table("mtls", |reader| mtls::read(reader, &authorization.roles, wants_mtls));
    if mtls.is_some() && !wants_mtls {
        jwt::unused(reader, "mtls");
    }
    Authentication { enabled, methods, api_keys, jwt: tokens, oauth2, mtls, authorization_servers }
}

/// The issuers that clients get tokens from: those that are named, or all that have a URL.
fn authorization_servers(
    reader: &mut Reader<'_>,
    jwt: Option<&Jwt>,
    oauth2: Option<&IntrospectionSettings>,
) -> Vec<String> {
    const EXAMPLE: &str = "authorization_servers = [\"https://auth.example.com\"]";
    if let Some(value) = reader.value("authorization_servers") {
        let items = value.items("[\"https://auth.example.com\"]");
        let urls = items.iter().filter_map(|item| outbound::url(item, EXAMPLE));
        return urls.map(|url| url.to_string()).collect();
    }
    let issuers = jwt.into_iter().flat_map(|jwt| jwt.issuers.iter().map(|one| &one.name));
    let all = issuers.chain(oauth2.and_then(|oauth2| oauth2.issuer.as_ref()));
    let mut urls: Vec<String> = Vec::new();
    for name in all.filter(|name| outbound::is_url(name)) {
        if !urls.contains(name) {
            urls.push(name.clone());
        }
    }
    urls
}

fn is_empty(value: &Value<'_>) -> bool {
    let empty_array = value.value.as_array().is_some_and(|array| array.is_empty());
    empty_array || value.value.as_table().is_some_and(|table| table.is_empty())
}

fn methods(reader: &mut Reader<'_>, enabled: bool) -> Option<Vec<AuthenticationMethod>> {
    const METHODS: [(&str, AuthenticationMethod); 4] = [
        ("api_key", AuthenticationMethod::ApiKey),
        ("jwt", AuthenticationMethod::Jwt),
        ("oauth2", AuthenticationMethod::OAuth2),
        ("mtls", AuthenticationMethod::Mtls),
    ];
    let value = reader.value("methods")?;
    let items = value.items("[\"api_key\"]");
    if items.is_empty() && enabled && value.value.is_array() {
        let remedy = "write methods = [\"api_key\"], or enabled = false to let everyone in";
        value.error("no method is allowed, so nobody could call", remedy);
    }
    let mut methods = Vec::new();
    for item in &items {
        methods.extend(item.choice(&METHODS));
    }
    Some(methods)
}
