//! URIs from peers: what passes leads nowhere else in any reading, and a path below a root and its
//! URI are two names of one file.

use std::sync::LazyLock;

use erlmcp::backend::local::files::{FileRoot, FileRootSettings};
use erlmcp::guard::validate::uri;

static ROOTS: LazyLock<Vec<FileRoot>> = LazyLock::new(|| {
    ["file:///srv/docs/", "docs://manual/", "docs://manual/a%20b/"]
        .map(|prefix| {
            let settings = FileRootSettings {
                path: std::env::temp_dir(),
                uri_prefix: prefix.to_owned(),
                max_bytes: 1,
                max_entries: 1,
                max_depth: 1,
                hidden: false,
                follow_symlinks: false,
            };
            FileRoot::open(&settings).expect("a root")
        })
        .into()
});

fn has_dots(text: &str) -> bool {
    text.split(['/', '\\']).any(|segment| segment == "..")
}

/// Decodes every escape, as a careless reader further on would.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = digits.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match byte {
            Some(byte) if *first == b'%' => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A URI; and the same text as a path below a root.
pub fn uris(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let passed = uri::check(text).is_ok();
    if passed {
        for reading in [text.to_owned(), decoded(text), decoded(&decoded(text))] {
            assert!(!has_dots(&reading), "it leads out: {reading:?}");
            assert!(!reading.contains('\0'));
        }
    }
    for root in ROOTS.iter() {
        if let Ok(Some(path)) = root.relative_of(text) {
            assert!(!path.is_empty() && !path.starts_with('/'), "{path:?}");
            assert!(!has_dots(&path) && !path.contains('\0'), "{path:?}");
            let own = root.uri_for(&path);
            let again = root.relative_of(&own);
            let is_sent = own.len() <= uri::LONGEST;
            assert!(!is_sent || again == Ok(Some(path)), "a file has two names: {again:?}");
        }
        let uri = root.uri_for(text);
        if let Ok(Some(path)) = root.relative_of(&uri) {
            assert_eq!(path, text, "the URI of a path is another's");
            // The guard also refuses dots between `;`, `?` and `#`, which readers treat unlike, and
            // what only a damaged name has.
            let is_plain = !path.contains([';', '?', '#', '\u{fffd}']) && uri.len() <= uri::LONGEST;
            assert!(!is_plain || uri::check(&uri).is_ok(), "the guard refuses our own {uri:?}");
        }
    }
}
