//! Messages over TCP, one a line: who is let in, and what a connection bears.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::fixture::{self, Gate};
use crate::harness::http::Request;
use crate::harness::lines::{Lines, by};
use crate::harness::process::{Directory, Server, Settings, program};
use crate::harness::tools::{ECHO, gated_tool};
use crate::harness::{
    ADMIN, GUEST, LEGACY, Messages as _, USER, call, code, echo, initialize, initialize_with,
    modern_request, request, said, until,
};

pub const LISTEN: &str = "[transports.tcp]\nlisten = \"127.0.0.1:0\"\n";

pub fn settings(more: &str) -> Settings {
    Settings::with(&format!("{ECHO}{LISTEN}[host]\nenabled = false\n{more}"))
}

pub fn start(more: &str) -> Server {
    Server::start(&settings(more))
}

/// A server with a tool that holds until its gate opens.
fn gated() -> Server {
    let directory = Directory::new();
    directory.pipe("gate");
    Server::start_in(directory, &settings(&gated_tool("slow")))
}

pub fn modern_echo(id: i64, text: &str) -> Value {
    modern_request(id, "tools/call", call("echo", json!({ "text": text })))
}

// C3, C5: a page makes a browser send lines to a port of the host.
#[test]
fn a_request_of_a_browser_does_nothing_even_where_nobody_is_asked() {
    let mut open = settings("");
    open.rest += "\n[development]\ninsecure_listeners = true\n";
    let text = |directory: &Directory| {
        let text = open.text(directory);
        let keys = text.find("api_keys").unwrap();
        let end = text[keys..].find("\n]").unwrap() + keys + 2;
        format!("{}enabled = false{}", &text[..keys], &text[end..])
    };
    let directory = Directory::new();
    let path = directory.write("erlmcp.toml", &text(&directory));
    let mut server =
        Server::spawn(directory, &mut program(&["serve", "--config", path.to_str().unwrap()]));
    let call = modern_echo(1, "from a page");
    let mut lines = Lines::plain(&mut server);
    lines.bytes(format!("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n{call}\n").as_bytes());
    assert_eq!(code(&lines.message()), -32700);
    assert!(lines.is_closed());
    let mut lines = Lines::plain(&mut server);
    assert_eq!(said(&lines.ask(&call)), "from a page", "who speaks it from the start is served");
}

// C73: a browser that speaks TLS for another protocol has not meant us.
#[test]
fn tls_for_another_protocol_is_refused() {
    let mut settings = settings("").over_tls();
    settings.rest = settings.rest.replace(LISTEN, &format!("{LISTEN}tls = true\n"));
    let mut server = Server::start(&settings);
    let address = server.tcp_address();
    let ask = |protocol: &[&str]| {
        let authority = server.authority().to_str().unwrap();
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-verify_return_error", "-CAfile", authority]);
        command.args(["-connect", &address.to_string(), "-servername", "localhost"]);
        command.args(protocol).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let message = by(modern_echo(1, "through openssl"), ADMIN);
        let _ = writeln!(child.stdin.as_mut().unwrap(), "{message}");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let _ = child.kill();
        child.wait().unwrap();
        line
    };
    for protocol in [&[][..], &["-alpn", "mcp"]] {
        let line = ask(protocol);
        let answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{protocol:?}: {line:?}"));
        assert_eq!(said(&answer), "through openssl");
    }
    assert_eq!(ask(&["-alpn", "http/1.1,h2"]), "");
}

#[test]
fn requests_in_flight_are_answered_as_they_are_done() {
    let mut server = gated();
    let mut gate = Gate::of(&server.directory);
    let mut lines = Lines::session(&mut server, LEGACY[3], ADMIN);
    lines.send(&request(1, "tools/call", call("slow", json!({}))));
    for id in 2..30 {
        lines.send(&echo(id, "quick"));
    }
    let mut ids: Vec<i64> = (2..30).map(|_| lines.message()["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (2..30).collect::<Vec<_>>());
    gate.release("now");
    let slow = lines.message();
    assert_eq!(slow["id"], 1);
}

#[test]
fn a_client_is_told_of_progress_and_asked_on_the_same_connection() {
    let mut server = fixture::handlers(LISTEN);
    let mut lines = Lines::plain(&mut server);
    let able = json!({ "elicitation": {}, "sampling": {}, "roots": {} });
    lines.ask(&by(initialize_with(0, LEGACY[3], able), ADMIN));
    lines.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    lines.send(&request(1, "tools/call", call("test_input_required_result_sampling", json!({}))));
    let asked = lines.message();
    assert_eq!(asked["method"], "sampling/createMessage", "{asked}");
    lines.send(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": {
        "role": "assistant", "model": "m", "stopReason": "endTurn",
        "content": { "type": "text", "text": "Paris" },
    } }));
    let answer = lines.message();
    assert_eq!((&answer["id"], said(&answer)), (&json!(1), "Paris"));
}

// B31: ids of both sides count from one.
#[test]
fn a_response_that_cannot_be_taken_is_never_answered() {
    let mut server =
        fixture::handlers(&format!("{LISTEN}[validation]\nmax_message_size = 65536\n"));
    let mut lines = Lines::plain(&mut server);
    let able = json!({ "elicitation": {}, "sampling": {}, "roots": {} });
    lines.ask(&by(initialize_with(0, LEGACY[3], able), ADMIN));
    lines.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let tool = "test_input_required_result_sampling";
    let long = format!("\"result\":\"{}\"", "x".repeat(100_000));
    for (id, member) in [r#""result":{},"error":{}"#, r#""error":1"#, &long].into_iter().enumerate()
    {
        lines.send(&request(id, "tools/call", call(tool, json!({}))));
        let asked = lines.message();
        assert_eq!(asked["method"], "sampling/createMessage", "{asked}");
        lines
            .bytes(format!("{{\"jsonrpc\":\"2.0\",\"id\":{},{member}}}\n", asked["id"]).as_bytes());
        let told = lines.message();
        assert_eq!(told["id"], id, "{told}");
        assert!(told.to_string().contains("its answer cannot be taken"), "{told}");
    }
    // And what is an answer to nothing at all.
    let nothing = json!({ "jsonrpc": "2.0", "error": { "code": 1, "message": "what?" } });
    lines.send(&nothing);
    lines.bytes(b"{\"jsonrpc\":\"2.0\",\"result\":1}\n");
    assert_eq!(lines.ask(&request("next", "ping", json!({})))["id"], "next");
}

// B28
#[test]
fn an_id_that_is_in_use_is_refused_and_what_has_it_goes_on() {
    let mut server = gated();
    let mut gate = Gate::of(&server.directory);
    let mut lines = Lines::session(&mut server, LEGACY[3], ADMIN);
    lines.send(&request(1, "tools/call", call("slow", json!({}))));
    for again in [echo(1, "again"), request(1, "ping", json!({}))] {
        let refused = lines.ask(&again);
        assert_eq!((code(&refused), &refused["id"]), (-32600, &json!(1)), "{refused}");
    }
    gate.release("now");
    assert!(said(&lines.message()).contains("now"));
    assert_eq!(said(&lines.ask(&echo(1, "free again"))), "free again");

    let mut lines = Lines::plain(&mut server);
    let wishes = json!({ "notifications": { "toolsListChanged": true } });
    let listen = by(modern_request("s", "subscriptions/listen", wishes), ADMIN);
    lines.send(&listen);
    assert_eq!(lines.message()["method"], "notifications/subscriptions/acknowledged");
    for again in [listen.clone(), by(modern_request("s", "tools/list", json!({})), ADMIN)] {
        assert_eq!(code(&lines.ask(&again)), -32600);
    }
    lines.send(&by(
        json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": { "requestId": "s" },
        }),
        ADMIN,
    ));
    lines.send(&listen);
    assert_eq!(lines.message()["method"], "notifications/subscriptions/acknowledged");
}

// B56
#[test]
fn a_call_is_taken_back_while_another_runs() {
    let mut server = gated();
    let mut gate = Gate::of(&server.directory);
    let mut lines = Lines::session(&mut server, LEGACY[3], ADMIN);
    for id in [101, 102] {
        lines.send(&request(id, "tools/call", call("slow", json!({}))));
    }
    lines.send(&json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 101 },
    }));
    // Its id is free as soon as its program has ended.
    until(|| lines.ask(&echo(101, "free")).get("error").is_none());
    gate.release("the other");
    let other = lines.message();
    assert_eq!((&other["id"], said(&other).contains("the other")), (&json!(102), true), "{other}");
}

#[test]
fn changes_are_told_to_who_listens() {
    let mut server = start("");
    let mut lines = Lines::plain(&mut server);
    let wishes = json!({ "notifications": { "toolsListChanged": true } });
    lines.send(&by(modern_request("s", "subscriptions/listen", wishes), ADMIN));
    assert_eq!(lines.message()["method"], "notifications/subscriptions/acknowledged");
    let mut legacy = Lines::session(&mut server, LEGACY[3], ADMIN);
    assert_eq!(said(&legacy.ask(&echo(1, "ready"))), "ready");
    let mut changed = settings("");
    changed.rest = changed.rest.replace("\"echo\"", "\"echoes\"");
    server.reload(&changed);
    for lines in [&mut lines, &mut legacy] {
        assert_eq!(lines.message()["method"], "notifications/tools/list_changed");
    }
}

#[test]
fn a_message_that_is_too_long_is_answered_and_the_next_one_served() {
    let mut server = start("[validation]\nmax_message_size = 200000\n");
    let mut lines = Lines::session(&mut server, LEGACY[3], ADMIN);
    let padded = |mut message: Value, length: usize| {
        message["params"]["_meta"]["padding"] = json!("x".repeat(length));
        message
    };
    assert_eq!(said(&lines.ask(&padded(echo(1, "long"), 150_000))), "long");
    let answer = lines.ask(&padded(echo(2, "longer"), 300_000));
    assert_eq!((code(&answer), &answer["id"]), (-32700, &json!(2)));
    assert_eq!(answer["error"]["message"], "Message too large");
    assert_eq!(said(&lines.ask(&echo(3, "next"))), "next");
    lines.bytes(b"{\"jsonrpc\":\n");
    assert_eq!(code(&lines.message()), -32700);
    assert_eq!(said(&lines.ask(&echo(4, "next"))), "next");
    // Of a stranger so much is not even read.
    let mut lines = Lines::plain(&mut server);
    lines.send(&by(padded(echo(1, "long"), 150_000), ADMIN));
    assert_eq!(code(&lines.message()), -32700);
    assert!(lines.is_closed());
}

#[test]
fn who_says_nothing_or_says_it_slowly_is_let_go() {
    let mut server = start("[limits]\nhead_timeout_ms = 200\nbody_timeout_ms = 300\n");
    for beginning in [&b""[..], b"{\"jsonrpc\"", b"\n\n"] {
        let mut stranger = Lines::plain(&mut server);
        stranger.bytes(beginning);
        let answer = stranger.message();
        assert!(answer["error"]["message"].as_str().unwrap().contains("Authentication"));
        assert!(stranger.is_closed());
    }
    let mut slow = Lines::session(&mut server, LEGACY[3], ADMIN);
    assert_eq!(said(&slow.ask(&echo(1, "in time"))), "in time");
    slow.bytes(b"{\"jsonrpc\"");
    assert!(slow.is_closed(), "a message that does not end holds its place for ever");
}

#[test]
fn what_was_sent_before_the_end_is_answered() {
    let mut server = gated();
    let mut gate = Gate::of(&server.directory);
    let mut lines = Lines::session(&mut server, LEGACY[3], ADMIN);
    lines.send(&request(1, "tools/call", call("slow", json!({}))));
    lines.bytes(echo(2, "the last line needs no end").to_string().as_bytes());
    lines.shut();
    assert_eq!(said(&lines.message()), "the last line needs no end");
    gate.release("now");
    assert_eq!(lines.message()["id"], 1);
    assert!(lines.is_closed());
}

#[test]
fn a_server_that_ends_answers_what_runs() {
    let mut server = gated();
    let mut gate = Gate::of(&server.directory);
    let mut idle = Lines::session(&mut server, LEGACY[3], ADMIN);
    let mut lines = Lines::session(&mut server, LEGACY[3], ADMIN);
    lines.send(&request(1, "tools/call", call("slow", json!({}))));
    assert_eq!(said(&lines.ask(&echo(2, "it runs"))), "it runs");
    server.signal(rustix::process::Signal::TERM);
    assert!(idle.is_closed());
    gate.release("now");
    assert_eq!(lines.message()["id"], 1);
    assert!(lines.is_closed());
    assert!(server.wait().success());
}

// B11
#[test]
fn a_quiet_connection_is_looked_after_by_the_system() {
    let mut server = start("[limits]\nkeepalive_seconds = 7\n");
    let mut lines = Lines::session(&mut server, LEGACY[3], ADMIN);
    assert_eq!(said(&lines.ask(&echo(1, "here"))), "here");
    let ours = format!("0100007F:{:04X}", server.tcp_address().port());
    // Once all is acknowledged: local and remote address, state, queues, then the timer and its
    // hundredths of a second, of which 02 is that of signs of life.
    until(|| {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let timers = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut timers = timers.filter(|words| words[1] == ours && words[3] == "01");
        timers.any(|words| {
            let (kind, rest) = words[5].split_once(':').unwrap();
            kind == "02" && u64::from_str_radix(rest, 16).unwrap() <= 700
        })
    });
}

#[test]
fn rules_tell_transports_apart() {
    let rule = "[[authorization.rules]]\nname = \"no tcp\"\neffect = \"deny\"\n\
                transports = [\"tcp\"]\ntools = [\"echo\"]\n";
    let mut server = start(rule);
    let mut lines = Lines::session(&mut server, LEGACY[3], ADMIN);
    assert_eq!(code(&lines.ask(&echo(1, "x"))), -32602);
    assert_eq!(lines.ask(&request(2, "tools/list", json!({})))["result"]["tools"], json!([]));
    assert_eq!(said(&server.send(&Request::modern(&modern_echo(1, "http"))).json()), "http");
    let mut lines = Lines::session(&mut server, LEGACY[3], GUEST);
    assert_eq!(code(&lines.ask(&echo(1, "x"))), -32602);
}

// B8
#[test]
fn connections_of_one_user_have_a_bound_and_come_back() {
    let mut server = start("[limits]\nmax_sessions_per_user = 2\n");
    let mut open: Vec<Lines> =
        (0..2).map(|_| Lines::session(&mut server, LEGACY[3], ADMIN)).collect();
    let hello = by(initialize("hello", LEGACY[3]), ADMIN);
    let mut third = Lines::plain(&mut server);
    let answer = third.ask(&hello);
    assert_eq!(answer["error"]["message"], "Too many connections of this user");
    assert!(third.is_closed());
    let mut other = Lines::session(&mut server, LEGACY[3], USER);
    assert_eq!(said(&other.ask(&echo(2, "mine"))), "mine");
    let modern = by(modern_echo(3, "modern"), ADMIN);
    assert!(Lines::plain(&mut server).ask(&modern).get("error").is_some(), "these count too");
    drop(open.pop());
    until(|| Lines::plain(&mut server).ask(&hello)["result"].is_object());
    until(|| Lines::plain(&mut server).ask(&modern)["result"].is_object());
}
