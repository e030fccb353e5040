//! Names with `*` for any run of characters. The time is linear in the name for each star, whatever
//! the pattern is.

/// A pattern, taken apart at its stars.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wildcard {
    parts: Vec<String>,
}

impl Wildcard {
    /// The pattern that `text` writes, as it is.
    pub fn new(text: &str) -> Self {
        Self { parts: text.split('*').map(str::to_owned).collect() }
    }

    /// True if it stands for `name`: all of it, and as it is written.
    pub fn matches(&self, name: &str) -> bool {
        let (first, rest) = match self.parts.split_first() {
            Some((only, [])) => return only == name,
            Some(split) => split,
            None => return false,
        };
        let Some(mut left) = name.strip_prefix(first.as_str()) else { return false };
        let Some((last, between)) = rest.split_last() else { return false };
        for part in between {
            // The first place is as good as any: what follows a star may begin later.
            let Some((_, behind)) = left.split_once(part.as_str()) else { return false };
            left = behind;
        }
        left.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, name, expected) in [
            ("echo", "echo", true),
            ("echo", "echo2", false),
            ("echo", "Echo", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("file_*", "file_", true),
            ("file_*", "file_read", true),
            ("file_*", "a_file_read", false),
            ("*_read", "file_read", true),
            ("*_read", "file_read_all", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("**", "x", true),
            ("file:///srv/*", "file:///srv/a/b", true),
            ("[a-z]?", "[a-z]?", true),
        ] {
            assert_eq!(Wildcard::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_hostile_name_takes_no_time() {
        let pattern = Wildcard::new(&"a*".repeat(500));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(400))));
        assert!(pattern.matches(&"a".repeat(100_000)));
    }
}
