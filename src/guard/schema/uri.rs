//! Reference resolution of RFC 3986, section 5.2, on text alone; it must never fetch anything.

/// The five parts of a URI reference (RFC 3986, appendix B); the fragment was taken off before.
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

fn parts(uri: &str) -> Parts<'_> {
    let (uri, query) = match uri.split_once('?') {
        Some((uri, query)) => (uri, Some(query)),
        None => (uri, None),
    };
    let (scheme, rest) = match uri.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, uri),
    };
    let Some(after) = rest.strip_prefix("//") else {
        return Parts { scheme, authority: None, path: rest, query };
    };
    let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
    Parts { scheme, authority: Some(authority), path, query }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A reference without its fragment, and the fragment (empty when there is none).
pub(super) fn split_fragment(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// Resolves a reference without a fragment against a base without a fragment.
pub(super) fn resolve(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    let target = parts(reference);
    if target.scheme.is_some() {
        return join(&target, remove_dots(target.path));
    }
    let base = parts(base);
    let scheme = base.scheme;
    if target.authority.is_some() {
        return join(&Parts { scheme, ..target }, remove_dots(target.path));
    }
    let authority = base.authority;
    if target.path.is_empty() {
        let path = base.path.to_owned();
        return join(&Parts { scheme, authority, ..target }, path);
    }
    let path = if target.path.starts_with('/') {
        remove_dots(target.path)
    } else if authority.is_some() && base.path.is_empty() {
        remove_dots(&format!("/{}", target.path))
    } else {
        let folder = base.path.rsplit_once('/').map(|(folder, _)| folder);
        match folder {
            Some(folder) => remove_dots(&format!("{folder}/{}", target.path)),
            None => remove_dots(target.path),
        }
    };
    join(&Parts { scheme, authority, ..target }, path)
}

fn join(parts: &Parts<'_>, path: String) -> String {
    let mut uri = String::with_capacity(path.len() + 32);
    if let Some(scheme) = parts.scheme {
        uri.push_str(scheme);
        uri.push(':');
    }
    if let Some(authority) = parts.authority {
        uri.push_str("//");
        uri.push_str(authority);
    }
    uri.push_str(&path);
    if let Some(query) = parts.query {
        uri.push('?');
        uri.push_str(query);
    }
    uri
}

/// RFC 3986, section 5.2.4.
fn remove_dots(path: &str) -> String {
    if !path.contains('.') {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                // The empty segment before the first slash stays: the path is absolute.
                if segment == ".." && kept.last().is_some_and(|s| kept.len() > 1 || !s.is_empty()) {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    kept.join("/")
}

/// Decodes one token of a JSON Pointer (RFC 6901, section 4).
pub(super) fn pointer_token(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve_as_the_examples_of_rfc_3986_say() {
        let base = "http://a/b/c/d;p?q";
        for (reference, expected) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
        ] {
            assert_eq!(resolve(base, reference), expected, "{reference}");
        }
        assert_eq!(resolve("", "item.json"), "item.json");
        assert_eq!(resolve("http://a", "b"), "http://a/b");
        assert_eq!(resolve("urn:x:y", ""), "urn:x:y");
    }
}
