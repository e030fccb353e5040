//! JSON Schema: compiling and checking end within their limits, and both ways of checking agree.

use erlmcp::guard::schema::{Schema, SchemaLimits};
use serde_json::Value;

const LIMITS: SchemaLimits = SchemaLimits {
    max_depth: 16,
    max_subschemas: 256,
    max_pattern_bytes: 128,
    max_steps: 10_000,
    max_instance_depth: 32,
};

/// A list of a schema and what is checked with it; anything else is a schema for itself.
pub fn schemas(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let (document, instances) = match &value {
        Value::Array(items) => match items.split_first() {
            Some((document, instances)) => (document, instances),
            None => return,
        },
        other => (other, std::slice::from_ref(other)),
    };
    match Schema::compile(document, &LIMITS) {
        Ok(schema) => {
            for instance in instances {
                let violations = schema.violations(instance, 4);
                assert_eq!(schema.check(instance).is_ok(), violations.is_empty());
                assert!(violations.iter().all(|violation| !violation.to_string().is_empty()));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
