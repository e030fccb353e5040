//! One spelling for all URIs that lead to the same thing, so that they can be compared as texts.

use std::borrow::Cow;

use super::percent::{encode, escape_of, is_unreserved};

/// The spelling of a URI that rules are compared with: scheme and host in small letters, and of
/// the rest all encoded but letters, digits, `-._~` and the delimiters `/?#` (RFC 3986, section
/// 6.2.2, and what readers of paths take for the same beyond it).
pub fn normal(uri: &str) -> Cow<'_, str> {
    spelt(uri, false)
}

/// The same for a pattern, whose stars stay as they are. Where a star stands for what may reach
/// from the scheme or the authority into the path, what follows it is spelt as either.
pub fn normal_patterns(pattern: &str) -> Vec<String> {
    let mut all = vec![spelt(pattern, true).into_owned()];
    let (head, _) = head_and_rest(pattern);
    if head.contains('*') || (head.is_empty() && pattern.contains('*')) {
        let fixed = head.split_once("//").filter(|(scheme, _)| !scheme.contains('*'));
        let scheme = fixed.map_or(0, |(scheme, _)| scheme.len() + 2);
        let (scheme, path) = pattern.split_at_checked(scheme).unwrap_or(("", pattern));
        all.push(scheme.to_ascii_lowercase() + &encoded(path, true));
        all.push(pattern.to_owned());
        if let Some((before, behind)) = pattern.split_once("//") {
            let (authority, path) = split_authority(behind);
            let authority = authority.to_ascii_lowercase();
            all.push(format!("{before}//{authority}{}", encoded(path, true)));
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn spelt(text: &str, is_pattern: bool) -> Cow<'_, str> {
    let (head, rest) = head_and_rest(text);
    let is_plain = rest.bytes().all(|byte| is_kept(byte, is_pattern));
    if is_plain && !head.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(head.to_ascii_lowercase() + &encoded(rest, is_pattern))
}

/// What follows the authority, in its one spelling.
fn encoded(rest: &str, is_pattern: bool) -> String {
    let mut out = String::with_capacity(rest.len());
    let mut bytes = rest.as_bytes();
    while let Some((first, tail)) = bytes.split_first() {
        let escaped = (*first == b'%').then(|| escape_of(tail)).flatten();
        let (byte, tail) = escaped.unwrap_or((*first, tail));
        // What was encoded is no delimiter, and no star.
        let is_plain = match escaped {
            Some(_) => is_unreserved(byte),
            None => is_kept(byte, is_pattern),
        };
        if is_plain {
            out.push(char::from(byte));
        } else {
            encode(&mut out, byte);
        }
        bytes = tail;
    }
    out
}

/// The scheme with the authority, and what follows them: all of it where there is no scheme.
fn head_and_rest(text: &str) -> (&str, &str) {
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.*".contains(&byte);
    let scheme = text.split_once(':').filter(|(scheme, _)| scheme.bytes().all(is_scheme));
    let rest = match scheme.map(|(_, rest)| (rest, rest.strip_prefix("//"))) {
        None => text,
        Some((rest, None)) => rest,
        Some((_, Some(hierarchy))) => split_authority(hierarchy).1,
    };
    text.split_at_checked(text.len() - rest.len()).unwrap_or(("", text))
}

/// An authority, and what follows it.
fn split_authority(hierarchy: &str) -> (&str, &str) {
    let end = hierarchy.find(['/', '?', '#']).unwrap_or(hierarchy.len());
    hierarchy.split_at_checked(end).unwrap_or((hierarchy, ""))
}

/// True for what stands for itself: delimiters, and in a pattern the star.
fn is_kept(byte: u8, is_pattern: bool) -> bool {
    is_unreserved(byte) || b"/?#".contains(&byte) || (is_pattern && byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::wildcard::Wildcard;

    #[test]
    fn every_spelling_of_a_uri_is_the_same() {
        for (spellings, one) in [
            (
                &[
                    "DOCS://Manual/sub/a'b",
                    "docs://manual/%73ub/a%27b",
                    "docs://manual/s%75b/%61'b",
                    "docs://MANUAL/sub/a%27b",
                ][..],
                "docs://manual/sub/a%27b",
            ),
            (&["docs://manual/%c3%a9", "docs://manual/\u{e9}"][..], "docs://manual/%C3%A9"),
            (&["FILE:///srv/%7Ea", "file:///srv/~a"][..], "file:///srv/~a"),
            (&["Urn:x%2D:y"][..], "urn:x-%3Ay"),
            (&["docs://manual/a*b"][..], "docs://manual/a%2Ab"),
            (&["docs://manual/100%"][..], "docs://manual/100%25"),
        ] {
            for spelling in spellings {
                assert_eq!(normal(spelling), one, "{spelling}");
            }
            assert_eq!(normal(one), one, "twice");
        }
    }

    #[test]
    fn what_means_something_else_stays_something_else() {
        for (one, other) in [
            ("docs://manual/a%2Fb", "docs://manual/a/b"),
            ("docs://manual/a%3Fb", "docs://manual/a?b"),
            ("docs://manual/A", "docs://manual/a"),
            ("docs://manual/a%2541", "docs://manual/a%41"),
        ] {
            assert_ne!(normal(one), normal(other), "{one}");
        }
    }

    #[test]
    fn a_pattern_is_spelt_like_what_it_stands_for_but_for_its_stars() {
        for (pattern, spelt) in [
            ("DOCS://Manual/%73ub/*", "docs://manual/sub/*"),
            ("file:*", "file:*"),
            ("*://manual/a'*", "*://manual/a%27*"),
            ("docs://manual/{+path}", "docs://manual/%7B%2Bpath%7D"),
            ("*", "*"),
        ] {
            assert!(normal_patterns(pattern).contains(&spelt.to_owned()), "{pattern}");
        }
        assert_eq!(normal_patterns("docs://manual/*"), ["docs://manual/*"]);
    }

    #[test]
    fn a_star_in_front_of_the_path_reaches_into_it() {
        for (pattern, uri) in [
            ("file://*Secret*", "file:///srv/Secret/x"),
            ("docs://*.PEM", "docs://manual/keys/A.PEM"),
            ("docs://*(draft)*", "docs://manual/a(draft)"),
            ("*:secret:*", "urn:x:secret:1"),
            ("*//m:80/x", "docs://m:80/x"),
            ("*//[::1]/*", "docs://[::1]/a"),
            ("*//Manual/*", "docs://Manual/a"),
            ("*/Sub/*", "docs://manual/Sub/a"),
            ("d*://Manual/a'*", "docs://manual/a'b"),
        ] {
            let uri = normal(uri);
            let is_met = |pattern: &String| Wildcard::new(pattern).matches(&uri);
            assert!(normal_patterns(pattern).iter().any(is_met), "{pattern} {uri}");
        }
    }
}
