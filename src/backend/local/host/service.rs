//! `host_service`: whether a configured service runs; it must never ask the service manager or
//! send a signal.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::process::{self, Process};
use super::read::{self, OpenError};
use super::schema::{self, Facts, optional, required};
use super::unit::{self, Unit};
use super::{HostError, HostSettings, HostTool, Service, arguments, text};

pub(super) const NAME: &str = "host_service";

/// The most processes of one service that are listed.
const MAX_PIDS: usize = 256;

/// The most bytes read of a PID file, which holds one number.
const MAX_PID_FILE_BYTES: u64 = 64;

const STATES: [&str; 4] = ["active", "inactive", "failed", "unknown"];

pub(super) fn tool(services: &[Service]) -> HostTool {
    let names = services.iter().map(|service| service.name.as_str());
    HostTool {
        name: NAME,
        title: "Host service",
        description: "Reports whether one of this machine's services runs, with its processes \
                      and memory.",
        input_schema: schema::root([required("name", schema::choice("Which service.", names))]),
        output_schema: schema::root([
            required(
                "state",
                schema::choice(
                    "active: it has processes; inactive: it has none; failed: its PID file \
                     names a process that has ended; unknown: this host does not tell.",
                    STATES,
                ),
            ),
            required("pids", schema::array("Its processes.", schema::integer("Process ID."))),
            required("pids_truncated", schema::boolean("Whether processes are left out.")),
            optional(
                "main_pid",
                schema::integer("The process of the PID file, or else the oldest."),
            ),
            optional(
                "memory_bytes",
                schema::integer(
                    "Memory charged to its control group, or else the resident memory of its \
                     processes, in which shared pages count more than once.",
                ),
            ),
            optional("active_since", schema::string("Start of the main process, RFC 3339.")),
        ]),
    }
}

pub(super) fn call(
    settings: &HostSettings,
    arguments: &Map<String, Value>,
) -> Result<Value, HostError> {
    arguments::only(arguments, &["name"])?;
    let name = arguments::required(arguments, "name")?;
    let service = settings.services.iter().find(|service| service.name == name);
    let service = service.ok_or(HostError::InvalidArgument("name"))?;
    let report = match &service.pid_file {
        Some(path) => by_pid_file(&settings.proc_root, path),
        None => by_unit(settings, &service.name),
    };
    Ok(describe(&settings.proc_root, report))
}

/// What was found out about a service.
#[derive(Default)]
struct Report {
    state: &'static str,
    pids: Vec<u32>,
    truncated: bool,
    main: Option<Process>,
    memory_bytes: Option<u64>,
}

impl Report {
    fn of_state(state: &'static str) -> Self {
        Self { state, ..Self::default() }
    }
}

fn by_unit(settings: &HostSettings, name: &str) -> Report {
    match unit::find(&settings.sys_root, name, MAX_PIDS) {
        Unit::NoSystemd => Report::of_state("unknown"),
        Unit::Absent => Report::of_state("inactive"),
        Unit::Present { pids, truncated, memory_bytes } => {
            let processes =
                pids.iter().filter_map(|pid| process::process(&settings.proc_root, *pid));
            let main = processes.min_by_key(|process| (process.start_ticks, process.pid));
            let state = if pids.is_empty() { "inactive" } else { "active" };
            Report { state, pids, truncated, main, memory_bytes }
        }
    }
}

fn by_pid_file(proc_root: &Path, path: &Path) -> Report {
    let file = match read::open_regular(path) {
        Ok(file) => file,
        Err(OpenError::Missing) => return Report::of_state("inactive"),
        Err(OpenError::NotRegular | OpenError::Unreadable) => return Report::of_state("unknown"),
    };
    let mut content = String::new();
    let read = file.take(MAX_PID_FILE_BYTES).read_to_string(&mut content);
    let pid = content.lines().next().and_then(|line| line.trim().parse().ok());
    let (Ok(_), Some(pid)) = (read, pid) else { return Report::of_state("unknown") };
    let Some(main) = process::process(proc_root, pid).filter(Process::is_alive) else {
        // A procfs mounted with `hidepid` shows no processes of other users, not even the first.
        let all_visible = process::process(proc_root, 1).is_some();
        return Report::of_state(if all_visible { "failed" } else { "unknown" });
    };
    let (pids, truncated) = with_descendants(proc_root, pid);
    let memory = pids.iter().filter_map(|pid| process::detail(proc_root, *pid).resident_bytes);
    let memory_bytes = memory.reduce(u64::saturating_add);
    Report { state: "active", pids, truncated, main: Some(main), memory_bytes }
}

/// A process and all that descend from it, nearest first.
fn with_descendants(proc_root: &Path, root: u32) -> (Vec<u32>, bool) {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let cut = process::scan(proc_root, |process| {
        // Without the root among the children the walk ends, even if the processes changed
        // during the scan so that it shows a circle of parents.
        if process.pid != root {
            children.entry(process.parent).or_default().push(process.pid);
        }
    });
    let mut pids = Vec::new();
    let mut waiting = VecDeque::from([root]);
    while let Some(pid) = waiting.pop_front() {
        if pids.len() == MAX_PIDS {
            return (pids, true);
        }
        pids.push(pid);
        waiting.extend(children.remove(&pid).unwrap_or_default());
    }
    (pids, cut)
}

fn describe(proc_root: &Path, report: Report) -> Value {
    let since = report.main.as_ref().and_then(|main| main.started(process::boot_time(proc_root)));
    let mut facts = Facts::default();
    facts.put("state", report.state);
    facts.put("pids", report.pids);
    facts.put("pids_truncated", report.truncated);
    facts.put_known("main_pid", report.main.map(|main| main.pid));
    facts.put_known("memory_bytes", report.memory_bytes);
    facts.put_known("active_since", since);
    facts.into()
}

pub(super) fn summary(structured: &Value) -> String {
    let rows = [
        ("state", text::cell(structured, "state")),
        ("main PID", text::cell(structured, "main_pid")),
        ("PIDs", text::list_cell(structured, "pids")),
        ("memory", text::bytes_cell(structured, "memory_bytes")),
        ("since", text::cell(structured, "active_since")),
    ];
    let known = rows.iter().filter(|(_, value)| value != "-");
    known.map(|(name, value)| format!("{name:<10}{value}\n")).collect()
}
