//! Messages over WebSocket: who is let over, what frames mean, and how a connection ends.

use std::fs;

use serde_json::{Value, json};

use crate::harness::fixture::Gate;
use crate::harness::http::{Connection, Response};
use crate::harness::process::{Directory, Server, Settings};
use crate::harness::request::Request;
use crate::harness::tls::client;
use crate::harness::tools::{ECHO, gated_tool};
use crate::harness::websocket::{BINARY, CLOSE, PING, PONG, TEXT, WebSocket, frame, upgrade};
use crate::harness::{
    ADMIN, LEGACY, Messages as _, USER, call, code, echo, initialize, modern_request, request,
    said, until,
};

const LISTEN: &str = "[transports.websocket]\n";
const PAGE: &str = "https://app.example.com";

fn settings(more: &str) -> Settings {
    Settings::with(&format!("{ECHO}{LISTEN}[host]\nenabled = false\n{more}"))
}

fn start(more: &str) -> Server {
    Server::start(&settings(more))
}

/// A server that the page may call.
fn start_for_page() -> Server {
    let mut settings = settings("");
    settings.http += &format!("\nallowed_origins = [\"{PAGE}\"]");
    Server::start(&settings)
}

fn refused(server: &Server, request: &Request, status: u16) -> Response {
    let response = server.connect().exchange(request);
    assert_eq!(response.status, status, "{request:?}: {response:?}");
    response
}

#[test]
fn both_eras_are_spoken_and_the_subprotocol_is_repeated() {
    let server = start("");
    for version in LEGACY {
        let mut socket = WebSocket::session(&server, version, USER);
        assert_eq!(socket.head.header("sec-websocket-protocol"), Some("mcp"));
        assert_eq!(socket.head.header("upgrade"), Some("websocket"));
        assert_eq!(said(&socket.ask(&echo(1, "legacy"))), "legacy");
    }
    let mut socket =
        WebSocket::over(server.connect(), &upgrade().without("Sec-WebSocket-Protocol"));
    assert_eq!(socket.head.header("sec-websocket-protocol"), None);
    let modern = modern_request(1, "tools/call", call("echo", json!({ "text": "modern" })));
    assert_eq!(said(&socket.ask(&modern)), "modern");
    // Messages that came before our answer to the handshake are not lost.
    let mut eager = server.connect();
    let mut bytes = upgrade().bytes();
    bytes.extend(frame(0x80 | TEXT, modern.to_string().as_bytes()));
    eager.write(&bytes);
    assert_eq!(eager.response_head().status, 101);
    assert_eq!(eager.take(2)[0], 0x80 | TEXT);
}

// C4: a page must not get a socket because the browser runs on this host.
#[test]
fn host_origin_and_credential_are_looked_at_before_anything_is_switched() {
    let server = start_for_page();
    for (request, status) in [
        (upgrade().header("Host", "evil.example"), 421),
        (upgrade().header("Origin", "https://evil.example"), 403),
        (upgrade().header("Origin", "null"), 403),
        (upgrade().anonymous(), 401),
        (upgrade().key("wrong-key-0123456789abcdef0123456789"), 401),
        (upgrade().anonymous().target("/ws?access_token=x"), 401),
        (upgrade().target("/ws/x"), 404),
    ] {
        let response = refused(&server, &request, status);
        assert_eq!(response.header("upgrade"), None);
    }
    let mut socket = WebSocket::over(server.connect(), &upgrade().header("Origin", PAGE));
    assert_eq!(socket.ask(&initialize(1, LEGACY[3]))["id"], 1);
    server.audited("bad_credentials", 1);
}

#[test]
fn a_handshake_that_is_none_is_answered_and_says_what_is_spoken() {
    let server = start("");
    for request in [
        upgrade().without("Upgrade"),
        upgrade().header("Upgrade", "h2c"),
        upgrade().header("Sec-WebSocket-Version", "8"),
        upgrade().without("Sec-WebSocket-Version"),
    ] {
        let response = refused(&server, &request, 426);
        assert_eq!(response.header("sec-websocket-version"), Some("13"));
        assert_eq!(response.header("upgrade"), Some("websocket"));
    }
    for request in [
        upgrade().without("Sec-WebSocket-Key"),
        upgrade().header("Sec-WebSocket-Key", "short"),
        upgrade().and_header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        upgrade().header("Connection", "close"),
        upgrade().header("Sec-WebSocket-Protocol", "graphql-ws"),
    ] {
        refused(&server, &request, 400);
    }
    for method in ["PUT", "DELETE", "HEAD"] {
        let response = refused(&server, &upgrade().method(method), 405);
        assert_eq!(response.header("allow"), Some("GET, POST, OPTIONS"));
    }
}

#[test]
fn a_page_opens_its_socket_with_a_ticket_that_is_good_once() {
    let server = start_for_page();
    let ask = Request::post_bytes(b"").target("/ws").header("Origin", PAGE);
    refused(&server, &ask.clone().anonymous(), 401);
    let response = refused(&server, &ask.clone().key(USER), 200);
    assert_eq!(response.header("access-control-allow-origin"), Some(PAGE));
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert!(body["expires_in"].as_u64().unwrap() <= 60, "{body}");
    let ticket = body["ticket"].as_str().unwrap().to_owned();
    let offers = format!("mcp, erlmcp.ticket.{ticket}");
    let with = upgrade().anonymous().header("Sec-WebSocket-Protocol", &offers);
    // It is of no use to another page, and then to nobody.
    refused(&server, &with, 401);
    refused(&server, &with.clone().header("Origin", PAGE), 401);
    let response = refused(&server, &ask.key(USER), 200);
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let offers = format!("erlmcp.ticket.{}, mcp", body["ticket"].as_str().unwrap());
    let with = with.header("Origin", PAGE).header("Sec-WebSocket-Protocol", &offers);
    let mut socket = WebSocket::over(server.connect(), &with);
    assert_eq!(socket.head.header("sec-websocket-protocol"), Some("mcp"));
    assert_eq!(socket.ask(&initialize(1, LEGACY[3]))["id"], 1);
    refused(&server, &with, 401);
    server.audited("bad_ticket", 3);
    assert!(!server.directory.read("state/audit.log").contains(&ticket));
}

#[test]
fn fragments_pings_and_a_goodbye_are_understood() {
    let server = start("");
    let mut socket = WebSocket::session(&server, LEGACY[3], USER);
    let message = echo(1, "in three parts");
    socket.will_send(&message);
    let text = message.to_string();
    socket.frame(TEXT, &text.as_bytes()[..10]);
    socket.frame(0x80 | PING, b"are you there");
    assert_eq!(socket.next(), (PONG, b"are you there".to_vec()));
    socket.frame(0, &text.as_bytes()[10..20]);
    socket.frame(0x80, &text.as_bytes()[20..]);
    assert_eq!(said(&socket.message()), "in three parts");
    socket.frame(0x80 | CLOSE, &1000u16.to_be_bytes());
    assert_eq!(socket.closed(), Some(1000));
    let mut socket = WebSocket::session(&server, LEGACY[3], USER);
    socket.frame(0x80 | CLOSE, b"");
    assert_eq!(socket.closed(), None);
}

#[test]
fn what_breaks_a_rule_ends_with_the_code_of_the_rule() {
    let server = start("");
    for (first, payload, code) in [
        (0x80 | BINARY, &b"{}"[..], 1003),
        (0x80 | TEXT, b"\xff\xfe", 1007),
        (0xc0 | TEXT, b"{}", 1002),
        (0x80, b"{}", 1002),
        (0x80 | 3, b"", 1002),
        (0x80 | CLOSE, b"\x00", 1002),
        (PING, b"", 1002),
    ] {
        let mut socket = WebSocket::of(&server, USER);
        socket.frame(first, payload);
        assert_eq!(socket.closed(), Some(code), "{first:x}");
    }
    let mut socket = WebSocket::of(&server, USER);
    socket.bytes(&[0x81, 2, b'{', b'}']);
    assert_eq!(socket.closed(), Some(1002), "not masked");
}

#[test]
fn a_message_that_is_too_long_is_answered_and_the_next_one_served() {
    let server = start("[validation]\nmax_message_size = 200000\n");
    let mut socket = WebSocket::session(&server, LEGACY[3], ADMIN);
    let answer = socket.ask(&echo(2, &"x".repeat(300_000)));
    assert_eq!((code(&answer), &answer["id"]), (-32700, &json!(2)));
    assert_eq!(said(&socket.ask(&echo(3, "next"))), "next");
    // What no length could hold is not waited for.
    let mut head = vec![0x80 | TEXT, 0xff];
    head.extend(u64::MAX.to_be_bytes());
    socket.bytes(&head);
    assert_eq!(socket.closed(), Some(1002));
}

#[test]
fn many_requests_are_in_flight_and_answers_come_as_they_are_ready() {
    let directory = Directory::new();
    directory.pipe("gate");
    let server = Server::start_in(directory, &settings(&gated_tool("slow")));
    let mut gate = Gate::of(&server.directory);
    let mut socket = WebSocket::session(&server, LEGACY[3], ADMIN);
    socket.send(&request(1, "tools/call", call("slow", json!({}))));
    for id in 2..40 {
        assert_eq!(said(&socket.ask(&echo(id, "at once"))), "at once");
    }
    gate.release("now");
    assert_eq!(socket.message()["id"], 1);
}

#[test]
fn what_is_taken_back_ends_the_connection() {
    let with = settings("[limits]\nkeepalive_seconds = 1\n");
    let mut server = Server::start(&with);
    let mut user = WebSocket::session(&server, LEGACY[3], USER);
    let mut idle = WebSocket::of(&server, USER);
    assert_eq!(said(&user.ask(&echo(2, "before"))), "before");
    let text = with.text(&server.directory);
    server.reload_text(&text.replace(USER, "another-key-0123456789abcdef01234567"));
    assert_eq!(user.closed(), Some(1008));
    assert_eq!(idle.closed(), Some(1008));
}

#[test]
fn a_silent_connection_is_pinged_and_a_dead_one_let_go() {
    let server = start("[limits]\nkeepalive_seconds = 1\n");
    let mut socket = WebSocket::of(&server, USER);
    let (kind, payload) = socket.next();
    assert_eq!((kind, payload.len()), (PING, 0));
    assert_eq!(socket.closed(), Some(1008), "it never answers");
    let mut alive = WebSocket::of(&server, USER);
    for _ in 0..4 {
        assert_eq!(alive.next().0, PING);
        alive.frame(0x80 | PONG, b"");
    }
    assert_eq!(alive.ask(&initialize(1, LEGACY[3]))["id"], 1);
}

#[test]
fn a_server_that_ends_says_goodbye() {
    let server = start("");
    let mut socket = WebSocket::session(&server, LEGACY[3], USER);
    assert_eq!(said(&socket.ask(&echo(1, "ready"))), "ready");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(socket.closed(), Some(1001));
}

#[test]
fn it_is_spoken_over_tls_and_at_an_address_of_its_own() {
    let mut own = Settings::with(&format!(
        "{ECHO}[transports.websocket]\nlisten = \"127.0.0.1:0\"\ntls = true\npath = \"/socket\"\n"
    ));
    own = own.over_tls();
    let mut server = Server::start(&own);
    let line = server.wait_for("listening on wss://");
    let (_, rest) = line.split_once("://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    assert_eq!(path, "socket");
    let address = address.parse().unwrap();
    let config = client(&fs::read(server.authority()).unwrap());
    let connect = || Connection::tls(address, config.clone());
    let mut socket = WebSocket::over(connect(), &upgrade().target("/socket"));
    assert_eq!(socket.ask(&initialize(1, LEGACY[3]))["id"], 1);
    let response = connect().exchange(&Request::post(&initialize(1, LEGACY[3])));
    assert_eq!(response.status, 404, "nothing else is there");
    let response = connect().exchange(&upgrade().target("/socket").anonymous());
    assert_eq!(response.status, 401);
}

// B93, C4
#[test]
fn an_address_of_its_own_has_the_same_name_and_the_same_rules() {
    let mut own = settings("");
    own.rest = own.rest.replace(
        "[transports.websocket]",
        "[transports.websocket]\nlisten = \"127.0.0.1:0\"\ntls = false\npath = \"/socket\"",
    );
    own.http.push_str("\npublic_url = \"https://mcp.example.com:8443/mcp\"");
    let mut server = Server::start(&own);
    let line = server.wait_for("listening on ws://");
    let (_, rest) = line.split_once("://").unwrap();
    let address = rest.split_once('/').unwrap().0.parse().unwrap();
    let ask = |name: &str, value: &str| {
        let asked = upgrade().key(ADMIN).target("/socket").header(name, value);
        Connection::plain(address).exchange(&asked).status
    };
    for host in ["mcp.example.com", "mcp.example.com:8444", "localhost", "localhost.:8444"] {
        assert_eq!(ask("Host", host), 101, "{host}");
    }
    for host in ["evil.example", "mcp.example.com.evil.example", "example.com."] {
        assert_eq!(ask("Host", host), 421, "{host}");
    }
    assert_eq!(ask("Host", "localhost..:8444"), 400);
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        assert_eq!(ask("Origin", origin), 403, "{origin}");
    }
}

// B8
#[test]
fn connections_of_one_user_have_a_bound_and_come_back() {
    let server = start("[limits]\nmax_sessions_per_user = 2\n");
    let mut open: Vec<WebSocket> = (0..2).map(|_| WebSocket::of(&server, ADMIN)).collect();
    let response = refused(&server, &upgrade().key(ADMIN), 503);
    assert_eq!(response.json()["error"]["message"], "Too many connections of this user");
    // Others have their own.
    let _other = WebSocket::of(&server, USER);
    drop(open.pop());
    until(|| server.connect().exchange(&upgrade().key(ADMIN)).status == 101);
}
