//! Disks and file systems.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::{Value, json};

use super::Host;

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
