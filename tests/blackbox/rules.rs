//! Rules beyond roles: one verdict for lists, calls, completions and notices, by every way, and the
//! commands that tell and test it.

use serde_json::{Value, json};

use crate::harness::fixture::{DANGEROUS, OFFERS, directory};
use crate::harness::http::{Request, Response};
use crate::harness::process::{Directory, Server, Session, Settings, program, run};
use crate::harness::stdio::StdioServer;
use crate::harness::tools::ECHO;
use crate::harness::{ADMIN, GUEST, LEGACY, USER, call, modern_request, request};

const RULES: &str = r#"
[[authorization.rules]]
name = "echo politely"
effect = "deny"
tools = ["echo"]
arguments = { text = { pattern = ".*damn.*" } }

[[authorization.rules]]
name = "the visitor may"
effect = "allow"
users = ["visit*"]
tools = ["dangerous"]

[[authorization.rules]]
name = "not for the user"
effect = "deny"
users = ["user_123"]
resources = ["docs://manual/sub/*"]

[[authorization.rules]]
name = "nothing to explain"
effect = "deny"
users = ["user_123"]
prompts = ["expl*"]
"#;

fn settings(rules: &str) -> Settings {
    Settings::with(&["[host]\nenabled = false\n", ECHO, DANGEROUS, OFFERS, rules].concat())
}

fn server() -> Server {
    Server::start_in(directory(), &settings(RULES))
}

fn ask(server: &Server, key: &str, method: &str, params: Value) -> Response {
    server.send(&Request::modern(&modern_request(1, method, params)).key(key))
}

fn names(response: &Response, list: &str, name: &str) -> Vec<String> {
    let list = response.json()["result"][list].clone();
    let list = list.as_array().unwrap().iter();
    list.map(|one| one[name].as_str().unwrap().to_owned()).collect()
}

fn say(text: &str) -> Value {
    call("echo", json!({ "text": text }))
}

// B108, B109
#[test]
fn a_rule_takes_what_a_role_gives_and_gives_what_it_does_not() {
    let server = server();
    assert_eq!(ask(&server, GUEST, "tools/call", say("hello")).status, 200);
    let refused = ask(&server, GUEST, "tools/call", say("damn it"));
    assert_eq!(refused.status, 200, "the denial of one call is no failure of HTTP");
    assert_eq!(refused.json()["error"]["code"], -32602);
    assert_eq!(refused.json()["error"]["message"], "These arguments are not permitted");
    let records = server.audited("\"rule\":\"echo politely\"", 1);
    assert_eq!(records[0]["event"], "authorization_denied");
    let tools = |key| names(&ask(&server, key, "tools/list", json!({})), "tools", "name");
    assert_eq!(tools(GUEST), ["echo", "dangerous"]);
    assert_eq!(tools(USER), ["echo"]);
    let granted = ask(&server, GUEST, "tools/call", call("dangerous", json!({})));
    assert!(granted.json().get("result").is_some(), "{granted:?}");
    // Not to be told from a tool that is not there.
    let denied = ask(&server, USER, "tools/call", call("dangerous", json!({}))).json();
    let absent = ask(&server, USER, "tools/call", call("dangerous2", json!({}))).json();
    assert_eq!(denied.to_string(), absent.to_string().replace("dangerous2", "dangerous"));
}

// B110
#[test]
fn the_verdict_is_the_same_by_every_way() {
    let server = server();
    let sub = "docs://manual/sub/two.md";
    let listed = |key| names(&ask(&server, key, "resources/list", json!({})), "resources", "uri");
    assert!(listed(ADMIN).contains(&sub.to_owned()));
    assert!(!listed(USER).contains(&sub.to_owned()) && listed(USER).len() == 1);
    let read = |key| ask(&server, key, "resources/read", json!({ "uri": sub })).json();
    assert!(read(ADMIN).get("result").is_some());
    assert!(read(USER).get("error").is_some());
    let prompts = |key| names(&ask(&server, key, "prompts/list", json!({})), "prompts", "name");
    assert_eq!((prompts(ADMIN).len(), prompts(USER).len()), (1, 0));
    let complete = |key| {
        let params = json!({
            "ref": { "type": "ref/prompt", "name": "explain" },
            "argument": { "name": "topic", "value": "d" },
        });
        ask(&server, key, "completion/complete", params).json()
    };
    assert!(complete(ADMIN).get("result").is_some());
    assert!(complete(USER).get("error").is_some());
    // In a session, in a batch, and as a wish to hear of changes.
    let session = Session::open(&server, LEGACY[1], USER);
    let batch = json!([
        request(1, "tools/call", say("damn")),
        request(2, "prompts/get", json!({ "name": "explain", "arguments": { "topic": "x" } })),
        request(3, "tools/call", say("hello")),
    ]);
    let answers = session.send(&batch).json();
    let answers = answers.as_array().unwrap();
    let has_failed =
        |id: u64| answers.iter().find(|one| one["id"] == id).unwrap().get("error").is_some();
    assert!(has_failed(1) && has_failed(2) && !has_failed(3), "{answers:?}");
    let subscribed = session.send(&request(4, "resources/subscribe", json!({ "uri": sub })));
    assert!(subscribed.json().get("error").is_some());
    let listen = modern_request(
        1,
        "subscriptions/listen",
        json!({ "notifications": { "resourceSubscriptions": [sub, "docs://manual/one.txt"] } }),
    );
    let mut stream = server.connect().stream(&Request::modern(&listen).key(USER));
    let acknowledged = stream.message().unwrap();
    let granted = &acknowledged["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(*granted, json!(["docs://manual/one.txt"]));
    // As what is proposed for the variable of a template.
    let proposed = |key| {
        let params = json!({
            "ref": { "type": "ref/resource", "uri": "docs://manual/{+path}" },
            "argument": { "name": "path", "value": "" },
        });
        let answer = ask(&server, key, "completion/complete", params).json();
        answer["result"]["completion"]["values"].clone()
    };
    assert!(proposed(ADMIN).as_array().unwrap().contains(&json!("sub/two.md")));
    assert_eq!(proposed(USER), json!(["one.txt"]));
}

#[test]
fn a_rule_is_about_every_spelling_of_a_uri() {
    let server = server();
    let session = Session::open(&server, LEGACY[3], USER);
    let spellings = [
        "docs://manual/sub/two.md",
        "DOCS://manual/sub/two.md",
        "docs://MANUAL/sub/two.md",
        "docs://manual/%73ub/two.md",
        "docs://manual/s%75b/%74wo%2Emd",
        "docs://manual/sub/two%2emd",
    ];
    for uri in spellings {
        let read = |key| ask(&server, key, "resources/read", json!({ "uri": uri })).json();
        assert!(read(ADMIN).get("result").is_some(), "{uri}");
        assert!(read(USER).get("error").is_some(), "{uri}");
        let subscribed = session.send(&request(4, "resources/subscribe", json!({ "uri": uri })));
        assert!(subscribed.json().get("error").is_some(), "{uri}");
    }
    let wishes = json!({ "notifications": { "resourceSubscriptions": spellings } });
    let listen = modern_request(1, "subscriptions/listen", wishes);
    let mut stream = server.connect().stream(&Request::modern(&listen).key(USER));
    let acknowledged = stream.message().unwrap();
    let granted = &acknowledged["params"]["notifications"]["resourceSubscriptions"];
    assert!(granted.as_array().is_none_or(Vec::is_empty), "{acknowledged}");
    // And a rule may be written in any of them.
    let rules = RULES.replace("docs://manual/sub/*", "Docs://Manual/%73ub/*");
    let server = Server::start_in(directory(), &settings(&rules));
    let uri = json!({ "uri": spellings[0] });
    assert!(ask(&server, USER, "resources/read", uri).json().get("error").is_some());
}

// B107
#[test]
fn a_rule_that_comes_holds_for_the_next_request_of_an_open_session() {
    let mut server = server();
    let id = Session::open(&server, LEGACY[3], GUEST).id.clone();
    let send = |server: &Server, message: &Value| {
        let request = Request::post(message).key(GUEST).header("Mcp-Session-Id", &id);
        server.send(&request.header("MCP-Protocol-Version", LEGACY[3])).json()
    };
    let say_hello = request(1, "tools/call", say("hello"));
    assert!(send(&server, &say_hello).get("result").is_some());
    let more = "[[authorization.rules]]\neffect = \"deny\"\nusers = [\"visitor\"]\n";
    server.reload(&settings(more));
    for message in [say_hello, request(2, "ping", json!({}))] {
        let refused = send(&server, &message);
        assert!(refused.get("error").is_some(), "{refused}");
    }
}

#[test]
fn rules_hold_over_standard_input_too() {
    let rules = "[[authorization.rules]]\neffect = \"deny\"\ntransports = [\"stdio\"]\n\
                 tools = [\"dangerous\"]\n[transports.stdio]\n";
    let mut settings = settings(rules);
    settings.rest.push_str("[audit]\nenabled = false\n");
    let mut stdio = StdioServer::start_in(directory(), &settings);
    let dangerous = stdio.ask(&modern_request(1, "tools/call", call("dangerous", json!({}))));
    assert!(dangerous.get("error").is_some(), "{dangerous}");
    let hello = stdio.ask(&modern_request(2, "tools/call", say("hello")));
    assert!(hello.get("result").is_some(), "{hello}");
    assert!(stdio.end().0.success());
}

fn policy(directory: &Directory, arguments: &[&str]) -> (i32, String) {
    let path = directory.write("erlmcp.toml", &settings(RULES).text(directory));
    let all = [&["policy"], arguments, &["--config", path.to_str().unwrap()]].concat();
    let output = run(&mut program(&all));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_verdict_is_explained_with_the_line_that_decides() {
    let directory = directory();
    let explain = |arguments: &[&str]| policy(&directory, &[&["explain"], arguments].concat());
    let text = settings(RULES).text(&directory);
    let line = |name: &str| {
        let at = text.lines().position(|line| line.contains(name)).unwrap();
        format!("erlmcp.toml:{at})")
    };
    for (arguments, status, parts) in [
        (
            &["--user", "visitor", "--tool", "echo", "--arguments", r#"{"text":"damn"}"#][..],
            1,
            &["denied with these arguments: the rule \"echo politely\" decides it", "echo"][..],
        ),
        (&["--user", "visitor", "--tool", "echo"], 0, &["allowed: the role \"guest\" gives it"]),
        (&["--user", "visitor", "--tool", "dangerous"], 0, &["\"the visitor may\"", "execute"]),
        (&["--user", "user_123", "--tool", "dangerous"], 1, &["denied: no role and no rule"]),
        (&["--user", "x", "--role", "admin", "--tool", "dangerous"], 0, &["\"admin\""]),
        (&["--user", "x", "--tool", "nothing"], 1, &["there is no such tool"]),
        (&["--user", "user_123", "--prompt", "explain"], 1, &["\"nothing to explain\""]),
        (&["--user", "root", "--resource", "docs://manual/sub/x"], 0, &["\"admin\""]),
        (&["--user", "x", "--method", "ping"], 0, &["nothing more is needed"]),
        (
            &["--user", "x", "--transport", "stdio", "--tool", "dangerous"],
            0,
            &["may do everything"],
        ),
    ] {
        let (found, told) = explain(arguments);
        assert_eq!(found, status, "{arguments:?}: {told}");
        assert!(parts.iter().all(|part| told.contains(part)), "{arguments:?}: {told}");
    }
    let (_, told) = explain(&["--user", "visitor", "--tool", "dangerous"]);
    assert!(told.contains(&line("the visitor may")), "{told}");
}

#[test]
fn a_table_of_expected_verdicts_is_tested() {
    let directory = directory();
    let cases = "[[case]]\nuser = \"visitor\"\ntool = \"dangerous\"\nexpect = \"allow\"\n\
                 [[case]]\nuser = \"user_123\"\ntool = \"dangerous\"\nexpect = \"deny\"\n";
    let path = directory.write("cases.toml", cases);
    let path = path.to_str().unwrap();
    assert_eq!(policy(&directory, &["test", path]), (0, "2 cases, 0 not as expected\n".into()));
    directory.write("cases.toml", &cases.replace("\"deny\"", "\"allow\""));
    let (status, told) = policy(&directory, &["test", path]);
    assert_eq!(status, 1);
    assert!(
        told.contains("cases.toml:5: \"user_123\", tool \"dangerous\": expected allow"),
        "{told}"
    );
    directory.write("cases.toml", "[[case]]\nuser = \"a\"\nexpect = \"maybe\"\n");
    let output = run(&mut program(&["policy", "test", path, "--config", path]));
    assert_eq!(output.status.code(), Some(78));
}
