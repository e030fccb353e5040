//! Walks an instance along the nodes; a check that cannot be finished must never pass.

use std::fmt;

use serde_json::Value;

use super::budget::{Budget, Exhausted};
use super::equality::equal;
use super::error::{Violation, push_token};
use super::marks::Marks;
use super::node::{Check, Choice, InPlace, Node, NodeId, ResourceId, TypeSet};
use super::{Schema, parts};

/// Whether a value is valid, if that could be found out.
pub(super) type Outcome = Result<bool, Exhausted>;

/// One step of the way to a value.
#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    Name(&'a str),
    Index(usize),
}

pub(super) struct Segment<'a> {
    outer: Option<&'a Segment<'a>>,
    token: Token<'a>,
}

/// A resource of the dynamic scope (core, section 7.1).
pub(super) struct Scope<'a> {
    pub(super) outer: Option<&'a Scope<'a>>,
    pub(super) resource: ResourceId,
}

/// Where the walk is: lists that live on the stack.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    segment: Option<&'a Segment<'a>>,
    pub(super) scope: Option<&'a Scope<'a>>,
    pub(super) level: usize,
    frames: usize,
}

pub(super) struct Runner<'s> {
    pub(super) schema: &'s Schema,
    pub(super) budget: Budget,
    /// Above zero while a failure is only an answer, as in `anyOf`.
    quiet: usize,
    found: Vec<Violation>,
    max: usize,
}

impl<'s> Runner<'s> {
    pub(super) fn new(schema: &'s Schema, max: usize) -> Runner<'s> {
        let budget = Budget::new(schema.max_steps, schema.max_instance_depth);
        Runner { schema, budget, quiet: 0, found: Vec::new(), max }
    }

    pub(super) fn run(mut self, instance: &Value) -> Vec<Violation> {
        let at = At { segment: None, scope: None, level: 0, frames: 0 };
        if let Err(exhausted) = self.visit(NodeId(0), instance, &at, None) {
            self.found.truncate(self.max.saturating_sub(1));
            self.found.push(Violation {
                instance_path: String::new(),
                keyword: "budget",
                message: match exhausted {
                    Exhausted::Steps => "The check of the value takes too many steps.",
                    Exhausted::Depth => "The value is nested too deeply to be checked.",
                }
                .to_owned(),
            });
        }
        self.found
    }

    /// Applies a node; what it evaluates is marked in `marks` if an outer node wants to know.
    pub(super) fn visit(
        &mut self,
        id: NodeId,
        value: &Value,
        at: &At<'_>,
        marks: Option<&mut Marks>,
    ) -> Outcome {
        let schema = self.schema;
        let mut node = schema.node(id).ok_or(Exhausted::Depth)?;
        self.budget.spend(1)?;
        self.budget.enter(at.level)?;
        if !schema.dynamic.is_empty() {
            return self.visit_scoped(node, value, at, marks);
        }
        // A subschema that is only a reference needs no place on the stack.
        while let [Check::InPlace(InPlace::Reference(next))] = *node.checks {
            node = schema.node(next).ok_or(Exhausted::Depth)?;
            self.budget.spend(1)?;
        }
        if node.checks.is_empty() {
            return Ok(true);
        }
        self.enter(node, value, at, marks)
    }

    fn visit_scoped(
        &mut self,
        node: &'s Node,
        value: &Value,
        at: &At<'_>,
        marks: Option<&mut Marks>,
    ) -> Outcome {
        if at.scope.is_some_and(|scope| scope.resource == node.resource) {
            return self.enter(node, value, at, marks);
        }
        let scope = Scope { outer: at.scope, resource: node.resource };
        let at = At { scope: Some(&scope), ..*at };
        self.enter(node, value, &at, marks)
    }

    fn enter(
        &mut self,
        node: &'s Node,
        value: &Value,
        at: &At<'_>,
        marks: Option<&mut Marks>,
    ) -> Outcome {
        let at = At { frames: at.frames + 1, ..*at };
        if at.frames > self.schema.max_frames {
            return Err(Exhausted::Depth);
        }
        self.budget.spend_length(node.checks.len(), 1)?;
        let length = match value {
            Value::Array(items) if node.unevaluated_items => items.len(),
            Value::Object(members) if node.unevaluated_properties => members.len(),
            _ => return self.check_all(node, value, &at, marks),
        };
        // `unevaluated*` sees what its own subschema evaluated, not what its neighbours did.
        let mut own = Marks::new(length, &mut self.budget)?;
        let valid = self.check_all(node, value, &at, Some(&mut own))?;
        if let Some(outer) = marks.filter(|_| valid) {
            outer.merge(&own);
        }
        Ok(valid)
    }

    fn check_all(
        &mut self,
        node: &'s Node,
        value: &Value,
        at: &At<'_>,
        mut marks: Option<&mut Marks>,
    ) -> Outcome {
        let mut valid = true;
        for check in &node.checks {
            // What an invalid part left unevaluated is no violation of its own.
            if !valid && (self.is_full() || parts::is_unevaluated(check)) {
                break;
            }
            valid &= self.check_one(check, value, at, marks.as_deref_mut())?;
        }
        Ok(valid)
    }

    fn check_one(
        &mut self,
        check: &'s Check,
        value: &Value,
        at: &At<'_>,
        marks: Option<&mut Marks>,
    ) -> Outcome {
        match (check, value) {
            (Check::Type(types), _) => Ok(types.admits(value) || self.fail_type(*types, at)),
            (Check::Number(check), Value::Number(number)) => self.check_number(check, number, at),
            (Check::Text(check), Value::String(text)) => self.check_text(check, text, at),
            (Check::Array(check), Value::Array(items)) => self.check_array(check, items, at, marks),
            (Check::Object(check), Value::Object(members)) => {
                self.check_object(check, members, value, at, marks)
            }
            (Check::Choice(choice), _) => self.check_choice(choice, value, at),
            (Check::InPlace(check), _) => self.check_in_place(check, value, at, marks),
            (Check::Never, _) => {
                Ok(self.fail(at, "false", format_args!("No value is allowed here.")))
            }
            _ => Ok(true),
        }
    }

    fn fail_type(&mut self, types: TypeSet, at: &At<'_>) -> bool {
        if self.is_quiet() {
            return false;
        }
        let names: Vec<_> = types.names().collect();
        self.fail(at, "type", format_args!("The value must be of type {}.", names.join(" or ")))
    }

    fn check_choice(&mut self, choice: &Choice, value: &Value, at: &At<'_>) -> Outcome {
        let listed = match value {
            Value::String(text) => {
                choice.strings.binary_search_by(|known| (**known).cmp(text)).is_ok()
            }
            _ => {
                let mut listed = false;
                for other in &choice.others {
                    listed = equal(other, value, at.level, &mut self.budget)?;
                    if listed {
                        break;
                    }
                }
                listed
            }
        };
        let message = match choice.keyword {
            "const" => format_args!("The value is not the one that is allowed."),
            _ => format_args!("The value is not one of those that are allowed."),
        };
        Ok(listed || self.fail(at, choice.keyword, message))
    }

    /// Visits a part of the value.
    pub(super) fn descend(
        &mut self,
        id: NodeId,
        value: &Value,
        token: Token<'_>,
        at: &At<'_>,
    ) -> Outcome {
        let segment = Segment { outer: at.segment, token };
        let at = At { segment: Some(&segment), level: at.level + 1, ..*at };
        self.visit(id, value, &at, None)
    }

    /// Does something whose failure is not a violation.
    pub(super) fn quietly<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.quiet += 1;
        let result = work(self);
        self.quiet -= 1;
        result
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet > 0
    }

    /// Whether another failure would change nothing.
    pub(super) fn is_full(&self) -> bool {
        self.is_quiet() || self.found.len() >= self.max
    }

    /// Whether a node is the schema `false`, for a message that says what it means.
    pub(super) fn is_never(&self, id: NodeId) -> bool {
        self.schema.node(id).is_some_and(|node| matches!(*node.checks, [Check::Never]))
    }

    /// Notes a violation; always false.
    #[cold]
    pub(super) fn fail(
        &mut self,
        at: &At<'_>,
        keyword: &'static str,
        message: fmt::Arguments<'_>,
    ) -> bool {
        if !self.is_full() {
            self.found.push(Violation {
                instance_path: pointer(at),
                keyword,
                message: message.to_string(),
            });
        }
        false
    }
}

/// The JSON Pointer of the place.
fn pointer(at: &At<'_>) -> String {
    let mut tokens = Vec::new();
    let mut next = at.segment;
    while let Some(segment) = next {
        tokens.push(segment.token);
        next = segment.outer;
    }
    let mut pointer = String::new();
    for token in tokens.iter().rev() {
        match token {
            Token::Name(name) => push_token(&mut pointer, name),
            Token::Index(index) => push_token(&mut pointer, &index.to_string()),
        }
    }
    pointer
}
