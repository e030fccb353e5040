//! The control socket: what operators see and do, who may, and what becomes of those who may not.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use rustix::fs::{Gid, Uid};
use rustix::process::{Signal, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use serde_json::{Value, json};

use crate::harness::admin::Control;
use crate::harness::http::Request;
use crate::harness::process::{Directory, Server, Session, Settings, program, run};
use crate::harness::tools::ECHO;
use crate::harness::{ADMIN, DEADLINE, LEGACY, USER, call, modern_request, request};

/// Somebody who is nobody here.
const STRANGER: u32 = 65_534;

fn echo() -> Request {
    Request::modern(&modern_request(1, "tools/call", call("echo", json!({ "text": "x" }))))
}

fn administration(server: &Server, count: usize) -> Vec<Value> {
    server.audited("\"event\":\"administration\"", count)
}

fn guarded() -> Settings {
    let limits = "max_failures = 2\nbackoff_levels = [0]\nblock_duration_ms = 300000";
    Settings::with(ECHO).limited(limits)
}

#[test]
fn the_status_tells_how_things_stand() {
    let server = Server::start(&Settings::with(ECHO));
    let _session = server.session(LEGACY[3]);
    let status = server.admin_json(&["status"]);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], server.id().as_raw_nonzero().get());
    assert_eq!((&status["configuration"], &status["sessions"]), (&json!(1), &json!(1)));
    assert_eq!((&status["audit"], &status["log_level"]), (&json!("able"), &json!("info")));
    assert_eq!((&status["calls"], &status["tasks"]), (&json!(0), &json!(0)));
    assert_eq!(status["counters"]["requests_finished"], 2);
    assert_eq!(status["revoked"]["api_keys"], 0);
    let text = server.administer(&["status"]);
    for line in ["sessions           1", "audit log          able", "blocked networks   0"] {
        assert!(text.lines().any(|one| one == line), "no `{line}` in\n{text}");
    }
}

#[test]
fn who_is_locked_out_is_listed_and_can_be_forgiven() {
    let server = Server::start(&guarded());
    assert!(server.administer(&["clients"]).contains("nobody has failures"));
    for _ in 0..2 {
        assert_eq!(server.send(&echo().key("wrong-0123456789")).status, 401);
    }
    assert_eq!(server.send(&echo().key("wrong-0123456789")).status, 429);
    let clients = server.admin_json(&["clients"])["clients"].clone();
    assert_eq!(clients.as_array().unwrap().len(), 1);
    assert_eq!(
        (&clients[0]["network"], &clients[0]["failures"]),
        (&json!("127.0.0.1/32"), &json!(2))
    );
    assert!(clients[0]["locked_out_ms"].as_u64() > Some(0));
    let one = server.admin_json(&["clients", "127.0.0.1"]);
    assert_eq!((&one["failures"], &one["blocked"]), (&json!(2), &json!(false)));
    assert!(server.administer(&["clients"]).contains("127.0.0.1/32"));
    assert_eq!(server.administer(&["reset", "127.0.0.1"]), "its failures are forgotten\n");
    assert_eq!(server.send(&echo().key("wrong-0123456789")).status, 401);
    assert_eq!(server.administer(&["reset", "203.0.113.7"]), "it had no failures\n");
    let records = administration(&server, 2);
    assert_eq!(
        (&records[0]["command"], &records[0]["target"]),
        (&json!("reset"), &json!("127.0.0.1"))
    );
    assert_eq!(
        (&records[0]["outcome"], &records[0]["uid"]),
        (&json!("success"), &json!(geteuid().as_raw()))
    );
}

// B110
#[test]
fn sessions_are_listed_by_handles_and_ended_by_them() {
    let server = Server::start(&Settings::with(ECHO));
    let ping = request(1, "ping", json!({}));
    let [one, other] = [LEGACY[1], LEGACY[3]].map(|version| server.session(version));
    let users = Session::open(&server, LEGACY[3], USER);
    let listed = server.admin_json(&["sessions", "list"]);
    assert_eq!(listed["count"], 3);
    let text = listed.to_string() + &server.administer(&["sessions", "list"]);
    for session in [&one, &other, &users] {
        assert!(!text.contains(&session.id[..12]), "the id of a session is shown");
    }
    let sessions = listed["sessions"].as_array().unwrap();
    let of = |revision: &str| {
        let found = sessions.iter().find(|it| it["revision"] == revision && it["user"] == "root");
        found.unwrap()["handle"].as_str().unwrap()
    };
    let mut stream = server.connect().stream(&other.bare("GET"));
    assert_eq!(server.administer(&["sessions", "revoke", of(LEGACY[3])]), "ended: 1 sessions\n");
    assert_eq!(stream.message(), None);
    assert_eq!(other.send(&ping).status, 404);
    assert_eq!(one.send(&ping).status, 200);
    server.administer(&["sessions", "revoke", "--user", "root"]);
    assert_eq!(one.send(&ping).status, 404);
    assert_eq!(users.send(&ping).status, 200);
    let problem = server.admin_fails(&["sessions", "revoke", of(LEGACY[3])]);
    assert!(problem.contains("sessions list"), "{problem}");
}

#[test]
fn old_event_streams_are_sessions_too() {
    let settings =
        Settings { http: "tls = false\nsse_path = \"/sse\"".into(), ..Settings::with(ECHO) };
    let server = Server::start(&settings);
    let mut stream = server.connect().stream(&Request::bare("GET").target("/sse"));
    let endpoint = stream.event().unwrap().data;
    let listed = server.admin_json(&["sessions", "list"]);
    let handle = listed["sessions"][0]["handle"].as_str().unwrap();
    assert!(!endpoint.contains(handle), "the address of the stream is shown");
    server.administer(&["sessions", "revoke", handle]);
    assert_eq!(stream.message(), None);
}

#[test]
fn the_log_tells_more_or_less_when_it_is_told_to() {
    let server = Server::start(&Settings::with(ECHO));
    assert_eq!(server.administer(&["log-level", "warn"]), "the log tells from warn on\n");
    assert_eq!(server.admin_json(&["status"])["log_level"], "warn");
    server.administer(&["reload"]);
    server.administer(&["log-level", "info"]);
    server.administer(&["reload"]);
    let log = server.stop().stderr.join("\n");
    assert!(!log.contains("configuration 2 is in force"), "{log}");
    assert!(log.contains("configuration 3 is in force"), "{log}");
}

#[test]
fn a_reload_is_told_of_and_so_is_what_is_wrong() {
    let server = Server::start(&Settings::with(ECHO));
    let good = server.directory.read("erlmcp.toml");
    assert_eq!(server.administer(&["reload"]), "configuration 2 is in force\n");
    server.directory.write("erlmcp.toml", &format!("{good}\n[limits]\nmax_sessionz = 1\n"));
    let problem = server.admin_fails(&["reload"]);
    assert!(problem.contains("max_sessionz") && problem.contains("erlmcp.toml:"), "{problem}");
    assert_eq!(server.send(&echo()).status, 200, "the old one stays in force");
    server.directory.write("erlmcp.toml", &good.replace("Says it again.", "Says it once more."));
    assert_eq!(server.admin_json(&["reload"])["configuration"], 3);
    let listed = server.modern(&modern_request(1, "tools/list", json!({}))).json();
    assert!(listed.to_string().contains("Says it once more."));
    let records = administration(&server, 3);
    let outcomes: Vec<_> = records.iter().map(|record| &record["outcome"]).collect();
    assert_eq!(outcomes, ["success", "error", "success"]);
}

#[test]
fn a_configuration_says_where_the_socket_is() {
    let directory = Directory::new();
    fs::create_dir(directory.file("run")).unwrap();
    let server = Server::start_in(
        directory,
        &Settings::with(&format!("{ECHO}\n[admin]\nsocket = \"@/run/admin.sock\"\n")),
    );
    let config = server.directory.file("erlmcp.toml");
    let config = config.to_str().unwrap();
    let output = run(&mut program(&["admin", "--config", config, "status"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let socket = server.directory.file("run/admin.sock");
    let facts = fs::symlink_metadata(&socket).unwrap();
    assert!(facts.file_type().is_socket());
    assert_eq!(facts.mode() & 0o777, 0o600);
    assert!(!server.socket().exists());
    let directory = server.stop().directory;
    assert!(!directory.file("run/admin.sock").exists(), "it goes with its server");
    let config = directory.file("erlmcp.toml");
    let output = run(&mut program(&["admin", "--config", config.to_str().unwrap(), "status"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no server listens"), "{output:?}");
}

#[test]
fn where_it_is_switched_off_there_is_no_socket() {
    let server = Server::start(&Settings::with("[admin]\nenabled = false\n"));
    assert!(!server.socket().exists());
    assert!(server.admin_fails(&["status"]).contains("no server listens"));
}

#[test]
fn two_servers_cannot_live_in_one_state_directory_and_a_dead_one_is_replaced() {
    let server = Server::start(&Settings::with(ECHO));
    let path = server.directory.write("second.toml", &Settings::default().text(&server.directory));
    let output = run(&mut program(&["serve", "--config", path.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("admin.sock") && said.contains("another server"), "{said}");
    server.administer(&["status"]);
    let mut server = server;
    server.signal(Signal::KILL);
    assert!(!server.wait().success());
    assert!(server.socket().exists(), "it had no time to remove it");
    let directory = server.into_directory();
    let server = Server::start_in(directory, &Settings::with(ECHO));
    server.administer(&["status"]);
}

#[test]
fn what_is_no_socket_is_not_replaced() {
    let directory = Directory::new();
    fs::create_dir(directory.file("state")).unwrap();
    fs::set_permissions(directory.file("state"), fs::Permissions::from_mode(0o700)).unwrap();
    directory.write("state/admin.sock", "precious");
    let path = directory.write("erlmcp.toml", &Settings::default().text(&directory));
    let output = run(&mut program(&["serve", "--config", path.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no socket"), "{output:?}");
    assert_eq!(directory.read("state/admin.sock"), "precious");
}

#[test]
fn garbage_oversized_and_slow_lines_are_refused_and_harm_nobody() {
    let server = Server::start(&Settings::with(ECHO));
    let mut slow = server.control();
    slow.write(b"{\"command\":");
    for line in [
        "garbage",
        "",
        "{}",
        "[1]",
        r#"{"command":"explode"}"#,
        r#"{"command":"status","command":"status"}"#,
        r#"{"command":"status","more":1}"#,
        "{\"command\":\"\u{0}\"}",
    ] {
        let answer = server.control().ask(line);
        assert_eq!(answer["ok"], false, "{line}: {answer}");
        assert!(answer["error"].is_string());
    }
    let mut binary = server.control();
    binary.write(b"\xff\xfe\n");
    assert_eq!(binary.line().unwrap()["ok"], false);
    let mut endless = server.control();
    endless.write(&vec![b'x'; 100 * 1024]);
    assert_eq!(endless.line().unwrap()["error"], "the line is too long");
    assert_eq!(endless.line(), None);
    // More than may be connected at once: the rest waits, and is answered when there is room.
    let crowd: Vec<_> = (0..40).map(|_| UnixStream::connect(server.socket()).unwrap()).collect();
    assert_eq!(server.send(&echo()).status, 200);
    drop(crowd);
    assert_eq!(server.control().ask(r#"{"command":"status"}"#)["ok"], true);
    assert_eq!(slow.line().unwrap()["error"], "the line took too long");
    assert_eq!(slow.line(), None);
    let records = administration(&server, 10);
    assert!(records.iter().all(|record| record["outcome"] == "refused"), "{records:?}");
}

#[test]
fn one_connection_may_ask_several_things_and_not_for_ever() {
    let server = Server::start(&Settings::with(ECHO));
    let mut control = server.control();
    for _ in 0..100 {
        assert_eq!(control.ask(r#"{"command":"status"}"#)["ok"], true);
    }
    assert_eq!(control.line(), None);
}

/// Does something as another user and group of the system.
fn as_other<T: Send>(user: u32, group: u32, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            set_thread_groups(&[]).unwrap();
            set_thread_res_gid(group, group, group).unwrap();
            set_thread_res_uid(user, user, user).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

fn asked(socket: &Path, line: &str) -> Option<Value> {
    let mut control = Control::connect(socket).ok()?;
    Some(control.ask(line))
}

#[test]
fn only_those_who_are_named_may_look_or_act() {
    let status = r#"{"command":"status"}"#;
    let reset = r#"{"command":"reset","address":"203.0.113.7"}"#;
    let (looker, actor, group) = (61_001, 61_002, 61_000);
    // Where the tests may not become somebody else, their own user is all there is to ask.
    let is_root = geteuid().is_root();
    let own = if is_root { group } else { rustix::process::getegid().as_raw() };
    let directory = Directory::new();
    fs::create_dir(directory.file("run")).unwrap();
    let admin = format!(
        "{ECHO}\n[admin]\nsocket = \"@/run/admin.sock\"\ngroup = {own}\n\
         look_users = [{looker}]\nact_users = [{actor}]\n"
    );
    let mut server = Server::start_in(directory, &Settings::with(&admin));
    let socket: PathBuf = server.directory.file("run/admin.sock");
    let facts = fs::symlink_metadata(&socket).unwrap();
    assert_eq!((facts.mode() & 0o777, facts.gid()), (0o660, own));
    assert_eq!(asked(&socket, reset).unwrap()["ok"], true);
    if !is_root {
        return;
    }
    let ask = |user, group, line| as_other(user, group, || asked(&socket, line));
    assert_eq!(ask(looker, STRANGER, status), None, "the file keeps it out");
    for (user, line, expected) in [
        (looker, status, true),
        (looker, reset, false),
        (actor, status, true),
        (actor, reset, true),
        (STRANGER, status, false),
        (STRANGER, reset, false),
        (STRANGER, "garbage", false),
    ] {
        assert_eq!(ask(user, group, line).unwrap()["ok"], expected, "{user} {line}");
    }
    let records = administration(&server, 6);
    let told = |record: &Value| {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", record["uid"], text("command"), text("outcome"))
    };
    let told: Vec<_> = records.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "0 reset success",
            "61001 reset refused",
            "61002 reset success",
            "65534  refused",
            "65534  refused",
            "65534  refused",
        ]
    );
    // Rights come and go with the configuration.
    let text = server.directory.read("erlmcp.toml");
    server.reload_text(
        &text.replace(&format!("act_users = [{actor}]"), &format!("act_users = [{looker}]")),
    );
    assert_eq!(ask(looker, group, reset).unwrap()["ok"], true);
    assert_eq!(ask(actor, group, status).unwrap()["ok"], false);
}

// C9
#[test]
fn the_default_socket_is_closed_to_all_others() {
    let server = Server::start(&Settings::with(ECHO));
    let mode = |path: PathBuf| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(server.socket()), 0o600);
    assert_eq!(mode(server.directory.file("state")), 0o700);
}

// B131
#[test]
fn nothing_that_is_secret_is_told_or_recorded() {
    const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEyMyJ9.c2lnbmF0dXJl";
    const LABELLED: &str = "labelled-key-0123456789abcdef0123456789";
    let labelled = format!("{{ key = \"{LABELLED}\", user = \"ann\", label = \"laptop\" }},");
    let settings = Settings {
        keys: labelled,
        ..Settings::with(&format!("{ECHO}\n[log]\nlevel = \"trace\"\n"))
    };
    let server = Server::start(&settings);
    let session = server.session(LEGACY[3]);
    let mut told = String::new();
    for words in [
        &["status"][..],
        &["clients"],
        &["keys", "list"],
        &["sessions", "list"],
        &["keys", "revoke", "laptop"],
        &["keys", "revoke", "no such"],
        // What is not found is no name, but may be a secret.
        &["sessions", "revoke", &session.id],
        &["keys", "revoke", ADMIN],
        &["tokens", "revoke", TOKEN],
        &["sessions", "revoke", "--user", "root"],
        &["keys", "rotate", "k", "/nonexistent"],
    ] {
        for form in [&[][..], &["--json"]] {
            let output = server.admin(&[form, words].concat());
            told += &String::from_utf8(output.stdout).unwrap();
            told += &String::from_utf8(output.stderr).unwrap();
        }
    }
    let mut control = server.control();
    told += &control
        .ask(&format!("{{\"command\":\"keys revoke\",\"label\":\"x\",\"key\":\"{ADMIN}\"}}"))
        .to_string();
    let state = fs::read_to_string(server.directory.file("state/revocations.json")).unwrap();
    let id = session.id.clone();
    let stopped = server.stop();
    let audit = stopped.directory.read("state/audit.log");
    let log = stopped.stderr.join("\n");
    for secret in [ADMIN, USER, LABELLED, TOKEN, &id] {
        for (name, text) in [("answer", &told), ("state", &state), ("audit", &audit), ("log", &log)]
        {
            assert!(!text.contains(secret), "the {name} holds {secret}: {text}");
        }
    }
    assert!(state.contains("laptop"));
}

#[test]
fn nothing_is_done_that_cannot_be_recorded() {
    let directory = Directory::new();
    let full = "[audit.backend_config]\nlog_path = \"/dev/full\"\n";
    let server = Server::start_in(directory, &Settings::with(full));
    // The first record fails, and with it all that would need another one.
    server.send(&echo());
    let until = Instant::now() + DEADLINE;
    while server.admin_json(&["status"])["audit"] != "failing" {
        assert!(Instant::now() < until, "it is still able");
    }
    assert!(server.admin_fails(&["block", "203.0.113.7"]).contains("unrecorded"));
    assert_eq!(server.admin_json(&["status"])["blocked_networks"], 0);
}

#[test]
fn a_client_that_gives_up_in_the_middle_leaves_nothing_behind() {
    let server = Server::start(&Settings::with(ECHO));
    for _ in 0..64 {
        let mut stream = UnixStream::connect(server.socket()).unwrap();
        stream.write_all(b"{\"command\":\"status\"}\n{\"comm").unwrap();
    }
    server.administer(&["status"]);
}
