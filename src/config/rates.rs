//! Reads bounds by name: of roles, tools and methods. A name that can never be meant is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostics::quote;
use super::identity::role_name;
use super::reader::Reader;
use super::suggest::nearest;
use super::value::Value;
use crate::base::wildcard::Wildcard;
use crate::mcp::methods::{Method, Permission};

/// Requests per second that can be written.
pub(super) const RATES: std::ops::RangeInclusive<f64> = 0.001..=1_000_000.0;
/// Most patterns of one table: each call is compared with all of them.
const MOST_PATTERNS: usize = 64;
const ROLES_EXAMPLE: &str = "{ admin = 100, guest = 2 }";
const TOOLS_EXAMPLE: &str = "{ \"report_*\" = 1 }";
const METHODS_EXAMPLE: &str = "{ \"tools/call\" = 5 }";

/// Reads the rates of roles.
pub(super) fn roles(
    reader: &mut Reader<'_>,
    known: &BTreeMap<String, BTreeSet<Permission>>,
) -> BTreeMap<String, f64> {
    let Some(value) = reader.value("roles") else { return BTreeMap::new() };
    let entries = value.entries(ROLES_EXAMPLE).into_iter();
    entries
        .filter_map(|(name, entry)| {
            let rate = entry.number_in(&RATES, 10.0);
            let is_role = role_name(&entry, &name, &quote(&name), known);
            rate.filter(|_| is_role).map(|rate| (name, rate))
        })
        .collect()
}

/// Reads the rates of tools. Which tools there are is not known before the server is built.
pub(super) fn tools(reader: &mut Reader<'_>) -> Vec<(Wildcard, f64)> {
    patterns(reader.value("tools"), TOOLS_EXAMPLE, |_, entry| entry.number_in(&RATES, 1.0))
}

/// Reads the rates of methods.
pub(super) fn methods(reader: &mut Reader<'_>) -> Vec<(Wildcard, f64)> {
    patterns(reader.value("methods"), METHODS_EXAMPLE, |(name, pattern), entry| {
        let names = || Method::ALL.iter().map(|method| method.name());
        let rate = entry.number_in(&RATES, 5.0);
        if names().any(|name| pattern.matches(name)) {
            return rate;
        }
        let remedy = match nearest(name, names()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("write for example methods = {METHODS_EXAMPLE}"),
        };
        entry.error("there is no such method", &remedy);
        None
    })
}

/// Reads how many calls of a tool may wait at once.
pub(super) fn calls_per_tool(reader: &mut Reader<'_>, most: usize) -> Vec<(Wildcard, usize)> {
    let read = |_: (&str, &Wildcard), entry: &Value<'_>| entry.integer_in(&(1..=most), 2.min(most));
    patterns(reader.value("calls_per_tool"), "{ \"report_*\" = 2 }", read)
}

fn patterns<T>(
    value: Option<Value<'_>>,
    example: &str,
    read: impl Fn((&str, &Wildcard), &Value<'_>) -> Option<T>,
) -> Vec<(Wildcard, T)> {
    let Some(value) = value else { return Vec::new() };
    let entries = value.entries(example);
    if entries.len() > MOST_PATTERNS {
        let what = format!("has {} names", entries.len());
        value.error(&what, &format!("give at most {MOST_PATTERNS}; one with `*` stands for many"));
        return Vec::new();
    }
    let pattern = |(name, entry): (String, Value<'_>)| {
        let pattern = Wildcard::new(&name);
        read((&name, &pattern), &entry).map(|bound| (pattern, bound))
    };
    entries.into_iter().filter_map(pattern).collect()
}
