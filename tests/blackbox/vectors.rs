//! The byte vectors of HTTP, said to a running server: whole, byte by byte, and in two pieces.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;

use crate::harness::http::Request;
use crate::harness::modern_request;
use crate::harness::process::{Server, Settings};

#[path = "../vectors/mod.rs"]
mod files;

use files::Vector;

/// What a request says besides its framing, its body, and a whole request.
fn macros() -> Vec<(&'static str, String)> {
    let request = Request::modern(&modern_request(1, "tools/list", json!({})));
    let whole = String::from_utf8(request.bytes()).unwrap();
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    let lines = head.split("\r\n").skip(1);
    let lines: Vec<_> = lines.filter(|line| !line.starts_with("Content-Length")).collect();
    files::of_request(&lines.join("\r\n"), body)
}

/// What comes of these bytes in these pieces: the statuses, and how it ends.
fn said(server: &Server, pieces: &[&[u8]], vector: &Vector) -> Vec<String> {
    let mut connection = server.connect().unrecorded();
    for piece in pieces {
        connection.write(piece);
    }
    let mut outcome = Vec::new();
    if vector.expected == ["cut"] {
        connection.finish_writing();
        outcome.push(if connection.rest().is_empty() { "cut" } else { "answered" }.into());
        return outcome;
    }
    for _ in 1..vector.expected.len() {
        if connection.is_closed() {
            break;
        }
        let mut response = connection.response();
        // That it may go on is told to a client that waits for it, and to no other.
        while response.status == 100 {
            response = connection.response();
        }
        assert!(!response.body.starts_with(b"<"), "{response:?}");
        outcome.push(response.status.to_string());
    }
    let end = vector.expected.last().unwrap();
    if end == "open" {
        let next = Request::modern(&modern_request(2, "tools/list", json!({})));
        let answer = connection.try_plain(&next).map(|answer| answer.status);
        outcome.push(if answer == Some(200) { "open".into() } else { format!("{answer:?}") });
    } else {
        outcome.push(if connection.is_closed() { "closed" } else { "open" }.into());
    }
    outcome
}

/// Runs all vectors cut by this function.
fn run(cut: impl Fn(&Vector) -> Vec<Vec<&[u8]>>) {
    let server = Server::start(&Settings::default());
    let mut wrong = Vec::new();
    for vector in files::read("http", &macros()) {
        for pieces in cut(&vector) {
            let say = AssertUnwindSafe(|| said(&server, &pieces, &vector));
            // An answer that does not come stops the harness.
            let outcome = catch_unwind(say).unwrap_or_else(|_| vec!["nothing".into()]);
            if outcome != vector.expected {
                wrong.push(format!("{}: {outcome:?} and not {:?}", vector.name, vector.expected));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

// C42, C43, C45, C51, C59
#[test]
fn whole() {
    run(|vector| vec![vec![&vector.bytes]]);
}

#[test]
fn byte_by_byte() {
    run(|vector| vec![vector.bytes.chunks(1).collect()]);
}

#[test]
fn in_two_pieces_at_the_places_that_matter() {
    run(|vector| {
        let breaks = vector.bytes.windows(2).enumerate().filter(|(_, pair)| pair == b"\r\n");
        let last = breaks.map(|(at, _)| at + 1).take(24);
        last.map(|at| vec![&vector.bytes[..at], &vector.bytes[at..]]).collect()
    });
}
