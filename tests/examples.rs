//! The example server, run as a client of a desktop runs it: over standard input and output.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};

/// The example, built like the program beside which it will lie: `cargo test` builds it anyway, but
/// `cargo test --test examples` does not.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let beside = Path::new(env!("CARGO_BIN_EXE_erlmcp")).parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", "echo_server", "--target-dir"]);
    cargo.arg(beside.parent().unwrap());
    if beside.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success());
    beside.join("examples/echo_server")
});

struct Client {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    /// Starts the example and shakes hands with it.
    fn start(name: &str) -> Self {
        let file = format!("erlmcp-example-{}-{name}.toml", std::process::id());
        let configuration = std::env::temp_dir().join(file);
        let text = "[server]\ndrain_seconds = 60\n[transports.stdio]\n[host]\nenabled = false\n";
        std::fs::write(&configuration, text).unwrap();
        let mut child = Command::new(&*PROGRAM)
            .arg(&configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut client = Self { child, stdin, stdout: BufReader::new(stdout) };
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" }
        });
        assert_eq!(client.call("initialize", hello)["protocolVersion"], "2025-11-25");
        std::fs::remove_file(configuration).unwrap();
        client
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").unwrap();
    }

    fn request(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }));
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The result of a request that is answered at once.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.request(method, params);
        self.next()["result"].take()
    }

    /// Ends the input and gives what the example wrote to its log, if it ended well.
    fn end(mut self) -> String {
        drop(self.stdin);
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

#[test]
fn the_quick_tool_echoes_what_its_schema_allows() {
    let mut client = Client::start("echo");
    let names: Vec<_> = client.call("tools/list", json!({}))["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(names, ["echo", "count"]);
    let call = json!({ "name": "echo", "arguments": { "text": "hello" } });
    let result = client.call("tools/call", call);
    assert_eq!(result["structuredContent"], json!({ "text": "hello" }));
    assert_eq!(result["content"][0]["text"], r#"{"text":"hello"}"#);
    let call = json!({ "name": "echo", "arguments": { "text": 1 } });
    assert_eq!(client.call("tools/call", call)["isError"], true);
    client.end();
}

#[test]
fn the_blocking_tool_reports_each_step() {
    let mut client = Client::start("count");
    let call = json!({
        "name": "count",
        "arguments": { "to": 2 },
        "_meta": { "progressToken": "p" }
    });
    client.request("tools/call", call);
    for step in 1..=2 {
        let heard = client.next();
        assert_eq!(heard["method"], "notifications/progress");
        assert_eq!(heard["params"]["progressToken"], "p");
        assert_eq!(heard["params"]["progress"], step);
        assert_eq!(heard["params"]["message"], format!("{step} of 2"));
    }
    assert_eq!(client.next()["result"]["content"][0]["text"], "counted to 2");
    client.end();
}

#[test]
fn the_blocking_tool_stops_when_it_is_cancelled() {
    let mut client = Client::start("cancel");
    let call = json!({
        "name": "count",
        "arguments": { "to": 1000 },
        "_meta": { "progressToken": 0 }
    });
    client.request("tools/call", call);
    assert_eq!(client.next()["method"], "notifications/progress", "it runs");
    client.send(&json!({
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": { "requestId": 1 }
    }));
    let log = client.end();
    assert!(!log.contains("calls running"), "it went on until it was given up: {log}");
}

#[test]
fn the_prompt_and_the_resource_are_there() {
    let mut client = Client::start("prompt");
    let get = json!({ "name": "greeting", "arguments": { "name": "Joe" } });
    let messages = client.call("prompts/get", get)["messages"].take();
    assert_eq!(messages[0]["content"]["text"], "Write one friendly line to Joe.");
    let complete = json!({
        "ref": { "type": "ref/prompt", "name": "greeting" },
        "argument": { "name": "name", "value": "A" }
    });
    let values = client.call("completion/complete", complete)["completion"]["values"].take();
    assert_eq!(values, json!(["Agnes", "Alan"]));
    let read = client.call("resources/read", json!({ "uri": "example://motto" }));
    assert_eq!(read["contents"][0]["text"], "What is not allowed is refused.");
    client.end();
}
