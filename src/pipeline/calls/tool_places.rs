//! How many calls of a tool are under way. A place is held by the call and by the run of its
//! handler, whichever takes longer: a handler that goes on behind its call still counts.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::tally::Tally;
use crate::base::wildcard::Wildcard;

/// The counts; see the module.
#[derive(Debug, Default)]
pub struct ToolPlaces {
    taken: Mutex<Tally<Wildcard>>,
}

/// A place of each bound that is about a tool, until it is dropped.
#[derive(Debug)]
pub struct ToolPlace {
    places: Arc<ToolPlaces>,
    patterns: Vec<Wildcard>,
}

/// A bound on calls of a tool is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace;

impl ToolPlaces {
    /// Takes a place of each bound that is about `tool`, or none; `None` if no bound is.
    ///
    /// # Errors
    /// One of them is reached.
    pub fn take(
        self: &Arc<Self>,
        tool: &str,
        bounds: &[(Wildcard, usize)],
    ) -> Result<Option<Arc<ToolPlace>>, NoPlace> {
        if bounds.is_empty() || tool.is_empty() {
            return Ok(None);
        }
        let about: Vec<_> = bounds.iter().filter(|(pattern, _)| pattern.matches(tool)).collect();
        let mut taken = self.taken.lock();
        if about.iter().any(|(pattern, most)| taken.count(pattern) >= *most) {
            return Err(NoPlace);
        }
        for (pattern, most) in &about {
            taken.enter(pattern.clone(), *most);
        }
        let patterns: Vec<_> = about.into_iter().map(|(pattern, _)| pattern.clone()).collect();
        let has_some = !patterns.is_empty();
        Ok(has_some.then(|| Arc::new(ToolPlace { places: Arc::clone(self), patterns })))
    }
}

impl Drop for ToolPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        self.patterns.iter().for_each(|pattern| taken.leave(pattern));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_of_one_pattern_share_its_places_and_give_them_back() {
        let bound = |name: &str, most| (Wildcard::new(name), most);
        let bounds = [bound("costly_*", 2), bound("costly_a", 1)];
        let places = Arc::new(ToolPlaces::default());
        let take = |tool: &str| places.take(tool, &bounds);
        let first = take("costly_a").unwrap();
        assert!(matches!(take("costly_a"), Err(NoPlace)), "one of this tool");
        let second = take("costly_b").unwrap();
        assert!(matches!(take("costly_c"), Err(NoPlace)), "two of the pattern");
        assert!(take("cheap").unwrap().is_none() && take("").unwrap().is_none());
        let run = first.clone();
        drop(first);
        assert!(take("costly_a").is_err(), "the run goes on");
        drop(run);
        assert!(take("costly_a").is_ok());
        drop(second);
        assert!(places.taken.lock().is_empty());
    }
}
