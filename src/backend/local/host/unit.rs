//! Finds the processes of a systemd unit in the cgroup tree; it must never take a cgroup that a
//! user could have made for the unit of the system.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::read;

/// The most directories visited in search of a unit, and within one.
const MAX_DIRECTORIES: usize = 512;

/// The most entries of one directory that are looked at.
const MAX_ENTRIES: usize = 4_096;

/// What the cgroup tree says about a unit.
pub(super) enum Unit {
    /// This host shows no tree that systemd manages.
    NoSystemd,
    /// The unit has no cgroup, so nothing of it runs.
    Absent,
    /// The unit has a cgroup.
    Present {
        /// The processes in it and below it, at most the limit.
        pids: Vec<u32>,
        /// Whether the limit left processes out.
        truncated: bool,
        /// Memory charged to it, when the memory controller is on.
        memory_bytes: Option<u64>,
    },
}

/// Looks a unit up by its name without `.service`.
pub(super) fn find(sys_root: &Path, name: &str, max_pids: usize) -> Unit {
    let cgroup = sys_root.join("fs/cgroup");
    // Version 2 alone, version 2 beside version 1, version 1 alone.
    let roots = [cgroup.clone(), cgroup.join("unified"), cgroup.join("systemd")];
    let Some(root) = roots.into_iter().find(|root| root.join("system.slice").is_dir()) else {
        return Unit::NoSystemd;
    };
    let Some(slice) = slice_of(&root, &format!("{name}.service")) else { return Unit::Absent };
    let directory = root.join(&slice);
    let (pids, truncated) = pids_below(&directory, max_pids);
    let memory_bytes = read::number(&directory.join("memory.current")).or_else(|| {
        read::number(&cgroup.join("memory").join(&slice).join("memory.usage_in_bytes"))
    });
    Unit::Present { pids, truncated, memory_bytes }
}

/// The path of a unit below the root, searched through slices only, nearest first. The slices of
/// users are left out: a user can put a cgroup of any name there.
fn slice_of(root: &Path, unit: &str) -> Option<PathBuf> {
    if unit.contains('/') {
        return None;
    }
    let mut slices = VecDeque::from([PathBuf::new()]);
    for _ in 0..MAX_DIRECTORIES {
        let slice = slices.pop_front()?;
        let candidate = slice.join(unit);
        if root.join(&candidate).is_dir() {
            return Some(candidate);
        }
        let names = read::names(&root.join(&slice), MAX_ENTRIES);
        let below = names.iter().filter(|name| name.ends_with(".slice") && *name != "user.slice");
        slices.extend(below.map(|name| slice.join(name)));
    }
    None
}

/// The processes of a cgroup and of those below it. A zero stands for a process outside this
/// PID namespace.
fn pids_below(directory: &Path, max_pids: usize) -> (Vec<u32>, bool) {
    let mut pids = Vec::new();
    let mut directories = VecDeque::from([directory.to_path_buf()]);
    for _ in 0..MAX_DIRECTORIES {
        let Some(directory) = directories.pop_front() else { break };
        let text = read::text(&directory.join("cgroup.procs")).unwrap_or_default();
        let numbers = text.lines().filter_map(|line| line.parse::<u32>().ok());
        pids.extend(numbers.filter(|pid| *pid != 0));
        if pids.len() > max_pids {
            break;
        }
        let names = read::names(&directory, MAX_ENTRIES);
        let below = names.iter().map(|name| directory.join(name));
        directories.extend(below.filter(|path| path.is_dir() && !path.is_symlink()));
    }
    let truncated = pids.len() > max_pids || !directories.is_empty();
    pids.truncate(max_pids);
    (pids, truncated)
}
