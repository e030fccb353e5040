//! JSON equality and uniqueness (validation, 6.1.2 and 6.4.3); never quadratic beyond the budget.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use serde_json::Value;

use super::budget::{Budget, Exhausted};
use super::number::Exact;

/// Up to this many items every pair is compared, which needs no memory.
const FEW: usize = 16;
/// Bytes of text that are hashed or compared in one step's time.
const BYTES_PER_STEP: u64 = 64;

/// Whether two values are the same JSON value. Recursion ends with the shallower of the two, and
/// at the depth limit.
pub(super) fn equal(
    left: &Value,
    right: &Value,
    level: usize,
    budget: &mut Budget,
) -> Result<bool, Exhausted> {
    budget.enter(level)?;
    budget.spend(1)?;
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Number(left), Value::Number(right)) => {
            Ok(Exact::of(left).compare(Exact::of(right)).is_eq())
        }
        (Value::String(left), Value::String(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            budget.spend_length(left.len(), BYTES_PER_STEP)?;
            Ok(left == right)
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(right) {
                if !equal(left, right, level + 1, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(left), Value::Object(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (name, left) in left {
                let Some(right) = right.get(name) else { return Ok(false) };
                if !equal(left, right, level + 1, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Whether no two items are equal.
pub(super) fn unique(
    items: &[Value],
    level: usize,
    budget: &mut Budget,
) -> Result<bool, Exhausted> {
    if items.len() > FEW {
        return unique_by_hash(items, level, budget);
    }
    for (index, left) in items.iter().enumerate() {
        for right in items.iter().skip(index + 1) {
            if equal(left, right, level, budget)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Only items of one hash are compared; the hash has a random key, so that a peer cannot choose
/// many unequal items of one hash.
fn unique_by_hash(items: &[Value], level: usize, budget: &mut Budget) -> Result<bool, Exhausted> {
    // Paid before the table is allocated.
    budget.spend_length(items.len(), 1)?;
    let state = RandomState::new();
    let mut hashed = Vec::with_capacity(items.len());
    for item in items {
        hashed.push((hash(item, level, &state, budget)?, item));
    }
    hashed.sort_unstable_by_key(|(hash, _)| *hash);
    for run in hashed.chunk_by(|left, right| left.0 == right.0) {
        for (index, (_, left)) in run.iter().enumerate() {
            for (_, right) in run.iter().skip(index + 1) {
                if equal(left, right, level, budget)? {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

fn hash(
    value: &Value,
    level: usize,
    state: &RandomState,
    budget: &mut Budget,
) -> Result<u64, Exhausted> {
    budget.enter(level)?;
    let mut hasher = state.build_hasher();
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(value) => (1u8, value).hash(&mut hasher),
        Value::Number(number) => (2u8, Exact::of(number).fingerprint()).hash(&mut hasher),
        Value::String(text) => {
            budget.spend_length(text.len(), BYTES_PER_STEP)?;
            (3u8, text).hash(&mut hasher);
        }
        Value::Array(items) => {
            hasher.write_u8(4);
            for item in items {
                budget.spend(1)?;
                hasher.write_u64(hash(item, level + 1, state, budget)?);
            }
        }
        Value::Object(members) => {
            // A sum, because the order of members says nothing.
            let mut sum = 0u64;
            for (name, member) in members {
                budget.spend_length(name.len(), BYTES_PER_STEP)?;
                let member = hash(member, level + 1, state, budget)?;
                sum = sum.wrapping_add(state.hash_one((name, member)));
            }
            (5u8, sum).hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn budget() -> Budget {
        Budget::new(1_000_000, 128)
    }

    #[test]
    fn both_ways_of_finding_duplicates_agree() {
        let kinds = [
            (json!(1), json!(1.0), true),
            (json!(0), json!(false), false),
            (json!({"a": 1, "b": [2]}), json!({"b": [2.0], "a": 1}), true),
            (json!([[1], "x"]), json!([["x"], 1]), false),
            (json!("a"), json!("a"), true),
            (json!({"a": null}), json!({}), false),
            (json!(1e300), json!(1e300), true),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992.0), false),
        ];
        for (left, right, same) in kinds {
            let few = vec![left.clone(), right.clone()];
            assert_eq!(unique(&few, 0, &mut budget()), Ok(!same), "{left} {right}");
            let mut many: Vec<Value> = (0..100).map(|n| json!({ "other": n })).collect();
            many.extend([left.clone(), right.clone()]);
            assert_eq!(unique(&many, 0, &mut budget()), Ok(!same), "{left} {right}");
        }
    }

    #[test]
    fn a_hundred_thousand_items_are_checked_within_the_default_budget() {
        let items: Vec<Value> = (0..100_000).map(Value::from).collect();
        assert_eq!(unique(&items, 0, &mut budget()), Ok(true));
    }

    #[test]
    fn deep_items_end_at_the_depth_limit() {
        let mut deep = json!(1);
        for _ in 0..200 {
            deep = json!([deep]);
        }
        let many = vec![deep; 20];
        assert_eq!(unique(&many, 0, &mut budget()), Err(Exhausted::Depth));
        assert_eq!(unique(&many[..2], 0, &mut budget()), Err(Exhausted::Depth));
    }
}
