//! Media types by file name; it must never look into a file to guess.

/// A media type, and whether its content is text where it is valid UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MimeType {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// How content of a type travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As text, if it is valid UTF-8.
    Text,
    /// As bytes, always.
    Binary,
    /// The name says nothing: as text if it is valid UTF-8 without NUL.
    Unknown,
}

/// Extensions in lower case, sorted, with their type in the registry of IANA or in common use.
const TEXT: &[(&str, &str)] = &[
    ("adoc", "text/asciidoc"),
    ("bash", "application/x-sh"),
    ("c", "text/x-c"),
    ("cfg", "text/plain"),
    ("conf", "text/plain"),
    ("cpp", "text/x-c++"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("diff", "text/x-diff"),
    ("erl", "text/x-erlang"),
    ("go", "text/x-go"),
    ("h", "text/x-c"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ini", "text/plain"),
    ("java", "text/x-java"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("log", "text/plain"),
    ("lua", "text/x-lua"),
    ("markdown", "text/markdown"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("patch", "text/x-diff"),
    ("pem", "application/x-pem-file"),
    ("py", "text/x-python"),
    ("rb", "text/x-ruby"),
    ("rs", "text/x-rust"),
    ("rst", "text/x-rst"),
    ("sh", "application/x-sh"),
    ("sql", "application/sql"),
    ("svg", "image/svg+xml"),
    ("toml", "application/toml"),
    ("ts", "text/x-typescript"),
    ("tsv", "text/tab-separated-values"),
    ("txt", "text/plain"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
];

const BINARY: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("bin", "application/octet-stream"),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("ico", "image/vnd.microsoft.icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("sqlite", "application/vnd.sqlite3"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("ttf", "font/ttf"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("woff2", "font/woff2"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xz", "application/x-xz"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// The longest extension in the tables.
const LONGEST: usize = 8;

/// The type of a file by the extension of its name.
pub(super) fn by_name(path: &str) -> MimeType {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if extension.len() <= LONGEST {
        let extension = extension.to_ascii_lowercase();
        if let Some(name) = look_up(TEXT, &extension) {
            return MimeType { name, kind: Kind::Text };
        }
        if let Some(name) = look_up(BINARY, &extension) {
            return MimeType { name, kind: Kind::Binary };
        }
    }
    MimeType { name: "application/octet-stream", kind: Kind::Unknown }
}

fn look_up(table: &[(&'static str, &'static str)], extension: &str) -> Option<&'static str> {
    let at = table.binary_search_by_key(&extension, |&(key, _)| key).ok()?;
    table.get(at).map(|&(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_disjoint() {
        for table in [TEXT, BINARY] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert!(table.iter().all(|(key, _)| key.len() <= LONGEST));
        }
        assert!(TEXT.iter().all(|&(key, _)| look_up(BINARY, key).is_none()));
    }

    #[test]
    fn only_the_last_extension_of_the_name_counts() {
        assert_eq!(by_name("a.png/b.MD").name, "text/markdown");
        assert_eq!(by_name("a.txt.gz").kind, Kind::Binary);
        for path in ["Makefile", "a.png/b", "a.", "a.unheard", "png", "a.averylongextension"] {
            assert_eq!(by_name(path).kind, Kind::Unknown, "{path}");
        }
    }
}
