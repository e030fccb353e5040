//! `host_disks`: how full the local file systems are; it must never ask a mount that may hang.

use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use super::mounts::{self, Mount};
use super::schema::{self, Facts, optional, required};
use super::{HostSettings, HostTool, text};

pub(super) const NAME: &str = "host_disks";

/// The most file systems one call reports.
const MAX_FILE_SYSTEMS: usize = 128;

pub(super) fn tool() -> HostTool {
    let file_system = schema::object([
        required("mount_point", schema::string("Where the file system is mounted.")),
        required("device", schema::string("What is mounted.")),
        required("file_system", schema::string("Type of the file system.")),
        required("read_only", schema::boolean("Whether writing is refused.")),
        optional("total_bytes", schema::integer("Size.")),
        optional("used_bytes", schema::integer("Space in use.")),
        optional("free_bytes", schema::integer("Space not in use, the reserve included.")),
        optional(
            "available_bytes",
            schema::integer("Space that users other than root can still fill."),
        ),
        optional("inodes_total", schema::integer("Number of files it can hold.")),
        optional("inodes_used", schema::integer("Number of files it holds.")),
        optional("inodes_free", schema::integer("Number of files it can still take.")),
    ]);
    HostTool {
        name: NAME,
        title: "Host disks",
        description: "Reports the size and use of this machine's local file systems, one entry \
                      for each device. Network file systems are left out. An entry has no sizes \
                      when it lies behind a mount that may not answer.",
        input_schema: schema::root([]),
        output_schema: schema::root([required(
            "file_systems",
            schema::array("The file systems, by mount point.", file_system),
        )]),
    }
}

pub(super) fn call(settings: &HostSettings) -> Value {
    let mounts = mounts::local_mounts(&settings.proc_root);
    let file_systems: Vec<Value> = mounts.iter().take(MAX_FILE_SYSTEMS).map(describe).collect();
    let mut facts = Facts::default();
    facts.put("file_systems", file_systems);
    facts.into()
}

fn describe(mount: &Mount) -> Value {
    let mut facts = Facts::default();
    facts.put("mount_point", text::escape(mount.mount_point.as_os_str().as_bytes()));
    facts.put("device", text::escape(&mount.source));
    facts.put("file_system", text::escape(mount.file_system.as_bytes()));
    facts.put("read_only", mount.read_only);
    if mount.safe {
        put_usage(&mut facts, mount);
    }
    facts.into()
}

fn put_usage(facts: &mut Facts, mount: &Mount) {
    let Ok(usage) = rustix::fs::statvfs(&mount.mount_point) else { return };
    let bytes = |blocks: u64| blocks.saturating_mul(usage.f_frsize);
    facts.put("total_bytes", bytes(usage.f_blocks));
    facts.put("used_bytes", bytes(usage.f_blocks.saturating_sub(usage.f_bfree)));
    facts.put("free_bytes", bytes(usage.f_bfree));
    facts.put("available_bytes", bytes(usage.f_bavail));
    // Zero means that the file system makes inodes as it needs them.
    if usage.f_files > 0 {
        facts.put("inodes_total", usage.f_files);
        facts.put("inodes_used", usage.f_files.saturating_sub(usage.f_ffree));
        facts.put("inodes_free", usage.f_ffree);
    }
}

pub(super) fn summary(structured: &Value) -> String {
    let rows: Vec<[String; 8]> = text::items(structured, "file_systems")
        .iter()
        .map(|file_system| {
            let mut kind = text::cell(file_system, "file_system");
            if file_system.get("read_only").and_then(Value::as_bool) == Some(true) {
                kind.push_str(" (ro)");
            }
            [
                text::bytes_cell(file_system, "total_bytes"),
                text::bytes_cell(file_system, "used_bytes"),
                text::bytes_cell(file_system, "available_bytes"),
                percent(file_system, "used_bytes", "available_bytes"),
                percent(file_system, "inodes_used", "inodes_free"),
                kind,
                text::cell(file_system, "device"),
                text::cell(file_system, "mount_point"),
            ]
        })
        .collect();
    let header = ["SIZE", "USED", "AVAILABLE", "USE", "INODES", "TYPE", "DEVICE", "MOUNTED ON"];
    text::table(header, &rows)
}

/// The share in use, rounded up, so that only an empty file system shows as 0 %.
fn percent(file_system: &Value, used: &str, left: &str) -> String {
    let figure = |name: &str| file_system.get(name).and_then(Value::as_u64).map(u128::from);
    match figure(used).zip(figure(left)) {
        Some((used, left)) if used + left > 0 => {
            format!("{} %", (used * 100).div_ceil(used + left))
        }
        _ => "-".to_owned(),
    }
}
