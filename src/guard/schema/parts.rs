//! Checks of numbers, texts, arrays and objects; each must do nothing beyond the budget.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::check::{At, Outcome, Runner, Token};
use super::equality::unique;
use super::error::Shown;
use super::marks::Marks;
use super::node::{
    ArrayCheck, Check, DependentNames, NodeId, NumberCheck, ObjectCheck, PropertyRules, TextCheck,
};
use super::number::{Decimal, Exact};

/// Bytes of text whose characters are counted in one step's time.
const BYTES_PER_STEP: u64 = 64;

pub(super) fn is_unevaluated(check: &Check) -> bool {
    matches!(
        check,
        Check::Array(ArrayCheck::Unevaluated(_)) | Check::Object(ObjectCheck::Unevaluated(_))
    )
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl<'s> Runner<'s> {
    pub(super) fn check_number(
        &mut self,
        check: &NumberCheck,
        number: &Number,
        at: &At<'_>,
    ) -> Outcome {
        let compare = |limit: Exact| Exact::of(number).compare(limit);
        let (keyword, valid, words, written) = match check {
            NumberCheck::Minimum(bound) => {
                let valid = compare(bound.limit) != Ordering::Less;
                ("minimum", valid, "at least", &bound.written)
            }
            NumberCheck::Maximum(bound) => {
                let valid = compare(bound.limit) != Ordering::Greater;
                ("maximum", valid, "at most", &bound.written)
            }
            NumberCheck::ExclusiveMinimum(bound) => {
                let valid = compare(bound.limit) == Ordering::Greater;
                ("exclusiveMinimum", valid, "above", &bound.written)
            }
            NumberCheck::ExclusiveMaximum(bound) => {
                let valid = compare(bound.limit) == Ordering::Less;
                ("exclusiveMaximum", valid, "below", &bound.written)
            }
            NumberCheck::MultipleOf { step, written } => {
                let valid = Decimal::of(number).is_some_and(|value| value.is_multiple_of(*step));
                ("multipleOf", valid, "a multiple of", written)
            }
        };
        Ok(valid || self.fail(at, keyword, format_args!("The number must be {words} {written}.")))
    }

    pub(super) fn check_text(&mut self, check: &TextCheck, text: &str, at: &At<'_>) -> Outcome {
        match check {
            TextCheck::MinLength(min) => {
                let valid = count(text.len()) >= *min && self.characters(text)? >= *min;
                let message = format_args!("The text must have at least {min} characters.");
                Ok(valid || self.fail(at, "minLength", message))
            }
            TextCheck::MaxLength(max) => {
                let valid = count(text.len()) <= *max || self.characters(text)? <= *max;
                let message = format_args!("The text must have at most {max} characters.");
                Ok(valid || self.fail(at, "maxLength", message))
            }
            TextCheck::Pattern(pattern) => {
                let valid = pattern.matches(text, &mut self.budget)?;
                let message = format_args!("The text does not have the form that is asked for.");
                Ok(valid || self.fail(at, "pattern", message))
            }
        }
    }

    fn characters(&mut self, text: &str) -> Result<u64, super::budget::Exhausted> {
        self.budget.spend_length(text.len(), BYTES_PER_STEP)?;
        Ok(count(text.chars().count()))
    }

    pub(super) fn check_array(
        &mut self,
        check: &'s ArrayCheck,
        items: &[Value],
        at: &At<'_>,
        marks: Option<&mut Marks>,
    ) -> Outcome {
        match check {
            ArrayCheck::MinItems(min) => {
                let message = format_args!("The array must have at least {min} items.");
                Ok(count(items.len()) >= *min || self.fail(at, "minItems", message))
            }
            ArrayCheck::MaxItems(max) => {
                let message = format_args!("The array must have at most {max} items.");
                Ok(count(items.len()) <= *max || self.fail(at, "maxItems", message))
            }
            ArrayCheck::UniqueItems => {
                let valid = unique(items, at.level + 1, &mut self.budget)?;
                let message = format_args!("The items of the array must differ from each other.");
                Ok(valid || self.fail(at, "uniqueItems", message))
            }
            ArrayCheck::Items { prefix, rest, rest_keyword } => {
                self.check_items(prefix, rest.map(|rest| (rest, *rest_keyword)), items, at, marks)
            }
            ArrayCheck::Contains { node, min, max, marks: marking } => {
                let marks = marks.filter(|_| *marking);
                self.check_contains(*node, *min, *max, items, at, marks)
            }
            ArrayCheck::Unevaluated(node) => self.check_unevaluated_items(*node, items, at, marks),
        }
    }

    fn check_items(
        &mut self,
        prefix: &[NodeId],
        rest: Option<(NodeId, &'static str)>,
        items: &[Value],
        at: &At<'_>,
        mut marks: Option<&mut Marks>,
    ) -> Outcome {
        if let Some((rest, keyword)) = rest
            && items.len() > prefix.len()
            && self.is_never(rest)
        {
            let most = prefix.len();
            let message = format_args!("The array must have at most {most} items.");
            return Ok(self.fail(at, keyword, message));
        }
        let mut valid = true;
        for (index, item) in items.iter().enumerate() {
            let node = prefix.get(index).copied().or(rest.map(|(rest, _)| rest));
            let Some(node) = node else { break };
            valid &= self.descend(node, item, Token::Index(index), at)?;
            if !valid && self.is_full() {
                break;
            }
            if let Some(marks) = marks.as_deref_mut() {
                marks.mark(index);
            }
        }
        Ok(valid)
    }

    fn check_contains(
        &mut self,
        node: NodeId,
        min: u64,
        max: Option<u64>,
        items: &[Value],
        at: &At<'_>,
        mut marks: Option<&mut Marks>,
    ) -> Outcome {
        let mut matching = 0;
        for (index, item) in items.iter().enumerate() {
            if matching >= min && max.is_none() && marks.is_none() {
                break;
            }
            if self.quietly(|me| me.descend(node, item, Token::Index(index), at))? {
                matching += 1;
                if let Some(marks) = marks.as_deref_mut() {
                    marks.mark(index);
                }
            }
        }
        if matching < min {
            let message = format_args!("The array must have at least {min} items of some form.");
            return Ok(self.fail(at, if min == 1 { "contains" } else { "minContains" }, message));
        }
        match max {
            Some(max) if matching > max => {
                let message = format_args!("The array must have at most {max} items of some form.");
                Ok(self.fail(at, "maxContains", message))
            }
            _ => Ok(true),
        }
    }

    fn check_unevaluated_items(
        &mut self,
        node: NodeId,
        items: &[Value],
        at: &At<'_>,
        marks: Option<&mut Marks>,
    ) -> Outcome {
        let Some(marks) = marks else { return Ok(true) };
        let mut valid = true;
        for (index, item) in items.iter().enumerate() {
            self.budget.spend(1)?;
            if marks.has(index) {
                continue;
            }
            if self.is_never(node) {
                let message = format_args!("Item {index} of the array is not allowed.");
                valid = self.fail(at, "unevaluatedItems", message);
            } else {
                valid &= self.descend(node, item, Token::Index(index), at)?;
            }
            if !valid && self.is_full() {
                break;
            }
            marks.mark(index);
        }
        Ok(valid)
    }

    pub(super) fn check_object(
        &mut self,
        check: &'s ObjectCheck,
        members: &Map<String, Value>,
        value: &Value,
        at: &At<'_>,
        marks: Option<&mut Marks>,
    ) -> Outcome {
        match check {
            ObjectCheck::MinProperties(min) => {
                let message = format_args!("The object must have at least {min} properties.");
                Ok(count(members.len()) >= *min || self.fail(at, "minProperties", message))
            }
            ObjectCheck::MaxProperties(max) => {
                let message = format_args!("The object must have at most {max} properties.");
                Ok(count(members.len()) <= *max || self.fail(at, "maxProperties", message))
            }
            ObjectCheck::Required(names) => self.check_required("required", names, members, at),
            ObjectCheck::Properties(rules) => self.check_properties(rules, members, at, marks),
            ObjectCheck::PropertyNames(node) => self.check_names(*node, members, at),
            ObjectCheck::DependentRequired { keyword, rules } => {
                self.check_dependent_names(keyword, rules, members, at)
            }
            ObjectCheck::DependentSchemas(rules) => {
                self.check_dependent_schemas(rules, members, value, at, marks)
            }
            ObjectCheck::Unevaluated(node) => {
                self.check_unevaluated_properties(*node, members, at, marks)
            }
        }
    }

    fn check_required(
        &mut self,
        keyword: &'static str,
        names: &[Box<str>],
        members: &Map<String, Value>,
        at: &At<'_>,
    ) -> Outcome {
        let mut valid = true;
        for name in names {
            self.budget.spend(1)?;
            if !members.contains_key(&**name) {
                let message = format_args!("The property \"{}\" is missing.", Shown(name));
                valid = self.fail(at, keyword, message);
                if self.is_full() {
                    break;
                }
            }
        }
        Ok(valid)
    }

    fn check_properties(
        &mut self,
        rules: &'s PropertyRules,
        members: &Map<String, Value>,
        at: &At<'_>,
        mut marks: Option<&mut Marks>,
    ) -> Outcome {
        let mut valid = true;
        for (index, (name, member)) in members.iter().enumerate() {
            self.budget.spend(1)?;
            let named = rules.named(name);
            let mut evaluated = named.is_some();
            if let Some(node) = named {
                valid &= self.descend(node, member, Token::Name(name), at)?;
            }
            for (pattern, node) in &rules.patterns {
                if pattern.matches(name, &mut self.budget)? {
                    evaluated = true;
                    valid &= self.descend(*node, member, Token::Name(name), at)?;
                }
            }
            if let (false, Some(node)) = (evaluated, rules.additional) {
                evaluated = true;
                valid &= self.check_extra("additionalProperties", node, name, member, at)?;
            }
            if !valid && self.is_full() {
                break;
            }
            if let Some(marks) = marks.as_deref_mut().filter(|_| evaluated) {
                marks.mark(index);
            }
        }
        Ok(valid)
    }

    /// A property that no other rule names.
    fn check_extra(
        &mut self,
        keyword: &'static str,
        node: NodeId,
        name: &str,
        member: &Value,
        at: &At<'_>,
    ) -> Outcome {
        if self.is_never(node) {
            let message = format_args!("The property \"{}\" is not allowed.", Shown(name));
            return Ok(self.fail(at, keyword, message));
        }
        self.descend(node, member, Token::Name(name), at)
    }

    fn check_names(&mut self, node: NodeId, members: &Map<String, Value>, at: &At<'_>) -> Outcome {
        let mut valid = true;
        for name in members.keys() {
            // The only check that makes a value: a name is not one yet.
            self.budget.spend_length(name.len(), BYTES_PER_STEP)?;
            let value = Value::String(name.clone());
            if !self.quietly(|me| me.visit(node, &value, at, None))? {
                let message = format_args!("The property name \"{}\" is not allowed.", Shown(name));
                valid = self.fail(at, "propertyNames", message);
                if self.is_full() {
                    break;
                }
            }
        }
        Ok(valid)
    }

    fn check_dependent_names(
        &mut self,
        keyword: &'static str,
        rules: &[DependentNames],
        members: &Map<String, Value>,
        at: &At<'_>,
    ) -> Outcome {
        let mut valid = true;
        for (name, names) in rules {
            self.budget.spend(1)?;
            if members.contains_key(&**name) {
                valid &= self.check_required(keyword, names, members, at)?;
                if !valid && self.is_full() {
                    break;
                }
            }
        }
        Ok(valid)
    }

    fn check_dependent_schemas(
        &mut self,
        rules: &[(Box<str>, NodeId)],
        members: &Map<String, Value>,
        value: &Value,
        at: &At<'_>,
        mut marks: Option<&mut Marks>,
    ) -> Outcome {
        let mut valid = true;
        for (name, node) in rules {
            self.budget.spend(1)?;
            if members.contains_key(&**name) {
                valid &= self.visit(*node, value, at, marks.as_deref_mut())?;
                if !valid && self.is_full() {
                    break;
                }
            }
        }
        Ok(valid)
    }

    fn check_unevaluated_properties(
        &mut self,
        node: NodeId,
        members: &Map<String, Value>,
        at: &At<'_>,
        marks: Option<&mut Marks>,
    ) -> Outcome {
        let Some(marks) = marks else { return Ok(true) };
        let mut valid = true;
        for (index, (name, member)) in members.iter().enumerate() {
            self.budget.spend(1)?;
            if marks.has(index) {
                continue;
            }
            valid &= self.check_extra("unevaluatedProperties", node, name, member, at)?;
            if !valid && self.is_full() {
                break;
            }
            marks.mark(index);
        }
        Ok(valid)
    }
}
