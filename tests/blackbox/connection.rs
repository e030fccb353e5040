//! One connection and many requests: kept alive, pipelined, chunked, closed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::fixture::{self, Gate};
use crate::harness::http::Request;
use crate::harness::lines::Lines;
use crate::harness::process::{Server, Settings};
use crate::harness::websocket::WebSocket;
use crate::harness::{
    ADMIN, LEGACY, Messages, USER, call, call_with_progress, echo, modern_request, said, text_of,
};

fn ask(id: impl Into<Value>) -> Request {
    Request::modern(&modern_request(id, "tools/list", json!({})))
}

#[test]
fn a_connection_is_kept_for_many_requests_good_and_refused() {
    let server = Server::start(&Settings::default().over_tls());
    let mut connection = server.connect();
    for round in 0..50 {
        let response = connection.exchange(&ask(round));
        assert_eq!((response.status, &response.json()["id"]), (200, &json!(round)));
        assert_eq!(connection.exchange(&ask(round).target("/none")).status, 404);
        assert_eq!(connection.exchange(&ask(round).anonymous()).status, 401);
        assert_eq!(connection.exchange(&Request::bare("GET")).status, 405);
    }
}

// C15
#[test]
fn pipelined_requests_are_answered_in_their_order_although_the_first_takes_longest() {
    let server = fixture::server();
    let mut gate = Gate::of(&server.directory);
    let mut connection = server.connect();
    let slow = Request::modern(&modern_request(1, "tools/call", call("gated", json!({}))));
    let mut bytes = slow.header("Accept", "application/json").bytes();
    for id in 2..6 {
        bytes.extend(ask(id).bytes());
    }
    connection.write(&bytes);
    gate.release("now");
    let first = connection.response().json();
    assert_eq!((&first["id"], text_of(&first)), (&json!(1), "released now\n"));
    for id in 2..6 {
        assert_eq!(connection.response().json()["id"], id);
    }
}

#[test]
fn a_request_may_come_in_single_bytes_and_in_chunks() {
    let server = Server::start(&Settings::default());
    let mut connection = server.connect();
    for byte in ask(1).bytes() {
        connection.write(&[byte]);
    }
    assert_eq!(connection.response().json()["id"], 1);
    let asked = ask(2).without("Content-Length").header("Transfer-Encoding", "chunked");
    let (first, second) = asked.body.split_at(10);
    let mut bytes = asked.head();
    for part in [first, second] {
        bytes.extend(format!("{:X};name=value\r\n", part.len()).bytes());
        bytes.extend(part);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\nX-Trailer: dropped\r\n\r\n");
    bytes.extend(ask(3).bytes());
    connection.write(&bytes);
    assert_eq!(connection.response().json()["id"], 2);
    assert_eq!(connection.response().json()["id"], 3, "the trailer ended where it should");
}

// C45
#[test]
fn an_expected_continue_comes_before_the_body_and_a_refusal_instead_of_it() {
    let server = Server::start(&Settings::default());
    let mut connection = server.connect();
    let asked = ask(1).header("Expect", "100-continue");
    connection.write(&asked.head());
    assert_eq!(connection.response().status, 100);
    connection.write(&asked.body);
    assert_eq!(connection.response().json()["id"], 1);
    connection.write(&asked.clone().anonymous().head());
    assert_eq!(connection.response().status, 401);
    assert!(connection.is_closed(), "whether the body comes is not known");
    let mut connection = server.connect();
    connection.write(&ask(1).header("Expect", "a miracle").bytes());
    assert!([400, 417].contains(&connection.response().status));
}

#[test]
fn a_connection_ends_where_the_client_wants_it_to() {
    let server = Server::start(&Settings::default().over_tls());
    let mut connection = server.connect();
    let response = connection.exchange(&ask(1).header("Connection", "close"));
    assert_eq!(response.header("connection"), Some("close"));
    assert!(connection.is_closed());
    let mut connection = server.connect();
    let old = String::from_utf8(ask(1).bytes()).unwrap().replace(" HTTP/1.1", " HTTP/1.0");
    connection.write(old.as_bytes());
    let response = connection.response();
    assert_eq!(response.json()["id"], 1);
    assert!(connection.is_closed());
}

#[test]
fn an_old_client_never_gets_chunks() {
    let server = fixture::server();
    let mut connection = server.connect();
    let asked = Request::modern(&modern_request(1, "tools/call", call("steps", json!({}))));
    let old = String::from_utf8(asked.bytes()).unwrap().replace(" HTTP/1.1", " HTTP/1.0");
    connection.write(old.as_bytes());
    let response = connection.response();
    assert_eq!(response.header("transfer-encoding"), None, "{response:?}");
    assert_eq!(text_of(&response.json()), "finished\n");
}

#[test]
fn a_client_that_has_sent_all_still_gets_its_answer() {
    let server = Server::start(&Settings::default());
    let mut connection = server.connect();
    connection.write(&ask(1).bytes());
    connection.finish_writing();
    assert_eq!(connection.response().json()["id"], 1);
    assert!(connection.is_closed());
}

// C15
#[test]
fn answers_never_cross_between_clients() {
    let server = fixture::server();
    std::thread::scope(|scope| {
        for client in 0..16 {
            let server = &server;
            scope.spawn(move || {
                let mut connection = server.connect();
                for round in 0..10 {
                    let said = format!("{client} in {round}");
                    let message =
                        modern_request(1, "tools/call", call("echo", json!({"text": said})));
                    let response = connection.exchange(&Request::modern(&message));
                    assert_eq!(text_of(&response.json()).trim_end(), said);
                }
            });
        }
    });
}

// C15: where the answers of many calls share one stream, and all clients count their calls alike.
#[test]
fn answers_never_cross_between_streams_that_many_calls_share() {
    let listen = "[transports.tcp]\nlisten = \"127.0.0.1:0\"\n[transports.websocket]\n\
                  [limits]\ncalls_per_user = 1000\n";
    let mut server = fixture::server_with(&Settings::with(&(fixture::everything() + listen)));
    let mut clients: Vec<Box<dyn Messages + Send>> = Vec::new();
    for client in 0..12 {
        let version = LEGACY[client % LEGACY.len()];
        clients.push(Box::new(Lines::session(&mut server, version, ADMIN)));
        clients.push(Box::new(WebSocket::session(&server, version, USER)));
    }
    std::thread::scope(|scope| {
        for (client, mut messages) in clients.into_iter().enumerate() {
            scope.spawn(move || {
                for id in 0..20 {
                    messages.send(&echo(id, &format!("{client} in {id}")));
                }
                let answers: BTreeMap<i64, Value> = (0..20)
                    .map(|_| messages.message())
                    .map(|answer| (answer["id"].as_i64().unwrap(), answer))
                    .collect();
                for id in 0..20 {
                    assert_eq!(said(&answers[&id]), format!("{client} in {id}"));
                }
            });
        }
    });
}

#[test]
fn a_large_last_answer_over_tls_arrives_whole_for_a_client_that_reads_late() {
    let manual = fixture::OFFERS.replace("[[resources]]", "[[resources]]\nmax_bytes = 9000000");
    let mut settings = Settings::with(&manual).over_tls();
    settings.server = "workers = 1".into();
    let directory = fixture::directory();
    directory.write("docs/big.txt", &"x".repeat(8_000_000));
    let server = Server::start_in(directory, &settings);
    let message = modern_request(1, "resources/read", json!({"uri": "docs://manual/big.txt"}));
    let mut connection = server.connect();
    connection.write(&Request::modern(&message).header("Connection", "close").bytes());
    server.audited("big.txt", 1);
    // The only worker serves this one after it has said to the other what fits into its pipe.
    assert_eq!(server.send(&ask(2)).status, 200);
    let answer = connection.response().json();
    assert_eq!(answer["result"]["contents"][0]["text"].as_str().unwrap().len(), 8_000_000);
    assert!(connection.is_closed(), "it ends with a goodbye");
}

#[test]
fn an_old_client_that_takes_events_only_is_refused_and_json_waits_for_the_answer() {
    let server = fixture::server();
    let mut gate = Gate::of(&server.directory);
    let params = call_with_progress("gated", json!({}), 1);
    let asked = Request::modern(&modern_request(1, "tools/call", params));
    let old = |request: Request| {
        String::from_utf8(request.bytes()).unwrap().replace(" HTTP/1.1", " HTTP/1.0")
    };
    let mut connection = server.connect();
    connection.write(old(asked.clone().header("Accept", "text/event-stream")).as_bytes());
    let refused = connection.response();
    assert_eq!((refused.status, refused.header("transfer-encoding")), (406, None));
    for accept in ["application/json", "application/json, text/event-stream"] {
        let mut connection = server.connect();
        connection.write(old(asked.clone().header("Accept", accept)).as_bytes());
        gate.release("in time");
        let response = connection.response();
        assert_eq!((response.status, response.header("transfer-encoding")), (200, None));
        assert_eq!(response.header("content-type"), Some("application/json"), "{response:?}");
        assert_eq!(text_of(&response.json()), "released in time\n");
        assert!(connection.is_closed());
    }
}
