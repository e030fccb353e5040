//! One spelling for all URIs that lead to the same thing, so that they can be compared as texts.

use std::borrow::Cow;

use super::percent::{encode, is_unreserved};

/// The spelling of a URI that rules are compared with: scheme and host in small letters, and of
/// the rest all encoded but letters, digits, `-._~` and the delimiters `/?#` (RFC 3986, section
/// 6.2.2, and what readers of paths take for the same beyond it).
pub fn normal(uri: &str) -> Cow<'_, str> {
    spelt(uri, false)
}

/// The same for a pattern, whose stars stay as they are.
pub fn normal_pattern(pattern: &str) -> String {
    spelt(pattern, true).into_owned()
}

fn spelt(text: &str, is_pattern: bool) -> Cow<'_, str> {
    let rest = rest_of(text);
    let head = text.get(..text.len() - rest.len()).unwrap_or_default();
    let is_plain = |byte| is_kept(byte) || (is_pattern && byte == b'*');
    if rest.bytes().all(is_plain) && !head.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    let mut out = head.to_ascii_lowercase();
    let mut bytes = rest.as_bytes();
    while let Some((first, tail)) = bytes.split_first() {
        let escaped = (*first == b'%').then(|| escape_of(tail)).flatten();
        let (byte, tail) = escaped.unwrap_or((*first, tail));
        // What was encoded is no delimiter, and no star.
        let is_plain = if escaped.is_some() { is_unreserved(byte) } else { is_plain(byte) };
        if is_plain {
            out.push(char::from(byte));
        } else {
            encode(&mut out, byte);
        }
        bytes = tail;
    }
    Cow::Owned(out)
}

/// What follows the scheme and the authority; all of it where there is no scheme.
fn rest_of(text: &str) -> &str {
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.*".contains(&byte);
    let scheme = text.split_once(':').filter(|(scheme, _)| scheme.bytes().all(is_scheme));
    let Some((_, rest)) = scheme else { return text };
    let Some(hierarchy) = rest.strip_prefix("//") else { return rest };
    let end = hierarchy.find(['/', '?', '#']).unwrap_or(hierarchy.len());
    hierarchy.get(end..).unwrap_or_default()
}

/// The byte that two digits write, and what follows them.
fn escape_of(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, tail @ ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    Some((byte, tail))
}

fn is_kept(byte: u8) -> bool {
    is_unreserved(byte) || b"/?#".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(matches!(normal(one), Cow::Owned(_)) || normal(one) == one);
            assert_eq!(normal(&normal(one)), one, "twice");
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
            assert_eq!(normal_pattern(pattern), spelt, "{pattern}");
        }
    }
}
