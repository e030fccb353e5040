//! Who is at the other end of a connection over TCP: what proves it, for how long, what ends it.

use serde_json::{Value, json};

use crate::certificates::{Authority, JWT};
use crate::harness::lines::{Lines, by};
use crate::harness::process::{Server, Settings};
use crate::harness::tls::{client, client_with};
use crate::harness::tools::script_tool;
use crate::harness::{
    ADMIN, LEGACY, Messages as _, USER, call, code, echo, initialize, modern_request, request, said,
};
use crate::tcp::{LISTEN, modern_echo, settings, start};
use crate::tokens::Issuer;

const WRONG: &str = "wrong-key-0123456789abcdef0123456789";

#[test]
fn a_handshake_proves_who_the_whole_connection_is_from() {
    let mut server = start("");
    for version in LEGACY {
        let mut lines = Lines::session(&mut server, version, USER);
        let listed = lines.ask(&request(1, "tools/list", json!({})));
        assert_eq!(listed["result"]["tools"][0]["name"], "echo", "{version}");
        assert_eq!(said(&lines.ask(&echo(2, "hello"))), "hello");
        // The same user may prove it again, and nobody else may go on with the session.
        assert_eq!(said(&lines.ask(&by(echo(3, "again"), USER))), "again");
        assert_eq!(code(&lines.ask(&by(echo(4, "other"), ADMIN))), -32001);
        assert_eq!(said(&lines.ask(&echo(5, "still"))), "still");
    }
    let records = server.audited("\"transport\":\"tcp\"", 20);
    assert_eq!(
        (&records[0]["user"], &records[0]["method"]),
        (&json!("user_123"), &json!("initialize"))
    );
}

#[test]
fn each_modern_request_proves_itself() {
    let mut server = start("");
    let mut lines = Lines::plain(&mut server);
    assert_eq!(said(&lines.ask(&by(modern_echo(1, "one"), ADMIN))), "one");
    assert_eq!(said(&lines.ask(&by(modern_echo(2, "two"), USER))), "two");
    let nobody = lines.ask(&modern_echo(3, "three"));
    assert_eq!((code(&nobody), &nobody["id"]), (-32600, &json!(3)));
    assert!(nobody["error"]["message"].as_str().unwrap().contains("Authentication"));
    // What one user may not, another on the same connection may.
    assert_eq!(said(&lines.ask(&by(modern_echo(4, "four"), USER))), "four");
    // Nor is it known from requests of the other era, or from a whole handshake.
    let ping = request(5, "ping", json!({}));
    let mut lines = Lines::plain(&mut server);
    assert_eq!(lines.ask(&by(ping.clone(), ADMIN))["result"], json!({}));
    assert_eq!(code(&lines.ask(&ping)), -32600, "only a handshake proves it for what follows");
    assert_eq!(code(&lines.ask(&modern_echo(6, "six"))), -32600);
    let mut lines = Lines::plain(&mut server);
    let unknown = modern_request(9, "initialize", json!({}));
    assert_eq!(code(&lines.ask(&by(unknown, ADMIN))), -32601);
    assert_eq!(code(&lines.ask(&echo(10, "ten"))), -32600, "this era has no handshake");
    let mut session = Lines::session(&mut server, LEGACY[3], ADMIN);
    assert_eq!(code(&session.ask(&modern_echo(7, "seven"))), -32600);
    assert_eq!(said(&session.ask(&echo(8, "eight"))), "eight");
}

#[test]
fn who_does_not_prove_who_they_are_gets_one_answer() {
    let mut server = start("");
    for (message, answered) in [
        (initialize(1, LEGACY[3]), -32600),
        (modern_echo(1, "x"), -32600),
        (by(initialize(1, LEGACY[3]), WRONG), -32600),
        (by(modern_echo(1, "x"), ""), -32600),
        (request(1, "ping", json!({})), -32600),
    ] {
        let mut lines = Lines::plain(&mut server);
        lines.bytes(format!("{message}\n{message}\n").as_bytes());
        let answer = lines.message();
        assert_eq!((code(&answer), &answer["id"]), (answered, &json!(1)), "{message}");
        assert!(lines.is_closed(), "{message}");
    }
    // A notification has no answer, and lets nobody in.
    let mut lines = Lines::plain(&mut server);
    lines.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    assert!(lines.is_closed());
    server.audited("no_credentials", 3);
    server.audited("bad_credentials", 1);
}

#[test]
fn a_certificate_proves_who_its_connections_are_from() {
    let authority = Authority::new();
    let identity = authority.sign("robot", "URI:spiffe://example.org/robot");
    let mtls = format!(
        "{JWT}[[authentication.mtls.identities]]\nmatch = \"spiffe://example.org/*\"\n\
         user = \"root\"\n{LISTEN}"
    );
    let mut server = crate::certificates::start(&authority.settings(&mtls, ""));
    let trusted = std::fs::read(server.authority()).unwrap();
    let with = client_with(&trusted, rustls::ALL_VERSIONS, Some(&identity));
    let mut lines = Lines::tls(&mut server, with);
    assert_eq!(said(&lines.ask(&modern_echo(1, "modern"))), "modern");
    assert!(lines.ask(&initialize(2, LEGACY[3]))["result"].is_object());
    assert_eq!(said(&lines.ask(&echo(3, "handshake"))), "handshake");
    let mut lines = Lines::tls(&mut server, client(&trusted));
    assert_eq!(code(&lines.ask(&modern_echo(1, "x"))), -32600);
    assert!(lines.is_closed());
    let record = server.audited("\"authentication\":\"mtls\"", 3)[0].clone();
    assert_eq!((&record["transport"], &record["user"]), (&json!("tcp"), &json!("root")));
}

#[test]
fn what_is_taken_back_ends_the_connection() {
    let late = "late-key-0123456789abcdef01234567890";
    let change = script_tool("change", "echo changed", "");
    let with_key = |more: &str| Settings { keys: more.into(), ..settings(&change) };
    let key = format!("{{ key = \"{late}\", user = \"root\", label = \"late\" }},");
    let mut server = Server::start(&with_key(&key));
    let mut lines = Lines::session(&mut server, LEGACY[3], late);
    assert_eq!(said(&lines.ask(&echo(1, "good"))), "good");
    let mut modern = Lines::plain(&mut server);
    assert_eq!(said(&modern.ask(&by(modern_echo(1, "good"), late))), "good");
    server.administer(&["keys", "revoke", "late"]);
    assert!(lines.is_closed(), "it listens to changes, and hears no more of them");
    assert_eq!(code(&modern.ask(&by(modern_echo(2, "gone"), late))), -32600);
    assert!(modern.is_closed());
    server.audited("api_key_revoked", 1);
    let mut lines = Lines::session(&mut server, LEGACY[3], ADMIN);
    let change = request(1, "tools/call", call("change", json!({})));
    assert_eq!(said(&lines.ask(&change)), "changed");
    server.reload(&Settings { roles: "user_roles = {}".into(), ..with_key(&key) });
    assert_eq!(code(&lines.ask(&change)), -32602, "the role was taken away");
    server.administer(&["block", "127.0.0.1", "--force"]);
    assert!(lines.is_closed());
}

#[test]
fn a_token_whose_time_is_over_ends_its_connection() {
    let issuer = Issuer::new();
    let mut settings = issuer.settings("");
    // Nobody looks after the connection meanwhile: it ends at that moment.
    settings.rest.push_str(&format!("{LISTEN}[limits]\nkeepalive_seconds = 3600\n"));
    settings.rest =
        settings.rest.replace("[authentication.jwt]", "[authentication.jwt]\nleeway_seconds = 0");
    let mut server = Server::start(&settings);
    let token = issuer.token(|claims| claims["exp"] = json!(crate::tokens::now() + 2));
    let mut lines = Lines::session(&mut server, LEGACY[3], &token);
    assert_eq!(said(&lines.ask(&echo(1, "good"))), "good");
    assert!(lines.is_closed(), "nothing has to be sent for that");
}

// B13
#[test]
fn a_connection_goes_on_with_the_next_token_of_its_user() {
    let issuer = Issuer::new();
    let mut settings = issuer.settings("");
    settings.rest.push_str(LISTEN);
    settings.rest =
        settings.rest.replace("[authentication.jwt]", "[authentication.jwt]\nleeway_seconds = 0");
    let mut server = Server::start(&settings);
    let until_then = |seconds| crate::tokens::now() + seconds;
    let end = until_then(6);
    let token = issuer.token(|claims| claims["exp"] = json!(end));
    let mut renewed = Lines::session(&mut server, LEGACY[3], &token);
    let mut left = Lines::session(&mut server, LEGACY[3], &token);
    let next = issuer.token(|claims| claims["exp"] = json!(until_then(600)));
    assert_eq!(renewed.ask(&by(request(1, "ping", json!({})), &next))["result"], json!({}));
    // A shorter one shortens nothing.
    assert_eq!(renewed.ask(&by(request(2, "ping", json!({})), &token))["result"], json!({}));
    assert!(left.is_closed());
    assert!(crate::tokens::now() >= end);
    assert_eq!(renewed.ask(&request(4, "ping", json!({})))["result"], json!({}), "it goes on");
}

#[test]
fn a_message_of_a_batch_cannot_prove_another_user() {
    let mut server = start("");
    let mut lines = Lines::session(&mut server, LEGACY[1], USER);
    let cancelled = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 9 },
    });
    lines.send(&json!([echo(1, "mine"), by(echo(2, "theirs"), ADMIN), by(cancelled, USER)]));
    let answers = lines.message();
    assert_eq!(answers.as_array().unwrap().len(), 2, "{answers}");
    let of = |id: i64| answers.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
    assert_eq!(said(of(1)), "mine");
    assert_eq!(code(of(2)), -32600);
}

#[test]
fn guessing_is_locked_out_and_haste_is_told_to_wait() {
    let limits = "max_failures = 3\nbackoff_levels = [0]\nblock_duration_ms = 60000";
    let mut server = Server::start(&settings("").limited(limits));
    for _ in 0..3 {
        let mut lines = Lines::plain(&mut server);
        assert_eq!(code(&lines.ask(&by(modern_echo(1, "x"), WRONG))), -32600);
        assert!(lines.is_closed());
    }
    let mut lines = Lines::plain(&mut server);
    let locked = lines.ask(&by(modern_echo(1, "x"), "another-key-0123456789abcdef"));
    assert!(locked["error"]["data"]["retryAfterSeconds"].as_u64() > Some(1), "{locked}");
    assert!(lines.is_closed());
    let mut server = Server::start(&settings("").limited("max_attempts_per_second = 2\nburst = 2"));
    let mut lines = Lines::session(&mut server, LEGACY[3], ADMIN);
    let answers: Vec<Value> = (0..4).map(|id| lines.ask(&echo(id, "x"))).collect();
    let refused = answers.iter().find(|answer| answer.get("error").is_some()).unwrap();
    assert_eq!(refused["error"]["data"]["retryAfterSeconds"], 1);
}
