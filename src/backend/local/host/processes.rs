//! `host_processes`: the busiest or largest processes; it must never show command lines.

use std::cmp::Reverse;

use serde_json::{Map, Value};

use super::process::{self, Process};
use super::schema::{self, Facts, optional, required};
use super::{HostError, HostSettings, HostTool, arguments, text};

pub(super) const NAME: &str = "host_processes";

const MAX_LISTED: usize = 200;
const MAX_NAME_CHARACTERS: usize = 64;

/// The words for the state letters of proc_pid_stat(5).
const STATES: [(char, &str); 9] = [
    ('R', "running"),
    ('S', "sleeping"),
    ('D', "waiting_for_disk"),
    ('T', "stopped"),
    ('t', "traced"),
    ('Z', "zombie"),
    ('X', "dead"),
    ('I', "idle"),
    ('P', "parked"),
];

pub(super) fn tool(default_limit: usize) -> HostTool {
    let states = STATES.iter().map(|(_, word)| *word).chain(["other"]);
    let process = schema::object([
        required("pid", schema::integer("Process ID.")),
        required("parent_pid", schema::integer("Process ID of the parent; 0 for none.")),
        required("name", schema::string("Command name, which the process chooses itself.")),
        required("state", schema::choice("What the process is doing.", states)),
        optional("user_id", schema::integer("Real user ID.")),
        optional("resident_bytes", schema::integer("Memory held in RAM, shared pages included.")),
        required("cpu_seconds", schema::number("CPU time used since the process started.")),
        required("threads", schema::integer("Number of threads.")),
        optional("started_at", schema::string("Start of the process, RFC 3339 in UTC.")),
    ]);
    HostTool {
        name: NAME,
        title: "Host processes",
        description: "Lists the processes of this machine that have used the most CPU time or \
                      hold the most memory. Command-line arguments are not shown.",
        input_schema: schema::root([
            optional(
                "sort",
                schema::choice("Order, largest first; cpu unless given.", ["cpu", "memory"]),
            ),
            optional(
                "limit",
                schema::range("Most processes to list.", 1, MAX_LISTED, default_of(default_limit)),
            ),
            optional(
                "name",
                schema::bounded_string(
                    "List only processes with exactly this command name.",
                    MAX_NAME_CHARACTERS,
                ),
            ),
        ]),
        output_schema: schema::root([
            required("processes", schema::array("The processes, largest first.", process)),
            required(
                "matching",
                schema::integer("How many processes matched, of those visible to this server."),
            ),
            required("truncated", schema::boolean("Whether processes that match are left out.")),
        ]),
    }
}

fn default_of(max_processes: usize) -> usize {
    max_processes.clamp(1, MAX_LISTED)
}

pub(super) fn call(
    settings: &HostSettings,
    arguments: &Map<String, Value>,
) -> Result<Value, HostError> {
    arguments::only(arguments, &["sort", "limit", "name"])?;
    let key = match arguments.get("sort").map(Value::as_str) {
        None | Some(Some("cpu")) => |process: &Process| process.cpu_ticks,
        Some(Some("memory")) => |process: &Process| process.resident_pages,
        Some(_) => return Err(HostError::InvalidArgument("sort")),
    };
    let limit = arguments::integer(arguments, "limit", 1, MAX_LISTED)?
        .unwrap_or_else(|| default_of(settings.max_processes));
    let name = arguments::string(arguments, "name", MAX_NAME_CHARACTERS)?;

    let mut largest: Vec<Process> = Vec::new();
    let mut matching = 0_usize;
    let cut = process::scan(&settings.proc_root, |process| {
        if name.is_some_and(|name| !is_named(&process, name)) {
            return;
        }
        matching += 1;
        largest.push(process);
        // Keeping no more than two lists' worth bounds memory on a host with many processes.
        if largest.len() > limit * 2 {
            keep_largest(&mut largest, key, limit);
        }
    });
    keep_largest(&mut largest, key, limit);

    let boot = process::boot_time(&settings.proc_root);
    let listed: Vec<Value> =
        largest.iter().map(|process| describe(settings, process, boot)).collect();
    let mut facts = Facts::default();
    facts.put("truncated", cut || matching > listed.len());
    facts.put("matching", matching);
    facts.put("processes", listed);
    Ok(facts.into())
}

/// A caller can give the name as the process set it, or as an earlier answer showed it.
fn is_named(process: &Process, name: &str) -> bool {
    process.name == name.as_bytes() || text::escape(&process.name) == name
}

fn keep_largest(processes: &mut Vec<Process>, key: fn(&Process) -> u64, limit: usize) {
    processes.sort_unstable_by_key(|process| (Reverse(key(process)), process.pid));
    processes.truncate(limit);
}

fn describe(settings: &HostSettings, process: &Process, boot: Option<u64>) -> Value {
    let detail = process::detail(&settings.proc_root, process.pid);
    let word = STATES.iter().find(|(letter, _)| *letter == process.state);
    let none = (process.resident_pages == 0).then_some(0);
    let mut facts = Facts::default();
    facts.put("pid", process.pid);
    facts.put("parent_pid", process.parent);
    facts.put("name", text::escape(&process.name));
    facts.put("state", word.map_or("other", |(_, word)| *word));
    facts.put_known("user_id", detail.user);
    facts.put_known("resident_bytes", detail.resident_bytes.or(none));
    facts.put("cpu_seconds", process.cpu_seconds());
    facts.put("threads", process.threads);
    facts.put_known("started_at", process.started(boot));
    facts.into()
}

pub(super) fn summary(structured: &Value) -> String {
    let rows: Vec<[String; 8]> = text::items(structured, "processes")
        .iter()
        .map(|process| {
            [
                text::cell(process, "pid"),
                text::cell(process, "parent_pid"),
                text::cell(process, "user_id"),
                text::cell(process, "state"),
                text::cell(process, "cpu_seconds"),
                text::bytes_cell(process, "resident_bytes"),
                text::cell(process, "threads"),
                text::cell(process, "name"),
            ]
        })
        .collect();
    let header = ["PID", "PARENT", "USER", "STATE", "CPU SECONDS", "MEMORY", "THREADS", "NAME"];
    let table = text::table(header, &rows);
    let (listed, matching) = (rows.len(), text::cell(structured, "matching"));
    format!("{table}{listed} of {matching} processes\n")
}
