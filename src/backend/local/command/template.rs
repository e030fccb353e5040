//! Argument templates of command tools; filling one must never make an option out of a value.

use std::fmt;

use serde_json::{Map, Value};

use crate::backend::template::{Part, Template, TemplateError};

/// What is wrong with the value of one argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentProblem {
    /// Not a string, number or boolean.
    NotScalar,
    /// Not an array of strings, numbers or booleans.
    NotList,
    /// Contains a NUL.
    Nul,
    /// Starts with `-` where the program would read it as an option.
    LeadingDash,
}

/// An argument whose value cannot be given to the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentError {
    /// The name of the argument, as the tool declares it.
    pub name: String,
    /// What is wrong with its value.
    pub problem: ArgumentProblem,
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.problem {
            ArgumentProblem::NotScalar => "must be a string, a number or a boolean",
            ArgumentProblem::NotList => "must be a list of strings, numbers or booleans",
            ArgumentProblem::Nul => "must not contain a NUL character",
            ArgumentProblem::LeadingDash => "must not start with '-'",
        };
        write!(f, "argument `{}` {what}", self.name)
    }
}

impl std::error::Error for ArgumentError {}

/// One element of a configured argument vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// Becomes one element, or none when an argument it names is absent.
    One(Template),
    /// `{name...}`: becomes one element for each member of an array.
    Spread(String),
}

impl Argument {
    /// Reads a configured element: a template, or `{name...}` alone.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub fn parse(element: &str) -> Result<Self, TemplateError> {
        let spread = element
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix("...}"))
            .filter(|name| !name.is_empty() && !name.contains(['{', '}']));
        match spread {
            Some(name) => Ok(Self::Spread(name.to_owned())),
            None => Template::parse(element).map(Self::One),
        }
    }

    /// The names of the arguments of a call that it uses.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::One(template) => template.placeholders().collect(),
            Self::Spread(name) => vec![name],
        }
    }
}

/// Fills the placeholders; `None` when an argument that is named here is absent.
pub(super) fn fill(
    template: &Template,
    values: &Map<String, Value>,
) -> Result<Option<String>, ArgumentError> {
    let mut filled = String::new();
    for part in template.parts() {
        match part {
            Part::Literal(text) => filled.push_str(text),
            Part::Placeholder(name) => {
                let Some(value) = values.get(name) else { return Ok(None) };
                push_scalar(&mut filled, name, value, ArgumentProblem::NotScalar)?;
            }
        }
    }
    Ok(Some(filled))
}

/// The name of the placeholder this text begins with, if it does.
fn leading_placeholder(template: &Template) -> Option<&str> {
    match template.parts().first() {
        Some(Part::Placeholder(name)) => Some(name),
        _ => None,
    }
}

/// Whether this is the literal `--`, after which programs read no options.
fn ends_options(template: &Template) -> bool {
    matches!(template.parts(), [Part::Literal(text)] if text == "--")
}

/// Fills an argument vector with the arguments of a call.
///
/// A value can become part of an element or a whole element, never more than one, and an element
/// that begins with a value cannot become an option unless a literal `--` stands before it.
///
/// # Errors
/// The first value that its place cannot take.
pub fn fill_arguments(
    arguments: &[Argument],
    values: &Map<String, Value>,
) -> Result<Vec<String>, ArgumentError> {
    let mut filled = Vec::with_capacity(arguments.len());
    let mut options_ended = false;
    for argument in arguments {
        match argument {
            Argument::One(template) => {
                let Some(text) = fill(template, values)? else { continue };
                if let Some(name) = leading_placeholder(template) {
                    refuse_option(options_ended, name, &text)?;
                }
                options_ended |= ends_options(template);
                filled.push(text);
            }
            Argument::Spread(name) => {
                let Some(value) = values.get(name) else { continue };
                let members =
                    value.as_array().ok_or_else(|| problem(name, ArgumentProblem::NotList))?;
                for member in members {
                    let mut text = String::new();
                    push_scalar(&mut text, name, member, ArgumentProblem::NotList)?;
                    refuse_option(options_ended, name, &text)?;
                    filled.push(text);
                }
            }
        }
    }
    Ok(filled)
}

fn push_scalar(
    out: &mut String,
    name: &str,
    value: &Value,
    otherwise: ArgumentProblem,
) -> Result<(), ArgumentError> {
    match value {
        Value::String(text) if text.contains('\0') => {
            return Err(problem(name, ArgumentProblem::Nul));
        }
        Value::String(text) => out.push_str(text),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Null | Value::Array(_) | Value::Object(_) => return Err(problem(name, otherwise)),
    }
    Ok(())
}

fn refuse_option(options_ended: bool, name: &str, text: &str) -> Result<(), ArgumentError> {
    if !options_ended && text.starts_with('-') {
        return Err(problem(name, ArgumentProblem::LeadingDash));
    }
    Ok(())
}

fn problem(name: &str, problem: ArgumentProblem) -> ArgumentError {
    ArgumentError { name: name.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(elements: &[&str]) -> Result<Vec<Argument>, TemplateError> {
        elements.iter().map(|element| Argument::parse(element)).collect()
    }

    fn result_of(elements: &[&str], values: Value) -> Result<Vec<String>, ArgumentError> {
        fill_arguments(&parse(elements).unwrap(), values.as_object().unwrap())
    }

    #[test]
    fn placeholders_are_filled_and_doubled_braces_are_literal() {
        let filled = result_of(&["{{{a}}}", "x{b}y{a}", "{{b}}", ""], json!({"a": "1 2", "b": -3}));
        assert_eq!(filled.unwrap(), ["{1 2}", "x-3y1 2", "{b}", ""]);
    }

    #[test]
    fn a_value_is_never_read_as_a_template() {
        assert_eq!(result_of(&["x{a}"], json!({"a": "{b}", "b": 1})).unwrap(), ["x{b}"]);
    }

    #[test]
    fn scalars_are_rendered_plainly_and_other_types_refused() {
        let filled = result_of(
            &["{a}", "{b}", "{list...}"],
            json!({
            "a": 18_446_744_073_709_551_615u64, "b": true, "list": ["", 1.5, false]}),
        );
        assert_eq!(filled.unwrap(), ["18446744073709551615", "true", "", "1.5", "false"]);
        for value in [json!(null), json!([1]), json!({"x": 1})] {
            assert_eq!(
                result_of(&["{a}"], json!({"a": value})).unwrap_err().problem,
                ArgumentProblem::NotScalar
            );
            assert_eq!(
                result_of(&["{list...}"], json!({"list": [value]})).unwrap_err().problem,
                ArgumentProblem::NotList
            );
        }
        assert_eq!(
            result_of(&["{list...}"], json!({"list": "a"})).unwrap_err().problem,
            ArgumentProblem::NotList
        );
    }

    #[test]
    fn an_element_whose_argument_is_absent_is_dropped_whole() {
        assert_eq!(
            result_of(&["x", "--a={a}", "{b}{a}", "{list...}"], json!({"b": "1"})).unwrap(),
            ["x"]
        );
    }

    #[test]
    fn a_value_cannot_become_an_option() {
        for (elements, values) in [
            (&["{a}"][..], json!({"a": "--upload-pack=x"})),
            (&["{a}"], json!({"a": -1})),
            (&["{a}"], json!({"a": "--"})),
            (&["{a}{b}"], json!({"a": "", "b": "-x"})),
            (&["{list...}"], json!({"list": ["ok", "-x"]})),
            (&["{a}", "--"], json!({"a": "-x"})),
            (&["{b}", "{a}"], json!({"b": "x", "a": "-x"})),
            (&["---", "{a}"], json!({"a": "-x"})),
        ] {
            let error = result_of(elements, values).unwrap_err();
            assert_eq!(error.problem, ArgumentProblem::LeadingDash, "{elements:?}");
        }
        assert_eq!(result_of(&["--", "{a}"], json!({"a": "-x"})).unwrap(), ["--", "-x"]);
        assert_eq!(result_of(&["--a={a}"], json!({"a": "-x"})).unwrap(), ["--a=-x"]);
        let error = result_of(&["{a}"], json!({"a": "-x"})).unwrap_err();
        assert_eq!(error.to_string(), "argument `a` must not start with '-'");
    }

    #[test]
    fn a_dropped_double_dash_does_not_end_options() {
        // Only the literal is trusted: a value that looks like it is refused where it stands.
        assert!(result_of(&["{a}", "{b}"], json!({"a": "--", "b": "-x"})).is_err());
        assert!(result_of(&["-{a}", "{b}"], json!({"a": "-", "b": "-x"})).is_err());
    }

    #[test]
    fn nul_is_refused_in_values_and_in_templates() {
        let error = result_of(&["x{a}"], json!({"a": "p\0q"})).unwrap_err();
        assert_eq!(error.problem, ArgumentProblem::Nul);
        assert!(result_of(&["{list...}"], json!({"list": ["\0"]})).is_err());
        assert_eq!(parse(&["a\0"]), Err(TemplateError::Nul));
    }

    #[test]
    fn an_element_names_what_it_uses() {
        let names = |text| {
            let argument = Argument::parse(text).unwrap();
            argument.names().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(names("--x={a}{b}"), ["a", "b"]);
        assert_eq!(names("{list...}"), ["list"]);
        assert_eq!(names("x{list...}"), ["list..."], "only alone does it spread");
    }
}
