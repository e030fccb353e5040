//! What is looked at in parameters before anything is done: URIs, arguments, and the commands with
//! which an operator would try it.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::fixture::OFFERS;
use crate::harness::http::Request;
use crate::harness::process::{Directory, Server, Settings, program, with_input};
use crate::harness::tools::ECHO;
use crate::harness::{ADMIN, call, modern_request};

fn start(rest: &str) -> Server {
    let directory = Directory::new();
    directory.write("docs/hello.txt", "hello\n");
    Server::start_in(directory, &Settings::with(&format!("{ECHO}{OFFERS}{rest}")))
}

/// Requests of every method that takes a URI, in both eras, for this one.
fn requests(uri: &str) -> [(&'static str, Value); 3] {
    let listen = json!({ "notifications": { "resourceSubscriptions": [uri] } });
    [
        ("resources/read", json!({ "uri": uri })),
        ("subscriptions/listen", listen),
        ("resources/subscribe", json!({ "uri": uri })),
    ]
}

/// The error of a request, which is of a handshake revision if only those have the method.
fn error(server: &Server, method: &str, params: &Value) -> Value {
    if method == "resources/subscribe" {
        return error_in_session(server, method, params);
    }
    let mut connection = server.connect();
    connection.write(&Request::modern(&modern_request(1, method, params.clone())).bytes());
    let head = connection.response_head();
    if head.header("content-type") == Some("text/event-stream") {
        return Value::Null; // It lasts as long as the connection.
    }
    let length = head.header("content-length").unwrap().parse().unwrap();
    let body: Value = serde_json::from_slice(&connection.take(length)).unwrap();
    body["error"].clone()
}

fn error_in_session(server: &Server, method: &str, params: &Value) -> Value {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    server.send(&server.session("2025-11-25").post(&message)).json()["error"].clone()
}

#[test]
fn parameters_must_have_the_form_that_their_revision_gives_them() {
    let server = start("");
    let client = json!({"name": "c", "version": "1"});
    for (version, key, wrong, told) in [
        ("2025-11-25", "clientInfo", json!({"name": "c"}), "`clientInfo.version` must be a string"),
        ("2025-11-25", "clientInfo", json!({"name": "c", "version": 1}), "`clientInfo.version`"),
        ("2025-11-25", "capabilities", json!({"sampling": true}), "`capabilities.sampling`"),
        ("2025-11-25", "capabilities", json!({"elicitation": {"url": 1}}), "elicitation.url`"),
        ("2025-06-18", "capabilities", json!({"roots": {"listChanged": "yes"}}), "listChanged`"),
        ("2024-11-05", "capabilities", json!({"experimental": {"x": []}}), "experimental.*`"),
    ] {
        let mut params =
            json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
        params[key] = wrong;
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let error = server.send(&Request::post(&message)).json()["error"].clone();
        assert_eq!(error["code"], -32602, "{message}: {error}");
        let sentence = error["message"].as_str().unwrap();
        assert!(sentence.contains(told), "{message}: {sentence}");
    }
    for (key, wrong, told) in [
        ("clientInfo", json!({"version": "1"}), "`_meta.io.modelcontextprotocol/clientInfo.name`"),
        ("clientCapabilities", json!({"roots": []}), "clientCapabilities.roots` must be an object"),
        ("clientCapabilities", json!({"extensions": {"x": true}}), "extensions.*`"),
        ("logLevel", json!("loud"), "logLevel` must be a log level"),
    ] {
        let mut message = modern_request(1, "tools/list", json!({}));
        message["params"]["_meta"][format!("io.modelcontextprotocol/{key}")] = wrong;
        let response = server.send(&Request::modern(&message));
        let error = response.json()["error"].clone();
        assert_eq!((response.status, &error["code"]), (400, &json!(-32602)), "{message}: {error}");
        let sentence = error["message"].as_str().unwrap();
        assert!(sentence.contains(told), "{message}: {sentence}");
    }
    let session = server.session("2025-11-25");
    for (method, params) in [
        ("tools/call", json!({"name": "echo", "task": {"ttl": "long"}})),
        ("tools/call", json!({"name": "echo", "task": true})),
        (
            "completion/complete",
            json!({
                "ref": {"type": "ref/prompt", "name": "review"},
                "argument": {"name": "a", "value": ""}, "context": {"arguments": {"b": 1}}
            }),
        ),
    ] {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let error = server.send(&session.post(&message)).json()["error"].clone();
        assert_eq!(error["code"], -32602, "{message}: {error}");
    }
}

// C74
#[test]
fn a_uri_that_is_not_plain_is_refused_by_every_method_that_takes_one() {
    let server = start("");
    for uri in [
        "docs://manual/../hello.txt",
        "docs://manual/%2e%2e/hello.txt",
        "docs://manual/%252e%252e/hello.txt",
        "docs://manual/..%5chello.txt",
        "docs://manual/..\\hello.txt",
        "docs://manual/%c0%ae%c0%ae/hello.txt",
        "docs://manual/hello.txt%00.png",
        "docs://user@manual/hello.txt",
        "docs://2130706433/hello.txt",
        "docs://0177.0.0.1/hello.txt",
        "docs://0x7f.0.0.1/hello.txt",
        "docs://[::ffff:127.0.0.1]/hello.txt",
        "docs://man%75al/hello.txt",
        "docs://manual/a b",
        "docs://manual/<hello>",
        "//manual/hello.txt",
        "../../etc/passwd",
        "hello.txt",
        "",
    ] {
        for (method, params) in requests(uri) {
            let error = error(&server, method, &params);
            assert_eq!(error["code"], -32602, "{method} {uri}: {error}");
        }
    }
    for wrong in [json!(7), json!(null), json!(["docs://manual/hello.txt"]), json!({})] {
        for method in ["resources/read", "resources/subscribe"] {
            let error = error_in_session(&server, method, &json!({ "uri": wrong }));
            assert_eq!(error["code"], -32602, "{method} {wrong}: {error}");
        }
    }
    let read = modern_request(1, "resources/read", json!({ "uri": "docs://manual/hello.txt" }));
    assert_eq!(server.modern(&read).json()["result"]["contents"][0]["text"], "hello\n");
}

#[test]
fn only_the_schemes_that_are_configured_may_be_asked_for() {
    let uri = "docs://manual/hello.txt";
    for (schemes, is_allowed) in
        [("[\"docs\"]", true), ("[\"DOCS\", \"file\"]", true), ("[\"file\"]", false), ("[]", false)]
    {
        let server = start(&format!("[validation]\nuri_schemes = {schemes}\n"));
        for (method, params) in requests(uri) {
            let error = error(&server, method, &params);
            let told = error["message"] == "The scheme of the URI is not allowed";
            assert_eq!(told, !is_allowed, "{schemes} {method}: {error}");
        }
    }
}

#[test]
fn arguments_that_no_schema_names_are_refused_where_that_is_wished() {
    let more = json!({ "text": "x", "note": "the key is 42" });
    for (rejects, is_error) in [(true, true), (false, false)] {
        let server = start(&format!("[validation]\nreject_unknown_arguments = {rejects}\n"));
        let answer = server.modern(&modern_request(1, "tools/call", call("echo", more.clone())));
        let result = &answer.json()["result"];
        assert_eq!(result["isError"].as_bool().unwrap_or(false), is_error, "{result}");
        if is_error {
            assert!(result.to_string().contains("note"), "{result}");
            assert!(!result.to_string().contains("42"), "{result}");
        }
        let good = call("echo", json!({ "text": "x" }));
        let good = server.modern(&modern_request(1, "tools/call", good)).json();
        assert_eq!(good["result"]["content"][0]["text"], "x\n");
        // What is held is what is shown.
        let tools = server.modern(&modern_request(1, "tools/list", json!({}))).json();
        let tools = tools["result"]["tools"].as_array().unwrap().clone();
        let echo = tools.iter().find(|tool| tool["name"] == "echo").unwrap();
        let shown = echo["inputSchema"]["additionalProperties"] == json!(false);
        assert_eq!(shown, rejects, "{echo}");
    }
}

/// What `curl` gets with these arguments: the status, and the body.
fn curl(server: &Server, arguments: &[&str]) -> (String, String) {
    let url = format!("http://{}/mcp", server.address());
    let json =
        ["-H", "Content-Type: application/json", "-sS", "-w", "\n%{http_code}", "-X", "POST"];
    let output = Command::new("curl").arg(url).args(json).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

// C2, B113
#[test]
fn what_an_operator_tries_with_curl_is_answered_as_the_guide_says() {
    let http = "tls = false\nallowed_origins = [\"https://app.yourdomain.com\"]";
    let lockout = "max_failures = 5\nbackoff_levels = [0]\nmax_attempts_per_second = 10000";
    let settings = Settings { http: http.into(), ..Settings::with(ECHO) };
    let server = Server::start(&settings.limited(lockout));
    let key = format!("Authorization: Bearer {ADMIN}");
    let ping = r#"{"jsonrpc":"2.0","method":"ping","id":1}"#;
    let origin = |origin: &str| format!("Origin: {origin}");
    let own = origin("https://app.yourdomain.com");
    let (status, body) = curl(&server, &["-H", &own, "-H", &key, "-d", ping]);
    assert_eq!(
        (status.as_str(), body.as_str()),
        ("200", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
    );
    for wrong in ["https://evil.com", "https://app.yourdomain.com.evil.com", "null"] {
        let (status, _) = curl(&server, &["-H", &origin(wrong), "-H", &key, "-d", ping]);
        assert_eq!(status, "403", "{wrong}");
        let (status, _) = curl(&server, &["-H", &origin(wrong), "-d", ping]);
        assert_eq!(status, "403", "{wrong}, and before anybody is asked who they are");
    }
    let torn = r#"{"jsonrpc":"2.0":"method":"../../etc/passwd","id":1}"#;
    let (status, body) = curl(&server, &["-H", &key, "-d", torn]);
    assert_eq!(status, "400", "{body}");
    let whole = r#"{"jsonrpc":"2.0","method":"../../etc/passwd","id":1}"#;
    let (status, body) = curl(&server, &["-H", &key, "-d", whole]);
    assert!(status != "200" && !body.contains("root:"), "{status} {body}");
    let wrong = "Authorization: Bearer a-guess-0123456789abcdef0123456789";
    let call = r#"{"jsonrpc":"2.0","method":"tools/call","id":1}"#;
    let statuses: Vec<String> =
        (0..7).map(|_| curl(&server, &["-H", wrong, "-d", call]).0).collect();
    assert_eq!(statuses, ["401", "401", "401", "401", "401", "429", "429"]);
}

#[test]
fn an_oversized_message_is_told_as_the_guide_says() {
    let text = "A".repeat(11_000_000);
    let message =
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"test\",\"params\":\"{text}\",\"id\":1}}\n");
    let output = with_input(program(&["validate", "stdin"]), &message);
    let said = String::from_utf8(output.stdout).unwrap();
    let expected: Value = serde_json::from_str(
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"Message too large"},"id":1}"#,
    )
    .unwrap();
    assert_eq!(serde_json::from_str::<Value>(said.trim_end()).unwrap(), expected);
    // Over the network it is refused as soon as its length is known.
    let server = Server::start(&Settings::default());
    let long = Request::modern(&json!({})).without("Content-Length");
    let mut connection = server.connect();
    connection.write(&long.header("Content-Length", "11000000").head());
    let response = connection.response();
    assert_eq!((response.status, response.code()), (413, -32700));
    assert_eq!(response.json()["error"]["message"], "Message too large");
}
