//! The rooms of `src` and who may name whom. It never lets an arrow point up.

use regex_lite::Regex;

use crate::source::File;

/// Each room and the rooms that it may name, from the bottom up. `jail` is what our own binary
/// becomes on the way to a command: it knows nobody.
const ROOMS: [(&str, &[&str]); 12] = [
    ("jail", &[]),
    ("base", &[]),
    ("proto", &[]),
    ("mcp", &["base", "proto"]),
    ("guard", &["base", "proto", "mcp"]),
    ("backend", &["jail", "base", "proto", "mcp", "guard"]),
    ("pipeline", &["base", "proto", "mcp", "guard", "backend"]),
    ("connection", &["base", "proto", "mcp", "guard", "pipeline"]),
    ("actors", &["base", "proto", "mcp", "pipeline", "connection"]),
    ("config", &["base", "mcp", "guard", "backend", "connection", "actors"]),
    (
        "server",
        &[
            "jail",
            "base",
            "proto",
            "mcp",
            "guard",
            "backend",
            "pipeline",
            "connection",
            "actors",
            "config",
        ],
    ),
    ("cli", &["jail", "base", "proto", "guard", "actors", "config", "server"]),
];

/// The files of `actors` that others in it may name. Settings are plain data, the mailbox is where
/// threads meet the reactor, and the reactor is handed the listener and the queue of the workers.
const NEIGHBOURS: [(&str, &[&str]); 13] = [
    ("mod", &[]),
    ("admin", &["admin_socket", "settings"]),
    ("admin_socket", &["settings"]),
    ("settings", &[]),
    ("deadlines", &[]),
    ("mailbox", &[]),
    ("listener", &[]),
    ("audit", &["audit_file", "settings"]),
    ("audit_file", &["settings"]),
    ("handlers", &[]),
    ("outbound", &[]),
    ("worker", &[]),
    ("stdio", &["mailbox"]),
];
const REACTOR_MAY_NAME: [&str; 4] = ["deadlines", "listener", "mailbox", "worker"];

/// The room of a path below `src`.
fn room(path: &str) -> Option<&str> {
    let below = path.strip_prefix("src/")?;
    Some(below.split('/').next().unwrap_or(below).trim_end_matches(".rs"))
}

/// What stands behind `crate::` in the text: the names of rooms.
fn named(code: &str, before: &str) -> Vec<String> {
    let single = Regex::new(&format!(r"\b{before}::([a-z_]+)")).expect("a pattern");
    let group = Regex::new(&format!(r"\b{before}::\{{([^;]*);")).expect("a pattern");
    let first = Regex::new(r"(?:^|,)\s*([a-z_]+)").expect("a pattern");
    let mut names: Vec<String> = single.captures_iter(code).map(|found| found[1].into()).collect();
    for list in group.captures_iter(code) {
        names.extend(first.captures_iter(&list[1]).map(|found| found[1].to_owned()));
    }
    names
}

/// Names of rooms that this file's room may not name, and ways around the rule.
pub(crate) fn arrows(file: &File) -> Vec<String> {
    let Some(own) = room(&file.path).filter(|own| !["lib", "main"].contains(own)) else {
        return Vec::new();
    };
    let Some((_, below)) = ROOMS.iter().find(|(name, _)| *name == own) else {
        return vec![format!("the room `{own}` is not in the table of rooms")];
    };
    let mut problems: Vec<String> = named(file.code(), "crate")
        .into_iter()
        .filter(|name| name != own && !below.contains(&name.as_str()))
        .map(|name| format!("`{own}` may not name `{name}`"))
        .collect();
    let depth = file.path.matches('/').count() - 1 - usize::from(file.path.ends_with("/mod.rs"));
    let chain = Regex::new(r"\b(?:super::)+").expect("a pattern");
    let longest = |code: &str| {
        chain.find_iter(code).map(|found| found.len() / "super::".len()).max().unwrap_or_default()
    };
    // A module of tests in the file is one deeper.
    if longest(file.program()) > depth || longest(file.code()) > depth + 1 {
        problems.push("`super::` leads out of the room: write `crate::`".into());
    }
    problems
}

/// Files of `actors` that this one may not name.
pub(crate) fn neighbours(file: &File) -> Vec<String> {
    let own = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    let may: &[&str] = match NEIGHBOURS.iter().find(|(name, _)| *name == own) {
        Some((_, may)) => may,
        None if own == "reactor" => &REACTOR_MAY_NAME,
        None => return vec![format!("`{own}` is not in the table of actors")],
    };
    let mut names = named(file.code(), "super");
    names.extend(named(file.code(), "crate::actors"));
    names
        .into_iter()
        .filter(|name| name != own && !may.contains(&name.as_str()))
        .map(|name| format!("`{own}` may not name `{name}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: fn(&File) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
        rule(&File::new(path, text))
    }

    #[test]
    fn the_table_has_no_arrow_that_points_up() {
        for (place, (room, below)) in ROOMS.iter().enumerate() {
            for name in *below {
                let target = ROOMS.iter().position(|(room, _)| room == name);
                assert!(target.is_some_and(|target| target < place), "{room} -> {name}");
            }
        }
    }

    #[test]
    fn only_the_top_names_the_configuration() {
        let naming = ROOMS.iter().filter(|(_, below)| below.contains(&"config"));
        assert_eq!(naming.map(|(room, _)| *room).collect::<Vec<_>>(), ["server", "cli"]);
    }

    #[test]
    fn an_arrow_that_points_up_is_found_however_it_is_written() {
        for text in [
            "use crate::config::load;",
            "fn a() { crate::config::load() }",
            "use crate::{base::clock::Now, config::load};",
            "use crate::{\n    config,\n};",
            "#[cfg(test)]\nmod tests {\n    use crate::config;\n}",
        ] {
            assert_eq!(found(arrows, "src/mcp/a.rs", text).len(), 1, "{text}");
        }
        assert_eq!(found(arrows, "src/mcp/a.rs", "use super::super::config;").len(), 1);
        assert_eq!(found(arrows, "src/news/a.rs", "").len(), 1);
        for text in ["use crate::base::clock::Now;", "// crate::config", "use crate::mcp::era;"] {
            assert_eq!(found(arrows, "src/mcp/a.rs", text), Vec::<String>::new(), "{text}");
        }
        assert!(found(arrows, "src/mcp/legacy/a.rs", "use super::super::era;").is_empty());
    }

    #[test]
    fn a_thread_that_names_another_is_found() {
        for text in ["use super::worker::Queue;", "use crate::actors::reactor::Reactor;"] {
            assert_eq!(found(neighbours, "src/actors/audit.rs", text).len(), 1, "{text}");
        }
        assert!(found(neighbours, "src/actors/reactor.rs", "use super::mailbox::M;").is_empty());
        assert_eq!(found(neighbours, "src/actors/new.rs", "").len(), 1);
    }
}
