//! What all readers of one configuration share: where problems go; it must never read a value.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::diagnostics::{Lines, Problem, Problems, quote};
use super::sources::Sources;
use super::suggest::{longer, nearest};

/// Collects what is found in one configuration file.
pub(super) struct Context<'a> {
    file: &'a str,
    lines: Lines,
    root: &'a DeTable<'a>,
    pub(super) sources: &'a dyn Sources,
    errors: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// The keys each table may have, by the path of the table without positions.
    schema: RefCell<BTreeMap<String, Section>>,
    unknown: RefCell<Vec<UnknownKey<'a>>>,
    silent: Cell<bool>,
}

/// What is known of a table.
#[derive(Clone, Default)]
pub(super) struct Section {
    pub(super) keys: Vec<&'static str>,
    in_array: bool,
}

/// A key no reader asked for; what was meant is only known when every table has been read.
pub(super) struct UnknownKey<'a> {
    pub(super) section: String,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) offset: usize,
    pub(super) holds: &'a DeValue<'a>,
    /// Whether the key may be a secret that was written in the wrong place.
    pub(super) confidential: bool,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        file: &'a str,
        text: &str,
        root: &'a DeTable<'a>,
        sources: &'a dyn Sources,
    ) -> Self {
        Self {
            file,
            lines: Lines::of(text),
            root,
            sources,
            errors: RefCell::default(),
            warnings: RefCell::default(),
            schema: RefCell::default(),
            unknown: RefCell::default(),
            silent: Cell::new(false),
        }
    }

    pub(super) fn root(&self) -> &'a DeTable<'a> {
        self.root
    }

    /// The line of a byte offset, counted from 1.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.lines.line_of(offset)
    }

    /// Records an error at a byte offset.
    pub(super) fn error(&self, offset: usize, path: &str, what: &str, remedy: &str) {
        if !self.silent.get() {
            let problem = self.problem(offset, path, &format!("{what}; {remedy}"));
            self.errors.borrow_mut().push(problem);
        }
    }

    /// Records a warning at a byte offset.
    pub(super) fn warning(&self, offset: usize, path: &str, what: &str, remedy: &str) {
        if !self.silent.get() {
            let problem = self.problem(offset, path, &format!("{what}; {remedy}"));
            self.warnings.borrow_mut().push(problem);
        }
    }

    /// Records an error at a key path that may not stand in the file.
    pub(super) fn error_at(&self, path: &str, what: &str, remedy: &str) {
        self.error(self.offset_of(path), path, what, remedy);
    }

    /// Records a warning at a key path that may not stand in the file.
    pub(super) fn warning_at(&self, path: &str, what: &str, remedy: &str) {
        self.warning(self.offset_of(path), path, what, remedy);
    }

    /// Records that a key is known but does nothing yet.
    pub(super) fn not_available(&self, offset: usize, path: &str, name: &str) {
        if !self.silent.get() {
            let what = format!("`{name}` is not available in this version: remove it");
            self.errors.borrow_mut().push(self.problem(offset, path, &what));
        }
    }

    /// Runs `read` without recording problems, so that only the keys it knows are learnt.
    pub(super) fn silently(&self, read: impl FnOnce()) {
        let before = self.silent.replace(true);
        read();
        self.silent.set(before);
    }

    pub(super) fn learn(&self, section: &str, in_array: bool, keys: &[&'static str]) {
        let mut schema = self.schema.borrow_mut();
        let known = schema.entry(section.to_owned()).or_default();
        known.in_array = in_array;
        for key in keys {
            if !known.keys.contains(key) {
                known.keys.push(key);
            }
        }
    }

    pub(super) fn unknown(&self, key: UnknownKey<'a>) {
        self.unknown.borrow_mut().push(key);
    }

    /// Every table and the keys it may have.
    #[cfg(test)]
    pub(super) fn schema(&self) -> BTreeMap<String, Section> {
        self.schema.borrow().clone()
    }

    /// Explains the unknown keys and hands out everything that was recorded.
    pub(super) fn finish(&self) -> Problems {
        for unknown in self.unknown.take() {
            let problem = self.explain(&unknown);
            self.errors.borrow_mut().push(problem);
        }
        Problems::new(self.errors.take(), self.warnings.take())
    }

    fn problem(&self, offset: usize, path: &str, what: &str) -> Problem {
        Problem::new(self.file, Some(self.lines.line_of(offset)), path, what)
    }

    fn explain(&self, unknown: &UnknownKey<'_>) -> Problem {
        let schema = self.schema.borrow();
        let known = schema.get(&unknown.section).map(|section| section.keys.as_slice());
        let known = known.unwrap_or_default();
        let near = nearest(&unknown.key, known.iter().copied())
            .or_else(|| longer(&unknown.key, known.iter().copied()));
        if unknown.confidential && near.is_none() {
            let known = known.join(", ");
            let what = format!("unknown key (not shown, it may be a secret); known keys: {known}");
            return self.problem(unknown.offset, &unknown.path, &what);
        }
        let remedy = match (near, only_section_with(&schema, &unknown.key)) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some((section, about))) => match unknown.holds {
                DeValue::Table(_) => {
                    format!("did you mean the table [{}]?", join(section, &unknown.key))
                }
                _ if section.is_empty() => format!("did you mean [[{}]]?", unknown.key),
                _ if about.in_array => format!("did you mean it in a table [[{section}]]?"),
                _ => format!("did you mean it in the table [{section}]?"),
            },
            (None, None) if known.is_empty() => "remove it: this table has no keys".to_owned(),
            (None, None) => format!("known keys: {}", known.join(", ")),
        };
        let path = join(&unknown.path, &unknown.key);
        self.problem(unknown.offset, &path, &format!("unknown key; {remedy}"))
    }

    /// Where a dotted path stands, or the nearest table around it.
    pub(super) fn offset_of(&self, path: &str) -> usize {
        let mut table = self.root;
        let mut offset = 0;
        for key in path.split('.') {
            let Some((name, value)) = table.get_key_value(key) else { break };
            offset = name.span().start;
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        offset
    }
}

/// The table that knows a key, if there is exactly one, or the whole file: a key as common as
/// `name` tells nothing.
fn only_section_with<'s>(
    schema: &'s BTreeMap<String, Section>,
    key: &str,
) -> Option<(&'s str, &'s Section)> {
    let mut sections = schema.iter().filter(|(_, section)| section.keys.contains(&key));
    if let Some((name, top)) = schema.get_key_value("").filter(|(_, top)| top.keys.contains(&key)) {
        return Some((name, top));
    }
    match (sections.next(), sections.next()) {
        (Some((name, section)), None) => Some((name, section)),
        _ => None,
    }
}

/// A key path with one more key, quoted where it would not be one bare key (TOML 1.0, Keys), and
/// cut where it is long.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let key = match (1..=60).contains(&key.len()) && key.bytes().all(bare) {
        true => key.to_owned(),
        false => quote(key),
    };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
