//! What one check may spend; it must never let a check go on after the budget is spent.

/// Why a check was ended without an answer; the caller treats it as a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exhausted {
    Steps,
    Depth,
}

/// The steps that are left, and the deepest nesting of an instance that is looked at.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u64,
    max_instance_depth: usize,
}

impl Budget {
    pub(super) fn new(steps: u64, max_instance_depth: usize) -> Budget {
        Budget { steps, max_instance_depth }
    }

    #[inline]
    pub(super) fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        self.steps = self.steps.checked_sub(steps).ok_or(Exhausted::Steps)?;
        Ok(())
    }

    /// The price of work on `length` units, of which a machine does `per_step` in one step's time.
    #[inline]
    pub(super) fn spend_length(&mut self, length: usize, per_step: u64) -> Result<(), Exhausted> {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.spend((length / per_step).saturating_add(1))
    }

    #[inline]
    pub(super) fn enter(&mut self, level: usize) -> Result<(), Exhausted> {
        if level > self.max_instance_depth { Err(Exhausted::Depth) } else { Ok(()) }
    }
}
