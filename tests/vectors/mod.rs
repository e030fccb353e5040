//! Reads the byte vectors of this folder. A file holds cases of one kind:
//!
//! ```text
//! # what is behind this sign is for the reader, before the first case
//! = What the case is about
//! > what must come of it
//! A line, which ends in CR LF
//! A line that is continued \
//! by the next one, without CR LF between them
//!
//! = The next case, with an empty line before it that belongs to neither
//! ```
//!
//! `\r`, `\n`, `\t`, `\0`, `\\` and `\x7f` stand for bytes; `$NAME` for what the reader gives.

use std::fs;
use std::path::PathBuf;

/// One case.
#[derive(Debug)]
pub struct Vector {
    /// Its file and what it is about.
    pub name: String,
    /// What must come of it, word by word.
    pub expected: Vec<String>,
    pub bytes: Vec<u8>,
}

/// What the cases of HTTP are told: the lines of a head but its first and its length, a body, and
/// what is made of both.
pub fn of_request(head: &str, body: &str) -> Vec<(&'static str, String)> {
    let length = body.len();
    let chunk = format!("{length:x}\r\n{body}\r\n");
    let next = format!("POST /mcp HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    vec![
        ("HEAD", head.to_owned()),
        ("LENGTH", length.to_string()),
        ("BODY", body.to_owned()),
        ("CHUNKS", format!("{chunk}0\r\n\r\n")),
        ("CHUNK", chunk),
        ("NEXT", next),
    ]
}

/// The cases of all files in a folder; `$NAME` is replaced as `macros` say, the longest name first.
pub fn read(folder: &str, macros: &[(&str, String)]) -> Vec<Vector> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(folder);
    let mut files: Vec<_> = fs::read_dir(&root).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    let mut vectors = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let file = path.file_stem().unwrap().to_str().unwrap();
        for case in format!("\n{text}").split("\n= ").skip(1) {
            vectors.push(vector(file, case, macros));
        }
    }
    assert!(!vectors.is_empty(), "there is no vector in {}", root.display());
    vectors
}

fn vector(file: &str, case: &str, macros: &[(&str, String)]) -> Vector {
    let (name, rest) = case.split_once('\n').unwrap();
    let (expected, text) = rest.split_once('\n').unwrap();
    let expected = expected.strip_prefix("> ").unwrap_or_else(|| panic!("{name}: no > line"));
    // The line before the next case, or the end of the last line of the file.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut bytes = Vec::new();
    for line in text.split('\n') {
        match line.strip_suffix('\\') {
            Some(continued) if !continued.ends_with('\\') => {
                bytes.extend(unescaped(continued, macros))
            }
            _ => {
                bytes.extend(unescaped(line, macros));
                bytes.extend(b"\r\n");
            }
        }
    }
    Vector {
        name: format!("{file}: {name}"),
        expected: expected.split(' ').map(str::to_owned).collect(),
        bytes,
    }
}

fn unescaped(line: &str, macros: &[(&str, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b'\\' => {
                let [kind, behind @ ..] = rest else { panic!("{line}: \\ at the end") };
                rest = behind;
                bytes.push(match kind {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'0' => 0,
                    b'\\' => b'\\',
                    b'x' => {
                        let (digits, behind) = rest.split_at(2);
                        rest = behind;
                        u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
                    }
                    other => panic!("{line}: \\{} is none", char::from(*other)),
                });
            }
            b'$' => {
                let known = macros.iter().filter(|(name, _)| rest.starts_with(name.as_bytes()));
                let known = known.max_by_key(|(name, _)| name.len());
                let (name, value) = known.unwrap_or_else(|| panic!("{line}: an unknown $"));
                bytes.extend(value.as_bytes());
                rest = &rest[name.len()..];
            }
            other => bytes.push(*other),
        }
    }
    bytes
}
