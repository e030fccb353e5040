//! Text for people. Names come from outside: none of them can write to the terminal what it likes.

use serde_json::Value;

use crate::base::clock::rfc3339;

/// A text without control characters but ends of lines, and without what turns its direction.
pub(super) fn plain(text: &str) -> String {
    let is_turning = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.replace(|c: char| (c.is_control() && c != '\n') || is_turning(c), "\u{fffd}")
}

/// A second since 1970.
pub(super) fn moment(seconds: u64) -> String {
    let text = rfc3339(seconds.saturating_mul(1_000_000));
    text.replace(".000000", "")
}

/// How far a second since 1970 is from `now`.
pub(super) fn relative(seconds: u64, now: u64) -> String {
    let told = |seconds: u64| match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    };
    match seconds.checked_sub(now) {
        Some(ahead) => format!("in {}", told(ahead)),
        None => format!("{} ago", told(now - seconds)),
    }
}

/// A value as JSON on one line, whatever stands in it.
pub(super) fn json(value: &Value) -> String {
    plain(&value.to_string())
}

/// Words with commas between them; `nothing` if there are none.
pub(super) fn list(words: &[String], nothing: &str) -> String {
    if words.is_empty() { nothing.to_owned() } else { words.join(", ") }
}

/// A line of a name and what it has.
pub(super) fn row(name: &str, what: &str) -> String {
    let (name, what) = (plain(name), plain(what));
    format!("  {name:<12} {}\n", what.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_dates_and_as_far_away_as_they_are() {
        assert_eq!(moment(951_782_400), "2000-02-29T00:00:00Z");
        for (seconds, now, expected) in [
            (1_000, 1_000, "in 0 s"),
            (1_119, 1_000, "in 119 s"),
            (1_000, 1_120, "2 min ago"),
            (1_000, 1_000 + 7_200, "2 h ago"),
            (1_000 + 172_800, 1_000, "in 2 days"),
            (u64::MAX, 0, "in 213503982334601 days"),
        ] {
            assert_eq!(relative(seconds, now), expected);
        }
    }

    #[test]
    fn what_comes_from_outside_cannot_write_to_the_terminal() {
        let told = row("a\u{9b}2J", "b\u{1b}[2J\nc");
        assert!(!told.contains(['\u{9b}', '\u{1b}']) && told.lines().count() == 1, "{told:?}");
        assert_eq!(json(&Value::from("\u{9b}")), "\"\u{fffd}\"");
    }
}
