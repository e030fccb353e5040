//! Reads `[admin]`: the control socket, and who may use it beside the server's own user and root.

use std::path::{Path, PathBuf};

use super::accounts::Accounts;
use super::reader::Reader;
use super::sources::directory_of;
use super::value::Value;
use crate::actors::settings::{AdminSettings, People};

/// Longest path of a socket, in bytes (unix(7), `sun_path` with its end).
const PATH_BYTES: usize = 107;
const SOCKET: &str = "/run/erlmcp/admin.sock";

/// Reads `[admin]`. `network` says whether anyone can come over a network.
pub(super) fn read(reader: &mut Reader<'_>, state: &Path, network: bool) -> AdminSettings {
    let accounts = Accounts::read(reader.context().sources);
    let enabled = reader.boolean("enabled", network);
    let default = state.join("admin.sock");
    let named = reader.value("socket").and_then(|value| socket(&value));
    let group = reader.value("group").and_then(|value| group(&value, &accounts));
    let look = people(reader, "look_users", "look_groups", &accounts);
    let act = people(reader, "act_users", "act_groups", &accounts);
    let names_somebody = look != People::default() || act != People::default();
    if names_somebody && group.is_none() {
        reader.error(
            "names users who cannot connect: the socket is closed to all but the server and root",
            "write group = \"…\", the group of those who may connect",
        );
    }
    if group.is_some() && named.as_ref().is_none_or(|path| path.starts_with(state)) {
        reader.error(
            "names a group that cannot reach the socket: nobody else may enter the state directory",
            &format!("write for example socket = {SOCKET:?}"),
        );
    }
    AdminSettings { enabled, socket: named.unwrap_or(default), group, look, act }
}

fn socket(value: &Value<'_>) -> Option<PathBuf> {
    let path = value.absolute_path(SOCKET)?;
    if path.as_os_str().len() > PATH_BYTES {
        let what = format!("is longer than the {PATH_BYTES} bytes that a socket's path may have");
        value.error(&what, &format!("write for example socket = {SOCKET:?}"));
        return None;
    }
    let directory = directory_of(&path);
    let facts = value.context.sources.facts(&directory);
    if facts.is_ok_and(|facts| facts.writable_by_everyone()) {
        let shown = directory.display();
        value.error(
            "lies in a directory that everyone may write",
            &format!("run chmod o-w {shown}"),
        );
        return None;
    }
    Some(path)
}

fn people(
    reader: &mut Reader<'_>,
    users: &'static str,
    groups: &'static str,
    accounts: &Accounts,
) -> People {
    let users = reader.items(users, "[\"monitor\"]");
    let groups = reader.items(groups, "[\"staff\"]");
    let named = |item: &Value<'_>| number(item, "user", |name| accounts.user(name));
    let mut users: Vec<u32> = users.iter().filter_map(named).collect();
    let groups: Vec<u32> = groups.iter().filter_map(|item| group(item, accounts)).collect();
    // The kernel tells of a process only the group that it acts for.
    users.extend(groups.iter().flat_map(|group| accounts.members(*group)));
    People { users, groups }
}

fn group(value: &Value<'_>, accounts: &Accounts) -> Option<u32> {
    number(value, "group", |name| accounts.group(name))
}

/// A number, or the number of a name.
fn number(value: &Value<'_>, kind: &str, find: impl FnOnce(&str) -> Option<u32>) -> Option<u32> {
    if value.value.is_integer() {
        return value.integer_in(&(0..=u32::MAX - 1), 1000);
    }
    let name = value.string("a name or a number")?;
    let found = find(&name);
    if found.is_none() {
        let what = format!("there is no {kind} {} on this host", value.shown(&name));
        value.error(&what, &format!("make the {kind}, or write its number"));
    }
    found
}
