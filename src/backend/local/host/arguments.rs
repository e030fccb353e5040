//! Reads the arguments of a call; it must never accept one that the tool's schema refuses.

use serde_json::{Map, Value};

use super::HostError;

/// Accepts only an empty set of arguments.
pub(super) fn none(arguments: &Map<String, Value>) -> Result<(), HostError> {
    only(arguments, &[])
}

/// Accepts only arguments with the names in `known`.
pub(super) fn only(arguments: &Map<String, Value>, known: &[&str]) -> Result<(), HostError> {
    if arguments.keys().all(|name| known.contains(&name.as_str())) {
        Ok(())
    } else {
        Err(HostError::UnknownArgument)
    }
}

/// An optional whole number within `low..=high`; JSON Schema counts `5.0` as a whole number.
pub(super) fn integer(
    arguments: &Map<String, Value>,
    name: &'static str,
    low: usize,
    high: usize,
) -> Result<Option<usize>, HostError> {
    let Some(value) = arguments.get(name) else { return Ok(None) };
    let whole = value.as_u64().or_else(|| {
        let float = value.as_f64().filter(|float| float.fract() == 0.0)?;
        format!("{float:.0}").parse().ok()
    });
    whole
        .and_then(|whole| usize::try_from(whole).ok())
        .filter(|whole| (low..=high).contains(whole))
        .map(Some)
        .ok_or(HostError::InvalidArgument(name))
}

/// An optional string of 1 to `max_characters` characters.
pub(super) fn string<'a>(
    arguments: &'a Map<String, Value>,
    name: &'static str,
    max_characters: usize,
) -> Result<Option<&'a str>, HostError> {
    let Some(value) = arguments.get(name) else { return Ok(None) };
    value
        .as_str()
        .filter(|text| !text.is_empty() && text.chars().nth(max_characters).is_none())
        .map(Some)
        .ok_or(HostError::InvalidArgument(name))
}

/// The required string `name`.
pub(super) fn required<'a>(
    arguments: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a str, HostError> {
    let value = arguments.get(name).ok_or(HostError::MissingArgument(name))?;
    value.as_str().ok_or(HostError::InvalidArgument(name))
}
