//! Clients that are slow or many: each limit ends what it is for, and nobody else notices.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::fixture::{self, Gate};
use crate::harness::http::{Connection, Request};
use crate::harness::lines::{Lines, by};
use crate::harness::process::{Directory, Server, Settings, program};
use crate::harness::tools::{gated_tool, script_tool};
use crate::harness::websocket::{self, WebSocket};
use crate::harness::{
    ADMIN, Messages as _, call, call_with_progress, modern_request, text_of, until,
};

fn ask(id: impl Into<Value>) -> Request {
    Request::modern(&modern_request(id, "tools/list", json!({})))
}

// C47
#[test]
fn a_head_or_body_that_does_not_come_in_time_is_given_up() {
    let limits = "[limits]\nhead_timeout_ms = 300\nbody_timeout_ms = 300\n";
    let server = Server::start(&Settings::with(limits));
    let whole = ask(1).bytes();
    let head = ask(1).head().len();
    for length in [1, head / 2, head - 1, head, head + 1, whole.len() - 1] {
        let mut connection = server.connect();
        connection.write(&whole[..length]);
        assert_eq!(connection.response().status, 408, "after {length} bytes");
        assert!(connection.is_closed());
    }
    assert_eq!(server.send(&ask(1)).status, 200);
}

// C47
#[test]
fn a_byte_now_and_then_does_not_extend_the_time_of_a_head() {
    let limits = "[limits]\nhead_timeout_ms = 300\n";
    let server = Server::start(&Settings::with(limits));
    let mut connection = server.connect();
    connection.write(b"POST /mcp HTTP/1.1\r\nX-Slow: ");
    let mut sent = 0;
    // Until the server has spoken.
    while connection.waits_for_answer() {
        connection.write(b"x");
        sent += 1;
        assert!(sent < 10_000, "it never ends");
    }
    assert_eq!(connection.response().status, 408);
}

// C48
#[test]
fn a_handshake_that_does_not_come_is_given_up() {
    let tls = "[tls]\nhandshake_timeout_ms = 300\n";
    let server = Server::start(&Settings::with(tls).over_tls());
    for start in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut half = Connection::plain(server.address());
        half.write(start);
        assert!(half.is_closed());
    }
    let mut plain = Connection::plain(server.address());
    plain.write(&ask(1).bytes());
    let answer = plain.rest();
    assert!(!answer.starts_with(b"HTTP/"), "TLS is not left out because a client leaves it out");
    assert_eq!(server.send(&ask(1)).status, 200);
}

#[test]
fn a_connection_that_says_nothing_any_more_is_closed_without_a_word() {
    let limits = "[limits]\nidle_timeout_ms = 300\n";
    let server = Server::start(&Settings::with(limits));
    let mut fresh = server.connect();
    assert!(fresh.is_closed());
    let mut used = server.connect();
    assert_eq!(used.exchange(&ask(1)).status, 200);
    assert!(used.is_closed());
}

#[test]
fn requests_that_do_not_wait_for_answers_have_a_bound() {
    let server = Server::start(&Settings::with("[limits]\npipelined_requests = 3\n"));
    let many = |count: u32| (0..count).flat_map(|_| ask(1).bytes()).collect::<Vec<u8>>();
    let mut patient = server.connect();
    for _ in 0..4 {
        patient.write(&many(3));
        for _ in 0..3 {
            assert_eq!(patient.response().status, 200);
        }
    }
    let mut hasty = server.connect();
    hasty.write(&many(9));
    for _ in 0..3 {
        assert_eq!(hasty.response().status, 200);
    }
    assert_eq!(hasty.response().status, 429);
    assert!(hasty.is_closed());
}

// C47, C48
#[test]
fn one_address_has_a_bound_of_connections_and_gets_its_places_back() {
    let limits = "[limits]\nmax_connections_per_address = 3\n";
    let server = Server::start(&Settings::with(limits));
    let mut open: Vec<_> = (0..3)
        .map(|id| {
            let mut connection = server.connect();
            assert_eq!(connection.exchange(&ask(id)).status, 200);
            connection
        })
        .collect();
    assert!(server.connect().is_closed(), "a fourth is closed at once");
    for connection in &mut open {
        assert_eq!(connection.exchange(&ask(4)).status, 200, "the others are unharmed");
    }
    let mut last = open.pop().unwrap();
    assert_eq!(last.exchange(&ask(5).header("Connection", "close")).status, 200);
    assert!(last.is_closed());
    drop(last);
    let until = std::time::Instant::now() + crate::harness::DEADLINE;
    loop {
        let mut connection = server.connect();
        connection.write(&ask(6).bytes());
        if !connection.is_closed() {
            break;
        }
        assert!(std::time::Instant::now() < until, "the place was never given back");
    }
}

#[test]
fn a_connection_serves_as_many_requests_as_it_may() {
    let limits = "[limits]\nrequests_per_connection = 3\n";
    let server = Server::start(&Settings::with(limits));
    let mut connection = server.connect();
    for id in 0..3 {
        let response = connection.exchange(&ask(id));
        let closes = response.header("connection") == Some("close");
        assert_eq!((response.status, closes), (200, id == 2));
    }
    assert!(connection.is_closed());
}

// C57, B42
#[test]
fn a_client_that_does_not_read_keeps_nobody_waiting() {
    let script = "head -c 8000000 /dev/zero | tr '\\0' x";
    let tool = script_tool("big", script, "max_output_bytes = 9000000");
    let server = Server::start(&Settings::with(&format!("{tool}{}", crate::harness::tools::ECHO)));
    let message = modern_request(1, "tools/call", call("big", json!({})));
    let mut deaf: Vec<_> = (0..8)
        .map(|_| {
            let mut connection = server.connect();
            connection.write(&Request::modern(&message).bytes());
            connection.response_head();
            connection
        })
        .collect();
    for id in 0..20 {
        let echo = modern_request(id, "tools/call", call("echo", json!({"text": "x"})));
        assert_eq!(text_of(&server.modern(&echo).json()), "x\n");
    }
    let first = deaf.pop().unwrap();
    drop(deaf);
    drop(first);
    assert_eq!(server.send(&ask(1)).status, 200);
}

// C64
#[test]
fn messages_on_their_way_have_a_bound_all_together() {
    let listen = "[transports.tcp]\nlisten = \"127.0.0.1:0\"\n[transports.websocket]\n";
    let mut server = Server::start(&Settings::with(&format!(
        "{}{listen}[limits]\nbuffered_bytes = 2097152\n[validation]\nmax_message_size = 1048576\n",
        crate::harness::tools::ECHO
    )));
    let message = |length: usize| {
        let echo =
            |text: &str| modern_request(1, "tools/call", call("echo", json!({"text": text})));
        let missing = length - echo("").to_string().len();
        echo(&"x".repeat(missing))
    };
    // Most of a message each, of which none becomes whole.
    let part = |bytes: &[u8]| {
        let mut connection = server.connect();
        connection.write(&bytes[..bytes.len() - 1]);
        connection
    };
    let large = Request::modern(&message(1_000_000)).bytes();
    let mut held: Vec<Connection> = (0..4).map(|_| part(&large)).collect();
    until(|| held.iter_mut().map(|one| usize::from(!one.waits_for_answer())).sum::<usize>() == 2);
    let mut refused = Vec::new();
    for mut one in std::mem::take(&mut held) {
        if one.waits_for_answer() { held.push(one) } else { refused.push(one.rest()) }
    }
    assert!(refused.iter().all(|rest| rest.starts_with(b"HTTP/1.1 503 ")), "and can read why");
    let chunks = [
        Request::modern(&message(1_000))
            .without("Content-Length")
            .header("Transfer-Encoding", "chunked")
            .head(),
        format!("f0000\r\n{}", "x".repeat(0xf0000)).into_bytes(),
    ];
    assert!(part(&chunks.concat()).rest().starts_with(b"HTTP/1.1 503 "));
    let mut lines = Lines::plain(&mut server);
    assert_eq!(lines.ask(&by(modern_request(1, "tools/list", json!({})), ADMIN))["id"], 1);
    lines.bytes(&message(1_000_000).to_string().into_bytes());
    let told =
        |message: Value| message["error"]["message"].as_str().unwrap().contains("on their way");
    assert!(told(lines.message()) && lines.is_closed());
    let mut socket = WebSocket::of(&server, ADMIN);
    let text = message(1_000_000).to_string();
    socket.bytes(&websocket::frame(0x81, text.as_bytes())[..900_000]);
    assert!(told(socket.message()));
    assert_eq!(socket.closed(), Some(1008));
    // What is small is never in the way, and what is given up makes room.
    assert_eq!(server.send(&Request::modern(&message(20_000))).status, 200);
    drop(held);
    until(|| server.send(&Request::modern(&message(1_000_000))).status == 200);
}

// C64
#[test]
fn messages_of_calls_that_run_have_a_bound_all_together() {
    let directory = Directory::new();
    directory.pipe("gate");
    let bounds = "[limits]\nbuffered_bytes = 2097152\n[validation]\nmax_message_size = 900000\n";
    let tools = format!("{bounds}{}", gated_tool("gated"));
    let server = Server::start_in(directory, &Settings::with(&tools));
    let mut gate = Gate::of(&server.directory);
    let large = |id: i64| {
        let mut params = call_with_progress("gated", json!({}), 1);
        params["_meta"]["padding"] = json!("x".repeat(800_000));
        Request::modern(&modern_request(id, "tools/call", params))
    };
    let mut first = server.connect().stream(&large(1));
    first.notification("notifications/progress");
    let refused = server.send(&large(2));
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json()["error"]["message"], "Too many large calls at once");
    gate.release("it");
    assert_eq!(text_of(&first.message().unwrap()), "released it\n");
    until(|| {
        gate.release("again");
        server.send(&large(3)).status == 200
    });
}

// C48
#[test]
fn connections_leave_descriptors_for_everything_else() {
    let directory = Directory::new();
    let settings = Settings::with(crate::harness::tools::ECHO);
    let path = directory.write("erlmcp.toml", &settings.text(&directory));
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", "ulimit -n 128; exec \"$0\" serve --config \"$1\""]);
    limited.arg(program(&[]).get_program()).arg(&path).env_clear().stdin(Stdio::null());
    let mut server = Server::spawn(directory, &mut limited);
    assert!(server.has_said("only 64 have room among 128 open files"));
    let mut first = server.connect();
    let mut held: Vec<_> = (0..100).map(|_| server.connect()).collect();
    server.wait_for("accepting rests");
    server.administer(&["status"]);
    let call = modern_request(1, "tools/call", call("echo", json!({ "text": "still here" })));
    assert_eq!(text_of(&first.exchange(&Request::modern(&call)).json()), "still here\n");
    held.clear();
    assert_eq!(server.send(&ask(2)).status, 200, "and goes on");
}

// C47
#[test]
fn who_takes_nothing_of_an_answer_is_let_go() {
    let script = "head -c 20000000 /dev/zero | tr '\\0' x";
    let tool = script_tool("big", script, "max_output_bytes = 30000000");
    let listen = "[transports.tcp]\nlisten = \"127.0.0.1:0\"\n[transports.websocket]\n";
    let limits = "[limits]\nwrite_stall_ms = 300\nkeepalive_seconds = 3600\n";
    let mut server = Server::start(&Settings::with(&format!("{tool}{listen}{limits}")));
    let big = modern_request(1, "tools/call", call("big", json!({})));
    let mut http = server.connect();
    http.write(&Request::modern(&big).bytes());
    until(|| server.counter("peer_timeouts") == 1);
    assert!(http.rest().len() < 20_000_000, "the answer is cut off");
    let mut lines = Lines::plain(&mut server);
    lines.send(&by(big.clone(), ADMIN));
    until(|| server.counter("peer_timeouts") == 2);
    let mut socket = WebSocket::of(&server, ADMIN);
    socket.send(&big);
    until(|| server.counter("peer_timeouts") == 3);
    assert_eq!(server.send(&ask(2)).status, 200);
}

// B50
#[test]
fn many_connections_that_vanish_leave_nothing_behind() {
    let server = fixture::server();
    for _ in 0..5 {
        let open: Vec<_> = (0..200)
            .map(|_| {
                let mut connection = server.connect();
                connection.write(b"POST /mcp HT");
                connection
            })
            .collect();
        drop(open);
        assert_eq!(server.send(&ask(1)).status, 200);
    }
    let descriptors = format!("/proc/{}/fd", server.id().as_raw_nonzero());
    let until = std::time::Instant::now() + crate::harness::DEADLINE;
    while std::fs::read_dir(&descriptors).unwrap().count() > 40 {
        assert!(std::time::Instant::now() < until, "descriptors are left over");
        assert_eq!(server.send(&ask(1)).status, 200);
    }
}
