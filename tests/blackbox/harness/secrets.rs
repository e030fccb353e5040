//! The secrets that a test uses, and that nothing may hold which a server writes or says: its log,
//! its audit log, its files and its refusals. Each test has its own, for each has a thread.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What is shorter is found by chance.
const SHORTEST: usize = 12;

thread_local! {
    static SECRETS: RefCell<BTreeSet<String>> = RefCell::default();
}

/// From now on this is a secret.
pub fn keep(secret: &str) {
    if secret.len() >= SHORTEST {
        SECRETS.with_borrow_mut(|secrets| secrets.insert(secret.to_owned()));
    }
}

/// Keeps what stands in a header that proves something.
pub fn keep_header(name: &str, value: &str) {
    let is_secret = ["authorization", "x-api-key", "mcp-session-id"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    if is_secret {
        value.split_whitespace().for_each(keep);
    }
}

/// Where a text holds a secret: what it is of, the secret and the line; empty if it holds none.
pub fn found_in(place: &str, text: &str) -> Vec<String> {
    SECRETS.with_borrow(|secrets| {
        let held = secrets.iter().filter(|secret| text.contains(secret.as_str()));
        held.map(|secret| {
            let line = text.lines().find(|line| line.contains(secret)).unwrap_or(text);
            format!("{place} holds the secret {secret}: {line}")
        })
        .collect()
    })
}

/// The same of what a server keeps in its state directory beside keys of its own.
pub fn found_below(state: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(state).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_written = name.starts_with("audit") || name.ends_with(".json");
        if let (true, Ok(text)) = (is_written, fs::read_to_string(entry.path())) {
            found.extend(found_in(&name, &text));
        }
    }
    found
}
