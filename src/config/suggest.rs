//! Finds the name that was meant by a misspelt one; it must never be given a secret.

/// Longer names are not compared: the work grows with the product of both lengths.
const COMPARED_CHARACTERS: usize = 64;

/// The candidate nearest to `written`, if one is near enough to have been meant.
pub(super) fn nearest<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let written: Vec<char> = normalized(written);
    if written.len() > COMPARED_CHARACTERS {
        return None;
    }
    let allowed = (written.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&written, &normalized(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The only candidate that is `written` with more words before or after it, as `timeout_ms` is
/// `timeout` with a unit.
pub(super) fn longer<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let mut longer = candidates.into_iter().filter(|candidate| {
        candidate.strip_prefix(written).is_some_and(|rest| rest.starts_with('_'))
            || candidate.strip_suffix(written).is_some_and(|rest| rest.ends_with('_'))
    });
    let first = longer.next().filter(|_| !written.is_empty())?;
    longer.next().is_none().then_some(first)
}

fn normalized(name: &str) -> Vec<char> {
    let folded = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    name.chars().take(COMPARED_CHARACTERS + 1).map(folded).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours between two texts (optimal string
/// alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_previous: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    let mut left_before = None;
    for (row, &left_char) in left.iter().enumerate() {
        let mut current = Vec::with_capacity(previous.len());
        let mut beside = row.saturating_add(1);
        current.push(beside);
        let mut right_before = None;
        let steps = right.iter().zip(previous.iter().zip(previous.iter().skip(1))).enumerate();
        for (column, (&right_char, (&diagonal, &above))) in steps {
            let replaced = diagonal.saturating_add(usize::from(left_char != right_char));
            let mut best = replaced.min(above.saturating_add(1)).min(beside.saturating_add(1));
            if left_before == Some(right_char) && right_before == Some(left_char) {
                let swapped = column.checked_sub(1).and_then(|at| before_previous.get(at));
                best = swapped.map_or(best, |cost| best.min(cost.saturating_add(1)));
            }
            current.push(best);
            beside = best;
            right_before = Some(right_char);
        }
        before_previous = std::mem::replace(&mut previous, current);
        left_before = Some(left_char);
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, longer, nearest};

    fn between(left: &str, right: &str) -> usize {
        distance(&left.chars().collect::<Vec<_>>(), &right.chars().collect::<Vec<_>>())
    }

    #[test]
    fn the_distance_counts_edits_and_swaps() {
        assert_eq!(between("", ""), 0);
        assert_eq!(between("", "abc"), 3);
        assert_eq!(between("abc", ""), 3);
        assert_eq!(between("enabledd", "enabled"), 1);
        assert_eq!(between("lsiten", "listen"), 1);
        assert_eq!(between("kitten", "sitting"), 3);
        assert_eq!(between("ab", "ba"), 1);
    }

    #[test]
    fn the_nearest_name_is_found_whatever_case_and_hyphens() {
        assert_eq!(nearest("Max-Failures", ["max_depth", "max_failures"]), Some("max_failures"));
        assert_eq!(nearest("adress", ["address", "listen"]), Some("address"));
    }

    #[test]
    fn a_name_without_its_unit_or_its_first_word_is_found_if_only_one_fits() {
        assert_eq!(longer("timeout", ["timeout_ms", "output"]), Some("timeout_ms"));
        assert_eq!(longer("failures", ["max_failures"]), Some("max_failures"));
        assert_eq!(longer("max", ["max_a", "max_b"]), None);
        assert_eq!(longer("out", ["timeout_ms", "output"]), None);
        assert_eq!(longer("", ["_a"]), None);
    }

    #[test]
    fn a_name_that_is_far_from_all_is_not_guessed() {
        assert_eq!(nearest("color", ["listen", "path"]), None);
        assert_eq!(nearest("", ["path"]), None);
        assert_eq!(nearest(&"x".repeat(1000), [&*"x".repeat(1001)]), None);
    }
}
