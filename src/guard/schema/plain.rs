//! A pattern by itself, outside of a schema, with the bounds that it has inside of one.

use std::sync::Arc;

use super::SchemaLimits;
use super::budget::Budget;
use super::pattern::{Pattern, PatternError};

/// A compiled pattern of ECMA-262; it searches, so that only `^` and `$` bind it to the ends.
#[derive(Clone, Debug)]
pub struct PlainPattern(Arc<Pattern>);

impl PlainPattern {
    /// Compiles a pattern of at most 1 KiB.
    ///
    /// # Errors
    /// What is wrong with it, or that no engine of linear time can have it.
    pub fn compile(source: &str) -> Result<Self, PatternError> {
        let most = SchemaLimits::default().max_pattern_bytes;
        Pattern::compile(source, most).map(|pattern| Self(Arc::new(pattern)))
    }

    /// Whether it matches; `None` if that would take too long.
    pub fn matches(&self, text: &str) -> Option<bool> {
        let limits = SchemaLimits::default();
        self.0.matches(text, &mut Budget::new(limits.max_steps, 1)).ok()
    }
}
