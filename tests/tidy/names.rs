//! Names that belong in few places: each crate and each call to the outside has its own.

use std::sync::LazyLock;

use regex_lite::Regex;

use crate::source::File;

/// A pattern, the places below `src` where it may stand, and why nowhere else.
const PLACES: [(&str, &[&str], &str); 21] = [
    (
        r"\bmio\b",
        &[
            "actors/listener.rs",
            "actors/mailbox.rs",
            "actors/reactor.rs",
            "connection/link.rs",
            "connection/wire.rs",
        ],
        "readiness is the business of the reactor and of a connection's own file",
    ),
    (
        r"\brustls\b",
        &[
            "actors/listener.rs",
            "actors/outbound.rs",
            "connection/wire.rs",
            "server/tls",
            "server/verification.rs",
        ],
        "TLS is set up in server/tls, spoken in connection/wire.rs and handed on by two files",
    ),
    (
        r"\b(ServerConnection|ClientConnection|rustls::(server|client|crypto))\b",
        &["actors/outbound.rs", "connection/wire.rs", "server/tls", "server/verification.rs"],
        "rustls' own interface is set up in server/tls and spoken in connection/wire.rs",
    ),
    (r"\bureq\b", &["actors/outbound.rs"], "other servers are asked on threads that may block"),
    (r"\btoml(_datetime)?::", &["config/"], "only `config` knows the form of a configuration"),
    (
        r"\bprocess::(Command|\{[^}]*\bCommand)\b",
        &["backend/local/command/mod.rs", "jail.rs"],
        "programs are started by command tools and nothing else",
    ),
    (r"\bhttparse\b", &["proto/http1/head.rs"], "one strict layer stands over httparse"),
    (r"\bregex_lite\b", &["guard/schema/pattern.rs"], "patterns are translated and bounded there"),
    (r"\blexopt\b", &["cli/arguments"], "one place knows what may be typed"),
    (r"\benv_logger\b", &["cli/logging.rs"], "a library does not decide where logs go"),
    (r"\brcgen\b", &["server/tls/authority.rs"], "certificates are made by our authority only"),
    (r"\bsignal_hook_mio\b", &["actors/reactor.rs"], "signals arrive where the waiting is done"),
    (r"\bcrossbeam_channel\b", &["actors/"], "only threads have queues"),
    (r"\bsocket2\b", &["actors/"], "sockets are opened by the listener"),
    (
        r"\b(Tcp|Unix|Udp)(Stream|Listener|Socket|Datagram)\b",
        &["actors/", "cli/admin/", "connection/link.rs", "connection/wire.rs", "server/"],
        "sockets are bound by `server` and held by the reactor and a connection's own file; the \
         command line asks a running server over one",
    ),
    (
        r"\b(Instant|SystemTime)::now\b",
        &["base/clock.rs", "backend/local/command/group.rs", "backend/local/command/pump.rs"],
        "time is an argument (`Now`), so that logic can be tested without waiting",
    ),
    (
        r"\bthread::(\{|Builder|spawn|scope|sleep|park)",
        &["actors/", "server/running.rs"],
        "threads are started where their number is known, and nothing sleeps",
    ),
    (
        r"\bfs::",
        &[
            "actors/admin_socket.rs",
            "actors/audit_file.rs",
            "backend/local/",
            "config/sources.rs",
            "server/material.rs",
            "server/tls/",
        ],
        "files are opened by those whose work they are",
    ),
    (
        r"\benv::",
        &["config/sources.rs", "jail.rs", "main.rs"],
        "the environment is a source of the configuration",
    ),
    (
        r"\bsync::(Mutex|RwLock|Condvar|mpsc|\{[^}]*\b(Mutex|RwLock|Condvar|mpsc))\b",
        &[],
        "parking_lot's locks cannot be poisoned, and queues are crossbeam's bounded ones",
    ),
    // The bound of the audit queue is counted beside it.
    (r"\bunbounded\b", &["actors/audit.rs"], "every queue has a bound"),
];

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    PLACES.iter().map(|(pattern, _, _)| Regex::new(pattern).expect("a pattern")).collect()
});

/// Names that stand in this file and may not.
pub(crate) fn places(file: &File) -> Vec<String> {
    let below = file.path.strip_prefix("src/").unwrap_or(&file.path);
    PATTERNS
        .iter()
        .zip(PLACES)
        .filter(|(_, (_, places, _))| !places.iter().any(|place| below.starts_with(place)))
        .filter_map(|(pattern, (_, _, why))| {
            let found = pattern.find(file.program())?;
            Some(format!("`{}` may not stand here: {why}", found.as_str()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::TREE;

    fn found(path: &str, text: &str) -> usize {
        places(&File::new(path, text)).len()
    }

    #[test]
    fn a_name_out_of_its_place_is_found() {
        for text in [
            "use mio::Token;",
            "use std::process::{Child, Command};",
            "let now = Instant::now();",
            "use std::sync::{Arc, Mutex};",
            "let queue = unbounded();",
            "std::thread::sleep(pause);",
        ] {
            assert_eq!(found("src/guard/a.rs", text), 1, "{text}");
        }
        assert_eq!(found("src/actors/listener.rs", "use rustls::server::Acceptor;"), 1);
        assert_eq!(found("src/actors/listener.rs", "use rustls::ServerConfig;"), 0);
        assert_eq!(found("src/config/a.rs", "toml::from_str(text)"), 0);
        assert_eq!(found("src/guard/a.rs", "// mio\nlet a = \"mio\";"), 0);
        assert_eq!(found("src/guard/a.rs", "#[cfg(test)]\nmod tests {\n    use mio::Token;\n}"), 0);
    }

    #[test]
    fn every_place_is_used() {
        for (pattern, (_, places, _)) in PATTERNS.iter().zip(PLACES) {
            for place in places {
                let inside = |file: &&File| file.path.starts_with(&format!("src/{place}"));
                let used = TREE.iter().filter(inside).any(|file| pattern.is_match(file.program()));
                assert!(used, "{place} needs no `{pattern}` any more");
            }
        }
    }
}
