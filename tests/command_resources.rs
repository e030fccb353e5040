//! What many calls of a command leave behind in the server: nothing. Alone in its process, because
//! it counts all descriptors and all children.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::Duration;

use erlmcp::backend::local::command::{
    Argument, CommandError, CommandLimits, CommandOutput, CommandSpec, Interrupt, Launcher, run,
};
use erlmcp::backend::template::Template;
use rustix::io::Errno;
use rustix::process::{WaitOptions, set_child_subreaper, wait};
use serde_json::Map;

fn call(
    program: &str,
    arguments: &[&str],
    change: impl Fn(&mut CommandSpec),
) -> Result<CommandOutput, CommandError> {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let mut spec = CommandSpec {
        program: program.into(),
        arguments: arguments.iter().map(|text| Argument::parse(text).unwrap()).collect(),
        environment: Vec::new(),
        directory: "/".into(),
        stdin: None,
        progress: false,
        limits: CommandLimits {
            timeout: Duration::from_secs(60),
            output_bytes: 1000,
            memory_bytes: 256 << 20,
            cpu_seconds: 30,
            processes: 4096,
            open_files: 64,
            file_bytes: 1 << 20,
            kill_grace: Duration::from_secs(60),
        },
    };
    change(&mut spec);
    let launcher =
        Launcher { program: env!("CARGO_BIN_EXE_erlmcp").into(), prefix: vec!["jail".into()] };
    run(&spec, &launcher, &Map::new(), &Interrupt::new().unwrap(), &mut |_| {})
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn many_calls_leave_no_descriptor_no_zombie_and_no_orphan() {
    // As the first process of a container, this one inherits every orphan of its commands.
    set_child_subreaper(rustix::process::Pid::from_raw(1)).unwrap();
    let before = descriptors();
    for _ in 0..25 {
        let output = call("/bin/sh", &["-c", "cat; echo x; echo y >&2"], |spec| {
            spec.stdin = Some(Template::parse("in").unwrap());
        });
        assert_eq!(output.unwrap().stdout, b"inx\n");
        let result = call("/bin/sh", &["-c", "sleep 1000 & sleep 1000"], |spec| {
            spec.limits.timeout = Duration::from_millis(5);
        });
        assert!(matches!(result, Err(CommandError::TimedOut)));
        let result = call("/bin/sh", &["-c", "sleep 1000 & sleep 1000 & yes"], |_| {});
        assert!(matches!(result, Err(CommandError::OutputTooLarge)));
        let orphans = "(trap '' TERM; exec sleep 1000) >/dev/null 2>&1 & sleep 1000 & true";
        let output = call("/bin/sh", &["-c", orphans], |spec| {
            spec.limits.kill_grace = Duration::from_millis(5);
        });
        assert!(output.is_ok());
        let result = call("/no/such/program", &[], |_| {});
        assert!(matches!(result, Err(CommandError::Spawn(_))));
    }
    assert_eq!(descriptors(), before);
    assert_eq!(wait(WaitOptions::NOHANG).unwrap_err(), Errno::CHILD, "a child was left behind");
}
