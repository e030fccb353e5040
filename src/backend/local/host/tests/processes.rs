//! The list of processes.

use serde_json::{Map, json};

use super::{Host, names_of};
use crate::backend::local::host::{HostSettings, call, process, text};

#[test]
fn this_test_process_is_found_on_this_machine() {
    let settings = HostSettings::default();
    let pid = std::process::id();
    let found = process::process(&settings.proc_root, pid).unwrap();
    assert_eq!(found.pid, pid);
    assert!(process::detail(&settings.proc_root, pid).resident_bytes.unwrap() > 0);
}

#[test]
fn odd_process_names_are_read_right_and_shown_escaped() {
    let host = Host::new()
        .with_process(10, 1, b"a b) S 99 (c", 500, 1)
        .with_process(11, 1, b"new\nUid:\t0", 400, 2)
        .with_process(12, 1, b"\xff\x1b]0;x", 300, 3)
        .with_process(13, 1, b")", 200, 4)
        .with_process(14, 1, b"", 100, 5);
    let result = host.call("host_processes", json!({}));
    assert_eq!(
        names_of(&result),
        ["a b) S 99 (c", "new\\nUid:\\t0", "\u{fffd}\\u{1b}]0;x", ")", ""]
    );
    for process in result["processes"].as_array().unwrap() {
        assert_eq!(process["parent_pid"], 1);
        assert_eq!(process["user_id"], process["pid"]);
    }
    for name in ["a b) S 99 (c", "new\nUid:\t0", "new\\nUid:\\t0"] {
        let result = host.call("host_processes", json!({"name": name}));
        assert_eq!(result["matching"], 1, "{name}");
    }
    assert_eq!(host.call("host_processes", json!({"name": "a b"}))["matching"], 0);
}

#[test]
fn a_newline_in_a_name_that_status_shows_raw_sets_no_user() {
    let host = Host::new().with_process(10, 1, b"x", 1, 1);
    host.write("proc/10/status", "Name:\tx\nUid:\t0\t0\nState:\tS\nUid:\t1000\t0\t0\t0\n");
    let result = host.call("host_processes", json!({}));
    assert_eq!(result["processes"][0]["user_id"], 1000);
}

#[test]
fn processes_are_sorted_bounded_and_counted() {
    let mut host = Host::new().with("proc/stat", "btime 1000\n");
    for pid in 1..=20 {
        let name = format!("p{pid}");
        host =
            host.with_process(pid, 0, name.as_bytes(), u64::from(pid) * 10, u64::from(100 - pid));
    }
    host.write("proc/99/cmdline", "secret");
    host.write("proc/98/stat", "98 (cut) S");
    let by_cpu = host.call("host_processes", json!({"limit": 3}));
    assert_eq!(names_of(&by_cpu), ["p20", "p19", "p18"]);
    assert_eq!((&by_cpu["matching"], &by_cpu["truncated"]), (&json!(20), &json!(true)));
    assert_eq!(by_cpu["processes"][0]["cpu_seconds"], json!(2.5));
    assert_eq!(by_cpu["processes"][0]["threads"], json!(3));
    assert_eq!(by_cpu["processes"][0]["started_at"], "1970-01-01T00:17:00Z");
    let by_memory = host.call("host_processes", json!({"sort": "memory", "limit": 2}));
    assert_eq!(names_of(&by_memory), ["p1", "p2"]);
    assert_eq!(by_memory["processes"][0]["resident_bytes"], json!(99 * 4096));
    let settings = HostSettings { max_processes: 4, ..host.settings() };
    let default = call(&settings, "host_processes", &Map::new()).unwrap();
    assert_eq!(names_of(&default).len(), 4);
    assert_eq!(host.call("host_processes", json!({}))["truncated"], json!(false));
}

#[test]
fn huge_counters_fit() {
    let host = Host::new().with_process(10, 1, b"x", u64::MAX, 1 << 40);
    host.write("proc/10/status", format!("VmRSS:\t{} kB\n", u64::MAX));
    let result = host.call("host_processes", json!({}));
    assert_eq!(result["processes"][0]["resident_bytes"], json!(u64::MAX));
    let counters = format!("eth0:{} 2 3 4 0 0 0 0 9 10 11 12 0 0 0 0\n", u64::MAX);
    host.write("proc/net/dev", counters);
    let network = host.call("host_network", json!({}));
    assert_eq!(network["interfaces"][0]["received_bytes"], json!(u64::MAX));
    assert_eq!(text::bytes(u64::MAX), "16383.9 PiB");
}
