//! The status of the host.

use std::fs;

use serde_json::json;

use super::Host;
use crate::backend::local::host::{summary, text};

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
