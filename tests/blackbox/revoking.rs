//! What an operator takes back or shuts out while the server runs: tokens, keys and networks. It is
//! in force for the next request of whatever is open, and outlives a reload and a restart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::http::{Events, Request};
use crate::harness::process::{Directory, Server, Session, Settings, program, run};
use crate::harness::tools::ECHO;
use crate::harness::{ADMIN, DEADLINE, LEGACY, USER, modern_request, request};
use crate::tokens::{AUDIENCE, ISSUER, Issuer, echo, now};

/// A stream that only listens.
fn listen(server: &Server, key: &str) -> Events {
    let wishes = json!({ "notifications": { "toolsListChanged": true } });
    let message = modern_request("s", "subscriptions/listen", wishes);
    let mut events = server.connect().stream(&Request::modern(&message).key(key));
    events.notification("notifications/subscriptions/acknowledged");
    events
}

fn status(server: &Server, key: &str) -> u16 {
    server.send(&echo(key)).status
}

/// A token that is signed by a key of this id.
fn signed(issuer: &Issuer, key_id: &str) -> String {
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user_123", "exp": now() + 600, "iat": now(),
    });
    issuer.sign(&json!({ "alg": "RS256", "kid": key_id }), &claims)
}

fn with_jti(issuer: &Issuer, jti: &str) -> String {
    issuer.token(|claims| claims["jti"] = json!(jti))
}

/// Ends a server and starts it again with its directory.
fn restarted(server: Server, settings: &Settings) -> Server {
    Server::start_in(server.stop().directory, settings)
}

#[test]
fn a_rotation_under_load_refuses_nobody_before_the_old_key_retires() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let server = Server::start(&old.settings(""));
    let (old_token, new_token) = (signed(&old, "key-2024-01"), signed(&new, "key-2024-02"));
    assert_eq!((status(&server, &old_token), status(&server, &new_token)), (200, 401));
    let is_over = AtomicBool::new(false);
    // Each call with the second before it was made and the one after it was answered.
    let call = |token: &str| (now(), status(&server, token), now());
    let (retires, calls) = thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let mut calls = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                calls.push(call(&old_token));
            }
            calls
        });
        let file = new.public_key();
        let file = file.to_str().unwrap();
        let words =
            ["keys", "rotate", "key-2024-02", file, "--retire", "key-2024-01", "--after", "2s"];
        let retires = server.admin_json(&words)["retires"].as_u64().unwrap();
        let until = Instant::now() + DEADLINE;
        while now() <= retires {
            assert_eq!(status(&server, &new_token), 200, "the new key is in use at once");
            assert!(Instant::now() < until);
        }
        is_over.store(true, Ordering::Relaxed);
        (retires, calling.join().unwrap())
    });
    for (before, status, after) in &calls {
        if *after < retires {
            assert_eq!(*status, 200, "the old key was to be good until {retires}, at {after}");
        }
        if *before >= retires {
            assert_eq!(*status, 401, "the old key was to be good until {retires}, at {before}");
        }
    }
    assert!(calls.iter().any(|(_, status, _)| *status == 200));
    assert_eq!((status(&server, &old_token), status(&server, &new_token)), (401, 200));
    let records = server.audited("key_retired", 1);
    assert_eq!(records[0]["event"], "authentication_failure");
    let record = server.audited("\"event\":\"administration\"", 1)[0].clone();
    assert_eq!(
        (&record["command"], &record["outcome"]),
        (&json!("keys rotate"), &json!("success"))
    );
    assert!(record["target"].as_str().unwrap().contains("\"key-2024-01\" retires after 2 s"));
}

#[test]
fn rotated_and_retired_keys_stay_so_through_a_reload_and_a_restart() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let settings = old.settings("");
    let server = Server::start(&settings);
    let (old_token, new_token) = (signed(&old, "key-2024-01"), signed(&new, "key-2024-02"));
    let mut stream = listen(&server, &old_token);
    let file = new.public_key();
    server.administer(&["keys", "rotate", "key-2024-02", file.to_str().unwrap()]);
    let both = |server: &Server| (status(server, &old_token), status(server, &new_token));
    assert_eq!(both(&server), (200, 200));
    server.administer(&["keys", "retire", "key-2024-01"]);
    assert_eq!(stream.message(), None, "a stream ends with the key of its token");
    assert_eq!(both(&server), (401, 200));
    server.administer(&["reload"]);
    assert_eq!(both(&server), (401, 200));
    let server = restarted(server, &settings);
    assert_eq!(both(&server), (401, 200));
    let keys = server.admin_json(&["keys", "list"])["public_keys"].clone();
    let told = |index: usize| {
        let key: &Value = &keys[index];
        (key["id"].clone(), key["from"].clone(), key["retires"].is_u64())
    };
    assert_eq!(told(0), (json!("key-2024-01"), json!("configuration"), true));
    assert_eq!(told(1), (json!("key-2024-02"), json!("rotation"), false));
    let text = server.administer(&["keys", "list"]);
    assert!(text.contains("retires 20") && text.contains("rotation"), "{text}");
}

#[test]
fn a_key_that_is_none_or_is_there_already_is_refused_with_a_remedy() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let server = Server::start(&old.settings("algorithms = [\"ES256\", \"RS256\"]"));
    let [public, private] = [new.public_key(), new.private_key()];
    let (public, private) = (public.to_str().unwrap(), private.to_str().unwrap());
    let directory = Directory::new();
    let ed25519 = directory.file("ed25519.pem");
    let ed25519 = ed25519.to_str().unwrap();
    let script =
        format!("openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out {ed25519}");
    let made = std::process::Command::new("/bin/sh").args(["-c", &script]).status().unwrap();
    assert!(made.success());
    for (words, problem) in [
        (&["keys", "rotate", "key-2024-01", public][..], "already"),
        (&["keys", "rotate", "new", private], "private key"),
        (&["keys", "rotate", "new", "/nonexistent/key.pem"], "does not exist"),
        (&["keys", "rotate", "new", "/etc/passwd"], "no public key"),
        (&["keys", "rotate", "new", ed25519], "algorithms"),
        (&["keys", "rotate", "new", public, "--issuer", "https://other"], ISSUER),
        (&["keys", "rotate", "new", public, "--retire", "nothing"], "keys list"),
        (&["keys", "retire", "nothing"], "keys list"),
        (&["tokens", "revoke", "x", "--issuer", "https://other"], ISSUER),
    ] {
        let said = server.admin_fails(words);
        assert!(said.contains(problem), "{words:?}: {said}");
    }
    assert_eq!(server.admin_json(&["keys", "list"])["public_keys"].as_array().unwrap().len(), 1);
    server.administer(&["keys", "rotate", "new", public, "--issuer", ISSUER]);
    server.administer(&["keys", "retire", "new"]);
    let said = server.admin_fails(&["keys", "rotate", "new", public]);
    assert!(said.contains("already") || said.contains("retired"), "{said}");
    let without = Server::start(&Settings::with(ECHO));
    let said = without.admin_fails(&["keys", "rotate", "new", public]);
    assert!(said.contains("[authentication.jwt]"), "{said}");
}

// B107
#[test]
fn a_token_that_is_taken_back_is_refused_at_once_and_its_streams_end() {
    let issuer = Issuer::new();
    let settings = issuer.settings("");
    let server = Server::start(&settings);
    let [bad, good] = ["j-1", "j-2"].map(|jti| with_jti(&issuer, jti));
    for token in [&bad, &good, &bad, &good] {
        assert_eq!(status(&server, token), 200, "both are remembered");
    }
    let mut open = server.connect();
    assert_eq!(open.exchange(&echo(&bad)).status, 200);
    let mut modern = listen(&server, &bad);
    let opened = server.send(&Request::post(&crate::harness::initialize(0, LEGACY[3])).key(&bad));
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let asked = Request::bare("GET").key(&bad).header("Mcp-Session-Id", &id);
    let mut legacy = server.connect().stream(&asked);
    let mut staying = listen(&server, &good);
    let told = server.admin_json(&["tokens", "revoke", "j-1"]);
    // It has been seen, so it is known how long it must be remembered: with its leeway.
    assert!(told["until"].as_u64() > Some(now() + 600), "{told}");
    assert_eq!((modern.message(), legacy.message()), (None, None));
    assert_eq!(open.exchange(&echo(&bad)).status, 401);
    assert_eq!(server.audited("token_revoked", 1)[0]["event"], "authentication_failure");
    assert_eq!((status(&server, &bad), status(&server, &good)), (401, 200));
    server.administer(&["reload"]);
    assert_eq!((status(&server, &bad), status(&server, &good)), (401, 200));
    let mut server = server;
    server.reload(&Settings {
        rest: settings.rest.replace("\"echo\"", "\"echoes\""),
        ..issuer.settings("")
    });
    staying.notification("notifications/tools/list_changed");
    drop(staying);
    let server = restarted(server, &settings);
    assert_eq!((status(&server, &bad), status(&server, &good)), (401, 200));
    assert_eq!(server.admin_json(&["status"])["revoked"]["tokens"], 1);
}

#[test]
fn a_token_that_was_never_seen_can_be_taken_back_for_its_issuer() {
    let issuer = Issuer::new();
    let server = Server::start(&issuer.settings(""));
    let told = server.administer(&["tokens", "revoke", "unseen", "--issuer", ISSUER]);
    assert!(told.contains("not known here"), "{told}");
    assert_eq!(status(&server, &with_jti(&issuer, "unseen")), 401);
    assert_eq!(status(&server, &with_jti(&issuer, "another")), 200);
}

#[test]
fn the_id_of_a_token_has_its_form() {
    let issuer = Issuer::new();
    let server = Server::start(&issuer.settings(""));
    for jti in [json!(true), json!(""), json!("x".repeat(513)), json!(null), json!(["a"])] {
        let token = issuer.token(|claims| claims["jti"] = jti.clone());
        assert_eq!(status(&server, &token), 401, "{jti}");
    }
    assert_eq!(status(&server, &with_jti(&issuer, &"x".repeat(512))), 200);
    let numbered = issuer.token(|claims| claims["jti"] = json!(7));
    assert_eq!(status(&server, &numbered), 200);
    server.administer(&["tokens", "revoke", "7"]);
    assert_eq!(status(&server, &numbered), 401);
}

#[test]
fn all_tokens_of_a_user_are_taken_back_and_the_next_one_is_good() {
    let issuer = Issuer::new();
    let settings = issuer.settings("");
    let server = Server::start(&settings);
    let issued = |user: &str, at: Value| {
        issuer.token(|claims| {
            claims["sub"] = json!(user);
            claims["iat"] = at;
        })
    };
    let before = issued("user_123", json!(now() - 5));
    let other = issued("root", json!(now() - 5));
    // Nobody knows when this one was issued.
    let without = issuer.token(|_| ());
    assert_eq!(status(&server, &before), 200);
    assert_eq!(status(&server, &without), 200);
    let mut stream = listen(&server, &before);
    server.administer(&["tokens", "revoke", "--user", "user_123"]);
    assert_eq!(stream.message(), None);
    assert_eq!((status(&server, &before), status(&server, &without)), (401, 401));
    assert_eq!(status(&server, &other), 200);
    let after = issued("user_123", json!(now() + 1));
    assert_eq!(status(&server, &after), 200);
    let server = restarted(server, &settings);
    assert_eq!((status(&server, &before), status(&server, &after)), (401, 200));
    // API keys are another matter.
    assert_eq!(status(&server, USER), 200);
}

const LAPTOP: &str = "laptop-key-0123456789abcdef0123456789";
const PHONE: &str = "phone-key-0123456789abcdef01234567890";

fn labelled(laptop: &str) -> Settings {
    let keys = format!(
        "{{ key = \"{laptop}\", user = \"ann\", label = \"laptop\" }},\n\
         {{ key = \"{PHONE}\", user = \"ann\", label = \"phone\" }},"
    );
    Settings { keys, ..Settings::with(ECHO) }
}

#[test]
fn an_api_key_is_taken_back_by_its_label_and_its_successor_is_good() {
    let settings = labelled(LAPTOP);
    let server = Server::start(&settings);
    let (mut gone, mut staying) = (listen(&server, LAPTOP), listen(&server, PHONE));
    assert_eq!(server.administer(&["keys", "revoke", "laptop"]), "revoked: 1 API keys\n");
    assert_eq!(gone.message(), None);
    assert_eq!((status(&server, LAPTOP), status(&server, PHONE)), (401, 200));
    assert_eq!(server.audited("api_key_revoked", 1)[0]["reason"], "api_key_revoked");
    let mut server = server;
    server.reload(&Settings {
        rest: settings.rest.replace("\"echo\"", "\"echoes\""),
        ..labelled(LAPTOP)
    });
    staying.notification("notifications/tools/list_changed");
    drop(staying);
    let server = restarted(server, &settings);
    assert_eq!((status(&server, LAPTOP), status(&server, PHONE)), (401, 200));
    let keys = server.admin_json(&["keys", "list"])["api_keys"].clone();
    let of = |label: &str| {
        let keys = keys.as_array().unwrap();
        keys.iter().find(|key| key["label"] == label).unwrap()["revoked"].clone()
    };
    assert_eq!((of("laptop"), of("phone")), (json!(true), json!(false)));
    let fresh = "fresh-key-0123456789abcdef01234567890";
    let mut server = server;
    server.reload(&labelled(fresh));
    assert_eq!((status(&server, LAPTOP), status(&server, fresh)), (401, 200));
    server.administer(&["keys", "revoke", "--user", "ann"]);
    assert_eq!((status(&server, fresh), status(&server, PHONE)), (401, 401));
    assert_eq!(status(&server, ADMIN), 200);
    assert!(server.admin_fails(&["keys", "revoke", "desktop"]).contains("label"));
    assert!(server.admin_fails(&["keys", "revoke", "--user", "bob"]).contains("no API key"));
}

#[test]
fn the_key_of_the_first_start_can_be_taken_back() {
    let directory = Directory::new();
    let state = directory.file("state");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--state", state.to_str().unwrap()];
    let server = Server::spawn(directory, &mut program(&arguments));
    let shown = server.output_through("(shown once; only its hash is kept)");
    let (_, key) = shown.split_once("api key: ").unwrap();
    let key = key.lines().next().unwrap().to_owned();
    let list = modern_request(1, "tools/list", json!({}));
    let asked = Request::modern(&list).key(&key);
    assert_eq!(server.send(&asked).status, 200);
    server.administer(&["keys", "revoke", "first start"]);
    assert_eq!(server.send(&asked).status, 401);
    drop(server.stop());
}

#[test]
fn a_network_that_is_blocked_is_shut_out_at_once_and_let_in_again() {
    let server = Server::start(&Settings::with(ECHO));
    let session = Session::open(&server, LEGACY[3], ADMIN);
    let mut open = server.connect();
    assert_eq!(open.exchange(&echo(ADMIN)).status, 200);
    let mut stream = listen(&server, ADMIN);
    let problem = server.admin_fails(&["block", "127.0.0.0/8"]);
    assert!(problem.contains("--force"), "{problem}");
    assert_eq!(open.exchange(&echo(ADMIN)).status, 200);
    assert_eq!(server.administer(&["block", "127.0.0.0/8", "--force"]), "127.0.0.0/8 is blocked\n");
    assert!(stream.is_cut_off());
    open.write(&echo(ADMIN).bytes());
    assert!(open.is_closed(), "what is open is closed");
    assert!(server.connect().is_closed(), "nobody is let in");
    let status = server.admin_json(&["status"]);
    assert_eq!(status["blocks"][0]["network"], "127.0.0.0/8");
    assert!(status["counters"]["connections_refused"].as_u64() > Some(0));
    server.administer(&["unblock", "127.0.0.0/8"]);
    assert_eq!(session.send(&request(1, "ping", json!({}))).status, 200);
    assert!(server.admin_fails(&["unblock", "127.0.0.0/8"]).contains("not blocked"));
}

#[test]
fn blocks_end_by_themselves_and_outlive_a_restart_before() {
    let settings = Settings::with(ECHO);
    let server = Server::start(&settings);
    for network in ["203.0.113.0/24", "2001:db8::/32"] {
        server.administer(&["block", network]);
    }
    let told = server.administer(&["block", "127.0.0.1", "--for", "2s", "--force"]);
    assert!(told.contains("127.0.0.1/32 is blocked until"), "{told}");
    let server = restarted(server, &settings);
    let until = server.admin_json(&["status"])["blocks"][0]["until"].as_u64();
    if until.is_some_and(|until| now() + 1 < until) {
        assert!(server.connect().is_closed());
    }
    let end = Instant::now() + DEADLINE;
    while server.connect().try_plain(&echo(ADMIN)).is_none() {
        assert!(Instant::now() < end, "it is still blocked");
    }
    let blocks = server.admin_json(&["status"])["blocks"].clone();
    assert_eq!(blocks.as_array().unwrap().len(), 2, "{blocks}");
}

#[test]
fn behind_a_proxy_it_is_the_client_that_is_blocked() {
    let http = "tls = false\ntrusted_proxies = [\"127.0.0.1\"]".into();
    let server = Server::start(&Settings { http, ..Settings::with(ECHO) });
    let from = |address: &str| server.send(&echo(ADMIN).header("X-Forwarded-For", address));
    server.administer(&["block", "203.0.113.7"]);
    let refused = from("203.0.113.7");
    assert_eq!((refused.status, refused.header("connection")), (403, Some("close")));
    assert_eq!(from("203.0.113.8").status, 200);
    let record = server.audited("blocked_address", 1)[0].clone();
    assert_eq!(
        (&record["event"], &record["address"]),
        (&json!("authorization_denied"), &json!("203.0.113.7"))
    );
}

#[test]
fn orders_that_cannot_be_read_stop_the_start() {
    let issuer = Issuer::new();
    let settings = issuer.settings("");
    let server = Server::start(&settings);
    server.administer(&["block", "203.0.113.0/24"]);
    server.administer(&["tokens", "revoke", "j-1"]);
    let other = Issuer::new();
    server.administer(&["keys", "rotate", "new", other.public_key().to_str().unwrap()]);
    let directory = server.stop().directory;
    let config = directory.file("erlmcp.toml");
    for name in ["blocks.json", "revocations.json", "rotated_keys.json"] {
        let path = format!("state/{name}");
        let good = directory.read(&path);
        let mode = std::fs::metadata(directory.file(&path)).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&mode) & 0o777, 0o600);
        for bad in [
            "",
            "{}",
            &good[..good.len() / 2],
            &good.replace("\"version\":1", "\"version\":2"),
            &good.replacen('{', "{\"more\":1,", 1),
            &good
                .replace("203.0.113.0", "203.0.113.0.0")
                .replace("j-1\"", "j-1\",\"id\":\"x\"")
                .replace("BEGIN", "BEGUN"),
        ] {
            directory.write(&path, bad);
            let mut serve = program(&["serve", "--config", config.to_str().unwrap()]);
            let output = run(&mut serve);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{name} {bad}: {said}");
            assert!(said.contains(name) && said.contains("remove it"), "{said}");
        }
        directory.write(&path, &good);
    }
    let server = Server::start_in(directory, &settings);
    assert_eq!(status(&server, &with_jti(&issuer, "j-1")), 401);
}
