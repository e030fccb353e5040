//! ECMA-262 patterns on an engine of linear time; what that engine lacks must never be accepted.

use std::fmt;

use regex_lite::{Regex, RegexBuilder};

use super::budget::{Budget, Exhausted};
use super::sequence::Sequence;
use super::translate::{self, Translation};

/// The states a pattern may have once its repetitions are unrolled.
pub(super) const MAX_PATTERN_STATES: u64 = 10_000;
/// The memory of one compiled pattern, in bytes.
const MAX_PATTERN_MEMORY: usize = 1 << 20;
/// Pairs of a byte and a state that the engine looks at in one step's time.
const STATES_PER_STEP: u64 = 4;
const BYTES_PER_STEP: u64 = 64;

/// Why a pattern was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// Look-ahead or look-behind.
    LookAround,
    /// A reference to what a group matched.
    BackReference,
    /// `\p{…}`: the tables of Unicode properties are not part of this validator.
    UnicodeProperty,
    /// The pattern, or its unrolled repetitions, are larger than the limits.
    TooLarge,
    /// Half of a surrogate pair, which no UTF-8 text holds.
    LoneSurrogate,
    /// Not a pattern of ECMA-262.
    Syntax,
}

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            PatternError::LookAround => "patterns must be linear-time: no look-around",
            PatternError::BackReference => "patterns must be linear-time: no back-references",
            PatternError::UnicodeProperty => "Unicode property escapes are not supported",
            PatternError::TooLarge => "the pattern is too large",
            PatternError::LoneSurrogate => "the pattern holds half of a surrogate pair",
            PatternError::Syntax => "the pattern is not valid ECMA-262 syntax",
        })
    }
}

/// A compiled pattern; it searches, so that only `^` and `$` bind it to the ends.
#[derive(Debug)]
pub(super) struct Pattern {
    engine: Engine,
    states: u64,
}

#[derive(Debug)]
enum Engine {
    Sequence(Sequence),
    Regex(Regex),
}

impl Pattern {
    pub(super) fn compile(source: &str, max_bytes: usize) -> Result<Pattern, PatternError> {
        if source.len() > max_bytes {
            return Err(PatternError::TooLarge);
        }
        let Translation { regex, states, sequence } = translate::translate(source)?;
        // A sequence counts its repetitions instead of unrolling them.
        if let Some(sequence) = sequence.and_then(Sequence::new) {
            return Ok(Pattern { states: sequence.length(), engine: Engine::Sequence(sequence) });
        }
        if states > MAX_PATTERN_STATES {
            return Err(PatternError::TooLarge);
        }
        // The translation is valid syntax: what can still fail is the size.
        let regex = RegexBuilder::new(&regex)
            .size_limit(MAX_PATTERN_MEMORY)
            .nest_limit(translate::MAX_GROUPS)
            .build()
            .map_err(|_| PatternError::TooLarge)?;
        Ok(Pattern { engine: Engine::Regex(regex), states })
    }

    /// The unrolled size, for the limit on all patterns of a schema.
    pub(super) fn states(&self) -> u64 {
        self.states
    }

    pub(super) fn matches(&self, text: &str, budget: &mut Budget) -> Result<bool, Exhausted> {
        match &self.engine {
            Engine::Sequence(sequence) => {
                budget.spend_length(text.len(), BYTES_PER_STEP)?;
                Ok(sequence.matches(text))
            }
            Engine::Regex(regex) => {
                let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
                budget.spend(length.saturating_mul(self.states) / STATES_PER_STEP + 1)?;
                Ok(regex.is_match(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let pattern = Pattern::compile(pattern, 1024).unwrap();
        pattern.matches(text, &mut Budget::new(1_000_000, 1)).unwrap()
    }

    fn refusal(pattern: &str) -> PatternError {
        Pattern::compile(pattern, 1024).map(|_| ()).unwrap_err()
    }

    #[test]
    fn ecma_syntax_means_what_ecma_says() {
        for (pattern, text, expected) in [
            ("^\\d$", "7", true),
            ("^\\d$", "\u{7ed}", false),
            ("^\\w+$", "a_9", true),
            ("^\\w+$", "é", false),
            ("^\\s$", "\u{feff}", true),
            ("^\\S$", "\u{2028}", false),
            ("^a\\/b$", "a/b", true),
            ("^\\cA$", "\u{1}", true),
            ("^\\u0041\\x42$", "AB", true),
            ("^\\uD83D\\uDE00$", "😀", true),
            ("^\\u{1F600}$", "😀", true),
            ("^.$", "😀", true),
            ("^.$", "\u{2028}", false),
            ("^abc$", "abc\n", false),
            ("^a$", "b\na\nb", false),
            ("b", "abc", true),
            ("^[^a-c]$", "d", true),
            ("^[^a-c]$", "b", false),
            ("^[\\d\\-x]+$", "1-x", true),
            ("^[]$", "", false),
            ("^[]*$", "", true),
            ("^[^]$", "\n", true),
            ("^[a-]$", "-", true),
            ("^[\\b]$", "\u{8}", true),
            ("^[&&~~[]+$", "&~[", true),
            ("\\bfoo\\b", "a foo b", true),
            ("\\bfoo\\b", "afoob", false),
            ("^(?<year>\\d{4})$", "2026", true),
            ("^(a|b){2,3}?$", "abab", false),
            ("^(a|b){2,3}?$", "aba", true),
            ("^a{2}$", "aa", true),
            ("^a{2,}$", "aaaa", true),
            ("^a{,2}$", "a{,2}", true),
            ("^x{y}]$", "x{y}]", true),
            ("^a# b$", "a# b", true),
            ("^\\0$", "\0", true),
            ("^[a-z][a-z0-9_-]{0,3}$", "ab-1", true),
            ("^[a-z][a-z0-9_-]{0,3}$", "ab-12", false),
            ("^/[a-z/]*\\.txt$", "/a/b.txt", true),
            ("^a*ab$", "aaab", true),
            ("^[a-z]?[0-9]", "7x", true),
            ("^https?:", "https:", true),
            ("^https?:", "httpx:", false),
            ("^", "", true),
            ("$^", "a", false),
            ("^a{0,65535}$", "aaa", true),
            ("", "a", true),
            ("^a?$|^b$", "b", true),
            ("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text:?}");
        }
    }

    // C65
    #[test]
    fn what_cannot_be_linear_or_is_no_pattern_is_refused_by_name() {
        for (pattern, expected) in [
            ("(?=a)", PatternError::LookAround),
            ("(?!a)", PatternError::LookAround),
            ("(?<=a)", PatternError::LookAround),
            ("(?<!a)", PatternError::LookAround),
            ("(a)\\1", PatternError::BackReference),
            ("(?<n>a)\\k<n>", PatternError::BackReference),
            ("^\\p{L}$", PatternError::UnicodeProperty),
            ("[\\P{L}]", PatternError::UnicodeProperty),
            ("\\uD800", PatternError::LoneSurrogate),
            ("[\\uDC00]", PatternError::LoneSurrogate),
            ("(", PatternError::Syntax),
            (")", PatternError::Syntax),
            ("[a", PatternError::Syntax),
            ("[b-a]", PatternError::Syntax),
            ("[\\d-z]", PatternError::Syntax),
            ("*", PatternError::Syntax),
            ("a**", PatternError::Syntax),
            ("^*", PatternError::Syntax),
            ("a{3,2}", PatternError::Syntax),
            ("\\", PatternError::Syntax),
            ("\\Z", PatternError::Syntax),
            ("\\01", PatternError::Syntax),
            ("\\u{110000}", PatternError::Syntax),
            ("\\x4", PatternError::Syntax),
            ("(?i)a", PatternError::Syntax),
            ("((a{1,100}){1,100}){1,100}", PatternError::TooLarge),
            ("(((((){99}){99}){99}){99}){99}", PatternError::TooLarge),
            ("a{99999999999999999999999}", PatternError::TooLarge),
            ("a{10001}", PatternError::TooLarge),
        ] {
            assert_eq!(refusal(pattern), expected, "{pattern}");
        }
        assert_eq!(refusal(&"a".repeat(1025)), PatternError::TooLarge);
        assert_eq!(refusal(&"(".repeat(200)), PatternError::TooLarge);
    }

    #[test]
    fn a_long_text_on_a_large_pattern_ends_with_the_budget() {
        let pattern = Pattern::compile("(x|y){1,2000}z", 1024).unwrap();
        let text = "x".repeat(10_000);
        assert_eq!(pattern.matches(&text, &mut Budget::new(1_000_000, 1)), Err(Exhausted::Steps));
    }

    /// Both engines must agree wherever the quick one applies.
    #[test]
    fn the_sequence_and_the_regex_agree() {
        let pieces = ["a", "[ab]?", "b*", "[^a]+", "c{1,2}", ".", "a+"];
        let texts = ["", "a", "b", "ab", "ba", "abc", "aab", "bcc", "abcabc", "c", "é", "a\nb"];
        let mut quick = 0;
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    for end in ["", "$"] {
                        let source = format!("^{first}{second}{third}{end}");
                        let pattern = Pattern::compile(&source, 1024).unwrap();
                        quick += usize::from(matches!(pattern.engine, Engine::Sequence(_)));
                        let regex = translate::translate(&source).unwrap().regex;
                        let regex = Regex::new(&regex).unwrap();
                        for text in texts {
                            let found = pattern.matches(text, &mut Budget::new(1_000_000, 1));
                            assert_eq!(found, Ok(regex.is_match(text)), "{source} on {text:?}");
                        }
                    }
                }
            }
        }
        assert!(quick > 50, "{quick}");
    }
}
