//! SIGTERM: streams end, what runs is finished, and nobody waits longer than they must.

use std::net::TcpStream;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::fixture::{self, Gate};
use crate::harness::http::{Connection, Request};
use crate::harness::process::{Server, Settings, has_ended, watch, watch_last};
use crate::harness::tools::script_tool;
use crate::harness::{call_with_progress, modern_request, text_of};

// B98
#[test]
fn open_streams_end_and_a_running_call_is_finished() {
    let mut settings = Settings::with(&fixture::everything());
    settings.server = "drain_seconds = 600".into();
    let mut server = fixture::server_with(&settings);
    let mut gate = Gate::of(&server.directory);
    let mut listeners: Vec<_> = (0..20)
        .map(|id| {
            let wishes = json!({"notifications": {"toolsListChanged": true}});
            let message = modern_request(id, "subscriptions/listen", wishes);
            let mut events = server.connect().stream(&Request::modern(&message));
            events.notification("notifications/subscriptions/acknowledged");
            events
        })
        .collect();
    let session = server.session("2025-11-25");
    let mut standalone = server.connect().stream(&session.bare("GET"));
    let params = call_with_progress("gated", json!({}), 1);
    let message = modern_request("call", "tools/call", params);
    let mut running = server.connect().stream(&Request::modern(&message));
    running.notification("notifications/progress");
    let mut idle = server.connect();
    assert_eq!(idle.exchange(&Request::bare("GET")).status, 405);
    server.signal(Signal::TERM);
    server.wait_for("going down");
    for (id, events) in listeners.iter_mut().enumerate() {
        assert_eq!(events.message().unwrap()["id"], id);
        assert_eq!(events.message(), None);
    }
    assert_eq!(standalone.message(), None);
    assert!(idle.is_closed());
    assert!(TcpStream::connect(server.address()).is_err(), "nobody is let in any more");
    gate.release("at last");
    assert_eq!(text_of(&running.message().unwrap()), "released at last\n");
    assert_eq!(running.message(), None);
    assert!(server.wait().success());
    let audit = server.directory.read("state/audit.log");
    let last = audit.lines().last().unwrap();
    assert!(last.contains("\"target\":\"gated\"") && last.contains("success"), "{last}");
}

#[test]
fn a_call_that_does_not_end_is_ended_after_the_grace_time() {
    let mut settings = Settings::with(&fixture::everything());
    settings.server = "drain_seconds = 1".into();
    let mut server = fixture::server_with(&settings);
    let message = modern_request(1, "tools/call", call_with_progress("hold", json!({}), 1));
    let mut events = server.connect().stream(&Request::modern(&message));
    let progress = events.notification("notifications/progress");
    let process = watch_last(progress["message"].as_str().unwrap());
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert!(has_ended(&process));
    let audit = server.directory.read("state/audit.log");
    let last = audit.lines().last().unwrap();
    assert!(last.contains("\"outcome\":\"cancelled\""), "the tool did not fail: {last}");
}

// B98
#[test]
fn a_second_signal_ends_the_server_at_once() {
    let mut settings = Settings::with(&fixture::everything());
    settings.server = "drain_seconds = 600".into();
    for second in [Signal::TERM, Signal::INT] {
        let mut server = fixture::server_with(&settings);
        let message = modern_request(1, "tools/call", call_with_progress("hold", json!({}), 1));
        let mut events = server.connect().stream(&Request::modern(&message));
        let progress = events.notification("notifications/progress");
        let process = watch_last(progress["message"].as_str().unwrap());
        server.signal(Signal::TERM);
        server.wait_for("going down");
        server.signal(second);
        server.wait();
        assert!(has_ended(&process));
        let audit = server.directory.read("state/audit.log");
        assert!(audit.ends_with('\n') || audit.is_empty(), "a torn record: {audit}");
    }
}

// B66
#[test]
fn a_server_that_is_killed_leaves_no_program_behind() {
    let mut server = fixture::server();
    let message = modern_request(1, "tools/call", call_with_progress("hold", json!({}), 1));
    let mut events = server.connect().stream(&Request::modern(&message));
    let progress = events.notification("notifications/progress");
    let process = watch_last(progress["message"].as_str().unwrap());
    server.signal(Signal::KILL);
    assert!(!server.wait().success());
    assert!(has_ended(&process));
}

#[test]
fn clients_that_keep_their_connections_do_not_hold_the_server() {
    let settings = Settings { server: "drain_seconds = 600".into(), ..Settings::default() };
    for _ in 0..3 {
        let mut server = Server::start(&settings);
        let (address, process) = (server.address(), watch(server.id()));
        let goes_down = AtomicBool::new(false);
        let asked = Request::modern(&modern_request(1, "tools/list", json!({})));
        let has_started = Barrier::new(17);
        let ended = Barrier::new(17);
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let mut connection = Connection::plain(address);
                    let mut response = connection.exchange(&asked);
                    has_started.wait();
                    while response.header("connection").is_none()
                        && !goes_down.load(Ordering::Relaxed)
                    {
                        connection.write(&asked.bytes());
                        if connection.is_closed() {
                            break;
                        }
                        response = connection.response();
                    }
                    // It stays open, and silent.
                    ended.wait();
                });
            }
            has_started.wait();
            server.signal(Signal::TERM);
            server.wait_for("going down");
            goes_down.store(true, Ordering::Relaxed);
            let is_over = has_ended(&process);
            ended.wait();
            assert!(is_over);
        });
    }
}

#[test]
fn an_open_stream_does_not_make_the_server_wait() {
    let mut settings = Settings::with(&fixture::everything());
    settings.server = "drain_seconds = 600".into();
    let mut server = fixture::server_with(&settings);
    let id = server.session("2025-11-25").id;
    let asked = Request::bare("GET").header("Mcp-Session-Id", &id);
    let mut events = server.connect().stream(&asked.header("Connection", "keep-alive"));
    server.signal(Signal::TERM);
    assert_eq!(events.message(), None);
    assert!(server.wait().success());
}

#[test]
fn a_call_beyond_the_grace_time_is_recorded_and_leaves_nobody_behind() {
    let script = "trap '' TERM; sleep 600 & echo \"progress 1 pid $!\" >&2; \
                  echo \"progress 2 pid $$\" >&2; wait; sleep 600";
    let tool = script_tool("family", script, "progress = true");
    let mut settings = Settings::with(&tool);
    settings.server = "drain_seconds = 1".into();
    let mut server = Server::start(&settings);
    let message = modern_request(1, "tools/call", call_with_progress("family", json!({}), 1));
    let mut events = server.connect().stream(&Request::modern(&message));
    let mut next = || {
        let progress = events.notification("notifications/progress");
        watch_last(progress["message"].as_str().unwrap())
    };
    let family = [next(), next()];
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert!(family.iter().all(has_ended), "somebody is left");
    let audit = server.directory.read("state/audit.log");
    let records: Vec<_> = audit.lines().filter(|line| line.contains("\"family\"")).collect();
    assert_eq!(records.len(), 1, "{audit}");
    assert!(!records[0].contains("\"outcome\":\"success\""), "{audit}");
}
