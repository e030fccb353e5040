//! Command tools against real programs, started through the real launcher.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use erlmcp::backend::local::command::{
    Argument, CommandError, CommandLimits, CommandOutput, CommandSpec, CommandStatus, Interrupt,
    Launcher, StderrLine, run,
};
use erlmcp::backend::template::Template;
use serde_json::{Map, Value, json};

/// Long enough that a test which reaches it fails by its assertions, not by the clock.
const LONG: Duration = Duration::from_secs(60);

fn launcher() -> Launcher {
    Launcher { program: env!("CARGO_BIN_EXE_erlmcp").into(), prefix: vec!["jail".into()] }
}

fn spec(program: &str, arguments: &[&str]) -> CommandSpec {
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    CommandSpec {
        program: program.into(),
        arguments: arguments.iter().map(|text| Argument::parse(text).unwrap()).collect(),
        environment: Vec::new(),
        directory: "/".into(),
        stdin: None,
        progress: false,
        limits: CommandLimits {
            timeout: LONG,
            output_bytes: 1 << 20,
            memory_bytes: 256 << 20,
            cpu_seconds: 30,
            processes: 4096,
            open_files: 64,
            file_bytes: 1 << 20,
            kill_grace: LONG,
        },
    }
}

/// A shell script of the test; the shell is the program under test here, not a means of starting.
fn script(text: &str) -> CommandSpec {
    let text = text.replace('{', "{{").replace('}', "}}");
    spec("/bin/sh", &["-c", &text])
}

fn values(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn call(spec: &CommandSpec, arguments: Value) -> Result<CommandOutput, CommandError> {
    run(spec, &launcher(), &values(arguments), &Interrupt::new().unwrap(), &mut |_| {})
}

fn stdout(spec: &CommandSpec, arguments: Value) -> String {
    let output = call(spec, arguments).unwrap();
    assert_eq!(output.status, CommandStatus::Exited(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether a process lives; one that was ended and not yet waited for by its parent does not.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// A fresh path for a file that a script writes.
fn note(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("erlmcp-command-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn take(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::remove_file(path).unwrap();
    text
}

#[test]
fn shell_metacharacters_arrive_as_they_are() {
    let spec = spec("/usr/bin/printf", &["%s|", "--", "{text}", "a{text}", "{list...}"]);
    let hostile = "$(id) `id`; id | id & id > /x < /y \"'\\ \n * ? ~ ${HOME} !! #";
    let output = stdout(&spec, json!({"text": hostile, "list": ["a b", "", "$x"]}));
    assert_eq!(output, format!("--|{hostile}|a{hostile}|a b||$x|"));
}

#[test]
fn a_value_that_would_be_an_option_starts_nothing() {
    let note = note("option");
    let spec = spec("/usr/bin/touch", &["{text}", note.to_str().unwrap()]);
    let error = call(&spec, json!({"text": "--reference=/etc/passwd"})).unwrap_err();
    assert_eq!(error.to_string(), "argument `text` must not start with '-'");
    assert!(!note.exists());
}

#[test]
fn the_environment_is_what_was_declared_and_nothing_else() {
    // The test process itself has a full environment, as a server would.
    assert!(std::env::vars_os().count() > 2);
    let mut spec = spec("/usr/bin/env", &[]);
    spec.environment = vec![("TOKEN".into(), "a b".into())];
    let output = stdout(&spec, json!({}));
    let seen: BTreeSet<&str> = output.lines().collect();
    let base = ["LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TOKEN=a b"];
    assert_eq!(seen, BTreeSet::from(base));
    spec.environment = vec![("PATH".into(), "/opt".into())];
    assert!(stdout(&spec, json!({})).contains("PATH=/opt\n"));
}

#[test]
fn stdin_is_the_filled_template_or_nothing() {
    let mut cat = spec("/bin/cat", &[]);
    assert_eq!(stdout(&cat, json!({})), "");
    cat.stdin = Some(Template::parse("<{text}>").unwrap());
    assert_eq!(stdout(&cat, json!({"text": "-x\n"})), "<-x\n>");
    assert_eq!(stdout(&cat, json!({})), "");
    // More than any pipe holds, in both directions at once.
    let long = "x".repeat(1_000_000);
    assert_eq!(stdout(&cat, json!({"text": long})).len(), 1_000_002);
    // A program that does not read must not hold the call, nor end it with an error.
    let mut deaf = script("exec 0<&-; echo done");
    deaf.stdin = Some(Template::parse("{text}").unwrap());
    assert_eq!(stdout(&deaf, json!({"text": long})), "done\n");
    let mut early = script("echo done");
    early.stdin = deaf.stdin;
    assert_eq!(stdout(&early, json!({"text": long})), "done\n");
}

#[test]
fn the_working_directory_and_the_exit_code_are_kept() {
    let mut spec = script("pwd; echo oops >&2; exit 3");
    spec.directory = "/usr".into();
    let output = call(&spec, json!({})).unwrap();
    assert_eq!(output.status, CommandStatus::Exited(3));
    assert_eq!(output.stdout, b"/usr\n");
    assert_eq!(output.stderr_tail, b"oops\n");
    assert!(!output.truncated);
    let output = call(&script("kill -USR1 $$"), json!({})).unwrap();
    assert_eq!(output.status, CommandStatus::Signalled(10));
}

#[test]
fn what_cannot_be_started_is_told_from_what_failed() {
    for (program, directory) in [
        ("/no/such/program", "/"),
        ("/etc/passwd", "/"),
        ("/bin/true", "/no/such/directory"),
        ("true", "/"),
        ("bin/true", "/"),
    ] {
        let mut spec = spec(program, &[]);
        spec.directory = directory.into();
        let mut lines = Vec::new();
        let interrupt = Interrupt::new().unwrap();
        let result = run(&spec, &launcher(), &Map::new(), &interrupt, &mut |line| lines.push(line));
        let error = result.unwrap_err();
        assert!(matches!(error, CommandError::Spawn(_)), "{program}: {error:?}");
        assert_eq!(error.to_string(), "the tool could not be started");
        assert_eq!(lines, []);
    }
    for code in [126, 127] {
        let output = call(&script(&format!("exit {code}")), json!({})).unwrap();
        assert_eq!(output.status, CommandStatus::Exited(code));
    }
    let nobody = Launcher { program: "/no/launcher".into(), prefix: Vec::new() };
    let interrupt = Interrupt::new().unwrap();
    let result = run(&script(""), &nobody, &Map::new(), &interrupt, &mut |_| {});
    assert!(matches!(result, Err(CommandError::Spawn(_))));
    let spec = spec("/bin/true", &["{text}"]);
    let result = call(&spec, json!({"text": "x".repeat(1 << 20)}));
    assert!(matches!(result, Err(CommandError::ArgumentsTooLong)), "{result:?}");
}

#[test]
fn output_over_the_limit_ends_the_command() {
    let mut endless = spec("/usr/bin/yes", &[]);
    endless.limits.output_bytes = 1000;
    assert!(matches!(call(&endless, json!({})), Err(CommandError::OutputTooLarge)));
    let mut exact = spec("/usr/bin/head", &["-c", "1000", "/dev/zero"]);
    exact.limits.output_bytes = 1000;
    assert_eq!(call(&exact, json!({})).unwrap().stdout.len(), 1000);
    exact.limits.output_bytes = 999;
    assert!(matches!(call(&exact, json!({})), Err(CommandError::OutputTooLarge)));
}

#[test]
fn a_flood_on_stderr_leaves_a_tail_and_bounded_lines() {
    let mut spec = script("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done >&2");
    spec.limits.output_bytes = 1000;
    let mut count = 0;
    let interrupt = Interrupt::new().unwrap();
    let output = run(&spec, &launcher(), &Map::new(), &interrupt, &mut |_| count += 1).unwrap();
    assert!(output.truncated);
    assert_eq!(output.stderr_tail.len(), 4096);
    assert!(output.stderr_tail.ends_with(b"line 20000\n"));
    assert!((50..=200).contains(&count), "{count}");
}

#[test]
fn progress_comes_while_the_command_runs() {
    let fifo = note("progress");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let name = fifo.to_str().unwrap();
    // The script goes on only after the line was seen.
    let mut spec = script(&format!("echo progress 1 2 half >&2; read x < {name}; echo $x"));
    spec.progress = true;
    let mut seen = Vec::new();
    let interrupt = Interrupt::new().unwrap();
    let output = run(&spec, &launcher(), &Map::new(), &interrupt, &mut |line| {
        seen.push(line);
        std::fs::write(&fifo, "go\n").unwrap();
    });
    assert_eq!(output.unwrap().stdout, b"go\n");
    let message = Some("half".to_owned());
    assert_eq!(seen, [StderrLine::Progress { progress: 1.0, total: Some(2.0), message }]);
    std::fs::remove_file(&fifo).unwrap();
}

#[test]
fn time_over_ends_the_whole_group_with_those_that_ignore_it() {
    let note = note("timeout");
    let path = note.display();
    let mut spec = script(&format!(
        "(trap '' TERM; while :; do sleep 1000; done) & echo $! > {path}; \
         trap '' TERM; echo $$ >> {path}; while :; do sleep 1000; done"
    ));
    spec.limits.timeout = Duration::from_millis(300);
    spec.limits.kill_grace = Duration::from_millis(100);
    assert!(matches!(call(&spec, json!({})), Err(CommandError::TimedOut)));
    let pids = take(&note);
    assert_eq!(pids.lines().count(), 2);
    assert!(pids.lines().all(|pid| !lives(pid)));
}

/// Cancels a script when it has written its process number and `is_ready` says so.
fn cancel(text: &str, is_ready: &dyn Fn(&str) -> bool) {
    let mut spec = script(text);
    spec.limits.kill_grace = Duration::from_secs(20);
    let interrupt = Interrupt::new().unwrap();
    let result = run(&spec, &launcher(), &Map::new(), &interrupt, &mut |line| {
        let StderrLine::Text(pid) = line else { return };
        while !is_ready(&pid) {
            std::thread::yield_now();
        }
        interrupt.raise();
    });
    assert!(matches!(result, Err(CommandError::Cancelled)), "{result:?}");
}

#[test]
fn a_polite_command_may_clean_up_when_it_is_ended() {
    let note = note("polite");
    let path = note.display();
    let text = "trap 'echo clean > NOTE; exit 0' TERM; echo $$ >&2; while :; do :; done";
    cancel(&text.replace("NOTE", &path.to_string()), &|_| true);
    assert_eq!(take(&note), "clean\n");
}

#[test]
fn a_stopped_command_goes_on_to_end_itself() {
    let note = note("stopped");
    let text = "trap 'echo clean > NOTE; exit 0' TERM; echo $$ >&2; kill -STOP $$; \
        while :; do :; done";
    let text = text.replace("NOTE", &note.display().to_string());
    cancel(&text, &|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") T ")
    });
    assert_eq!(take(&note), "clean\n");
}

#[test]
fn what_a_command_starts_when_it_is_ended_is_ended_too() {
    let (told, ready) = (note("told"), note("ready"));
    let text = "late() { trap 'echo told > TOLD; exit 0' TERM; echo > READY; \
        while :; do :; done; }; \
        trap 'late & while [ ! -e READY ]; do :; done; exit 0' TERM; \
        echo $$ >&2; while :; do :; done";
    let text = text
        .replace("TOLD", &told.display().to_string())
        .replace("READY", &ready.display().to_string());
    cancel(&text, &|_| true);
    take(&ready);
    assert_eq!(take(&told), "told\n");
}

#[test]
fn a_command_is_cancelled_from_another_thread() {
    let spec = script("echo $$ >&2; exec sleep 1000");
    let interrupt = Interrupt::new().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let interrupt = &interrupt;
        let call = scope.spawn(move || {
            run(&spec, &launcher(), &Map::new(), interrupt, &mut |line| {
                let StderrLine::Text(pid) = line else { return };
                sender.send(pid).unwrap();
            })
        });
        let pid = receiver.recv().unwrap();
        assert!(lives(&pid));
        interrupt.raise();
        interrupt.raise();
        assert!(matches!(call.join().unwrap(), Err(CommandError::Cancelled)));
        assert!(!lives(&pid));
    });
    let note = note("raised");
    let spec = script(&format!("echo x > {}", note.display()));
    let result = run(&spec, &launcher(), &Map::new(), &interrupt, &mut |_| {});
    assert!(matches!(result, Err(CommandError::Cancelled)));
    assert!(!note.exists(), "a raised flag starts nothing");
}

#[test]
fn descendants_end_with_the_command_though_they_hold_its_pipes() {
    for redirect in ["", ">/dev/null 2>&1 </dev/null"] {
        for (ignore, status) in [("", "0"), ("trap '' TERM;", "7")] {
            let note = note("straggler");
            let path = note.display();
            let mut spec = script(&format!(
                "({ignore} exec sleep 1000) {redirect} & echo $! > {path}; echo out; exit {status}"
            ));
            spec.limits.kill_grace = Duration::from_millis(100);
            let output = call(&spec, json!({})).unwrap();
            assert_eq!(output.status, CommandStatus::Exited(status.parse().unwrap()));
            assert_eq!(output.stdout, b"out\n");
            assert!(!lives(&take(&note)), "{redirect:?} {ignore:?}");
        }
    }
}

#[test]
fn a_descendant_that_left_the_group_cannot_hold_the_call() {
    let note = note("setsid");
    let path = note.display();
    let mut spec = script(&format!(
        "setsid sh -c 'echo $$ > {path}.new; mv {path}.new {path}; exec sleep 1000' & \
         while [ ! -e {path} ]; do :; done; echo out"
    ));
    spec.limits.kill_grace = Duration::from_millis(100);
    let output = call(&spec, json!({})).unwrap();
    assert_eq!(output.stdout, b"out\n");
    let pid = rustix::process::Pid::from_raw(take(&note).trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn the_limits_are_those_of_the_specification() {
    let mut spec = spec("/bin/cat", &["/proc/self/limits", "/proc/self/status"]);
    spec.limits.memory_bytes = 123 << 20;
    spec.limits.cpu_seconds = 17;
    spec.limits.open_files = 33;
    spec.limits.file_bytes = 4567;
    spec.limits.processes = 89;
    let output = stdout(&spec, json!({}));
    let line = |name: &str| {
        let line = output.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_at(name.len()).1.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("Max data size"), "128974848 128974848");
    assert_eq!(line("Max cpu time"), "17 18");
    assert_eq!(line("Max open files"), "33 33");
    assert_eq!(line("Max file size"), "4567 4567");
    assert_eq!(line("Max processes"), "89 89");
    assert_eq!(line("Max core file size"), "0 0");
    assert_eq!(line("NoNewPrivs:"), "1");
    assert_eq!(line("SigBlk:"), "0000000000000000");
    let ignored = u64::from_str_radix(&line("SigIgn:"), 16).unwrap();
    assert_eq!(ignored >> 12 & 1, 0, "SIGPIPE must not stay ignored as it is in the server");
}

#[test]
fn memory_beyond_the_limit_is_not_given() {
    let mut spec = spec("/usr/bin/dd", &["if=/dev/zero", "of=/dev/null", "bs={text}", "count=1"]);
    spec.limits.memory_bytes = 64 << 20;
    let dd = |bytes: u64| call(&spec, json!({"text": bytes})).unwrap();
    assert_eq!(dd(32 << 20).status, CommandStatus::Exited(0));
    let output = dd(100 << 20);
    assert_eq!(output.status, CommandStatus::Exited(1));
    let text = String::from_utf8_lossy(&output.stderr_tail).into_owned();
    assert!(text.contains("memory"), "{text}");
}

#[test]
fn a_file_beyond_the_limit_is_not_written() {
    let note = note("large");
    let mut spec = script(&format!("exec head -c 20000 /dev/zero > {}", note.display()));
    spec.limits.file_bytes = 10_000;
    let output = call(&spec, json!({})).unwrap();
    assert_ne!(output.status, CommandStatus::Exited(0));
    assert_eq!(take(&note).len(), 10_000);
}

#[test]
fn processor_time_beyond_the_limit_ends_the_command() {
    let mut spec = script("while :; do :; done");
    spec.limits.cpu_seconds = 1;
    let sigxcpu = CommandStatus::Signalled(24);
    assert_eq!(call(&spec, json!({})).unwrap().status, sigxcpu);
}

#[test]
fn processes_beyond_the_limit_are_not_started() {
    // The limit does not hold the real root, so the tool becomes a user that nobody else is.
    // The loop is finite: without a limit it starts twenty processes, and they end by themselves.
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/setpriv").exists() {
        return;
    }
    let text = "i=0; while [ $i -lt 20 ]; do i=$((i+1)); sleep 1000 & done; echo all";
    let identity = ["--reuid=54321", "--regid=54321", "--clear-groups", "/bin/sh", "-c", text];
    let mut spec = spec("/usr/bin/setpriv", &identity);
    spec.limits.kill_grace = Duration::from_millis(100);
    assert_eq!(call(&spec, json!({})).unwrap().stdout, b"all\n");
    spec.limits.processes = 5;
    let output = call(&spec, json!({})).unwrap();
    assert_eq!(output.stdout, b"", "{output:?}");
    assert_ne!(output.status, CommandStatus::Exited(0));
}

#[test]
fn a_command_ends_with_the_server_that_started_it() {
    // A shell plays the server; it is killed like one that gets no chance to clean up.
    let text = format!(
        "{} jail --parent $$ --memory 100000000 --cpu 9 --processes 4096 --files 9 \\
         --file-bytes 9 --directory / -- /bin/sh -c 'echo started; exec sleep 1000' & wait",
        env!("CARGO_BIN_EXE_erlmcp")
    );
    let mut server =
        Command::new("/bin/sh").args(["-c", &text]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    server.kill().unwrap();
    server.wait().unwrap();
    // The pipe ends when nobody holds it any more.
    assert_eq!(output.read_line(&mut line).unwrap(), 0);
}

#[test]
fn a_launcher_whose_server_is_gone_starts_nothing() {
    let options = [
        "--memory",
        "100000000",
        "--cpu",
        "9",
        "--processes",
        "99",
        "--files",
        "9",
        "--file-bytes",
        "9",
        "--directory",
        "/",
        "--",
        "/bin/echo",
        "started",
    ];
    for (parent, code) in [(std::process::id(), 0), (1, 126)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_erlmcp"));
        command.args(["jail", "--parent", &parent.to_string()]).args(options);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(output.stdout.is_empty(), code != 0);
    }
}
