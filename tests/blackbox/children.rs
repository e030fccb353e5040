//! The programs of tools: what they are given, and that none of them is left over.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::http::Request;
use crate::harness::process::{Directory, Server, Settings, has_ended, program, run, watch_last};
use crate::harness::tools::script_tool;
use crate::harness::{call, call_with_progress, modern_request, text_of};

fn ask(server: &Server, tool: &str) -> Value {
    server.modern(&modern_request(1, "tools/call", call(tool, json!({})))).json()
}

// B76, C83
#[test]
fn the_environment_of_a_program_is_what_was_declared_for_it() {
    let tool = "\n[[tools]]\nname = \"environment\"\ndescription = \"Shows it.\"\n\
                command = [\"/usr/bin/env\"]\nprocesses = 8192\n\
                environment = { DECLARED = \"yes\" }\n";
    let directory = Directory::new();
    let path = directory.write("erlmcp.toml", &Settings::with(tool).text(&directory));
    let mut command = program(&["serve", "--config", path.to_str().unwrap()]);
    command
        .env("VAULT_SECRET_ID", "secret-of-the-server")
        .env("ERLMCP_API_KEY", "key-of-the-server")
        .env("LD_PRELOAD_", "x")
        .env("HOME", "/root")
        .env("LANG", "evil")
        .env("PATH", "/tmp/evil:/usr/bin:/bin");
    let server = Server::spawn(directory, &mut command);
    let answer = ask(&server, "environment");
    let mut names: Vec<_> =
        text_of(&answer).lines().filter_map(|line| line.split('=').next()).collect();
    names.retain(|name| !["PATH", "LANG"].contains(name));
    assert_eq!(names, ["DECLARED"], "{answer}");
    assert!(!text_of(&answer).contains("evil"), "{answer}");
}

#[test]
fn a_program_gets_no_descriptor_of_the_server() {
    let script = "ls /proc/self/fd | wc -l; ls -l /proc/self/fd";
    // What whoever runs the tests passes on to everybody.
    let plain = run(Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::null()));
    let plain = String::from_utf8(plain.stdout).unwrap();
    let server = Server::start(&Settings::with(&script_tool("descriptors", script, "")).over_tls());
    let _open: Vec<_> = (0..5).map(|_| server.connect()).collect();
    let answer = ask(&server, "descriptors");
    let text = text_of(&answer);
    assert_eq!(text.lines().next(), plain.lines().next(), "{plain}\n{text}");
    assert!(!text.contains("socket:") && !text.contains("/state/"), "{text}");
}

/// Starts a helper, ignores SIGTERM as it does, and says the numbers of both.
const FAMILY: &str = "trap '' TERM; \
    (trap '' TERM; sleep 600) & echo \"progress 1 pid $!\" >&2; \
    echo \"progress 2 pid $$\" >&2; ";

// B65
#[test]
fn a_family_of_programs_is_ended_whole_when_its_client_leaves() {
    let tool = script_tool("family", &format!("{FAMILY} wait; sleep 600"), "progress = true");
    let server = Server::start(&Settings::with(&tool));
    let message = modern_request(1, "tools/call", call_with_progress("family", json!({}), 1));
    let mut events = server.connect().stream(&Request::modern(&message));
    let mut next = || {
        let progress = events.notification("notifications/progress");
        watch_last(progress["message"].as_str().unwrap())
    };
    let (helper, leader) = (next(), next());
    drop(events);
    assert!(has_ended(&helper) && has_ended(&leader));
}

// B65
#[test]
fn nothing_is_left_of_calls_that_were_answered_timed_out_or_given_up() {
    let tools = [
        script_tool("fine", "echo x", ""),
        script_tool("failing", "exit 3", ""),
        script_tool("leaving", "sleep 600 & echo x", ""),
        script_tool("slow", "sleep 600", "timeout_ms = 100"),
        script_tool("dying", "kill -9 $$", ""),
        script_tool("flood", "cat /dev/zero", ""),
    ];
    let server = Server::start(&Settings::with(&tools.concat()));
    for (tool, is_error) in [
        ("fine", false),
        ("failing", true),
        ("leaving", false),
        ("slow", true),
        ("dying", true),
        ("flood", true),
    ] {
        let answer = ask(&server, tool);
        assert_eq!(answer["result"]["isError"] == true, is_error, "{tool}: {answer}");
        assert_eq!(server.children(), [], "after {tool}");
    }
}

// B65, B139
#[test]
fn nothing_is_left_after_many_clients_that_came_and_left() {
    let tool =
        script_tool("hold", "echo \"progress 1 pid $$\" >&2; exec sleep 600", "progress = true");
    let server = Server::start(&Settings::with(&tool));
    let message = modern_request(1, "tools/call", call_with_progress("hold", json!({}), 1));
    for _ in 0..30 {
        let mut events = server.connect().stream(&Request::modern(&message));
        let progress = events.notification("notifications/progress");
        let process = watch_last(progress["message"].as_str().unwrap());
        drop(events);
        assert!(has_ended(&process));
    }
    let stopped = server.stop();
    let records = stopped.audit();
    assert_eq!(records.len(), 30);
    assert!(records.iter().all(|record| record["outcome"] == "cancelled"), "{records:?}");
}

#[test]
fn a_program_that_is_not_there_is_a_failed_call_and_tells_no_path() {
    let tool = "\n[[tools]]\nname = \"vanished\"\ndescription = \"Is gone.\"\n\
                command = [\"@/program\"]\nprocesses = 8192\n";
    let directory = Directory::new();
    let program = directory.write("program", "#!/bin/sh\n");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .unwrap();
    let server = Server::start_in(directory, &Settings::with(tool));
    std::fs::remove_file(&program).unwrap();
    let answer = ask(&server, "vanished");
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(!answer.to_string().contains(program.to_str().unwrap()), "{answer}");
}
