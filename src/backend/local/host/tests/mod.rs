//! Tests of the host toolset on fixture trees and on this machine; they must never depend on
//! what the machine has.

mod disks;
mod log;
mod network;
mod processes;
mod service;
mod status;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value, json};

use super::{HostError, HostSettings, LogFile, Service, call, read, summary, text, tools};

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
