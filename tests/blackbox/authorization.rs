//! What a caller may: the users and roles of the guide, and that a denial looks like absence.

use serde_json::{Value, json};

use crate::harness::fixture::{DANGEROUS, OFFERS, directory};
use crate::harness::http::{Request, Response};
use crate::harness::process::{Server, Session, Settings};
use crate::harness::tools::ECHO;
use crate::harness::{ADMIN, GUEST, LEGACY, USER, call, modern_request, request, text_of};

/// A tool that needs the permission to write.
const WRITING: &str = r#"
[[tools]]
name = "writing"
description = "Needs the permission to write."
command = ["/bin/echo", "written"]
processes = 8192
permission = "write"
"#;

fn settings(user_roles: &str) -> Settings {
    let roles = format!(
        "default_role = \"guest\"\n\
         roles = {{ guest = [\"read\"], user = [\"read\", \"write\"], \
         admin = [\"read\", \"write\", \"execute\", \"delete\"] }}\n\
         user_roles = {{ {user_roles} }}"
    );
    let rest = [ECHO, WRITING, DANGEROUS, OFFERS].concat();
    Settings { roles, ..Settings::with(&rest) }
}

/// As in the guide, with the administrator beside it.
const GUIDE: &str = "user_123 = [\"user\"], root = [\"admin\"]";

fn server(user_roles: &str) -> Server {
    Server::start_in(directory(), &settings(user_roles))
}

fn ask(server: &Server, key: &str, method: &str, params: Value) -> Response {
    server.send(&Request::modern(&modern_request(1, method, params)).key(key))
}

fn tools(server: &Server, key: &str) -> Vec<String> {
    let listed = ask(server, key, "tools/list", json!({})).json();
    let tools = listed["result"]["tools"].as_array().unwrap().iter();
    tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn may_call(server: &Server, key: &str, tool: &str) -> bool {
    let arguments = if tool == "echo" { json!({"text": "done"}) } else { json!({}) };
    let answer = ask(server, key, "tools/call", call(tool, arguments));
    assert_eq!(answer.status, 200, "a denial of one call is no failed authentication");
    answer.json().get("result").is_some()
}

// B108
#[test]
fn what_is_listed_can_be_called_and_nothing_else() {
    let server = server(GUIDE);
    for (key, able) in [
        (GUEST, &["echo"][..]),
        (USER, &["echo", "writing"]),
        (ADMIN, &["echo", "writing", "dangerous"]),
    ] {
        let listed = tools(&server, key);
        for tool in ["echo", "writing", "dangerous"] {
            let is_able = able.contains(&tool);
            assert_eq!(listed.iter().any(|name| name == tool), is_able, "{key} sees {tool}");
            assert_eq!(may_call(&server, key, tool), is_able, "{key} calls {tool}");
        }
    }
}

// B109
#[test]
fn a_denied_tool_gets_the_very_answer_of_an_unknown_one() {
    let server = server(GUIDE);
    let denied = ask(&server, GUEST, "tools/call", call("dangerous", json!({})));
    let unknown = ask(&server, GUEST, "tools/call", call("dangeroux", json!({})));
    assert_eq!(denied.status, unknown.status);
    assert_eq!(denied.code(), -32602);
    let text = |response: &Response| String::from_utf8(response.body.clone()).unwrap();
    assert_eq!(text(&denied).replace("dangerous", "dangeroux"), text(&unknown));
    let names = |response: &Response| -> Vec<String> {
        response.headers.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&denied), names(&unknown));
    for version in LEGACY {
        let session = Session::open(&server, version, GUEST);
        let ask = |name| session.send(&request(5, "tools/call", call(name, json!({}))));
        let (denied, unknown) = (ask("dangerous"), ask("dangeroux"));
        assert_eq!(denied.status, unknown.status);
        assert_eq!(denied.json()["error"]["code"], unknown.json()["error"]["code"]);
    }
}

// B107
#[test]
fn a_role_taken_away_is_gone_for_the_next_request_of_an_open_session() {
    let mut server = server(GUIDE);
    let session = Session::open(&server, "2025-11-25", USER);
    let message = request(1, "tools/call", call("writing", json!({})));
    let asked = session.post(&message);
    let mut connection = server.connect();
    assert_eq!(text_of(&connection.exchange(&asked).json()), "written\n");
    server.reload(&settings("root = [\"admin\"]"));
    let refused = connection.exchange(&asked);
    assert_eq!((refused.status, refused.code()), (200, -32602));
    server.reload(&settings(GUIDE));
    assert_eq!(text_of(&connection.exchange(&asked).json()), "written\n");
}

#[test]
fn a_key_taken_away_is_gone_for_the_next_request_of_an_open_session() {
    let mut server = server(GUIDE);
    let session = Session::open(&server, "2025-11-25", USER);
    let asked = session.post(&request(1, "ping", json!({})));
    assert_eq!(server.send(&asked).status, 200);
    let text = settings(GUIDE).text(&server.directory);
    let entry = format!("{{ key = \"{USER}\", user = \"user_123\" }},");
    assert!(text.contains(&entry));
    server.reload_text(&text.replace(&entry, ""));
    assert_eq!(server.send(&asked).status, 401);
}

// B104, B106
#[test]
fn a_role_without_permissions_may_nothing() {
    let roles = "default_role = \"none\"\nroles = { none = [], admin = [\"read\", \"execute\"] }\n\
                 user_roles = { root = [\"admin\"] }";
    let server =
        Server::start_in(directory(), &Settings { roles: roles.into(), ..settings(GUIDE) });
    for (method, params) in [
        ("tools/call", call("echo", json!({"text": "x"}))),
        ("resources/read", json!({"uri": "docs://manual/one.txt"})),
        ("prompts/get", json!({"name": "explain", "arguments": {"topic": "disks"}})),
    ] {
        let response = ask(&server, USER, method, params);
        assert!(response.json().get("result").is_none(), "{method}: {response:?}");
    }
    for (method, list) in
        [("tools/list", "tools"), ("resources/list", "resources"), ("prompts/list", "prompts")]
    {
        let json = ask(&server, USER, method, json!({})).json();
        let is_empty = json["result"][list].as_array().is_none_or(Vec::is_empty);
        assert!(is_empty, "{method}: {json}");
    }
}

// B99
#[test]
fn methods_of_the_other_side_and_unknown_ones_are_refused() {
    let server = server(GUIDE);
    let session = Session::open(&server, "2025-11-25", ADMIN);
    for method in ["sampling/createMessage", "roots/list", "foo/bar", "Tools/list", "", "a\u{0}b"] {
        let response = session.send(&request(1, method, json!({})));
        assert!([200, 400].contains(&response.status), "{method:?}");
        assert!([-32601, -32600].contains(&response.code()), "{method:?}");
    }
}
