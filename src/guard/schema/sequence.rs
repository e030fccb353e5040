//! Anchored patterns without choice, matched in one pass; it must never need to step back.

use super::charset::CharSet;

/// One atom of a pattern and how often it may come.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    set: CharSet,
    ascii: u128,
    min: u32,
    max: u32,
}

impl Piece {
    pub(super) fn new(set: CharSet) -> Piece {
        Piece { ascii: set.ascii(), set, min: 1, max: 1 }
    }

    pub(super) fn repeat(&mut self, min: u32, max: u32) {
        (self.min, self.max) = (min, max);
    }

    #[inline]
    fn holds(&self, character: char) -> bool {
        let code = u32::from(character);
        if code < 128 { self.ascii & (1 << code) != 0 } else { self.set.contains(character) }
    }
}

/// `^`, pieces, and perhaps `$`: what most patterns in schemas are.
#[derive(Debug)]
pub(super) struct Sequence {
    pieces: Box<[Piece]>,
    to_end: bool,
}

/// A sequence as it was read, before it is known to be free of choice.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) pieces: Vec<Piece>,
    pub(super) to_end: bool,
}

impl Sequence {
    /// `None` if taking as much as possible could take what a later piece needs.
    pub(super) fn new(draft: Draft) -> Option<Sequence> {
        let mut rest = draft.pieces.as_slice();
        while let Some((piece, later)) = rest.split_first() {
            rest = later;
            if piece.min == piece.max {
                continue;
            }
            for next in later {
                if !piece.set.is_disjoint(&next.set) {
                    return None;
                }
                if next.min > 0 {
                    break;
                }
            }
        }
        Some(Sequence { pieces: draft.pieces.into_boxed_slice(), to_end: draft.to_end })
    }

    /// The number of pieces.
    pub(super) fn length(&self) -> u64 {
        u64::try_from(self.pieces.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let mut characters = text.chars();
        for piece in &self.pieces {
            let mut count = 0;
            while count < piece.max {
                let mut ahead = characters.clone();
                if !ahead.next().is_some_and(|character| piece.holds(character)) {
                    break;
                }
                characters = ahead;
                count += 1;
            }
            if count < piece.min {
                return false;
            }
        }
        !self.to_end || characters.as_str().is_empty()
    }
}
