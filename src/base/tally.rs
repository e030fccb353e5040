//! How many there are of each kind, for bounds. A kind of which there is none takes no memory.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// The counts by kind.
#[derive(Debug)]
pub struct Tally<K>(HashMap<K, usize>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Tally<K> {
    /// Counts one more of a kind; false, and nothing is counted, if there are `most` already.
    pub fn enter(&mut self, kind: K, most: usize) -> bool {
        if self.count(&kind) >= most {
            return false;
        }
        self.add(kind, 1);
        true
    }

    /// Counts so many more of a kind, whatever the bound is.
    pub fn add(&mut self, kind: K, more: usize) {
        let count = self.0.entry(kind).or_default();
        *count = count.saturating_add(more);
    }

    /// Counts one less of a kind; of one that is not counted there is still none.
    pub fn leave<Q: Eq + Hash + ?Sized>(&mut self, kind: &Q)
    where
        K: Borrow<Q>,
    {
        self.take(kind, 1);
    }

    /// The same for so many.
    pub fn take<Q: Eq + Hash + ?Sized>(&mut self, kind: &Q, less: usize)
    where
        K: Borrow<Q>,
    {
        if let Some(count) = self.0.get_mut(kind) {
            *count = count.saturating_sub(less);
            if *count == 0 {
                self.0.remove(kind);
            }
        }
    }

    /// How many there are of a kind.
    pub fn count<Q: Eq + Hash + ?Sized>(&self, kind: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.0.get(kind).copied().unwrap_or(0)
    }

    /// True if nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_bound_and_what_has_left_takes_nothing() {
        let mut tally = Tally::<String>::default();
        assert!(tally.enter("a".into(), 2) && tally.enter("a".into(), 2));
        assert!(!tally.enter("a".into(), 2) && tally.enter("b".into(), 2));
        assert!(!tally.enter("c".into(), 0));
        assert_eq!((tally.count("a"), tally.count("b"), tally.count("c")), (2, 1, 0));
        tally.leave("a");
        assert!(tally.enter("a".into(), 2));
        for kind in ["a", "a", "a", "b", "c"] {
            tally.leave(kind);
        }
        assert!(tally.is_empty());
        tally.add("a".into(), 5);
        tally.take("a", 3);
        assert_eq!(tally.count("a"), 2);
        tally.take("a", 9);
        assert!(tally.is_empty());
    }
}
