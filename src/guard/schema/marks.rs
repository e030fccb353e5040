//! Which properties or items were evaluated, for `unevaluated*`; it must never mark what failed.

use super::budget::{Budget, Exhausted};

const BITS: usize = 64;

/// A bit for each property (in the map's order) or item of one instance; no memory up to 64.
#[derive(Debug)]
pub(super) enum Marks {
    Few(u64),
    Many(Vec<u64>),
}

impl Marks {
    /// Nothing marked yet, for an instance of `length` parts.
    pub(super) fn new(length: usize, budget: &mut Budget) -> Result<Marks, Exhausted> {
        if length <= BITS {
            return Ok(Marks::Few(0));
        }
        budget.spend_length(length, 64)?;
        Ok(Marks::Many(vec![0; length.div_ceil(BITS)]))
    }

    pub(super) fn mark(&mut self, index: usize) {
        let bit = 1u64 << (index % BITS);
        match self {
            Marks::Few(word) => *word |= bit,
            Marks::Many(words) => {
                if let Some(word) = words.get_mut(index / BITS) {
                    *word |= bit;
                }
            }
        }
    }

    pub(super) fn has(&self, index: usize) -> bool {
        let word = match self {
            Marks::Few(word) => *word,
            Marks::Many(words) => words.get(index / BITS).copied().unwrap_or(0),
        };
        word & (1u64 << (index % BITS)) != 0
    }

    pub(super) fn merge(&mut self, other: &Marks) {
        match (self, other) {
            (Marks::Few(word), Marks::Few(other)) => *word |= other,
            (Marks::Many(words), Marks::Many(others)) => {
                for (word, other) in words.iter_mut().zip(others) {
                    *word |= other;
                }
            }
            // Both were made for one instance, so that they have one form.
            (Marks::Few(_), Marks::Many(_)) | (Marks::Many(_), Marks::Few(_)) => {}
        }
    }
}
