//! Where files may lie: the front door is short, and git is the attic.

use crate::source::File;

/// What may stand at the top of the tree besides folders.
const TOP: [&str; 12] = [
    ".gitattributes",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
];

/// The folders, and what the names of files in them end with; "" stands for a name without a dot.
const FOLDERS: [(&str, &[&str]); 13] = [
    (".ci/", &[""]),
    (".cargo/", &["toml"]),
    ("benches/", &["rs", "toml", "py", "mjs", "lock", "json", "txt", ""]),
    ("etc/", &["toml"]),
    ("examples/", &["rs", "toml"]),
    ("fuzz/seeds/", &["", "toml"]),
    ("fuzz/", &["rs", "toml", "lock", "md"]),
    ("scripts/", &["", "py"]),
    ("src/", &["rs", "toml"]),
    ("tests/conformance/", &["mjs", "json", "py", "txt", ""]),
    ("tests/interop/", &["rs", "toml", "py", "mjs", "sh", "json", "txt", ""]),
    ("tests/scanners/", &[""]),
    ("tests/", &["rs", "toml", "txt", "json", "py"]),
];

pub(crate) fn place(file: &File) -> Vec<String> {
    let path = file.path.as_str();
    let Some((_, name)) = path.rsplit_once('/') else {
        return if TOP.contains(&path) {
            Vec::new()
        } else {
            vec!["does not belong at the top of the tree".into()]
        };
    };
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    // What `include_str!` reads stands beside the tests that do.
    if path == "src/config/tests/bad_input.txt" {
        return Vec::new();
    }
    match FOLDERS.iter().find(|(folder, _)| path.starts_with(folder)) {
        Some((_, suffixes)) if suffixes.contains(&suffix) => Vec::new(),
        Some((folder, _)) => vec![format!("a file of this kind does not belong in {folder}")],
        None => vec!["its folder is not known".into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_out_of_place_are_found() {
        for path in [
            "NOTES.md",
            "Dockerfile",
            "src/a.rs.bak",
            "src/b.orig",
            "tests/a.skip",
            "etc/a.yaml",
            "docs/a.md",
            "scripts/a.sh.old",
        ] {
            let file = File::new(path, "");
            assert_eq!(place(&file).len(), 1, "{path}");
        }
        for path in ["README.md", "src/a/b.rs", "scripts/release", "etc/a.toml", ".ci/run"] {
            let file = File::new(path, "");
            assert!(place(&file).is_empty(), "{path}");
        }
    }
}
