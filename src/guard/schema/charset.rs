//! Sets of characters as ECMA-262 classes name them; a set must never hold a surrogate.

const LAST: u32 = 0x10_ffff;
const SURROGATES: (u32, u32) = (0xd800, 0xdfff);

/// Inclusive ranges of code points, sorted and apart once `normalize` has run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CharSet {
    ranges: Vec<(u32, u32)>,
}

impl CharSet {
    pub(super) fn single(character: u32) -> CharSet {
        CharSet { ranges: vec![(character, character)] }
    }

    pub(super) fn digits() -> CharSet {
        CharSet { ranges: vec![(0x30, 0x39)] }
    }

    pub(super) fn word() -> CharSet {
        CharSet { ranges: vec![(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)] }
    }

    /// WhiteSpace and LineTerminator of ECMA-262, sections 12.2 and 12.3.
    pub(super) fn space() -> CharSet {
        let singles = [0x20, 0xa0, 0x1680, 0x202f, 0x205f, 0x3000, 0xfeff];
        let mut ranges = vec![(0x09, 0x0d), (0x2000, 0x200a), (0x2028, 0x2029)];
        ranges.extend(singles.map(|character| (character, character)));
        CharSet { ranges }.normalize()
    }

    /// What a dot stands for: all but line terminators.
    pub(super) fn dot() -> CharSet {
        CharSet { ranges: vec![(0x0a, 0x0a), (0x0d, 0x0d), (0x2028, 0x2029)] }.complement()
    }

    pub(super) fn add(&mut self, first: u32, last: u32) {
        self.ranges.push((first, last));
    }

    pub(super) fn extend(&mut self, other: &CharSet) {
        self.ranges.extend_from_slice(&other.ranges);
    }

    pub(super) fn normalize(mut self) -> CharSet {
        self.ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(self.ranges.len());
        for (first, last) in self.ranges {
            match merged.last_mut() {
                Some(previous) if first <= previous.1.saturating_add(1) => {
                    previous.1 = previous.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        CharSet { ranges: merged }
    }

    /// All other characters, of a normalized set.
    pub(super) fn complement(&self) -> CharSet {
        let mut ranges = Vec::with_capacity(self.ranges.len() + 1);
        let mut next = 0;
        for &(first, last) in &self.ranges {
            if first > next {
                ranges.push((next, first - 1));
            }
            next = last + 1;
        }
        if next <= LAST {
            ranges.push((next, LAST));
        }
        CharSet { ranges }
    }

    /// The ranges without the surrogates, which no Rust string holds.
    pub(super) fn scalar_ranges(&self) -> impl Iterator<Item = (u32, u32)> {
        let below = |&(first, last): &(u32, u32)| (first, last.min(SURROGATES.0 - 1));
        let above = |&(first, last): &(u32, u32)| (first.max(SURROGATES.1 + 1), last);
        let lower = self.ranges.iter().map(below);
        lower.chain(self.ranges.iter().map(above)).filter(|(first, last)| first <= last)
    }

    /// One bit for each ASCII character of the set.
    pub(super) fn ascii(&self) -> u128 {
        let mut bits = 0;
        for &(first, last) in &self.ranges {
            for character in first..=last.min(0x7f) {
                bits |= 1u128 << character;
            }
        }
        bits
    }

    pub(super) fn contains(&self, character: char) -> bool {
        let character = u32::from(character);
        let index = self.ranges.partition_point(|&(_, last)| last < character);
        self.ranges.get(index).is_some_and(|&(first, _)| first <= character)
    }

    pub(super) fn is_disjoint(&self, other: &CharSet) -> bool {
        self.ranges
            .iter()
            .all(|left| other.ranges.iter().all(|right| left.1 < right.0 || right.1 < left.0))
    }
}
