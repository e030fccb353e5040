//! One value of a configuration and where it stands; it must never show a secret.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::de::{DeInteger, DeTable, DeValue};

use super::context::{Context, join};
use super::diagnostics::{alternatives, quote};
use super::suggest::nearest;

/// A value, the path of its key and the byte at which it begins.
#[derive(Clone)]
pub(super) struct Value<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) value: &'a DeValue<'a>,
    pub(super) offset: usize,
    pub(super) path: String,
    /// Whether neither the value nor a key in it may be shown.
    pub(super) confidential: bool,
}

impl<'a> Value<'a> {
    /// Records that this value is wrong.
    pub(super) fn error(&self, what: &str, remedy: &str) {
        self.context.error(self.offset, &self.path, what, remedy);
    }

    /// Records that this value may be a mistake.
    pub(super) fn warning(&self, what: &str, remedy: &str) {
        self.context.warning(self.offset, &self.path, what, remedy);
    }

    /// Records that `name` will be known to a later version.
    pub(super) fn refuse_unavailable(&self, name: &str) {
        self.context.not_available(self.offset, &self.path, name);
    }

    /// Records that this value is of the wrong kind or out of range.
    pub(super) fn expected(&self, expected: &str, example: &str) {
        let what = format!("expected {expected}, found {}", self.found());
        self.error(&what, &format!("write for example {} = {example}", self.key()));
    }

    /// The last key of the path, without positions in arrays.
    fn key(&self) -> &str {
        let last = self.path.rsplit('.').next().unwrap_or_default();
        last.split('[').next().unwrap_or_default()
    }

    /// A text that this value stands for, for a message. What comes from a variable or a file is
    /// not shown: it may be a secret that was put there by mistake. Nor is a URL with a password.
    pub(super) fn shown(&self, text: &str) -> String {
        match self.value {
            DeValue::String(_) if self.confidential => "the text".to_owned(),
            DeValue::String(_) if text.contains("://") && text.contains('@') => {
                "the URL".to_owned()
            }
            DeValue::String(_) => quote(text),
            _ => "what the reference stands for".to_owned(),
        }
    }

    fn found(&self) -> String {
        let kind = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        match self.value {
            _ if self.confidential => kind.to_owned(),
            DeValue::String(text) => format!("{} ({kind})", quote(text)),
            DeValue::Integer(integer) => format!("{integer} ({kind})"),
            DeValue::Float(float) => format!("{float} ({kind})"),
            DeValue::Boolean(boolean) => format!("{boolean} ({kind})"),
            DeValue::Datetime(date) => format!("{date} ({kind})"),
            DeValue::Array(_) | DeValue::Table(_) => kind.to_owned(),
        }
    }

    pub(super) fn boolean(&self, default: bool) -> Option<bool> {
        let found = self.value.as_bool();
        if found.is_none() {
            self.expected("true or false", if default { "true" } else { "false" });
        }
        found
    }

    /// An integer within a range; `default` serves as the example of the message.
    pub(super) fn integer_in<T>(&self, range: &RangeInclusive<T>, default: T) -> Option<T>
    where
        T: Copy + PartialOrd + Display + TryFrom<i64>,
    {
        let integer = self.value.as_integer().and_then(to_i64).and_then(|n| T::try_from(n).ok());
        let found = integer.filter(|number| range.contains(number));
        if found.is_none() {
            let expected = format!("an integer from {} to {}", range.start(), range.end());
            self.expected(&expected, &default.to_string());
        }
        found
    }

    /// A number within a range; an integer is one too.
    pub(super) fn number_in(&self, range: &RangeInclusive<f64>, default: f64) -> Option<f64> {
        let number = match self.value {
            DeValue::Integer(integer) => {
                to_i64(integer).and_then(|number| i32::try_from(number).ok()).map(f64::from)
            }
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => None,
        };
        let found = number.filter(|number| range.contains(number));
        if found.is_none() {
            let expected = format!("a number from {} to {}", range.start(), range.end());
            self.expected(&expected, &default.to_string());
        }
        found
    }

    /// One of some words, as what it stands for.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.string("a string")?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let names = || choices.iter().map(|(name, _)| *name);
            let what = format!("{} is not one of {}", self.shown(&text), alternatives(names()));
            let remedy = match nearest(&text, names()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "write one of them".to_owned(),
            };
            self.error(&what, &remedy);
        }
        found
    }

    /// True for an array without items.
    pub(super) fn is_empty_array(&self) -> bool {
        self.value.as_array().is_some_and(|array| array.is_empty())
    }

    /// The items of an array.
    pub(super) fn items(&self, example: &str) -> Vec<Value<'a>> {
        let Some(array) = self.value.as_array() else {
            self.expected("an array", example);
            return Vec::new();
        };
        let item = |(position, value): (usize, &'a toml::Spanned<DeValue<'a>>)| Value {
            context: self.context,
            value: value.get_ref(),
            offset: value.span().start,
            path: format!("{}[{position}]", self.path),
            confidential: self.confidential,
        };
        array.iter().enumerate().map(item).collect()
    }

    /// The entries of a table whose keys are free.
    pub(super) fn entries(&self, example: &str) -> Vec<(String, Value<'a>)> {
        let Some(table) = self.value.as_table() else {
            self.expected("a table", example);
            return Vec::new();
        };
        self.entries_of(table)
    }

    pub(super) fn entries_of(&self, table: &'a DeTable<'a>) -> Vec<(String, Value<'a>)> {
        table
            .iter()
            .map(|(key, value)| {
                let name = key.get_ref().as_ref().to_owned();
                let path = match self.confidential {
                    true => self.path.clone(),
                    false => join(&self.path, &name),
                };
                let entry = Value {
                    context: self.context,
                    value: value.get_ref(),
                    offset: key.span().start,
                    path,
                    confidential: self.confidential,
                };
                (name, entry)
            })
            .collect()
    }

    /// An absolute path.
    pub(super) fn absolute_path(&self, example: &str) -> Option<PathBuf> {
        let text = self.string("an absolute path")?;
        if !text.starts_with('/') || text.contains('\0') {
            let what = format!("{} is not an absolute path", self.shown(&text));
            self.error(&what, &format!("write it from the root, for example {example:?}"));
            return None;
        }
        Some(PathBuf::from(text))
    }
}

/// A TOML integer as a number, unless it is too large for one.
pub(super) fn to_i64(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
