//! How many connections the limit on open files has room for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for all that is no connection: administration, tools with three pipes each, files,
/// logs. At most half of all.
const KEPT: u64 = 256;

/// Asks the system for descriptors for so many connections; gives how many it has room for.
pub(super) fn room_for(connections: usize) -> usize {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(KEPT);
    let now = getrlimit(Resource::Nofile);
    let (Some(soft), most) = (now.current, now.maximum) else { return connections };
    let better = most.map_or(wanted, |most| wanted.min(most));
    let raised = Rlimit { current: Some(better), ..now };
    let is_raised = soft < better && setrlimit(Resource::Nofile, raised).is_ok();
    let limit = if is_raised { better } else { soft };
    let room = usize::try_from(limit - KEPT.min(limit / 2)).unwrap_or(usize::MAX);
    if room < connections {
        log::warn!(
            "of {connections} connections (limits.max_connections) only {room} have room among \
             {limit} open files; raise LimitNOFILE= of the unit, or `ulimit -n`"
        );
    }
    room
}
