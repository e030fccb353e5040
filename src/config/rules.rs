//! Reads `[[authorization.rules]]`; it must never decide what a rule means for anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::identity::role;
use super::limits::network;
use super::reader::Reader;
use super::schema::convert;
use super::suggest::nearest;
use super::value::Value;
use crate::base::transport::Transport;
use crate::base::uri::normal_patterns;
use crate::base::wildcard::Wildcard;
use crate::guard::authz::argument::{ArgumentCondition, Condition};
use crate::guard::authz::rule::{Effect, Line, Rule};
use crate::mcp::methods::{Method, Permission};

/// Most rules, most entries of a list in one, and the longest text in one, in bytes.
const MOST_RULES: usize = 1_000;
const MOST_ENTRIES: usize = 100;
const TEXT_BYTES: usize = 1_024;
const ARGUMENTS: &str = "{ path = { below = \"/srv/data\" } }";

/// Reads the rules; `roles` are those that there are.
pub(super) fn read(
    reader: &mut Reader<'_>,
    roles: &BTreeMap<String, BTreeSet<Permission>>,
) -> Vec<Rule> {
    let mut number = 0;
    let mut rules = reader.tables("rules", |reader| {
        number += usize::from(reader.is_present());
        rule(reader, roles, number)
    });
    if rules.len() > MOST_RULES {
        let path = reader.path_of("rules");
        let what = format!("there are more than {MOST_RULES} rules");
        reader.context().error_at(&path, &what, "put users into roles, and names into patterns");
        rules.truncate(MOST_RULES);
    }
    warn_of_unreachable(reader, &rules);
    rules
}

/// The transports by the names they have in a configuration.
pub(super) const TRANSPORTS: [(&str, Transport); 4] = [
    (Transport::Stdio.name(), Transport::Stdio),
    (Transport::Tcp.name(), Transport::Tcp),
    (Transport::Http.name(), Transport::Http),
    (Transport::WebSocket.name(), Transport::WebSocket),
];

fn rule(
    reader: &mut Reader<'_>,
    roles: &BTreeMap<String, BTreeSet<Permission>>,
    number: usize,
) -> Option<Rule> {
    const EFFECTS: [(&str, Effect); 2] = [("allow", Effect::Allow), ("deny", Effect::Deny)];
    let name = reader.string("name").unwrap_or_else(|| format!("rule {number}"));
    let effect = reader.required("effect", "\"deny\"").and_then(|value| value.choice(&EFFECTS));
    let users = wildcards(reader, "users", "[\"alice\", \"svc-*\"]");
    let given = list(reader, "roles", "[\"user\"]", |item| role(item, roles));
    let claims = claims(reader);
    let transports = list(reader, "transports", "[\"http\"]", |item| item.choice(&TRANSPORTS));
    let networks = list(reader, "networks", "[\"10.0.0.0/8\"]", network);
    let methods = list(reader, "methods", "[\"tools/call\"]", method);
    let tools = wildcards(reader, "tools", "[\"file_*\"]");
    let resources = list(reader, "resources", "[\"docs://manual/*\"]", |item| {
        let patterns = normal_patterns(&text(item)?);
        Some(patterns.iter().map(|pattern| Wildcard::new(pattern)).collect::<Vec<_>>())
    });
    let resources = resources.map(|all| all.into_iter().flatten().collect());
    let prompts = wildcards(reader, "prompts", "[\"greeting\"]");
    let arguments = arguments(reader);
    if !arguments.is_empty() && (tools.is_none() && prompts.is_none()) {
        reader.error("asks for arguments and names no tool", "add tools = [\"name\"]");
    }
    let names_nothing = [users.is_some(), given.is_some(), !claims.is_empty()]
        .into_iter()
        .chain([transports.is_some(), networks.is_some(), methods.is_some()])
        .chain([tools.is_some(), resources.is_some(), prompts.is_some()])
        .all(|names| !names);
    if names_nothing && reader.is_present() {
        reader.error(
            "is about everybody and everything",
            "say whom or what it is about, for example tools = [\"*\"]",
        );
    }
    Some(Rule {
        name: name.into(),
        line: Line(reader.line()),
        effect: effect?,
        users,
        roles: given,
        claims,
        transports,
        networks,
        methods,
        tools,
        resources,
        prompts,
        arguments,
    })
}

/// The entries of a list; `None` if it is absent.
fn list<T>(
    reader: &mut Reader<'_>,
    key: &'static str,
    example: &str,
    read: impl Fn(&Value<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let value = reader.value(key)?;
    let items = value.items(example);
    if items.len() > MOST_ENTRIES {
        value
            .error(&format!("has more than {MOST_ENTRIES} entries"), "write another rule for some");
    }
    if value.is_empty_array() {
        value.warning("is empty, so the rule is about nobody", "remove the rule or fill the list");
    }
    Some(items.iter().take(MOST_ENTRIES).filter_map(read).collect())
}

fn wildcards(reader: &mut Reader<'_>, key: &'static str, example: &str) -> Option<Vec<Wildcard>> {
    list(reader, key, example, |item| text(item).map(|text| Wildcard::new(&text)))
}

fn text(value: &Value<'_>) -> Option<String> {
    let text = value.string("a string")?;
    if text.is_empty() || text.len() > TEXT_BYTES {
        value.error(&format!("is empty or longer than {TEXT_BYTES} bytes"), "write a name");
        return None;
    }
    Some(text)
}

pub(super) fn method(value: &Value<'_>) -> Option<Method> {
    let name = value.string("a string")?;
    let method = Method::from_name(&name);
    if method.is_none() {
        let names = Method::ALL.iter().map(|method| method.name());
        let remedy = match nearest(&name, names) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "write one of MCP, such as \"tools/call\"".to_owned(),
        };
        value.error(&format!("{} is no method", value.shown(&name)), &remedy);
    }
    method
}

pub(super) fn claims(reader: &mut Reader<'_>) -> Vec<(String, Vec<String>)> {
    const EXAMPLE: &str = "{ department = [\"it\"] }";
    let Some(value) = reader.value("claims") else { return Vec::new() };
    let entries = value.entries(EXAMPLE).into_iter();
    entries
        .map(|(name, value)| {
            let items = if value.value.is_array() { value.items("") } else { vec![value] };
            (name, items.iter().filter_map(claim_text).collect())
        })
        .collect()
}

/// A text, number or boolean, as claims are compared.
fn claim_text(value: &Value<'_>) -> Option<String> {
    match convert(value, value.value)? {
        Json::String(text) => Some(text),
        other @ (Json::Bool(_) | Json::Number(_)) => Some(other.to_string()),
        _ => {
            value.expected("a text, a number or a boolean", "\"it\"");
            None
        }
    }
}

fn arguments(reader: &mut Reader<'_>) -> Vec<ArgumentCondition> {
    let Some(value) = reader.value("arguments") else { return Vec::new() };
    let mut conditions = Vec::new();
    for (argument, value) in value.entries(ARGUMENTS) {
        for (name, value) in value.entries("{ below = \"/srv/data\" }") {
            let condition = condition(&name, &value);
            let argument = argument.clone();
            conditions.extend(condition.map(|it| ArgumentCondition { argument, condition: it }));
        }
    }
    conditions
}

fn condition(name: &str, value: &Value<'_>) -> Option<Condition> {
    const NAMES: [&str; 7] = ["equals", "one_of", "prefix", "below", "pattern", "min", "max"];
    let number = || value.number_in(&(f64::MIN..=f64::MAX), 10.0);
    match name {
        "equals" => Some(Condition::OneOf(vec![scalar(value)?])),
        "one_of" => {
            let items = value.items("[\"a\", \"b\"]");
            if value.is_empty_array() {
                value.error("has no entry", "write for example one_of = [\"a\", \"b\"]");
            }
            Some(Condition::OneOf(items.iter().filter_map(scalar).collect()))
        }
        "prefix" => text(value).map(Condition::Prefix),
        "below" => {
            let path = value.absolute_path("/srv/data")?;
            Some(Condition::Below(path.to_string_lossy().into_owned()))
        }
        "pattern" => {
            let pattern = text(value)?;
            let compiled = Condition::pattern(&pattern);
            let told = |error| value.error(&format!("{error}"), "write a simpler pattern");
            compiled.map_err(told).ok()
        }
        "min" => number().map(Condition::Min),
        "max" => number().map(Condition::Max),
        _ => {
            let remedy = match nearest(name, NAMES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write one of {}", NAMES.join(", ")),
            };
            value.error("is no condition", &remedy);
            None
        }
    }
}

fn scalar(value: &Value<'_>) -> Option<Json> {
    let json = convert(value, value.value)?;
    if json.is_array() || json.is_object() {
        value.expected("a text, a number or a boolean", "\"a\"");
        return None;
    }
    Some(json)
}

/// A rule that denies something to everybody leaves nothing for those that allow the same.
fn warn_of_unreachable(reader: &Reader<'_>, rules: &[Rule]) {
    let is_for_all = |rule: &&Rule| {
        rule.effect == Effect::Deny
            && rule.users.is_none()
            && rule.roles.is_none()
            && rule.claims.is_empty()
            && rule.transports.is_none()
            && rule.networks.is_none()
            && rule.arguments.is_empty()
    };
    for denying in rules.iter().filter(is_for_all) {
        let covers = |rule: &&Rule| {
            rule.effect == Effect::Allow
                && denying.methods.as_ref().is_none_or(|all| rule.methods.as_ref() == Some(all))
                && denying.tools == rule.tools
                && denying.resources == rule.resources
                && denying.prompts == rule.prompts
        };
        if let Some(rule) = rules.iter().find(covers) {
            let what =
                format!("{:?} allows what {:?} denies to everybody", rule.name, denying.name);
            let path = reader.path_of("rules");
            reader.context().warning_at(
                &path,
                &what,
                "a rule that denies wins: remove one of them",
            );
        }
    }
}

/// The names of the claims that rules ask for.
pub(super) fn claim_names(rules: &[Rule]) -> Arc<[String]> {
    let names: BTreeSet<&String> =
        rules.iter().flat_map(|rule| rule.claims.iter().map(|(name, _)| name)).collect();
    names.into_iter().cloned().collect()
}
