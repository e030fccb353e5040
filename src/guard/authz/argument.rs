//! Conditions on the arguments of a call. An argument that is not there fulfils none. One of a
//! kind that a condition cannot be asked of fulfils those of rules that deny, and of no rule that
//! allows: whoever writes a value in another way is not better off.

use serde_json::{Map, Value};

use crate::guard::schema::{PatternError, PlainPattern};

/// What an argument must be.
#[derive(Clone, Debug)]
pub enum Condition {
    /// One of these texts, numbers or booleans.
    OneOf(Vec<Value>),
    /// A text that begins so.
    Prefix(String),
    /// An absolute path at or below this one, without `.`, `..` or an empty part.
    Below(String),
    /// A text that the pattern stands for as a whole.
    Pattern(PlainPattern),
    /// A number not below this one.
    Min(f64),
    /// A number not above this one.
    Max(f64),
}

/// Why a text is no pattern.
pub type NoPattern = PatternError;

impl Condition {
    /// The condition that a whole text matches `pattern`, a regular expression as in JSON Schema.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn pattern(pattern: &str) -> Result<Self, NoPattern> {
        // By itself first: what is no pattern must not become one between the brackets.
        PlainPattern::compile(pattern)?;
        PlainPattern::compile(&format!("^(?:{pattern})$")).map(Self::Pattern)
    }

    /// Whether `value` fulfils it; `otherwise` where it is of a kind that cannot be asked.
    fn holds(&self, value: &Value, otherwise: bool) -> bool {
        let text = value.as_str();
        match self {
            Self::OneOf(values) if value.is_array() || value.is_object() => {
                otherwise && !values.is_empty()
            }
            Self::OneOf(values) => {
                let same = |one: &Value| one == value || (is_number(one, value));
                let is_same_kind = |one: &Value| kind(one) == kind(value);
                values.iter().any(same) || (otherwise && !values.iter().any(is_same_kind))
            }
            Self::Prefix(prefix) => text.map_or(otherwise, |text| text.starts_with(prefix)),
            Self::Below(root) => match text {
                Some(path) if is_plain_path(path) => is_below(path, root),
                _ => otherwise,
            },
            Self::Pattern(pattern) => {
                text.map_or(otherwise, |text| pattern.matches(text).unwrap_or(otherwise))
            }
            Self::Min(least) => value.as_f64().map_or(otherwise, |number| number >= *least),
            Self::Max(most) => value.as_f64().map_or(otherwise, |number| number <= *most),
        }
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// `1` and `1.0` are the same number.
fn is_number(one: &Value, other: &Value) -> bool {
    matches!((one.as_f64(), other.as_f64()), (Some(one), Some(other)) if one == other)
}

fn is_plain_path(path: &str) -> bool {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain))
        && !path.contains(['\0', '\\'])
}

fn is_below(path: &str, root: &str) -> bool {
    let root = root.trim_end_matches('/');
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A condition and the argument that it is about.
#[derive(Clone, Debug)]
pub struct ArgumentCondition {
    /// The name of the argument, or names with dots between them for one inside of others.
    pub argument: String,
    /// What it must be.
    pub condition: Condition,
}

impl ArgumentCondition {
    /// Whether the arguments fulfil it, for a rule that denies or one that allows.
    pub fn holds(&self, arguments: &Map<String, Value>, denies: bool) -> bool {
        match find(arguments, &self.argument) {
            Found::Value(value) => self.condition.holds(value, denies),
            Found::Nothing => false,
            Found::Elsewhere => denies,
        }
    }
}

enum Found<'v> {
    Value(&'v Value),
    Nothing,
    /// Something stands in the way that is no object.
    Elsewhere,
}

fn find<'v>(arguments: &'v Map<String, Value>, path: &str) -> Found<'v> {
    if let Some(value) = arguments.get(path) {
        return Found::Value(value);
    }
    let mut names = path.split('.');
    let first = names.next().and_then(|name| arguments.get(name));
    let Some(mut at) = first else { return Found::Nothing };
    for name in names {
        let Some(object) = at.as_object() else { return Found::Elsewhere };
        let Some(next) = object.get(name) else { return Found::Nothing };
        at = next;
    }
    Found::Value(at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether a rule that allows, and one that denies, finds the condition fulfilled.
    fn verdicts(condition: &Condition, value: Value) -> (bool, bool) {
        let about = ArgumentCondition { argument: "a".into(), condition: condition.clone() };
        let arguments = json!({ "a": value });
        let arguments = arguments.as_object().unwrap();
        (about.holds(arguments, false), about.holds(arguments, true))
    }

    #[test]
    fn each_condition_is_asked_of_its_kind_and_fails_closed_for_others() {
        const YES: (bool, bool) = (true, true);
        const NO: (bool, bool) = (false, false);
        const OTHER: (bool, bool) = (false, true);
        let one_of = Condition::OneOf(vec![json!("x"), json!(1), json!(true)]);
        let only_text = Condition::OneOf(vec![json!("x")]);
        let below = Condition::Below("/srv/data/".into());
        let pattern = Condition::pattern("a+|b").unwrap();
        for (condition, value, expected) in [
            (&one_of, json!("x"), YES),
            (&one_of, json!(1.0), YES),
            (&one_of, json!(true), YES),
            (&one_of, json!("y"), NO),
            (&one_of, json!(["x"]), OTHER),
            (&only_text, json!(7), OTHER),
            (&only_text, Value::Null, OTHER),
            (&Condition::Prefix("ab".into()), json!("abc"), YES),
            (&Condition::Prefix("ab".into()), json!("Abc"), NO),
            (&Condition::Prefix("ab".into()), json!(["abc"]), OTHER),
            (&below, json!("/srv/data"), YES),
            (&below, json!("/srv/data/x/y"), YES),
            (&below, json!("/srv/database"), NO),
            (&below, json!("/srv"), NO),
            (&below, json!("/srv/data/../x"), OTHER),
            (&below, json!("/srv//data"), OTHER),
            (&below, json!("srv/data"), OTHER),
            (&below, json!("/srv/data/\0"), OTHER),
            (&pattern, json!("aaa"), YES),
            (&pattern, json!("b"), YES),
            (&pattern, json!("aab"), NO),
            (&pattern, json!("xb"), NO),
            (&pattern, json!(1), OTHER),
            (&Condition::Min(1.0), json!(1), YES),
            (&Condition::Min(1.0), json!(0.5), NO),
            (&Condition::Max(10.0), json!(11), NO),
            (&Condition::Max(10.0), json!("5"), OTHER),
        ] {
            assert_eq!(verdicts(condition, value.clone()), expected, "{condition:?} {value}");
        }
    }

    #[test]
    fn arguments_inside_of_others_are_found_and_missing_ones_fulfil_nothing() {
        let holds = |argument: &str, arguments: Value, denies| {
            let condition = Condition::OneOf(vec![json!(1)]);
            let about = ArgumentCondition { argument: argument.into(), condition };
            about.holds(arguments.as_object().unwrap(), denies)
        };
        assert!(holds("a.b", json!({ "a": { "b": 1 } }), false));
        assert!(holds("a.b", json!({ "a.b": 1 }), false));
        for arguments in [json!({}), json!({ "a": {} }), json!({ "b": 1 })] {
            assert!(!holds("a.b", arguments.clone(), false), "{arguments}");
            assert!(!holds("a.b", arguments.clone(), true), "{arguments}");
        }
        assert!(holds("a.b", json!({ "a": [{ "b": 1 }] }), true));
        assert!(!holds("a.b", json!({ "a": [{ "b": 1 }] }), false));
    }
}
