//! Text with `{placeholders}`, read once at the start; it must never interpret what is filled in.

use std::fmt;

/// A text whose placeholders are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text that stands for itself.
    Literal(String),
    /// The name of what is filled in.
    Placeholder(String),
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// A `{` is not followed by a name and `}`.
    Open,
    /// A `}` closes nothing.
    Close,
    /// A name holds other characters than letters, digits, `_`, `-` and `.`.
    Name,
    /// The text holds a NUL, which neither a program's argument nor a message can carry.
    Nul,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Open => "has a `{` that no `}` closes",
            Self::Close => "has a `}` that closes nothing",
            Self::Name => "has a placeholder that is no name",
            Self::Nul => "holds a NUL character",
        })
    }
}

impl Template {
    /// Reads a text in which `{name}` is a placeholder, and `{{` and `}}` are single braces.
    ///
    /// # Errors
    /// A brace that is neither doubled nor part of a placeholder, or a NUL.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.contains('\0') {
            return Err(TemplateError::Nul);
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, brace, after)) = split_at_brace(rest) {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix(brace) {
                literal.push(brace);
                rest = after;
                continue;
            }
            if brace == '}' {
                return Err(TemplateError::Close);
            }
            let (name, after) = after.split_once('}').ok_or(TemplateError::Open)?;
            if !is_name(name) {
                return Err(TemplateError::Name);
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Placeholder(name.to_owned()));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// The pieces in their order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The names of the placeholders in their order, each as often as it stands there.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }
}

fn split_at_brace(text: &str) -> Option<(&str, char, &str)> {
    let (position, brace) = text.char_indices().find(|(_, c)| matches!(c, '{' | '}'))?;
    let (before, from_brace) = text.split_at_checked(position)?;
    Some((before, brace, from_brace.strip_prefix(brace)?))
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::{Part, Template, TemplateError};

    #[test]
    fn placeholders_and_text_alternate() {
        let template = Template::parse("--a={x}{y}!").unwrap();
        assert_eq!(
            template.parts(),
            [
                Part::Literal("--a=".into()),
                Part::Placeholder("x".into()),
                Part::Placeholder("y".into()),
                Part::Literal("!".into()),
            ]
        );
        assert_eq!(template.placeholders().collect::<Vec<_>>(), ["x", "y"]);
        assert!(Template::parse("").unwrap().parts().is_empty());
    }

    #[test]
    fn doubled_braces_are_text() {
        let template = Template::parse("{{x}} {{{x}}}").unwrap();
        assert_eq!(
            template.parts(),
            [
                Part::Literal("{x} {".into()),
                Part::Placeholder("x".into()),
                Part::Literal("}".into()),
            ]
        );
    }

    #[test]
    fn a_stray_brace_is_refused() {
        assert_eq!(Template::parse("a {b"), Err(TemplateError::Open));
        assert_eq!(Template::parse("a } b"), Err(TemplateError::Close));
        assert_eq!(Template::parse("{}"), Err(TemplateError::Name));
        assert_eq!(Template::parse("{a b}"), Err(TemplateError::Name));
    }
}
