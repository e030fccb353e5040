//! Problems of a configuration, all of one form; it must never show the value of a secret.

use std::fmt;

/// One finding: `file:line: key path: what is wrong; remedy`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    line: Option<usize>,
    text: String,
}

impl Problem {
    /// A finding about a place in a file; `line` counts from 1, and an empty `path` is left out.
    pub(super) fn new(file: &str, line: Option<usize>, path: &str, what: &str) -> Self {
        let line_text = line.map(|line| format!("{line}:")).unwrap_or_default();
        let path_text = if path.is_empty() { String::new() } else { format!(" {path}:") };
        Self { line, text: format!("{file}:{line_text}{path_text} {what}") }
    }

    /// The line it is about, counted from 1; `None` if it is about the whole file.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Everything that keeps a configuration from being used, in the order of its lines.
#[derive(Debug)]
pub struct Problems {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(mut errors: Vec<Problem>, mut warnings: Vec<Problem>) -> Self {
        errors.sort();
        errors.dedup();
        warnings.sort();
        warnings.dedup();
        Self { errors, warnings }
    }

    /// What keeps the configuration from being used.
    #[must_use]
    pub fn errors(&self) -> &[Problem] {
        &self.errors
    }

    /// What does not keep it from being used, found beside the errors.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    pub(super) fn into_warnings(self) -> Result<Vec<Problem>, Self> {
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.errors.iter().enumerate() {
            if position > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The byte offsets at which the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(after_breaks.map(|(at, _)| at.saturating_add(1))).collect())
    }

    /// The line of a byte offset, counted from 1.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset).max(1)
    }
}

/// A quoted text for a message: escaped, and cut where it gets long.
pub(super) fn quote(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN {
        return format!("{text:?}");
    }
    format!("{:?}…", text.chars().take(SHOWN).collect::<String>())
}

/// A list for a message: `a, b or c`.
pub(super) fn alternatives<'t>(names: impl Iterator<Item = &'t str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Problem, Problems, alternatives, quote};

    #[test]
    fn a_line_begins_after_each_break() {
        let lines = Lines::of("a\nbc\n\nd");
        let found: Vec<_> = (0..8).map(|offset| lines.line_of(offset)).collect();
        assert_eq!(found, [1, 1, 2, 2, 2, 3, 4, 4]);
    }

    #[test]
    fn problems_are_sorted_by_line_as_a_number_and_told_once() {
        let at = |line| Problem::new("f", Some(line), "k", "w");
        let problems = Problems::new(vec![at(10), at(9), at(10)], Vec::new());
        assert_eq!(problems.to_string(), "f:9: k: w\nf:10: k: w");
    }

    #[test]
    fn a_long_or_strange_text_is_cut_and_escaped() {
        assert_eq!(quote("a\n\u{1b}"), r#""a\n\u{1b}""#);
        assert_eq!(quote(&"x".repeat(100)), format!("\"{}\"…", "x".repeat(60)));
    }

    #[test]
    fn alternatives_read_like_a_sentence() {
        assert_eq!(alternatives(["a"].into_iter()), "a");
        assert_eq!(alternatives(["a", "b", "c"].into_iter()), "a, b or c");
        assert_eq!(alternatives([].into_iter()), "");
    }
}
