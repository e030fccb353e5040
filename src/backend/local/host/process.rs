//! Reads what `/proc/PID` says about processes; it must never read a command line or an
//! environment, which carry secrets.

use std::fs;
use std::path::Path;

use super::{read, text};

/// The most processes one call looks at.
const MAX_SCANNED: usize = 65_536;

/// The most bytes of `stat` and `status`; the kernel writes a few hundred and a few thousand.
const MAX_STAT_BYTES: u64 = 4 * 1024;
const MAX_STATUS_BYTES: u64 = 16 * 1024;

/// `USER_HZ`, the unit of times in `stat`: part of the kernel's ABI, 100 on every architecture
/// Rust supports (include/asm-generic/param.h).
const TICKS_PER_SECOND: u64 = 100;

/// The fields of `/proc/PID/stat` that the toolset uses (proc_pid_stat(5)).
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// The command name as the process set it: any bytes, 15 for most processes.
    pub(super) name: Vec<u8>,
    pub(super) state: char,
    pub(super) cpu_ticks: u64,
    pub(super) threads: u64,
    /// When it started, in ticks after boot.
    pub(super) start_ticks: u64,
    /// Resident memory in pages, whose size differs between kernels: good for comparing only.
    pub(super) resident_pages: u64,
}

impl Process {
    /// Whether it can still do work: a zombie is only an entry for its parent to collect.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// The CPU time it has used.
    pub(super) fn cpu_seconds(&self) -> f64 {
        // One division of whole numbers gives the float nearest to the decimal fraction.
        self.cpu_ticks as f64 / TICKS_PER_SECOND as f64
    }

    /// When it started as an RFC 3339 time, given the time of boot in seconds since 1970.
    pub(super) fn started(&self, boot: Option<u64>) -> Option<String> {
        text::timestamp(boot?.checked_add(self.start_ticks / TICKS_PER_SECOND)?)
    }
}

/// Reads one process; `None` when it is gone.
pub(super) fn process(proc_root: &Path, pid: u32) -> Option<Process> {
    process_with(proc_root, pid, &mut Vec::new())
}

fn process_with(proc_root: &Path, pid: u32, buffer: &mut Vec<u8>) -> Option<Process> {
    let path = proc_root.join(pid.to_string()).join("stat");
    read::bytes_into(&path, MAX_STAT_BYTES, buffer)?;
    parse_stat(buffer)
}

/// Hands every process to `visit`, and says whether the bound cut the scan short.
pub(super) fn scan(proc_root: &Path, mut visit: impl FnMut(Process)) -> bool {
    let Ok(entries) = fs::read_dir(proc_root) else { return false };
    let mut buffer = Vec::new();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    for (seen, pid) in pids.enumerate() {
        if seen == MAX_SCANNED {
            return true;
        }
        // A process that ended since the directory was listed is not an error.
        if let Some(process) = process_with(proc_root, pid, &mut buffer) {
            visit(process);
        }
    }
    false
}

/// The name stands between the first `(` and the last `)`: it may hold either, or a newline,
/// while the fields behind it are numbers.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
    let name = stat.get(open + 1..close)?.to_vec();
    let fields = str::from_utf8(stat.get(close + 1..)?).ok()?;
    // The iterator starts at field 3; each `nth` skips the fields between two that are used.
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let user: u64 = fields.nth(9)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let threads = fields.nth(4)?.parse().ok()?;
    let start_ticks = fields.nth(1)?.parse().ok()?;
    let resident: i64 = fields.nth(1)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        name,
        state,
        cpu_ticks: user.saturating_add(system),
        threads,
        start_ticks,
        resident_pages: u64::try_from(resident).unwrap_or(0),
    })
}

/// What `/proc/PID/status` adds; each part is absent where the kernel does not write it.
#[derive(Default)]
pub(super) struct Detail {
    /// The real user ID.
    pub(super) user: Option<u32>,
    /// Resident memory; absent for kernel threads, which have none of their own.
    pub(super) resident_bytes: Option<u64>,
}

/// Reads the detail of one process.
pub(super) fn detail(proc_root: &Path, pid: u32) -> Detail {
    let path = proc_root.join(pid.to_string()).join("status");
    let mut buffer = Vec::new();
    if read::bytes_into(&path, MAX_STATUS_BYTES, &mut buffer).is_none() {
        return Detail::default();
    }
    parse_status(&String::from_utf8_lossy(&buffer))
}

/// The last line with a key counts: a process name that holds a newline comes before the real
/// lines on kernels which do not escape it.
fn parse_status(status: &str) -> Detail {
    let mut detail = Detail::default();
    for line in status.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let first = value.split_ascii_whitespace().next().unwrap_or_default();
        match key {
            "Uid" => detail.user = first.parse().ok(),
            "VmRSS" => {
                detail.resident_bytes =
                    first.parse().ok().map(|kibibytes: u64| kibibytes.saturating_mul(1024));
            }
            _ => {}
        }
    }
    detail
}

/// The time of boot in seconds since 1970, from `/proc/stat`.
pub(super) fn boot_time(proc_root: &Path) -> Option<u64> {
    let stat = read::text(&proc_root.join("stat"))?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
