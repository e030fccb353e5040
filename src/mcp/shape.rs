//! The forms that parameters must have, as tables: what the JSON Schemas of the revisions say of
//! requests, at the cost of a look at each member. What no table names may be anything, as there.

use std::fmt::{self, Display};

use serde_json::{Map, Value};

use super::era::Version;

/// Most items of a list in parameters: of resources to hear of, of icons.
const MOST_ITEMS: usize = 1_000;

/// The form of one value.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Any string.
    Text,
    /// A string that this function knows, and what such strings are called.
    Known(fn(&str) -> bool, &'static str),
    /// `true` or `false`.
    Flag,
    /// A whole number that is not negative.
    Count,
    /// Any object.
    Object,
    /// An object whose values all have this form, whatever their keys.
    Each(&'static Self),
    /// A list of at most 1 000 items of this form.
    List(&'static Self),
    /// An object with these members among others.
    Members(&'static [Member]),
    /// An object whose member of this name says by a word which other members it has.
    Tagged(&'static str, &'static [(&'static str, &'static [Member])]),
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    name: &'static str,
    shape: Shape,
    is_needed: bool,
    is_in: fn(Version) -> bool,
}

/// A member that must be there.
pub const fn needed(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, is_needed: true, is_in: |_| true }
}

/// A member that may be left out, but not be null.
pub const fn optional(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, is_needed: false, is_in: |_| true }
}

impl Member {
    /// The same in these revisions only; in the others the name means nothing.
    #[must_use]
    pub const fn within(self, is_in: fn(Version) -> bool) -> Self {
        Self { is_in, ..self }
    }

    fn check(&self, members: &Map<String, Value>, version: Version) -> Result<(), Mismatch> {
        let checked = match members.get(self.name) {
            Some(value) => self.shape.check(value, version),
            None if self.is_needed => Err(self.shape.mismatch()),
            None => Ok(()),
        };
        checked.map_err(|mismatch| mismatch.at(self.name))
    }
}

/// Holds an object against the members that it has in a revision.
pub fn check(
    table: &[Member],
    members: &Map<String, Value>,
    version: Version,
) -> Result<(), Mismatch> {
    let mut there = table.iter().filter(|member| (member.is_in)(version));
    there.try_for_each(|member| member.check(members, version))
}

impl Shape {
    fn check(&self, value: &Value, version: Version) -> Result<(), Mismatch> {
        let holds = match self {
            Self::Text => value.is_string(),
            Self::Known(is_known, _) => value.as_str().is_some_and(is_known),
            Self::Flag => value.is_boolean(),
            Self::Count => value.is_u64(),
            Self::Object => value.is_object(),
            Self::Each(shape) => {
                let values = value.as_object().ok_or_else(|| self.mismatch())?.values();
                return all(values, shape, version).map_err(|mismatch| mismatch.at("*"));
            }
            Self::List(shape) => {
                let items = value.as_array().filter(|items| items.len() <= MOST_ITEMS);
                let items = items.ok_or_else(|| self.mismatch())?;
                return all(items.iter(), shape, version).map_err(|mismatch| mismatch.at("[]"));
            }
            Self::Members(table) => {
                let members = value.as_object().ok_or_else(|| self.mismatch())?;
                return check(table, members, version);
            }
            Self::Tagged(tag, kinds) => {
                let members = value.as_object().ok_or_else(|| self.mismatch())?;
                let word = members.get(*tag).and_then(Value::as_str);
                let kind = kinds.iter().find(|(name, _)| Some(*name) == word);
                let (_, table) = kind.ok_or_else(|| one_of(kinds).at(tag))?;
                return check(table, members, version);
            }
        };
        if holds { Ok(()) } else { Err(self.mismatch()) }
    }

    fn mismatch(&self) -> Mismatch {
        let wanted = match self {
            Self::Text => "a string",
            Self::Known(_, name) => name,
            Self::Flag => "true or false",
            Self::Count => "a whole number that is not negative",
            Self::List(_) => "a list of at most 1000 items",
            Self::Object | Self::Each(_) | Self::Members(_) | Self::Tagged(..) => "an object",
        };
        Mismatch { path: Vec::new(), wanted: wanted.to_owned() }
    }
}

fn all<'v>(
    mut values: impl Iterator<Item = &'v Value>,
    shape: &Shape,
    version: Version,
) -> Result<(), Mismatch> {
    values.try_for_each(|value| shape.check(value, version))
}

fn one_of(kinds: &[(&str, &[Member])]) -> Mismatch {
    let names: Vec<_> = kinds.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    Mismatch { path: Vec::new(), wanted: names.join(" or ") }
}

/// What does not have its form, and the form that it must have. Shows as a sentence without an end.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The names on the way to it, innermost first: none that the client has made up.
    path: Vec<&'static str>,
    wanted: String,
}

impl Mismatch {
    /// The same, seen from the object that has it under `name`.
    #[must_use]
    pub fn at(mut self, name: &'static str) -> Self {
        self.path.push(name);
        self
    }
}

impl Display for Mismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("`")?;
        for (position, name) in self.path.iter().rev().enumerate() {
            let dot = if position == 0 || *name == "[]" { "" } else { "." };
            write!(out, "{dot}{name}")?;
        }
        write!(out, "` must be {}", self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KINDS: Shape = Shape::Tagged("type", &[("a", &[needed("x", Shape::Count)]), ("b", &[])]);
    const TABLE: &[Member] = &[
        needed("name", Shape::Text),
        optional("level", Shape::Known(|word| word == "low", "a level")),
        optional("flags", Shape::Each(&Shape::Flag)),
        optional("icons", Shape::List(&Shape::Members(&[needed("src", Shape::Text)]))),
        optional("kind", KINDS),
        optional("newer", Shape::Object).within(Version::has_icons),
    ];

    fn verdict(mut value: Value, version: Version) -> Result<(), String> {
        value.as_object_mut().unwrap().entry("name").or_insert_with(|| json!(""));
        let members = value.as_object().unwrap();
        check(TABLE, members, version).map_err(|mismatch| mismatch.to_string())
    }

    #[test]
    fn what_no_table_names_may_be_anything() {
        for value in [
            json!({}),
            json!({"other": null, "level": "low", "flags": {"": true}}),
            json!({"icons": [], "kind": {"type": "a", "x": 0}, "newer": {}}),
            json!({"icons": [{"src": "", "more": 1}], "kind": {"type": "b", "x": "y"}}),
        ] {
            assert_eq!(verdict(value.clone(), Version::NEWEST), Ok(()), "{value}");
        }
        assert_eq!(verdict(json!({"newer": 1}), Version::V2024_11_05), Ok(()));
    }

    #[test]
    fn a_mismatch_names_the_way_to_it_and_nothing_that_the_client_made_up() {
        for (value, sentence) in [
            (json!({"name": null}), "`name` must be a string"),
            (json!({"level": "high"}), "`level` must be a level"),
            (json!({"flags": true}), "`flags` must be an object"),
            (json!({"flags": {"secret": 1}}), "`flags.*` must be true or false"),
            (json!({"icons": {}}), "`icons` must be a list of at most 1000 items"),
            (json!({"icons": vec![json!({"src": ""}); 1001]}), "`icons` must be a list of at"),
            (json!({"icons": [{"src": ""}, {}]}), "`icons[].src` must be a string"),
            (json!({"kind": {}}), "`kind.type` must be \"a\" or \"b\""),
            (json!({"kind": {"type": "a", "x": -1}}), "`kind.x` must be a whole number that is"),
            (json!({"newer": []}), "`newer` must be an object"),
        ] {
            let told = verdict(value.clone(), Version::NEWEST).unwrap_err();
            assert!(told.starts_with(sentence), "{value}: {told}");
        }
    }
}
