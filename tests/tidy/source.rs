//! The files of the tree, and Rust text without what is no code. It never looks at what git
//! ignores.

use std::fs;
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

/// One file; `text` is empty where it is not UTF-8.
#[derive(Debug)]
pub(crate) struct File {
    /// From the top of the tree, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    code: OnceLock<String>,
    program: OnceLock<String>,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (path, text) = (path.to_owned(), text.to_owned());
        Self { path, text, code: OnceLock::new(), program: OnceLock::new() }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// What people do not write: locks, and bytes for parsers.
    pub(crate) fn is_data(&self) -> bool {
        self.path.ends_with(".lock")
            || self.path.ends_with("/bad_input.txt")
            || self.path.starts_with("fuzz/seeds/")
            || self.path == "LICENSE"
    }

    /// Whether all of it is for tests.
    pub(crate) fn is_test(&self) -> bool {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        stem.split('/').any(|part| part == "tests") || self.path.starts_with("fuzz/")
    }

    /// The code that is built into the program, without comments and texts.
    pub(crate) fn program(&self) -> &str {
        self.program.get_or_init(|| {
            if self.is_test() { String::new() } else { code(before_tests(&self.text)) }
        })
    }

    /// All of its code, tests too, without comments and texts.
    pub(crate) fn code(&self) -> &str {
        self.code.get_or_init(|| code(&self.text))
    }
}

/// Every file of the tree but those that `.gitignore` names, sorted.
pub(crate) static TREE: LazyLock<Vec<File>> = LazyLock::new(read);

fn read() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(root.join(".gitignore")).expect(".gitignore");
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_start_matches('/')).collect();
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if path == ".git" || ignored.contains(&path.as_str()) {
                continue;
            }
            if entry.file_type().expect("a type").is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(entry.path()).expect("a readable file");
                files.push(File::new(&path, &String::from_utf8(bytes).unwrap_or_default()));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// What stands before the tests of a file.
pub(crate) fn before_tests(text: &str) -> &str {
    let marks =
        ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub(super) mod ", "#[cfg(test)]\npub(crate) mod "];
    let end = marks.iter().filter_map(|mark| text.find(mark)).min();
    &text[..end.unwrap_or(text.len())]
}

/// The text with comments and the contents of literals left out; lines stay where they are.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = literal_or_comment(rest);
        if skipped > 0 && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            let quoted = rest[..skipped].chars().filter(|c| *c == '\n');
            out.extend(quoted);
            out.push(' ');
            rest = &rest[skipped..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The bytes of the comment or literal that the text begins with; 0 if it begins with neither.
fn literal_or_comment(text: &str) -> usize {
    let until = |end: &str, from: usize| {
        text[from..].find(end).map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return until("*/", 2);
    }
    let unprefixed = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - unprefixed.len();
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if prefix <= 1 && raw[hashes..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(hashes)), prefix + 1 + hashes + 1);
        }
    }
    if prefix <= 1 && unprefixed.starts_with('"') {
        return prefix + quoted(unprefixed, '"');
    }
    if prefix <= 1 && unprefixed.starts_with('\'') {
        let mut after = unprefixed.chars().skip(1);
        let (first, second) = (after.next(), after.next());
        // Otherwise it is a lifetime.
        if first == Some('\\') || second == Some('\'') {
            return prefix + quoted(unprefixed, '\'');
        }
    }
    0
}

/// The bytes of a literal between quotes with escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        for (text, left) in [
            ("a(); // b\nc", "a();  \nc"),
            ("a /* b\n */ c", "a \n  c"),
            (r##"a("b\"c", r#"d"e"#, b"f", br"g", 'h', b'\'', '\\')"##, "a( ,  ,  ,  ,  ,  ,  )"),
            ("fn a<'b>(c: &'b str) {}", "fn a<'b>(c: &'b str) {}"),
            ("\"// a\" b", "  b"),
            ("\"a", " "),
        ] {
            assert_eq!(code(text), left, "{text}");
        }
    }

    #[test]
    fn the_program_ends_where_its_tests_begin() {
        let text = "a\n#[cfg(test)]\nmod tests {\n    b\n}\n";
        let file = |path: &str| File::new(path, text);
        assert_eq!(file("src/a.rs").program(), "a\n");
        assert_eq!(file("src/a/tests/b.rs").program(), "");
        assert_eq!(file("src/a/tests.rs").program(), "");
    }

    #[test]
    fn the_tree_holds_this_file_and_nothing_that_was_built() {
        assert!(TREE.iter().any(|file| file.path == "tests/tidy/source.rs"));
        assert!(!TREE.iter().any(|file| file.path.contains("target/")));
    }
}
