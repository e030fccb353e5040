//! The transport of 2024-11-05, which is on where a path is configured for it: a stream of events
//! whose first one says where messages are posted to.

use serde_json::{Value, json};

use crate::harness::fixture::{self, Gate};
use crate::harness::http::{Events, Request};
use crate::harness::process::{Server, Settings};
use crate::harness::{
    ADMIN, LEGACY, USER, call, call_with_progress, initialize, modern_request, request, text_of,
};

fn server() -> Server {
    let mut settings = Settings::with(&fixture::everything());
    settings.http = "tls = false\nsse_path = \"/sse\"".into();
    fixture::server_with(&settings)
}

fn get() -> Request {
    Request::bare("GET").target("/sse").key(ADMIN)
}

/// An open stream and the address that it named.
struct Session<'s> {
    server: &'s Server,
    events: Events,
    address: String,
}

impl<'s> Session<'s> {
    fn open(server: &'s Server) -> Self {
        let mut events = server.connect().stream(&get());
        let first = events.event().unwrap();
        assert_eq!(first.name.as_deref(), Some("endpoint"));
        let address = first.data;
        let id = address.strip_prefix("/sse/").unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{address}");
        Self { server, events, address }
    }

    fn post(&self, message: &Value) -> Request {
        Request::post(message).target(&self.address)
    }

    fn send(&self, message: &Value) {
        let response = self.server.send(&self.post(message));
        assert_eq!((response.status, response.body.len()), (202, 0), "{response:?}");
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.events.message().unwrap()
    }
}

#[test]
fn messages_are_posted_and_answered_on_the_stream() {
    let server = server();
    let mut session = Session::open(&server);
    let hello = session.ask(&initialize(0, LEGACY[0]));
    assert_eq!(hello["result"]["protocolVersion"], LEGACY[0]);
    session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let answer = session.ask(&request(1, "tools/call", call("echo", json!({ "text": "hello" }))));
    assert_eq!((&answer["id"], text_of(&answer)), (&json!(1), "hello\n"));
    // The stream goes on behind an answer, and a wrong message is answered there, too.
    assert_eq!(session.ask(&request(2, "ping", json!({})))["result"], json!({}));
    assert_eq!(session.ask(&request(3, "no/such", json!({})))["error"]["code"], -32601);
    assert_eq!(server.audited("\"target\":\"echo\"", 1)[0]["transport"], "http");
}

#[test]
fn the_handshake_comes_first_and_other_eras_have_their_own_endpoint() {
    let server = server();
    let mut session = Session::open(&server);
    assert_eq!(session.ask(&request(1, "tools/list", json!({})))["error"]["code"], -32600);
    let modern = session.ask(&modern_request(2, "tools/list", json!({})));
    assert_eq!(modern["error"]["code"], -32600, "{modern}");
}

#[test]
fn an_address_is_good_for_who_opened_it_and_as_long_as_the_stream_is_read() {
    let server = server();
    let session = Session::open(&server);
    let hello = initialize(0, LEGACY[0]);
    assert_eq!(server.send(&session.post(&hello).anonymous()).status, 401);
    let stranger = server.send(&session.post(&hello).key(USER));
    let unknown = Request::post(&hello).target("/sse/0123456789abcdef0123456789abcdef");
    for refused in [stranger, server.send(&unknown)] {
        assert_eq!((refused.status, refused.code()), (404, -32001), "{refused:?}");
    }
    let after = session.post(&hello);
    drop(session);
    let until = std::time::Instant::now() + crate::harness::DEADLINE;
    while server.send(&after).status != 404 {
        assert!(std::time::Instant::now() < until, "it outlives its stream");
    }
}

#[test]
fn its_paths_have_their_methods_and_are_not_there_unless_they_are_configured() {
    let server = server();
    for (request, allow) in [
        (Request::post(&json!({})).target("/sse"), "GET, OPTIONS"),
        (Request::bare("GET").target("/sse/abc"), "POST, OPTIONS"),
        (Request::bare("DELETE").target("/sse"), "GET, OPTIONS"),
    ] {
        let response = server.send(&request);
        assert_eq!((response.status, response.header("allow")), (405, Some(allow)));
    }
    for path in ["/sse/a/b", "/ssx", "/sse/a/"] {
        assert_eq!(server.send(&Request::post(&json!({})).target(path)).status, 404, "{path}");
    }
    let json_only = get().header("Accept", "application/json");
    assert_eq!(server.send(&json_only).status, 406);
    assert_eq!(server.send(&get().anonymous()).status, 401);
    assert_eq!(server.send(&get().header("Origin", "https://evil.example")).status, 403);
    assert_eq!(fixture::server().send(&get()).status, 404);
}

#[test]
fn streams_are_bounded_for_each_user() {
    let mut settings = Settings::with("[limits]\nmax_sessions_per_user = 2\n");
    settings.http = "tls = false\nsse_path = \"/sse\"".into();
    let server = fixture::server_with(&settings);
    let _held = [Session::open(&server), Session::open(&server)];
    let refused = server.send(&get());
    assert_eq!((refused.status, refused.code()), (503, 503), "{refused:?}");
    let other = server.connect().stream(&get().key(USER)).event().unwrap();
    assert_eq!(other.name.as_deref(), Some("endpoint"));
}

#[test]
fn a_stream_that_is_not_read_takes_no_more_requests() {
    let mut settings = Settings::with("[limits]\nstream_bytes = 4096\n");
    settings.rest = format!("{}{}", settings.rest, crate::harness::tools::ECHO);
    settings.http = "tls = false\nsse_path = \"/sse\"".into();
    let server = fixture::server_with(&settings);
    let session = Session::open(&server);
    let text = "x".repeat(100_000);
    server.send(&session.post(&initialize(0, LEGACY[0])));
    let until = std::time::Instant::now() + crate::harness::DEADLINE;
    for id in 1.. {
        let message = request(id, "tools/call", call("echo", json!({ "text": text })));
        let response = server.send(&session.post(&message));
        if response.status == 503 {
            return;
        }
        assert_eq!(response.status, 202);
        assert!(std::time::Instant::now() < until, "there is no bound");
    }
}

#[test]
fn the_end_of_the_server_ends_its_streams() {
    let server = server();
    let mut session = Session::open(&server);
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(session.events.message(), None);
}

// B98
#[test]
fn the_end_of_the_server_waits_for_what_runs() {
    let mut server = server();
    let mut gate = Gate::of(&server.directory);
    let mut session = Session::open(&server);
    session.ask(&initialize(0, LEGACY[0]));
    session.send(&request(1, "tools/call", call_with_progress("gated", json!({}), 1)));
    session.events.notification("notifications/progress");
    server.signal(rustix::process::Signal::TERM);
    gate.release("at last");
    assert_eq!(text_of(&session.events.message().unwrap()), "released at last\n");
    assert_eq!(session.events.message(), None);
    assert!(server.wait().success());
}

#[test]
fn a_stream_ends_when_its_user_is_known_no_more() {
    let mut server = server();
    let mut events = server.connect().stream(&get());
    assert_eq!(events.event().unwrap().name.as_deref(), Some("endpoint"));
    let text = server.directory.read("erlmcp.toml");
    server.reload_text(&text.replace("user = \"root\"", "user = \"another\""));
    assert_eq!(events.event().map(|event| event.data), None);
}
