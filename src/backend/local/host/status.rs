//! `host_status`: the machine as a whole; it must never fail because a kernel offers less.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::schema::{self, Facts, optional};
use super::{HostSettings, HostTool, kernel, read, sensors, text};

pub(super) const NAME: &str = "host_status";

pub(super) const LOADS: [(&str, &str); 3] = [
    ("load_1_minute", "Mean number of runnable and disk-waiting tasks over the last minute."),
    ("load_5_minutes", "The same over the last 5 minutes."),
    ("load_15_minutes", "The same over the last 15 minutes."),
];

pub(super) fn tool() -> HostTool {
    let loads = LOADS.map(|(name, description)| optional(name, schema::number(description)));
    let facts = [
        optional("hostname", schema::string("Host name.")),
        optional("kernel_release", schema::string("Release of the running kernel.")),
        optional("uptime_seconds", schema::integer("Time since boot.")),
        optional("cpu_count", schema::integer("Processors that are online.")),
        optional("cpu_frequency_mhz", schema::integer("Current frequency of the first CPU.")),
        optional("memory_total_bytes", schema::integer("Memory the kernel manages.")),
        optional(
            "memory_available_bytes",
            schema::integer("Memory programs can still get without swapping."),
        ),
        optional("memory_used_bytes", schema::integer("Total memory less the available.")),
        optional("swap_total_bytes", schema::integer("Swap space; absent when there is none.")),
        optional(
            "swap_used_bytes",
            schema::integer("Swap space in use; absent when there is none."),
        ),
        optional("temperatures", sensors::temperature_schema()),
        optional("pressure", sensors::pressure_schema()),
    ];
    HostTool {
        name: NAME,
        title: "Host status",
        description: "Reports this machine's name, uptime, load, CPUs, memory, swap, \
                      temperatures and resource pressure.",
        input_schema: schema::root([]),
        output_schema: schema::root(facts.into_iter().chain(loads)),
    }
}

pub(super) fn call(settings: &HostSettings) -> Value {
    let (proc_root, sys_root) = (settings.proc_root.as_path(), settings.sys_root.as_path());
    let kernel = proc_root.join("sys/kernel");
    let mut facts = Facts::default();
    if fs::symlink_metadata(proc_root.join("self")).is_err() {
        kernel::put_facts(&mut facts);
        return facts.into();
    }
    facts.put_known("hostname", escaped_line(&kernel.join("hostname")));
    facts.put_known("kernel_release", escaped_line(&kernel.join("osrelease")));
    facts.put_known("uptime_seconds", uptime(proc_root));
    put_loads(&mut facts, proc_root);
    facts.put_known("cpu_count", cpu_count(proc_root, sys_root));
    facts.put_known("cpu_frequency_mhz", cpu_frequency(sys_root));
    if let Some(text) = read::text(&proc_root.join("meminfo")) {
        put_memory(&mut facts, &text);
    }
    facts.put_filled("temperatures", sensors::temperatures(sys_root));
    facts.put_filled("pressure", sensors::pressure(proc_root));
    facts.into()
}

fn escaped_line(path: &Path) -> Option<String> {
    read::line(path).map(|line| text::escape(line.as_bytes()))
}

fn uptime(proc_root: &Path) -> Option<u64> {
    let line = read::line(&proc_root.join("uptime"))?;
    line.split(['.', ' ']).next()?.parse().ok()
}

fn put_loads(facts: &mut Facts, proc_root: &Path) {
    let line = read::line(&proc_root.join("loadavg")).unwrap_or_default();
    for ((name, _), word) in LOADS.iter().zip(line.split_ascii_whitespace()) {
        facts.put_known(name, word.parse().ok().filter(|load: &f64| load.is_finite()));
    }
}

/// The list of online CPUs from sysfs, or the `cpuN` lines of `/proc/stat` without sysfs.
fn cpu_count(proc_root: &Path, sys_root: &Path) -> Option<u64> {
    let online = read::line(&sys_root.join("devices/system/cpu/online"));
    online.and_then(|list| count_of_list(&list)).or_else(|| {
        let stat = read::text(&proc_root.join("stat"))?;
        let cpus = stat.lines().filter_map(|line| line.strip_prefix("cpu"));
        let count = cpus.filter(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
        u64::try_from(count.count()).ok().filter(|count| *count > 0)
    })
}

/// The number of CPUs in a list such as `0-3,6`.
fn count_of_list(list: &str) -> Option<u64> {
    list.split(',').try_fold(0_u64, |count, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        count.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

fn cpu_frequency(sys_root: &Path) -> Option<u64> {
    let path = sys_root.join("devices/system/cpu/cpu0/cpufreq/scaling_cur_freq");
    read::number(&path).map(|kilohertz: u64| kilohertz / 1_000)
}

fn put_memory(facts: &mut Facts, meminfo: &str) {
    let total = meminfo_bytes(meminfo, "MemTotal");
    // Kernels before 3.14 have no estimate of their own; caches are what they can give back.
    let available = meminfo_bytes(meminfo, "MemAvailable").or_else(|| {
        let parts = ["MemFree", "Buffers", "Cached"];
        parts
            .into_iter()
            .try_fold(0_u64, |sum, key| Some(sum.saturating_add(meminfo_bytes(meminfo, key)?)))
    });
    facts.put_known("memory_total_bytes", total);
    facts.put_known("memory_available_bytes", available);
    facts.put_known(
        "memory_used_bytes",
        total.zip(available).map(|(total, available)| total.saturating_sub(available)),
    );
    let swap = meminfo_bytes(meminfo, "SwapTotal").filter(|total| *total > 0);
    facts.put_known("swap_total_bytes", swap);
    facts.put_known(
        "swap_used_bytes",
        swap.zip(meminfo_bytes(meminfo, "SwapFree"))
            .map(|(total, free)| total.saturating_sub(free)),
    );
}

fn meminfo_bytes(meminfo: &str, key: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kibibytes.saturating_mul(1024))
}

pub(super) fn summary(structured: &Value) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        if value != "-" {
            let _ = writeln!(out, "{name:<12}{value}");
        }
    };
    row("host", text::cell(structured, "hostname"));
    row("kernel", text::cell(structured, "kernel_release"));
    if let Some(seconds) = structured.get("uptime_seconds").and_then(Value::as_u64) {
        row("uptime", text::duration(seconds));
    }
    row("cpus", text::cell(structured, "cpu_count"));
    if let Some(frequency) = structured.get("cpu_frequency_mhz") {
        row("frequency", format!("{frequency} MHz"));
    }
    if structured.get("load_1_minute").is_some() {
        let [one, five, fifteen] = LOADS.map(|(name, _)| text::cell(structured, name));
        row("load", format!("{one} {five} {fifteen} (1, 5, 15 minutes)"));
    }
    for (name, used, total) in [
        ("memory", "memory_used_bytes", "memory_total_bytes"),
        ("swap", "swap_used_bytes", "swap_total_bytes"),
    ] {
        let total = text::bytes_cell(structured, total);
        if structured.get(used).is_some() {
            row(name, format!("{} used of {total}", text::bytes_cell(structured, used)));
        } else {
            row(name, total);
        }
    }
    for reading in text::items(structured, "temperatures") {
        let (celsius, sensor) =
            (text::cell(reading, "temperature_celsius"), text::cell(reading, "sensor"));
        row("temperature", format!("{celsius} °C {sensor}"));
    }
    for resource in text::items(structured, "pressure") {
        let name = text::cell(resource, "resource");
        let some = text::cell(resource, "some_10_seconds_percent");
        let full = text::cell(resource, "full_10_seconds_percent");
        row("pressure", format!("{name}: some {some} %, full {full} % (10 seconds)"));
    }
    out
}
