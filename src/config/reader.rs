//! Reads one table key by key and knows which keys are left over; it must never stop at an error.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::context::{Context, UnknownKey, join};
use super::value::Value;

/// A table that is being read, or one that is absent and therefore at its defaults.
pub(super) struct Reader<'a> {
    context: &'a Context<'a>,
    table: Option<&'a DeTable<'a>>,
    path: String,
    /// The path without positions in arrays: what the schema of the table is known by.
    section: String,
    offset: usize,
    in_array: bool,
    known: Vec<&'static str>,
    confidential: bool,
}

impl<'a> Reader<'a> {
    /// Reads the whole document.
    pub(super) fn document<T>(
        context: &'a Context<'a>,
        read: impl FnOnce(&mut Reader<'a>) -> T,
    ) -> T {
        let mut reader = Reader {
            context,
            table: Some(context.root()),
            path: String::new(),
            section: String::new(),
            offset: 0,
            in_array: false,
            known: Vec::new(),
            confidential: false,
        };
        let settings = read(&mut reader);
        reader.finish();
        settings
    }

    pub(super) fn context(&self) -> &'a Context<'a> {
        self.context
    }

    /// The dotted path of a key of this table.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Whether the table itself stands in the file.
    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// The line on which the table begins.
    pub(super) fn line(&self) -> usize {
        self.context.line_of(self.offset)
    }

    /// Whether a key stands in the table.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Records an error about the table.
    pub(super) fn error(&self, what: &str, remedy: &str) {
        self.context.error(self.offset, &self.path, what, remedy);
    }

    /// Keeps the names of unknown keys out of messages.
    pub(super) fn keep_confidential(&mut self) {
        self.confidential = true;
    }

    /// The value of a key, which is known from now on.
    pub(super) fn value(&mut self, key: &'static str) -> Option<Value<'a>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (name, value) = self.table?.get_key_value(key)?;
        Some(Value {
            context: self.context,
            value: value.get_ref(),
            offset: name.span().start,
            path: join(&self.path, key),
            confidential: false,
        })
    }

    /// The value of a key that must be given.
    pub(super) fn required(&mut self, key: &'static str, example: &str) -> Option<Value<'a>> {
        let value = self.value(key);
        if value.is_none() {
            let path = join(&self.path, key);
            let remedy = format!("write for example {key} = {example}");
            self.context.error(self.offset, &path, "is missing", &remedy);
        }
        value
    }

    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.value(key).and_then(|value| value.boolean(default)).unwrap_or(default)
    }

    pub(super) fn integer_in<T>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<T>,
        default: T,
    ) -> T
    where
        T: Copy + PartialOrd + Display + TryFrom<i64>,
    {
        self.value(key).and_then(|value| value.integer_in(&range, default)).unwrap_or(default)
    }

    pub(super) fn number_in(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
        default: f64,
    ) -> f64 {
        self.value(key).and_then(|value| value.number_in(&range, default)).unwrap_or(default)
    }

    /// A duration whose key ends in `_ms`.
    pub(super) fn milliseconds(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Duration {
        Duration::from_millis(self.integer_in(key, range, default))
    }

    /// A duration whose key ends in `_seconds`.
    pub(super) fn seconds(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Duration {
        Duration::from_secs(self.integer_in(key, range, default))
    }

    pub(super) fn string(&mut self, key: &'static str) -> Option<String> {
        self.value(key)?.string("a string")
    }

    /// Text for people, in which `${NAME}` is allowed.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.value(key)?.text("a string")
    }

    pub(super) fn absolute_path(&mut self, key: &'static str, example: &str) -> Option<PathBuf> {
        self.value(key)?.absolute_path(example)
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        default: T,
    ) -> T {
        self.value(key).and_then(|value| value.choice(choices)).unwrap_or(default)
    }

    /// The items of an array; none if the key is absent.
    pub(super) fn items(&mut self, key: &'static str, example: &str) -> Vec<Value<'a>> {
        self.value(key).map(|value| value.items(example)).unwrap_or_default()
    }

    /// The strings of an array; `None` if the key is absent.
    pub(super) fn strings(&mut self, key: &'static str, example: &str) -> Option<Vec<String>> {
        let items = self.value(key)?.items(example);
        Some(items.iter().filter_map(|item| item.string("a string")).collect())
    }

    /// Refuses a key that a later version will know.
    pub(super) fn refuse_unavailable(&mut self, key: &'static str) {
        if let Some(value) = self.value(key) {
            value.refuse_unavailable(&value.path);
        }
    }

    /// Reads a table below this one; an absent table has its defaults.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> T,
    ) -> T {
        let mut reader = Reader {
            context: self.context,
            table: None,
            path: join(&self.path, key),
            section: join(&self.section, key),
            offset: self.offset,
            in_array: false,
            known: Vec::new(),
            confidential: self.confidential,
        };
        if let Some(value) = self.value(key) {
            reader.offset = value.offset;
            match value.value {
                DeValue::Table(table) => reader.table = Some(table),
                _ => value.error("expected a table", &format!("write [{}]", reader.path)),
            }
        }
        let settings = read(&mut reader);
        reader.finish();
        settings
    }

    /// Reads each table of an array; what a table lacks is recorded, and it is left out.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Reader<'a>) -> Option<T>,
    ) -> Vec<T> {
        let section = join(&self.section, key);
        let value = self.value(key);
        let mut read_one = |item: Option<Value<'a>>, table| {
            let mut reader = Reader {
                context: self.context,
                table,
                path: item.as_ref().map_or_else(|| section.clone(), |item| item.path.clone()),
                section: section.clone(),
                offset: item.map_or(self.offset, |item| item.offset),
                in_array: true,
                known: Vec::new(),
                confidential: self.confidential,
            };
            let settings = read(&mut reader);
            reader.finish();
            settings
        };
        // The keys of such a table are learnt even where there is none, so that one of them that
        // stands in another table can be explained.
        self.context.silently(|| drop(read_one(None, None)));
        let Some(value) = value else { return Vec::new() };
        if !value.value.is_array() {
            value.error("expected an array of tables", &format!("write [[{section}]]"));
            return Vec::new();
        }
        let mut settings = Vec::new();
        for item in value.items("[]") {
            match item.value {
                DeValue::Table(table) => settings.extend(read_one(Some(item), Some(table))),
                _ => {
                    // A bare string in the list of API keys is most likely a key.
                    let item = Value { confidential: true, ..item };
                    item.expected("a table", "[{ … }]");
                }
            }
        }
        settings
    }

    /// Records the keys that nothing has asked for.
    fn finish(self) {
        self.context.learn(&self.section, self.in_array, &self.known);
        for (key, value) in self.table.into_iter().flatten() {
            if self.known.contains(&key.get_ref().as_ref()) {
                continue;
            }
            self.context.unknown(UnknownKey {
                section: self.section.clone(),
                path: self.path.clone(),
                key: key.get_ref().as_ref().to_owned(),
                offset: key.span().start,
                holds: value.get_ref(),
                confidential: self.confidential,
            });
        }
    }
}
