//! Strings of a configuration, also those kept elsewhere; it must never show what was found there.

use std::borrow::Cow;
use std::path::Path;

use toml::de::DeValue;
use zeroize::{Zeroize, Zeroizing};

use super::diagnostics::quote;
use super::sources::{FileFacts, MAX_FILE_BYTES, VariableError, directory_of};
use super::value::Value;
use crate::base::secret::Secret;

/// How a string stands in the file.
enum Written<'a> {
    Literal(&'a str),
    Variable(&'a str),
    File(&'a str),
}

impl<'a> Value<'a> {
    /// A string, or what a variable or a file holds. A text like `${NAME}` is refused, because
    /// it is nowhere replaced and was surely meant to be.
    pub(super) fn string(&self, expected: &str) -> Option<String> {
        let text = self.text(expected)?;
        (!self.is_unreplaced(&text)).then_some(text)
    }

    /// A string in which `${NAME}` may stand, because people or programs read it.
    pub(super) fn text(&self, expected: &str) -> Option<String> {
        match self.written(expected)? {
            Written::Literal(text) => Some(text.to_owned()),
            Written::Variable(name) => self.variable(name),
            Written::File(path) => self.file(path, false),
        }
    }

    /// A secret and whether it stands in the configuration itself.
    pub(super) fn secret(&self) -> Option<(Secret, bool)> {
        let (mut text, literal) = match self.written("a string")? {
            Written::Literal(text) => (text.to_owned(), true),
            Written::Variable(name) => (self.variable(name)?, false),
            Written::File(path) => (self.file(path, true)?, false),
        };
        if self.is_unreplaced(&text) {
            text.zeroize();
            return None;
        }
        if text.trim().is_empty() {
            self.error("is empty", "an empty secret would let everyone in: give it a value");
            return None;
        }
        Some((Secret::new(text), literal))
    }

    /// Whether a text is only the name of a variable that someone meant to be replaced; if so, it
    /// is recorded. A secret may begin with `$` by chance, and is not shown then.
    fn is_unreplaced(&self, text: &str) -> bool {
        let Some(name) = shell_variable(text) else { return false };
        let braced = text.starts_with("${");
        if !self.value.is_str() {
            if braced {
                let what = "what the reference stands for is a variable that was not replaced";
                self.error(what, "put the value itself there");
            }
            return braced;
        }
        if self.confidential && !braced {
            self.error("a variable is not replaced here", "write { env = \"NAME\" }");
            return true;
        }
        let what = format!("`${{{name}}}` is not replaced by a variable here");
        self.error(&what, &format!("write {{ env = {name:?} }}"));
        true
    }

    fn written(&self, expected: &str) -> Option<Written<'a>> {
        let table = match self.value {
            DeValue::String(text) => return Some(Written::Literal(text)),
            DeValue::Table(table) => table,
            _ => {
                self.expected(expected, "\"…\"");
                return None;
            }
        };
        let mut entries = table.iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else {
            self.refuse_table(expected);
            return None;
        };
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("env", DeValue::String(name)) => Some(Written::Variable(name)),
            ("file", DeValue::String(path)) => Some(Written::File(path)),
            ("secret", _) => {
                let remedy = "use { env = \"NAME\" } or { file = \"/path\" }";
                self.error("`{ secret = … }` is not available in this version", remedy);
                None
            }
            _ => {
                self.refuse_table(expected);
                None
            }
        }
    }

    fn refuse_table(&self, expected: &str) {
        let what = format!("expected {expected}, found a table");
        self.error(&what, "write \"…\", { env = \"NAME\" } or { file = \"/path\" }");
    }

    fn variable(&self, name: &str) -> Option<String> {
        if name.is_empty() || name.contains(['=', '\0']) {
            let what = format!("{} is no name of an environment variable", quote(name));
            self.error(&what, "write for example { env = \"ERLMCP_API_KEY\" }");
            return None;
        }
        let reason = match self.context.sources.variable(name) {
            Ok(value) => return Some(value),
            Err(VariableError::Unset) => "is not set",
            Err(VariableError::NotText) => "is not UTF-8 text",
        };
        let what = format!("the environment variable {name} {reason}");
        self.error(&what, &format!("set {name} before the start, or remove this reference"));
        None
    }

    /// The text of a file without the line break at its end.
    fn file(&self, path: &str, secret: bool) -> Option<String> {
        if !path.starts_with('/') {
            let what = format!("the file {} is not an absolute path", quote(path));
            self.error(&what, "write it from the root, for example { file = \"/etc/erlmcp/key\" }");
            return None;
        }
        let (text, facts) = match self.context.sources.read(Path::new(path)) {
            Ok((text, facts)) => (Zeroizing::new(text), facts),
            Err(error) => {
                let remedy = format!(
                    "give the path of a text file of at most {MAX_FILE_BYTES} bytes that the \
                     user erlmcp runs as may read"
                );
                self.error(&format!("the file {path} {error}"), &remedy);
                return None;
            }
        };
        let safe = if secret {
            self.fit_for_secret(path, facts)
        } else {
            self.safe_from_everyone(path, facts)
        };
        if !safe {
            return None;
        }
        let without_feed = text.strip_suffix('\n').unwrap_or(&text);
        Some(without_feed.strip_suffix('\r').unwrap_or(without_feed).to_owned())
    }

    /// Checks that only its owner reads and writes a file, and that it cannot be replaced.
    pub(super) fn fit_for_secret(&self, path: &str, facts: FileFacts) -> bool {
        if let Some(reason) = facts.unfit_for_secret(self.context.sources.user()) {
            let remedy = match reason {
                "belongs to another user" => {
                    format!("run chown to root or to the user erlmcp runs as, and chmod 600 {path}")
                }
                "is not a regular file" => "keep the secret in a regular file".to_owned(),
                _ => format!("run chmod 600 {path}"),
            };
            let what = format!("the file {path} {reason} (mode {:03o})", facts.mode);
            self.error(&what, &remedy);
            return false;
        }
        self.safe_from_everyone(path, facts)
    }

    fn safe_from_everyone(&self, path: &str, facts: FileFacts) -> bool {
        let directory = directory_of(Path::new(path));
        let around = self.context.sources.facts(&directory);
        let problem = if facts.writable_by_everyone() {
            Some((Cow::Borrowed(path), facts.mode))
        } else {
            around
                .ok()
                .filter(|facts| facts.writable_by_everyone())
                .map(|facts| (Cow::Owned(directory.display().to_string()), facts.mode))
        };
        if let Some((open, mode)) = &problem {
            let what = format!("{open} may be written by everyone (mode {mode:03o})");
            self.error(&what, &format!("run chmod o-w {open}"));
        }
        problem.is_none()
    }
}

/// The name in a text that is `${NAME}` or `$NAME` and nothing else.
fn shell_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let name = name.strip_prefix('{').map_or(Some(name), |inner| inner.strip_suffix('}'))?;
    let name = name.split_once(":-").map_or(name, |(name, _)| name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins_well && name.bytes().all(allowed)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::shell_variable;

    #[test]
    fn a_text_that_is_only_a_shell_variable_is_recognised() {
        assert_eq!(shell_variable("${MISSING_VAR}"), Some("MISSING_VAR"));
        assert_eq!(shell_variable("$HOME"), Some("HOME"));
        assert_eq!(shell_variable("${KEY:-none}"), Some("KEY"));
        assert_eq!(shell_variable("$5"), None);
        assert_eq!(shell_variable("a${B}"), None);
        assert_eq!(shell_variable("${B"), None);
        assert_eq!(shell_variable("$"), None);
    }
}
