//! Tests of the host toolset on fixture trees and on this machine; they must never depend on
//! what the machine has.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value, json};

use super::{HostError, HostSettings, LogFile, Service, call, process, read, summary, text, tools};

/// A directory with a `proc` and a `sys` tree, removed at the end of a test.
struct Host {
    root: PathBuf,
}

impl Host {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("erlmcp-host-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("proc/self")).unwrap();
        fs::create_dir_all(root.join("sys")).unwrap();
        Self { root }
    }

    fn with(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(path, content);
        self
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn with_process(self, pid: u32, parent: u32, name: &[u8], cpu: u64, pages: u64) -> Self {
        let mut stat = format!("{pid} (").into_bytes();
        stat.extend_from_slice(name);
        stat.extend_from_slice(
            format!(
                ") S {parent} 1 1 0 -1 4194560 1 2 3 4 {cpu} 50 7 8 20 0 3 0 {} 9000 {pages} 1 2",
                pid * 100
            )
            .as_bytes(),
        );
        let status = format!("Name:\tx\nUid:\t{pid}\t0\t0\t0\nVmRSS:\t {} kB\n", pages * 4);
        self.with(&format!("proc/{pid}/stat"), stat).with(&format!("proc/{pid}/status"), status)
    }

    fn settings(&self) -> HostSettings {
        HostSettings {
            proc_root: self.root.join("proc"),
            sys_root: self.root.join("sys"),
            log_files: vec![LogFile { name: "app".to_owned(), path: self.root.join("app.log") }],
            services: vec![
                Service { name: "web".to_owned(), pid_file: Some(self.root.join("web.pid")) },
                Service { name: "unit".to_owned(), pid_file: None },
            ],
            ..HostSettings::default()
        }
    }

    /// Calls a tool and checks that the result satisfies the tool's output schema.
    fn call(&self, name: &str, arguments: Value) -> Value {
        let result = self.try_call(name, arguments).unwrap();
        check_tool(&self.settings(), name, &result);
        result
    }

    fn try_call(&self, name: &str, arguments: Value) -> Result<Value, HostError> {
        call(&self.settings(), name, arguments.as_object().unwrap())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn check_tool(settings: &HostSettings, name: &str, result: &Value) {
    let tools = tools(settings);
    let tool = tools.iter().find(|tool| tool.name == name).unwrap();
    check(&tool.output_schema, result, name);
}

/// Checks the keywords the schemas use, and that every property is described.
fn check(schema: &Value, value: &Value, at: &str) {
    match schema["type"].as_str().unwrap() {
        "object" => {
            let object = value.as_object().unwrap_or_else(|| panic!("{at} is no object"));
            assert_eq!(schema["additionalProperties"], json!(false), "{at}");
            for name in schema["required"].as_array().unwrap() {
                assert!(object.contains_key(name.as_str().unwrap()), "{at} lacks {name}");
            }
            for (name, value) in object {
                let property = schema["properties"].get(name);
                let property = property.unwrap_or_else(|| panic!("{at}.{name} is undeclared"));
                assert!(property["description"].is_string(), "{at}.{name}");
                check(property, value, &format!("{at}.{name}"));
            }
        }
        "array" => {
            for item in value.as_array().unwrap_or_else(|| panic!("{at} is no array")) {
                check(&schema["items"], item, &format!("{at}[]"));
            }
        }
        "string" => {
            assert!(value.is_string(), "{at} is {value}");
            let choices = schema.get("enum").and_then(Value::as_array);
            assert!(choices.is_none_or(|choices| choices.contains(value)), "{at} is {value}");
        }
        "integer" => assert!(value.is_u64(), "{at} is {value}"),
        "number" => assert!(value.is_number(), "{at} is {value}"),
        "boolean" => assert!(value.is_boolean(), "{at} is {value}"),
        other => panic!("{at} has the type {other}"),
    }
}

fn names_of(result: &Value) -> Vec<&str> {
    let processes = result["processes"].as_array().unwrap();
    processes.iter().map(|process| process["name"].as_str().unwrap()).collect()
}

#[test]
fn every_tool_on_this_machine_gives_what_its_output_schema_declares() {
    let host = Host::new().with("app.log", "one\ntwo\n");
    host.write("web.pid", format!("{}\n", std::process::id()));
    let settings = HostSettings { services: host.settings().services, ..HostSettings::default() };
    let settings = HostSettings { log_files: host.settings().log_files, ..settings };
    let offered = tools(&settings);
    assert_eq!(offered.len(), 6);
    for tool in offered {
        let mut arguments = Map::new();
        for name in tool.input_schema["required"].as_array().unwrap() {
            let first = &tool.input_schema["properties"]["name"]["enum"][0];
            arguments.insert(name.as_str().unwrap().to_owned(), first.clone());
        }
        let result = call(&settings, tool.name, &arguments).unwrap();
        check(&tool.output_schema, &result, tool.name);
        let summary = summary(tool.name, &result);
        assert!(summary.ends_with('\n'), "{}: {summary}", tool.name);
    }
}

#[test]
fn this_test_process_is_found_on_this_machine() {
    let settings = HostSettings::default();
    let pid = std::process::id();
    let found = process::process(&settings.proc_root, pid).unwrap();
    assert_eq!(found.pid, pid);
    assert!(process::detail(&settings.proc_root, pid).resident_bytes.unwrap() > 0);
}

#[test]
fn every_schema_is_closed_and_names_its_dialect() {
    for tool in tools(&Host::new().settings()) {
        for schema in [&tool.input_schema, &tool.output_schema] {
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert_eq!(schema["additionalProperties"], json!(false));
            for property in schema["properties"].as_object().unwrap().values() {
                assert!(property["description"].is_string(), "{}", tool.name);
            }
        }
    }
}

#[test]
fn logs_and_services_are_offered_only_when_configured() {
    let names: Vec<&str> = tools(&HostSettings::default()).iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["host_status", "host_disks", "host_network", "host_processes"]);
    for name in ["host_log", "host_service", "other"] {
        let result = call(&HostSettings::default(), name, &Map::new());
        assert_eq!(result, Err(HostError::UnknownTool));
    }
    let offered = tools(&Host::new().settings());
    assert_eq!(offered[4].input_schema["properties"]["name"]["enum"], json!(["app"]));
    assert_eq!(offered[5].input_schema["properties"]["name"]["enum"], json!(["web", "unit"]));
}

#[test]
fn arguments_the_schema_refuses_are_refused() {
    let host = Host::new();
    let cases = [
        ("host_status", json!({"x": 1}), HostError::UnknownArgument),
        ("host_processes", json!({"pid": 1}), HostError::UnknownArgument),
        ("host_processes", json!({"sort": "name"}), HostError::InvalidArgument("sort")),
        ("host_processes", json!({"sort": null}), HostError::InvalidArgument("sort")),
        ("host_processes", json!({"limit": 0}), HostError::InvalidArgument("limit")),
        ("host_processes", json!({"limit": 201}), HostError::InvalidArgument("limit")),
        ("host_processes", json!({"limit": 1.5}), HostError::InvalidArgument("limit")),
        ("host_processes", json!({"limit": -1}), HostError::InvalidArgument("limit")),
        ("host_processes", json!({"name": ""}), HostError::InvalidArgument("name")),
        ("host_log", json!({}), HostError::MissingArgument("name")),
        ("host_log", json!({"name": "../app"}), HostError::InvalidArgument("name")),
        ("host_log", json!({"name": "app", "lines": 1001}), HostError::InvalidArgument("lines")),
        ("host_service", json!({"name": "sshd"}), HostError::InvalidArgument("name")),
    ];
    for (tool, arguments, error) in cases {
        assert_eq!(host.try_call(tool, arguments.clone()), Err(error), "{tool} {arguments}");
    }
    assert!(host.try_call("host_processes", json!({"limit": 5.0})).is_ok());
}

#[test]
fn an_empty_host_gives_results_without_facts() {
    let host = Host::new();
    assert_eq!(host.call("host_status", json!({})), json!({}));
    assert_eq!(host.call("host_disks", json!({})), json!({"file_systems": []}));
    assert_eq!(host.call("host_network", json!({})), json!({"interfaces": []}));
    let processes = json!({"processes": [], "matching": 0, "truncated": false});
    assert_eq!(host.call("host_processes", json!({})), processes);
    let log = json!({"lines": [], "truncated": false});
    assert_eq!(host.call("host_log", json!({"name": "app"})), log);
    let service = json!({"state": "unknown", "pids": [], "pids_truncated": false});
    assert_eq!(host.call("host_service", json!({"name": "unit"})), service);
    for tool in tools(&host.settings()) {
        let _ = summary(tool.name, &json!({}));
        let _ = summary(tool.name, &json!([null]));
    }
}

#[test]
fn without_procfs_status_asks_the_kernel_itself() {
    let host = Host::new();
    fs::remove_dir(host.root.join("proc/self")).unwrap();
    let status = host.call("host_status", json!({}));
    let name = rustix::system::uname();
    assert_eq!(status["hostname"], text::escape(name.nodename().to_bytes()));
    assert_eq!(status["kernel_release"], text::escape(name.release().to_bytes()));
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    let kibibytes: u64 = total.trim().trim_end_matches(" kB").parse().unwrap();
    assert_eq!(status["memory_total_bytes"], kibibytes * 1024);
    assert!(status["uptime_seconds"].is_u64() && status["load_1_minute"].is_f64(), "{status}");
    let summary = summary("host_status", &status);
    let memory = format!("memory      {}\n", text::bytes(kibibytes * 1024));
    assert!(summary.contains(&memory), "{summary}");
}

#[test]
fn status_reports_each_fact_the_kernel_offers() {
    let host = Host::new()
        .with("proc/sys/kernel/hostname", "box\u{1b}[2J\n")
        .with("proc/uptime", "93784.56 1.00\n")
        .with("proc/loadavg", "0.50 nan 1.25 1/99 7\n")
        .with("proc/stat", "cpu 1 2\ncpu0 1\ncpu1 1\nbtime 1000\n")
        .with("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\nSwapTotal: 0 kB\n")
        .with("proc/pressure/io", "some avg10=1.50 avg60=0.00 avg300=0.00 total=1\n")
        .with("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
        .with("sys/class/thermal/thermal_zone0/temp", "48312\n")
        .with("sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
        .with("sys/class/hwmon/hwmon0/temp1_input", "48312\n")
        .with("sys/class/hwmon/hwmon0/device/temp", "48312\n")
        .with("sys/class/hwmon/hwmon1/name", "nvme\n")
        .with("sys/class/hwmon/hwmon1/temp1_label", "Composite\n")
        .with("sys/class/hwmon/hwmon1/temp1_input", "-5000\n")
        .with("sys/class/hwmon/hwmon1/temp2_input", "-2000000\n");
    let status = host.call("host_status", json!({}));
    let expected = json!({
        "hostname": "box\\u{1b}[2J",
        "uptime_seconds": 93784,
        "load_1_minute": 0.5,
        "load_15_minutes": 1.25,
        "cpu_count": 2,
        "memory_total_bytes": 1_024_000,
        "memory_available_bytes": 409_600,
        "memory_used_bytes": 614_400,
        "pressure": [{
            "resource": "io",
            "some_10_seconds_percent": 1.5,
            "some_60_seconds_percent": 0.0,
            "some_300_seconds_percent": 0.0,
        }],
        "temperatures": [
            {"sensor": "cpu-thermal", "temperature_celsius": 48.312},
            {"sensor": "nvme Composite", "temperature_celsius": -5.0},
        ],
    });
    assert_eq!(status, expected);
    let text = summary("host_status", &status);
    assert!(text.contains("uptime      1 d 2 h\n"), "{text}");
    assert!(text.contains("memory      600.0 KiB used of 1000.0 KiB\n"), "{text}");
}

#[test]
fn old_kernels_and_online_lists_are_understood() {
    let host = Host::new()
        .with("proc/meminfo", "MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\n")
        .with("sys/devices/system/cpu/online", "0-3,6\n")
        .with("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1500000\n");
    let status = host.call("host_status", json!({}));
    assert_eq!(status["memory_available_bytes"], json!(35 * 1024));
    assert_eq!(status["cpu_count"], json!(5));
    assert_eq!(status["cpu_frequency_mhz"], json!(1500));
    for list in ["3-0", "0-18446744073709551615", "x"] {
        host.write("sys/devices/system/cpu/online", list);
        assert_eq!(host.call("host_status", json!({})).get("cpu_count"), None, "{list}");
    }
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

fn mount_table(host: &Host, lines: &[&str]) -> Value {
    let root = host.root.to_str().unwrap();
    let table: String =
        lines.iter().map(|line| format!("{}\n", line.replace("TMP", root))).collect();
    host.write("proc/self/mountinfo", table);
    host.call("host_disks", json!({}))["file_systems"].take()
}

#[test]
fn each_local_device_is_listed_once_with_its_sizes() {
    let host = Host::new();
    fs::create_dir(host.root.join("a b\\")).unwrap();
    let found = mount_table(
        &host,
        &[
            "1 0 0:1 / /proc rw - proc proc rw",
            "2 0 8:1 / TMP/long/bind rw - ext4 /dev/sda1 rw",
            "3 0 8:1 / TMP rw,noatime shared:1 master:2 - ext4 /dev/sda1 rw",
            "4 0 8:2 / TMP/a\\040b\\134 rw - vfat /dev/sda2 ro",
            "5 0 0:9 / TMP/run rw - tmpfs tmpfs rw",
            "6 0 0:8 / TMP/merged rw - overlay overlay rw",
            "not a mount",
        ],
    );
    let root = host.root.to_str().unwrap();
    let points: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|file_system| file_system["mount_point"].as_str().unwrap())
        .collect();
    assert_eq!(points, [root, format!("{root}/a b\\").as_str()]);
    assert_eq!(found[0]["read_only"], json!(false));
    assert_eq!(found[1]["read_only"], json!(true));
    for file_system in found.as_array().unwrap() {
        let figure = |name: &str| file_system[name].as_u64().unwrap();
        assert!(figure("total_bytes") > 0);
        assert_eq!(figure("total_bytes"), figure("used_bytes") + figure("free_bytes"));
    }
}

#[test]
fn nothing_at_or_below_a_mount_that_may_hang_is_looked_at() {
    let host = Host::new();
    for directory in ["nfs/disk", "auto", "fuse/deep/disk", "safe"] {
        fs::create_dir_all(host.root.join(directory)).unwrap();
    }
    let found = mount_table(
        &host,
        &[
            "1 0 0:1 / TMP/nfs rw - nfs4 server:/ rw",
            "2 0 8:1 / TMP/nfs/disk rw - ext4 /dev/sda1 rw",
            "3 0 0:2 / TMP/auto rw - autofs systemd-1 rw",
            "4 0 8:2 / TMP/auto rw - vfat /dev/sda2 rw",
            "5 0 8:3 / TMP/fuse/deep/disk rw - xfs /dev/sda3 rw",
            "6 0 0:3 / TMP/fuse rw - fuse.sshfs a:b rw",
            "7 0 8:4 / TMP/safe rw - ext4 /dev/sda4 rw",
            "8 0 8:4 / TMP rw - some_new_network_fs x rw",
        ],
    );
    // The last line mounts an unknown file system above all of them.
    assert!(found.as_array().unwrap().iter().all(|entry| entry.get("total_bytes").is_none()));
    let found = mount_table(
        &host,
        &[
            "1 0 0:1 / TMP/nfs rw - nfs4 server:/ rw",
            "2 0 8:1 / TMP/nfs/disk rw - ext4 /dev/sda1 rw",
            "3 0 0:2 / TMP/auto rw - autofs systemd-1 rw",
            "4 0 8:2 / TMP/auto rw - vfat /dev/sda2 rw",
            "5 0 8:3 / TMP/fuse/deep/disk rw - xfs /dev/sda3 rw",
            "6 0 0:3 / TMP/fuse rw - fuse.sshfs a:b rw",
            "7 0 8:4 / TMP/safe rw - ext4 /dev/sda4 rw",
            "8 0 8:1 / TMP/safe rw - ext4 /dev/sda1 rw",
        ],
    );
    let sized: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry.get("total_bytes").is_some())
        .map(|entry| entry["device"].as_str().unwrap())
        .collect();
    assert_eq!(found.as_array().unwrap().len(), 4);
    assert_eq!(sized, ["/dev/sda1", "/dev/sda4"]);
}

#[test]
fn a_mount_table_too_long_to_read_gives_no_sizes() {
    let host = Host::new();
    let filler = format!("2 0 0:2 / /{} rw - tmpfs tmpfs rw", "x".repeat(1_000_000));
    let line = "1 0 8:1 / TMP rw - ext4 /dev/sda1 rw";
    let found = mount_table(&host, &[line, &filler]);
    assert!(found[0].get("total_bytes").is_some());
    let found = mount_table(&host, &[line, &filler, &filler]);
    assert_eq!(found[0]["device"], "/dev/sda1");
    assert_eq!(found[0].get("total_bytes"), None);
}

#[test]
fn the_network_shows_links_counters_and_addresses() {
    let host = Host::new()
        .with(
            "proc/net/dev",
            "Inter-| Receive | Transmit\n face |bytes packets\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 \
             0 0\n  eth0:100 2 3 4 0 0 0 0 900 10 11 12 0 0 0 0\n  wg0: 5\n",
        )
        .with("sys/class/net/eth0/operstate", "up\n")
        .with("sys/class/net/eth0/address", "02:00:00:00:00:01\n")
        .with("sys/class/net/eth0/mtu", "1500\n")
        .with("sys/class/net/eth0/speed", "1000\n")
        .with("sys/class/net/lo/address", "00:00:00:00:00:00\n")
        .with("sys/class/net/lo/operstate", "strange\n")
        .with("sys/class/net/wg0/speed", "-1\n")
        .with(
            "proc/net/if_inet6",
            "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\nshort 04 40 20 80 eth0\n",
        )
        .with("proc/net/route", {
            let word = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
            let line = |name: &str, network, mask, flags: &str| {
                let zero = word([0; 4]);
                format!("{name}\t{}\t{zero}\t{flags}\t0\t0\t0\t{}\t0\n", word(network), word(mask))
            };
            line("Iface", [0; 4], [0; 4], "x")
                + &line("eth0", [0; 4], [0; 4], "0001")
                + &line("eth0", [192, 0, 2, 0], [255, 255, 255, 0], "0001")
                + &line("wg0", [192, 0, 2, 128], [255, 255, 255, 128], "0001")
                + &line("eth0", [198, 51, 100, 0], [255, 255, 255, 0], "0001")
                + &line("wg0", [198, 51, 100, 0], [255, 255, 255, 0], "0001")
                + &line("eth0", [203, 0, 113, 0], [255, 255, 255, 0], "0003")
        })
        .with("proc/net/fib_trie", {
            let mut trie = String::from("Main:\n  |-- 192.0.2.0\n     /24 link UNICAST\n");
            for address in ["127.0.0.1", "192.0.2.2", "192.0.2.200", "198.51.100.1", "203.0.113.1"]
            {
                trie += &format!("     |-- {address}\n        /32 host LOCAL\n");
            }
            trie.clone() + &trie
        });
    let network = host.call("host_network", json!({}));
    let interfaces = &network["interfaces"];
    assert_eq!(
        interfaces[1],
        json!({
            "name": "eth0", "state": "up", "mac_address": "02:00:00:00:00:01",
            "mtu_bytes": 1500, "speed_megabits_per_second": 1000,
            "received_bytes": 100, "received_packets": 2, "receive_errors": 3,
            "receive_drops": 4, "sent_bytes": 900, "sent_packets": 10, "send_errors": 11,
            "send_drops": 12,
            "ipv4_addresses": ["192.0.2.2"], "ipv6_addresses": ["fe80::fc:ff:fe00:1/64"],
        })
    );
    assert_eq!(interfaces[0]["ipv4_addresses"], json!(["127.0.0.1"]));
    assert_eq!(interfaces[0].get("mac_address"), None);
    assert_eq!(interfaces[0].get("state"), None);
    assert_eq!(
        interfaces[2],
        json!({"name": "wg0", "received_bytes": 5, "ipv4_addresses": ["192.0.2.200"]})
    );
    assert_eq!(network["other_ipv4_addresses"], json!(["198.51.100.1", "203.0.113.1"]));
}

#[test]
fn interfaces_come_from_sysfs_when_procfs_has_no_table() {
    let host = Host::new()
        .with("sys/class/net/eth1/operstate", "down\n")
        .with("sys/class/net/eth1/speed", "4294967295\n");
    let network = host.call("host_network", json!({}));
    assert_eq!(network["interfaces"], json!([{"name": "eth1", "state": "down"}]));
}

#[test]
fn an_interface_name_leads_to_no_other_directory() {
    let host = Host::new()
        .with("proc/net/dev", "../../secret: 1\n..: 1\n")
        .with("sys/class/net/lo/mtu", "1")
        .with("sys/secret/mtu", "7")
        .with("sys/class/mtu", "7");
    let network = host.call("host_network", json!({}));
    assert_eq!(network["interfaces"][0], json!({"name": "../../secret", "received_bytes": 1}));
    assert_eq!(network["interfaces"][1], json!({"name": "..", "received_bytes": 1}));
}

#[test]
fn a_log_gives_its_last_lines() {
    let host = Host::new().with("app.log", "one\r\ntwo error\n\nthree error\nfour");
    let log = |arguments: Value| host.call("host_log", arguments);
    let all = log(json!({"name": "app"}));
    assert_eq!(all["lines"], json!(["one", "two error", "", "three error", "four"]));
    assert_eq!((&all["truncated"], &all["size_bytes"]), (&json!(false), &json!(32)));
    let two = log(json!({"name": "app", "lines": 2}));
    assert_eq!((&two["lines"], &two["truncated"]), (&json!(["three error", "four"]), &json!(true)));
    let errors = log(json!({"name": "app", "contains": "error", "lines": 2}));
    assert_eq!(errors["lines"], json!(["two error", "three error"]));
    assert_eq!(errors["truncated"], json!(false));
    assert_eq!(log(json!({"name": "app", "contains": ".*"}))["lines"], json!([]));
}

#[test]
fn a_log_line_cannot_command_a_terminal_or_hide_text() {
    let host = Host::new();
    host.write("app.log", b"\x1b[2Ja\x00\xffb\tc\n\xe2\x80\xaed\xf3\xa0\x81\x81\xc2\x9b\n");
    let log = host.call("host_log", json!({"name": "app"}));
    let expected = json!(["\\u{1b}[2Ja\\u{0}\u{fffd}b\\tc", "\\u{202e}d\\u{e0041}\\u{9b}"]);
    assert_eq!(log["lines"], expected);
}

#[test]
fn a_log_is_read_only_to_its_limit_and_from_a_whole_line() {
    let host = Host::new();
    let limited = |bytes: u64| {
        let settings = HostSettings { max_log_bytes: bytes, ..host.settings() };
        let arguments = json!({"name": "app"});
        call(&settings, "host_log", arguments.as_object().unwrap()).unwrap()
    };
    host.write("app.log", "first line\nsecond\nthird\n");
    let log = limited(16);
    assert_eq!((&log["lines"], &log["truncated"]), (&json!(["second", "third"]), &json!(true)));
    host.write("app.log", "x".repeat(100));
    assert_eq!(limited(10)["lines"], json!(["x".repeat(10)]));
    host.write("app.log", [0; 100]);
    let shown = limited(50)["lines"][0].as_str().unwrap().len();
    assert!((40..=50).contains(&shown), "{shown}");
    host.write("app.log", "\0\0\0\n".repeat(10));
    let log = limited(50);
    let nul = "\\u{0}";
    let expected = json!([nul, nul.repeat(3), nul.repeat(3), nul.repeat(3)]);
    assert_eq!((&log["lines"], &log["truncated"]), (&expected, &json!(true)));
    host.write("app.log", "x".repeat(3_000_000));
    assert_eq!(limited(u64::MAX)["lines"][0].as_str().unwrap().len(), 1024 * 1024);
    host.write("app.log", "\n".repeat(3_000_000));
    assert_eq!(limited(u64::MAX)["lines"].as_array().unwrap().len(), 100);
}

#[test]
fn a_rotated_log_is_read_anew_and_a_missing_one_is_empty() {
    let host = Host::new().with("app.log", "old\n");
    assert_eq!(host.call("host_log", json!({"name": "app"}))["lines"], json!(["old"]));
    fs::rename(host.root.join("app.log"), host.root.join("app.log.1")).unwrap();
    let missing = json!({"lines": [], "truncated": false});
    assert_eq!(host.call("host_log", json!({"name": "app"})), missing);
    host.write("app.log", "new\n");
    assert_eq!(host.call("host_log", json!({"name": "app"}))["lines"], json!(["new"]));
}

#[test]
fn only_a_regular_file_is_a_log() {
    let host = Host::new().with("secret", "secret\n");
    let path = host.root.join("app.log");
    let log = || host.try_call("host_log", json!({"name": "app"}));
    symlink(host.root.join("secret"), &path).unwrap();
    assert_eq!(log(), Err(HostError::LogNotRegular));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(log(), Err(HostError::LogNotRegular));
    fs::remove_dir(&path).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert_eq!(log(), Err(HostError::LogNotRegular));
    drop(socket);
    fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let directory = fs::File::open(&host.root).unwrap();
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(&directory, "app.log", kind, mode, 0).unwrap();
    // An open that waits for a writer would hang here.
    assert_eq!(log(), Err(HostError::LogNotRegular));
}

#[test]
fn errors_name_no_path() {
    for error in [
        HostError::UnknownTool,
        HostError::UnknownArgument,
        HostError::MissingArgument("name"),
        HostError::InvalidArgument("name"),
        HostError::LogUnreadable,
        HostError::LogNotRegular,
    ] {
        let text = error.to_string();
        assert!(text.ends_with('.') && !text.contains('/'), "{text}");
    }
}

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

#[test]
fn a_long_file_ends_after_a_whole_line() {
    let host = Host::new().with("long", "aaaa\nbbbb\ncccc");
    let mut buffer = Vec::new();
    let mut read = |limit| {
        let extent = read::bytes_into(&host.root.join("long"), limit, &mut buffer);
        (extent, String::from_utf8(buffer.clone()).unwrap())
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(read(14), (Some(read::Extent::Whole), text("aaaa\nbbbb\ncccc")));
    assert_eq!(read(13), (Some(read::Extent::Cut), text("aaaa\nbbbb\n")));
    assert_eq!(read(9), (Some(read::Extent::Cut), text("aaaa\n")));
    assert_eq!(read(3), (Some(read::Extent::Cut), text("")));
    assert_eq!(read::bytes_into(Path::new("/nonexistent"), 9, &mut Vec::new()), None);
}

#[test]
fn times_are_written_as_rfc_3339() {
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_799, "2000-02-29T23:59:59Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (1_735_689_599, "2024-12-31T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
    ] {
        assert_eq!(text::timestamp(seconds).as_deref(), Some(expected));
    }
    assert_eq!(text::timestamp(253_402_300_800), None);
    assert_eq!(text::timestamp(u64::MAX), None);
}

#[test]
fn text_is_aligned_in_columns() {
    let rows = [["é".to_owned(), "x".to_owned()], ["long".to_owned(), "y".to_owned()]];
    assert_eq!(text::table(["A", "B"], &rows), "A     B\né     x\nlong  y\n");
    for (seconds, expected) in [(59, "59 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min")] {
        assert_eq!(text::duration(seconds), expected);
    }
    assert_eq!((text::bytes(1023), text::bytes(1536)), ("1023 B".into(), "1.5 KiB".into()));
}

#[test]
fn paths_that_are_not_utf_8_are_shown_and_asked() {
    let host = Host::new();
    let point = host.root.join(std::ffi::OsStr::from_bytes(b"disk\xff"));
    fs::create_dir(&point).unwrap();
    let mut line = b"1 0 8:1 / ".to_vec();
    line.extend_from_slice(point.as_os_str().as_bytes());
    line.extend_from_slice(b" rw - ext4 /dev/sda1 rw\n");
    host.write("proc/self/mountinfo", line);
    let disks = host.call("host_disks", json!({}));
    assert!(disks["file_systems"][0]["total_bytes"].as_u64().unwrap() > 0);
}
