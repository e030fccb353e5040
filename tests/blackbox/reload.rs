//! SIGHUP: what is good comes into force at once, what is bad changes nothing.

use std::os::unix::fs::symlink;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::fixture::{self, certificate};
use crate::harness::http::{Connection, Request};
use crate::harness::process::{Directory, Server, Session, Settings};
use crate::harness::tools::{ECHO, script_tool};
use crate::harness::{ADMIN, USER, call, modern_request, text_of, tls};

fn echo() -> Request {
    Request::modern(&modern_request(1, "tools/call", call("echo", json!({"text": "x"}))))
}

// B150
#[test]
fn a_broken_file_keeps_the_old_configuration_and_is_told() {
    let mut server = Server::start(&Settings::with(ECHO));
    let good = server.directory.read("erlmcp.toml");
    for bad in ["[server", "[server]\nworkerz = 1\n", "", "[transports.http]\nlisten = 7\n"] {
        server.directory.write("erlmcp.toml", bad);
        server.signal(Signal::HUP);
        server.wait_for("the configuration stays as it was");
        assert_eq!(server.send(&echo()).status, 200, "{bad:?}");
        assert_eq!(server.send(&echo().anonymous()).status, 401, "{bad:?}");
    }
    std::fs::remove_file(server.directory.file("erlmcp.toml")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("the configuration stays as it was");
    server.reload_text(&good.replace("Says it again.", "Says it once more."));
    let listed = server.modern(&modern_request(1, "tools/list", json!({}))).json();
    assert!(listed.to_string().contains("Says it once more."));
}

// B150
#[test]
fn a_file_behind_a_link_is_read_where_the_link_leads_now() {
    let directory = Directory::new();
    let text = |more: &str| Settings::with(&format!("{ECHO}{more}")).text(&directory);
    directory.write("first/erlmcp.toml", &text(""));
    directory.write("second/erlmcp.toml", &text(&script_tool("another", "echo new", "")));
    let link = directory.file("current");
    symlink("first", &link).unwrap();
    let path = link.join("erlmcp.toml");
    let arguments = ["serve", "--config", path.to_str().unwrap()];
    let mut server = Server::spawn(directory, &mut crate::harness::process::program(&arguments));
    let another = modern_request(1, "tools/call", call("another", json!({})));
    assert_eq!(server.modern(&another).code(), -32602);
    symlink("second", server.directory.file("fresh")).unwrap();
    std::fs::rename(server.directory.file("fresh"), &link).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("is in force");
    assert_eq!(text_of(&server.modern(&another).json()), "new\n");
}

#[test]
fn connections_outlive_a_reload_and_see_what_it_brought() {
    let mut server = Server::start(&Settings::with(ECHO).over_tls());
    let mut connection = server.connect();
    assert_eq!(connection.exchange(&echo()).status, 200);
    server.reload(&Settings::default().over_tls());
    assert_eq!(connection.exchange(&echo()).code(), -32602);
    server.reload(&Settings::with(ECHO).over_tls());
    assert_eq!(text_of(&connection.exchange(&echo()).json()), "x\n");
}

// B113
#[test]
fn a_reload_forgives_no_lockout() {
    let limits = "max_failures = 2\nbackoff_levels = [0]\nblock_duration_ms = 300000";
    let mut server = Server::start(&Settings::with(ECHO).limited(limits));
    for _ in 0..2 {
        assert_eq!(server.send(&echo().key("wrong-0123456789")).status, 401);
    }
    server.reload(&Settings::default().limited(limits));
    assert_eq!(server.send(&echo().key("wrong-0123456789")).status, 429);
}

/// A server with the certificate of two files, which trusts it.
fn with_certificate() -> (Server, String) {
    let directory = Directory::new();
    let (certificate, key) = certificate();
    directory.write("server.crt", &certificate);
    directory.write("server.key", &key);
    let path = directory.path().display().to_string();
    let tls = format!(
        "tls = true\n[tls]\ncertfile = \"{path}/server.crt\"\nkeyfile = \"{path}/server.key\""
    );
    let settings = Settings { http: tls, ..Settings::with(ECHO) };
    let authority = directory.write("trusted.pem", &certificate);
    (Server::start_in(directory, &settings).trusting(authority), certificate)
}

fn is_trusted(server: &Server, authority: &str) -> bool {
    let connection = Connection::tls(server.address(), tls::client(authority.as_bytes()));
    connection.shakes_hands()
}

// B151
#[test]
fn replaced_certificates_are_used_for_new_handshakes_and_bad_ones_never() {
    let (mut server, first) = with_certificate();
    let mut open = server.connect();
    assert_eq!(open.exchange(&echo()).status, 200);
    let (second, second_key) = certificate();
    server.directory.write("server.crt", &second);
    server.directory.write("server.key", &second_key);
    server.signal(Signal::HUP);
    server.wait_for("is in force");
    assert!(is_trusted(&server, &second) && !is_trusted(&server, &first));
    assert_eq!(open.exchange(&echo()).status, 200, "what is open stays open");
    let (third, third_key) = certificate();
    let torn = &third[..third.len() / 2];
    for (certificate, key) in
        [(third.as_str(), second_key.as_str()), (torn, &third_key), ("", &third_key), (&third, "")]
    {
        server.directory.write("server.crt", certificate);
        server.directory.write("server.key", key);
        server.signal(Signal::HUP);
        server.wait_for("the configuration stays as it was");
        assert!(is_trusted(&server, &second), "the old pair stays in force");
    }
    server.directory.write("server.crt", &third);
    server.directory.write("server.key", &third_key);
    server.signal(Signal::HUP);
    server.wait_for("is in force");
    assert!(is_trusted(&server, &third));
}

#[test]
fn a_key_that_is_taken_away_ends_the_streams_of_its_user_and_of_nobody_else() {
    // A stream that is wrongly kept must not say that it lives while the test waits.
    let with =
        |tools: &str| Settings::with(&format!("\n[limits]\nkeepalive_seconds = 600\n{tools}"));
    let mut server = Server::start(&with(ECHO));
    let listen = |server: &Server, key| {
        let wishes = json!({"notifications": {"toolsListChanged": true}});
        let message = modern_request("s", "subscriptions/listen", wishes);
        let mut events = server.connect().stream(&Request::modern(&message).key(key));
        events.notification("notifications/subscriptions/acknowledged");
        events
    };
    let standalone = |server: &Server, key| {
        let id = Session::open(server, "2025-11-25", key).id;
        let asked = Request::bare("GET").key(key).header("Mcp-Session-Id", &id);
        server.connect().stream(&asked)
    };
    let former = [listen(&server, USER), standalone(&server, USER)];
    let staying = [listen(&server, ADMIN), standalone(&server, ADMIN)];
    let text = with(&script_tool("another", "echo x", "")).text(&server.directory);
    let entry = format!("{{ key = \"{USER}\", user = \"user_123\" }},");
    assert!(text.contains(&entry));
    server.reload_text(&text.replace(&entry, ""));
    for mut events in former {
        assert_eq!(events.message(), None, "the user hears of nothing any more");
    }
    for mut events in staying {
        events.notification("notifications/tools/list_changed");
    }
    assert_eq!(server.send(&echo().key(USER)).status, 401);
}

#[test]
fn a_known_key_beside_a_guesser_is_still_known_after_a_reload() {
    let limits = "max_failures = 2\nbackoff_levels = [0]\nblock_duration_ms = 300000";
    let mut server = Server::start(&Settings::with(ECHO).limited(limits));
    assert_eq!(server.send(&echo()).status, 200);
    for _ in 0..2 {
        assert_eq!(server.send(&echo().key("wrong-0123456789")).status, 401);
    }
    assert_eq!(server.send(&echo().key("wrong-0123456789")).status, 429);
    let more = format!("{ECHO}{}", script_tool("another", "echo x", ""));
    server.reload(&Settings::with(&more).limited(limits));
    assert_eq!(server.send(&echo()).status, 200, "it was known before");
    assert_eq!(server.send(&echo().key(USER)).status, 429, "nobody else is");
}

#[test]
fn another_listener_in_the_file_is_told_of_and_the_present_one_goes_on() {
    let plain = "tls = false";
    for (http, former, next) in
        [(plain, plain, "tls = true"), ("tls = true", "tls = true", plain), (plain, ":0\"", ":1\"")]
    {
        let settings = Settings { http: http.into(), ..Settings::with(ECHO) };
        let mut server = Server::start(&settings);
        let text = settings.text(&server.directory).replacen(former, next, 1);
        let another = script_tool("another", "echo new", "");
        server.directory.write("erlmcp.toml", &format!("{text}{another}"));
        server.signal(Signal::HUP);
        let warning = server.wait_for("restart to put that in force");
        assert!(warning.contains("the listeners"), "{warning}");
        server.wait_for("is in force");
        for _ in 0..3 {
            let asked = modern_request(1, "tools/call", call("another", json!({})));
            let response = server.modern(&asked);
            assert_eq!(text_of(&response.json()), "new\n", "{former} to {next}");
            let is_tls = response.header("strict-transport-security").is_some();
            assert_eq!(is_tls, http == "tls = true", "{response:?}");
        }
    }
}

#[test]
fn a_failed_reload_does_not_disturb_who_waits_for_a_file_to_change() {
    let mut server = fixture::server();
    let good = server.directory.read("erlmcp.toml");
    let wishes = json!({"notifications": {"resourceSubscriptions": ["docs://manual/one.txt"]}});
    let message = modern_request("s", "subscriptions/listen", wishes);
    let mut events = server.connect().stream(&Request::modern(&message));
    events.notification("notifications/subscriptions/acknowledged");
    for _ in 0..2 {
        server.directory.write("erlmcp.toml", "[server");
        server.signal(Signal::HUP);
        server.wait_for("the configuration stays as it was");
    }
    server.directory.write("docs/one.txt", "changed\n");
    events.notification("notifications/resources/updated");
    server.reload_text(&good);
    drop(events);
    let log = server.stop().stderr.join("\n");
    assert!(!log.contains("will not be noticed"), "{log}");
}
