//! JSON Schema (drafts 2020-12 and 07) for arguments and results; it must never fetch anything,
//! and never spend more on a schema or an instance than its limits allow.
//!
//! A schema is compiled once to an arena of nodes. Annotations, `format` and content keywords
//! among them, are not assertions (validation, sections 7, 8 and 9). What cannot be understood is
//! refused when the schema is compiled; a check that costs too much is a violation.

mod budget;
mod charset;
mod check;
mod compile;
mod dialect;
mod equality;
mod error;
mod in_place;
mod index;
mod marks;
mod metaschema;
mod node;
mod number;
mod parts;
mod pattern;
mod plain;
mod sequence;
#[cfg(test)]
mod tests;
mod translate;
mod uri;

use serde_json::{Map, Value};

pub use error::{SchemaError, Violation};
pub use pattern::PatternError;
pub use plain::PlainPattern;

use check::Runner;
use dialect::Dialect;
use node::{DynamicTargets, Node, NodeId};

/// True if a schema says that it is of draft-07.
pub fn is_of_draft_07(schema: &Map<String, Value>) -> bool {
    let uri = schema.get("$schema").and_then(Value::as_str);
    uri.and_then(Dialect::of_uri) == Some(Dialect::Draft07)
}

/// What a schema and a check may cost.
#[derive(Clone, Debug)]
pub struct SchemaLimits {
    /// Levels of subschemas in subschemas.
    pub max_depth: usize,
    /// Subschemas in the document.
    pub max_subschemas: usize,
    /// Bytes of one pattern.
    pub max_pattern_bytes: usize,
    /// Steps of one check: a step is one keyword on one value, or the work of like cost.
    pub max_steps: u64,
    /// Levels of the instance that a check looks at.
    pub max_instance_depth: usize,
}

impl Default for SchemaLimits {
    fn default() -> SchemaLimits {
        SchemaLimits {
            max_depth: 64,
            max_subschemas: 10_000,
            max_pattern_bytes: 1_024,
            max_steps: 1_000_000,
            max_instance_depth: 128,
        }
    }
}

/// How many subschemas may apply, on average, to one level of the deepest instance.
const FRAMES_PER_LEVEL: usize = 4;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    nodes: Box<[Node]>,
    /// The targets of dynamic references, by the index of their name.
    dynamic: Box<[DynamicTargets]>,
    max_steps: u64,
    max_instance_depth: usize,
    max_frames: usize,
}

impl Schema {
    /// Compiles a document, which is of draft 2020-12 unless its `$schema` names draft-07.
    ///
    /// # Errors
    ///
    /// The document is not a schema of these dialects, refers to anything outside itself other
    /// than their metaschemas, or is beyond the limits.
    pub fn compile(document: &Value, limits: &SchemaLimits) -> Result<Schema, SchemaError> {
        let compiled = compile::compile(document, limits)?;
        Ok(Schema {
            nodes: compiled.nodes.into_boxed_slice(),
            dynamic: compiled.dynamic.into_boxed_slice(),
            max_steps: limits.max_steps,
            max_instance_depth: limits.max_instance_depth,
            max_frames: limits
                .max_instance_depth
                .saturating_mul(FRAMES_PER_LEVEL)
                .saturating_add(limits.max_depth),
        })
    }

    /// Checks an instance.
    ///
    /// # Errors
    ///
    /// The first violation; a check beyond the limits is one, too.
    pub fn check(&self, instance: &Value) -> Result<(), Violation> {
        match Runner::new(self, 1).run(instance).pop() {
            Some(violation) => Err(violation),
            None => Ok(()),
        }
    }

    /// Up to `max` violations of an instance, but at least one if there is any; empty if it is
    /// valid.
    #[must_use]
    pub fn violations(&self, instance: &Value, max: usize) -> Vec<Violation> {
        Runner::new(self, max.max(1)).run(instance)
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }
}
