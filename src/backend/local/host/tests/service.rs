//! Services with a pid file and systemd units.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::Host;
use crate::backend::local::host::summary;

#[test]
fn a_service_with_a_pid_file_is_its_process_and_descendants() {
    let host = Host::new()
        .with("proc/stat", "btime 1000\n")
        .with("web.pid", "40\n")
        .with_process(40, 1, b"web", 1, 1)
        .with_process(41, 40, b"worker", 1, 2)
        .with_process(42, 41, b"helper", 1, 3)
        .with_process(50, 1, b"other", 1, 9);
    let service = host.call("host_service", json!({"name": "web"}));
    let expected = json!({
        "state": "active", "main_pid": 40, "pids": [40, 41, 42], "pids_truncated": false,
        "memory_bytes": 6 * 4096, "active_since": "1970-01-01T00:17:20Z",
    });
    assert_eq!(service, expected);
    let text = summary("host_service", &service);
    assert!(text.contains("PIDs      40, 41, 42\n"), "{text}");
}

#[test]
fn a_pid_file_tells_stopped_from_failed_from_unknown() {
    let host = Host::new().with_process(40, 1, b"web", 1, 1);
    let state = || host.call("host_service", json!({"name": "web"}))["state"].clone();
    assert_eq!(state(), "inactive");
    host.write("web.pid", "77");
    assert_eq!(state(), "unknown", "processes of others may be hidden");
    let host = host.with_process(1, 0, b"init", 1, 1);
    let state = || host.call("host_service", json!({"name": "web"}))["state"].clone();
    assert_eq!(state(), "failed");
    host.write("proc/77/stat", "77 (w) Z 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 9 0 0 0");
    assert_eq!(state(), "failed");
    for content in ["", "x", "-1", "99999999999999999999", "../40"] {
        host.write("web.pid", content);
        assert_eq!(state(), "unknown", "{content}");
    }
    fs::remove_file(host.root.join("web.pid")).unwrap();
    host.write("other.pid", "40");
    symlink(host.root.join("other.pid"), host.root.join("web.pid")).unwrap();
    assert_eq!(state(), "unknown");
}

#[test]
fn parents_in_a_circle_end_the_walk() {
    let host = Host::new()
        .with("web.pid", "40")
        .with_process(40, 41, b"a", 1, 1)
        .with_process(41, 40, b"b", 1, 1);
    let service = host.call("host_service", json!({"name": "web"}));
    assert_eq!(service["pids"], json!([40, 41]));
}

#[test]
fn the_descendants_of_a_service_are_bounded() {
    let host = (41..=400)
        .fold(Host::new().with("web.pid", "40").with_process(40, 1, b"web", 1, 1), |host, pid| {
            host.with_process(pid, 40, b"worker", 1, 1)
        });
    let service = host.call("host_service", json!({"name": "web"}));
    assert_eq!(service["pids"].as_array().unwrap().len(), 256);
    assert_eq!(service["pids_truncated"], json!(true));
}

#[test]
fn a_systemd_unit_is_found_by_its_cgroup() {
    let unit = "sys/fs/cgroup/system.slice/unit.service";
    let host = Host::new()
        .with(&format!("{unit}/cgroup.procs"), "0\n61\n60\n")
        .with(&format!("{unit}/memory.current"), "12345\n")
        .with(&format!("{unit}/payload/cgroup.procs"), "62\n")
        .with_process(60, 1, b"unit", 1, 1)
        .with_process(61, 60, b"unit", 1, 1);
    let service = host.call("host_service", json!({"name": "unit"}));
    assert_eq!(
        service,
        json!({
            "state": "active", "main_pid": 60, "pids": [61, 60, 62], "pids_truncated": false,
            "memory_bytes": 12345,
        })
    );
}

#[test]
fn a_unit_is_found_in_other_slices_and_cgroup_versions_but_not_among_users() {
    let state = |host: &Host| host.call("host_service", json!({"name": "unit"}));
    let host = Host::new().with("sys/fs/cgroup/system.slice/x", "");
    host.write("sys/fs/cgroup/user.slice/user-1.slice/unit.service/cgroup.procs", "9\n");
    host.write("sys/fs/cgroup/system.slice/other.service/unit.service/cgroup.procs", "9\n");
    assert_eq!(state(&host)["state"], "inactive");
    host.write("sys/fs/cgroup/a.slice/a-b.slice/unit.service/cgroup.procs", "9\n");
    assert_eq!(state(&host)["pids"], json!([9]));
    let host = Host::new()
        .with("sys/fs/cgroup/systemd/system.slice/unit.service/cgroup.procs", "8\n")
        .with("sys/fs/cgroup/memory/system.slice/unit.service/memory.usage_in_bytes", "77\n");
    assert_eq!(state(&host)["pids"], json!([8]));
    assert_eq!(state(&host)["memory_bytes"], json!(77));
}

#[test]
fn the_processes_of_a_unit_are_bounded() {
    let pids: String = (1..=1_000).map(|pid| format!("{pid}\n")).collect();
    let host = Host::new().with("sys/fs/cgroup/system.slice/unit.service/cgroup.procs", pids);
    let service = host.call("host_service", json!({"name": "unit"}));
    assert_eq!(service["pids"].as_array().unwrap().len(), 256);
    assert_eq!(service["pids_truncated"], json!(true));
}
