//! The first start without a configuration, and the second.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::http::Request;
use crate::harness::process::{Directory, Server, Settings, program, run};
use crate::harness::{call, modern_request};
use crate::server_certificates::shake;

fn start(directory: Directory) -> Server {
    let state = directory.file("state");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--state", state.to_str().unwrap()];
    Server::spawn(directory, &mut program(&arguments))
}

fn greeting(server: &Server) -> String {
    server.output_through(&format!("  https://{}/mcp", server.address()))
}

fn key_of(greeting: &str) -> Option<&str> {
    let key = greeting.lines().find_map(|line| line.strip_prefix("api key: "))?;
    (!key.contains(' ')).then_some(key)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn host_status(key: &str) -> Request {
    Request::modern(&modern_request(1, "tools/call", call("host_status", json!({})))).key(key)
}

// C8
#[test]
fn the_first_start_makes_a_key_that_works_at_once_over_tls() {
    let server = start(Directory::new());
    let greeting = greeting(&server);
    let key = key_of(&greeting).unwrap();
    assert!(key.len() >= 32, "{key}");
    let response = server.send(&host_status(key));
    assert_eq!(response.status, 200, "{response:?}");
    assert!(response.json()["result"]["structuredContent"].is_object());
    let refused = server.send(&host_status(key).anonymous());
    assert_eq!(refused.status, 401);
}

#[test]
fn what_the_first_start_shows_can_be_pasted() {
    let server = start(Directory::new());
    let greeting = greeting(&server);
    let key = key_of(&greeting).unwrap();
    let json = &greeting[greeting.find('{').unwrap()..greeting.find("\n}").unwrap() + 2];
    let client: Value = serde_json::from_str(json).unwrap();
    let entry = &client["mcpServers"]["erlmcp"];
    assert_eq!(entry["url"], format!("https://{}/mcp", server.address()));
    assert_eq!(entry["headers"]["Authorization"], format!("Bearer {key}"));
    let authority = server.authority().display();
    assert!(greeting.contains(&format!("curl --cacert {authority}")), "{greeting}");
}

#[test]
fn the_state_directory_is_closed_to_others_and_does_not_hold_the_key() {
    let server = start(Directory::new());
    let greeting = greeting(&server);
    let key = key_of(&greeting).unwrap().to_owned();
    let stopped = server.stop();
    let state = stopped.directory.file("state");
    assert_eq!(mode(&state), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&key), "{name} holds the key");
        assert_eq!(mode(&path) & 0o077, 0, "{name} is open to others: {:o}", mode(&path));
        names.push(name);
    }
    for name in ["ca.key", "server.key", "api_key.hash"] {
        assert!(names.iter().any(|known| known == name), "{name} of {names:?}");
    }
    assert!(!stopped.stderr.join("\n").contains(&key), "the log holds the key");
}

#[test]
fn a_restart_keeps_the_certificate_and_the_key_and_shows_it_no_more() {
    let first = start(Directory::new());
    let shown = greeting(&first);
    let key = key_of(&shown).unwrap().to_owned();
    let stopped = first.stop();
    let certificates =
        ["ca.pem", "server.pem"].map(|name| stopped.directory.read(&format!("state/{name}")));
    let second = start(stopped.directory);
    let greeting = greeting(&second);
    assert_eq!(key_of(&greeting), None, "{greeting}");
    assert!(!greeting.contains(&key));
    assert_eq!(second.send(&host_status(&key)).status, 200);
    let kept = ["ca.pem", "server.pem"].map(|name| second.directory.read(&format!("state/{name}")));
    assert_eq!(certificates, kept);
}

#[test]
fn a_first_start_that_fails_keeps_no_key_and_the_next_one_shows_it() {
    let directory = Directory::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let state = directory.file("state");
    let arguments = ["serve", "--listen", &address, "--state", state.to_str().unwrap()];
    let output = run(&mut program(&arguments));
    assert!(!output.status.success());
    assert!(!state.join("api_key.hash").exists(), "nobody was told the key");
    assert!(!String::from_utf8(output.stdout).unwrap().contains("api key: "));
    let server = start(directory);
    let greeting = greeting(&server);
    assert_eq!(server.send(&host_status(key_of(&greeting).unwrap())).status, 200);
}

#[test]
fn a_state_directory_that_others_can_write_is_refused_with_its_remedy() {
    let directory = Directory::new();
    let state = directory.file("state");
    fs::create_dir(&state).unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--state", state.to_str().unwrap()];
    for open in [0o777, 0o720, 0o702, 0o1777] {
        fs::set_permissions(&state, fs::Permissions::from_mode(open)).unwrap();
        let output = run(&mut program(&arguments));
        assert!(!output.status.success(), "{open:o}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("written by others") && told.contains("chmod 700"), "{told}");
        assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "{open:o}");
    }
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    start(directory).stop();
}

/// The time until which OpenSSL says that the certificate shown holds.
fn ends(server: &Server) -> String {
    let said = shake(server, &[]);
    assert!(said.contains("Verification: OK"), "{said}");
    said.lines().find(|line| line.contains("NotAfter")).unwrap().to_owned()
}

#[test]
fn the_certificate_is_made_anew_while_the_server_runs() {
    let server = Server::start(&Settings::default().over_tls());
    let first = ends(&server);
    let facts = server.directory.read("state/server.facts");
    let (expires, names) = facts.split_once('\n').unwrap();
    let days_88 = std::time::Duration::from_secs(88 * 86_400);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let made_for = expires.parse::<u64>().unwrap() - now.as_secs();
    assert!(made_for.abs_diff(days_88.as_secs()) < 60, "{made_for} s");
    let directory = server.stop().directory;
    // The time to make it anew comes in two seconds.
    let soon = now.as_secs() + 30 * 86_400 + 2;
    directory.write("state/server.facts", &format!("{soon}\n{names}"));
    let certificate = directory.read("state/server.pem");
    let mut server = Server::start_in(directory, &Settings::default().over_tls());
    assert_eq!(ends(&server), first);
    server.wait_for("our certificate ends soon; configuration 2 is in force");
    assert_ne!(server.directory.read("state/server.pem"), certificate);
    assert!(!ends(&server).is_empty());
}
