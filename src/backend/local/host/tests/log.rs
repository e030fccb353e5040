//! The tail of a log.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::Host;
use crate::backend::local::host::{HostError, HostSettings, call};

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
