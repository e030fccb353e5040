//! What is wrong with a schema or an instance; a text must never echo a value of an instance.

use std::fmt::{self, Write};

use super::pattern::PatternError;

/// Characters of a name or reference that an error text shows.
const MAX_SHOWN: usize = 64;

/// Why a document is not a schema that this validator accepts. `at` is the JSON Pointer (RFC 6901)
/// of the subschema in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// `$schema` names neither draft 2020-12 nor draft-07.
    Dialect {
        /// The subschema.
        at: String,
        /// The dialect as declared, shortened for display.
        dialect: String,
    },
    /// A `$ref` or `$dynamicRef` leads to nothing inside the document; nothing is ever fetched.
    Reference {
        /// The subschema.
        at: String,
        /// The reference as written, shortened for display.
        reference: String,
    },
    /// An `$id` or anchor is malformed, too long or given twice.
    Identifier {
        /// The subschema.
        at: String,
    },
    /// A keyword's value has the wrong form.
    Keyword {
        /// The subschema.
        at: String,
        /// The keyword.
        keyword: &'static str,
        /// What its value must be.
        expected: &'static str,
    },
    /// A pattern was refused.
    Pattern {
        /// The subschema.
        at: String,
        /// Why.
        reason: PatternError,
    },
    /// References lead back to the subschema without stepping into the instance.
    Loop {
        /// The subschema.
        at: String,
    },
    /// A limit of `SchemaLimits` was reached.
    Limit {
        /// The subschema.
        at: String,
        /// What there is too much of.
        what: &'static str,
    },
}

impl fmt::Display for SchemaError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match self {
            SchemaError::Dialect { at, dialect } => {
                write!(out, "the dialect \"{dialect}\" is not supported")?;
                at
            }
            SchemaError::Reference { at, reference } => {
                write!(out, "the reference \"{reference}\" leads to nothing in this document")?;
                at
            }
            SchemaError::Identifier { at } => {
                out.write_str("an identifier is malformed, too long or given twice")?;
                at
            }
            SchemaError::Keyword { at, keyword, expected } => {
                write!(out, "\"{keyword}\" must be {expected}")?;
                at
            }
            SchemaError::Pattern { at, reason } => {
                write!(out, "{reason}")?;
                at
            }
            SchemaError::Loop { at } => {
                out.write_str("references form a loop that never steps into the instance")?;
                at
            }
            SchemaError::Limit { at, what } => {
                write!(out, "the schema has {what}")?;
                at
            }
        };
        write!(out, " (at \"{}\")", Shown(at))
    }
}

impl std::error::Error for SchemaError {}

/// The first place where an instance does not follow its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) of the part of the instance; names over 64 characters are cut and
    /// control characters escaped, so that it is fit for a log and a peer.
    pub instance_path: String,
    /// The keyword that was not followed; `false` for a schema that admits nothing, `budget` when
    /// the check cost too much to be finished.
    pub keyword: &'static str,
    /// One sentence fit for a peer.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (at \"{}\")", self.message, self.instance_path)
    }
}

/// A name from a peer, shortened and with control characters escaped.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, character) in self.0.chars().enumerate() {
            if index == MAX_SHOWN {
                return out.write_char('…');
            }
            if is_unprintable(character) {
                write!(out, "{}", character.escape_unicode())?;
            } else {
                out.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Control characters, and those that reorder or hide the text around them.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// One token of a JSON Pointer, shortened like any shown name.
pub(super) fn push_token(pointer: &mut String, token: &str) {
    // Writing into a String cannot fail.
    let _ = if token.contains(['~', '/']) {
        write!(pointer, "/{}", Shown(&token.replace('~', "~0").replace('/', "~1")))
    } else {
        write!(pointer, "/{}", Shown(token))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_control_characters_escaped() {
        let mut pointer = String::new();
        push_token(&mut pointer, "a/b~c\n\u{202e}");
        assert_eq!(pointer, "/a~1b~0c\\u{a}\\u{202e}");
        assert_eq!(Shown(&"x".repeat(1000)).to_string().chars().count(), MAX_SHOWN + 1);
    }
}
