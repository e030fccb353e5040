//! Words that may not stand in the tree, and one that must.

use regex_lite::Regex;

use crate::source::File;

/// Words of work that was put off. A feature is absent or whole.
const LATER: &str = r"(?i)\b(todo|fixme|xxx|hack|for now|in production|unimplemented)\b";
/// A word of the same kind that is also the term for `{name}` in a template.
const PLACEHOLDER: &str = r"(?i)\bplaceholder";
/// Where it is the term.
const TEMPLATES: [&str; 8] = [
    "CHANGELOG.md",
    "README.md",
    "etc/",
    "src/backend/",
    "src/config/",
    "tests/command",
    "fuzz/",
    "tests/blackbox/",
];

pub(crate) fn first_line(file: &File) -> Vec<String> {
    if file.text.starts_with("//! ") {
        return Vec::new();
    }
    vec!["its first line does not say what it is (`//! …`)".into()]
}

pub(crate) fn later(file: &File) -> Vec<String> {
    let is_template = TEMPLATES.iter().any(|place| file.path.starts_with(place));
    let patterns = if is_template { &[LATER][..] } else { &[LATER, PLACEHOLDER][..] };
    // A macro of this name is a lint's business, and the word is needed to turn the lint on.
    let text = if file.path == "Cargo.toml" { "" } else { &file.text };
    patterns
        .iter()
        .flat_map(|pattern| {
            let pattern = Regex::new(pattern).expect("a pattern");
            pattern.find_iter(text).map(|word| word.as_str().to_owned()).collect::<Vec<_>>()
        })
        .map(|word| format!("`{word}`: a feature is absent or whole"))
        .collect()
}

pub(crate) fn exceptions(file: &File) -> Vec<String> {
    let mut problems = Vec::new();
    let all = file.code();
    if Regex::new(r"#!?\[\s*ignore\b").expect("a pattern").is_match(all) {
        problems.push("a test is ignored: mend it or delete it".to_owned());
    }
    let attribute = Regex::new(r"#!?\[\s*(?:allow|expect)\(([^\]]*)\)\s*\]").expect("a pattern");
    for found in attribute.captures_iter(all) {
        if !found[1].contains("reason =") {
            problems.push(format!("a lint is allowed without a reason: {}", found[1].trim()));
        }
    }
    let is_program = file.path.starts_with("src/");
    let hard = r"\b(unwrap_used|expect_used|indexing_slicing|string_slice|unsafe_code)\b";
    for found in attribute.captures_iter(file.program()) {
        if is_program && Regex::new(hard).expect("a pattern").is_match(&found[1]) {
            problems.push(format!("no reason is good enough for this: {}", found[1].trim()));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: fn(&File) -> Vec<String>, path: &str, text: &str) -> usize {
        rule(&File::new(path, text)).len()
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_is_found() {
        assert_eq!(found(first_line, "a.rs", "use a::b;"), 1);
        assert_eq!(found(first_line, "a.rs", "//! What it is."), 0);
    }

    #[test]
    fn work_that_was_put_off_is_found() {
        for text in ["// TODO", "// this is for now", "unimplemented!()", "a placeholder"] {
            assert_eq!(found(later, "src/guard/a.rs", text), 1, "{text}");
        }
        assert_eq!(found(later, "src/backend/a.rs", "a placeholder"), 0);
        assert_eq!(found(later, "src/guard/a.rs", "production.toml, forfeits, shacks"), 0);
    }

    #[test]
    fn exceptions_without_a_reason_are_found() {
        for text in [
            "#[ignore]",
            "#[ignore = \"slow\"]",
            "#[allow(dead_code)]",
            "#![expect(\n    clippy::todo\n)]",
            "#[allow(clippy::unwrap_used, reason = \"it holds\")]",
        ] {
            assert_eq!(found(exceptions, "src/a.rs", text), 1, "{text}");
        }
        let reasoned = "#[allow(dead_code, reason = \"it is used by a macro\")]";
        assert_eq!(found(exceptions, "src/a.rs", reasoned), 0);
    }
}
