//! Applicators to the same instance; a branch that failed must never leave marks behind.

use serde_json::Value;

use super::budget::Exhausted;
use super::check::{At, Outcome, Runner};
use super::marks::Marks;
use super::node::{InPlace, NodeId};

impl<'s> Runner<'s> {
    pub(super) fn check_in_place(
        &mut self,
        check: &'s InPlace,
        value: &Value,
        at: &At<'_>,
        mut marks: Option<&mut Marks>,
    ) -> Outcome {
        match check {
            InPlace::Reference(node) => self.visit(*node, value, at, marks),
            InPlace::DynamicReference { fallback, name } => {
                let node = self.outermost(*name, at)?.unwrap_or(*fallback);
                self.visit(node, value, at, marks)
            }
            InPlace::AllOf(nodes) => {
                let mut valid = true;
                for node in nodes {
                    valid &= self.visit(*node, value, at, marks.as_deref_mut())?;
                    if !valid && self.is_full() {
                        break;
                    }
                }
                Ok(valid)
            }
            InPlace::AnyOf(nodes) => {
                let matching = self.count_branches(nodes, value, at, marks, 1)?;
                Ok(matching > 0
                    || self.fail(at, "anyOf", format_args!("The value fits no allowed form.")))
            }
            InPlace::OneOf(nodes) => match self.count_branches(nodes, value, at, marks, 2)? {
                1 => Ok(true),
                0 => Ok(self.fail(at, "oneOf", format_args!("The value fits no allowed form."))),
                _ => {
                    let message =
                        format_args!("The value fits more than one form; one is allowed.");
                    Ok(self.fail(at, "oneOf", message))
                }
            },
            InPlace::Not(node) => {
                let matching = self.quietly(|me| me.visit(*node, value, at, None))?;
                let message = format_args!("The value has a form that is not allowed.");
                Ok(!matching || self.fail(at, "not", message))
            }
            InPlace::If { condition, then, otherwise } => {
                let holds = self.try_branch(*condition, value, at, marks.as_deref_mut())?;
                match if holds { then } else { otherwise } {
                    Some(node) => self.visit(*node, value, at, marks),
                    None => Ok(true),
                }
            }
        }
    }

    /// How many branches fit; `enough` of them end the count unless marks are wanted.
    fn count_branches(
        &mut self,
        nodes: &[NodeId],
        value: &Value,
        at: &At<'_>,
        mut marks: Option<&mut Marks>,
        enough: usize,
    ) -> Result<usize, Exhausted> {
        let mut matching = 0;
        for node in nodes {
            if self.try_branch(*node, value, at, marks.as_deref_mut())? {
                matching += 1;
                // For a second match of `oneOf` marks are of no use, either.
                if matching >= enough && (marks.is_none() || enough > 1) {
                    break;
                }
            }
        }
        Ok(matching)
    }

    /// Visits a node quietly, and takes over its marks only if it fits.
    fn try_branch(
        &mut self,
        node: NodeId,
        value: &Value,
        at: &At<'_>,
        marks: Option<&mut Marks>,
    ) -> Outcome {
        let Some(marks) = marks else {
            return self.quietly(|me| me.visit(node, value, at, None));
        };
        let length = match value {
            Value::Array(items) => items.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        };
        let mut own = Marks::new(length, &mut self.budget)?;
        let valid = self.quietly(|me| me.visit(node, value, at, Some(&mut own)))?;
        if valid {
            marks.merge(&own);
        }
        Ok(valid)
    }

    /// The target in the outermost resource of the dynamic scope (core, section 8.2.3.2).
    fn outermost(&mut self, name: usize, at: &At<'_>) -> Result<Option<NodeId>, Exhausted> {
        let Some(targets) = self.schema.dynamic.get(name) else { return Ok(None) };
        let (mut outermost, mut next) = (None, at.scope);
        while let Some(scope) = next {
            self.budget.spend(1)?;
            let target = targets.binary_search_by_key(&scope.resource.0, |target| target.0.0);
            outermost = target.ok().and_then(|index| targets.get(index)).or(outermost);
            next = scope.outer;
        }
        Ok(outermost.map(|(_, node)| *node))
    }
}
