//! A server with something of everything to offer, and certificates.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::process::{Directory, Server, Settings};
use super::stdio::StdioServer;
use super::tools::{ECHO, gated_tool, holding_tool, script_tool};

/// A tool that needs what only an administrator may.
pub const DANGEROUS: &str = r#"
[[tools]]
name = "dangerous"
description = "Needs the permission to execute."
command = ["/bin/echo", "done"]
processes = 8192
"#;

/// Files below a directory, and a prompt.
pub const OFFERS: &str = r#"
[[resources]]
name = "manual"
description = "The manual."
root = "@/docs"
uri_prefix = "docs://manual/"

[[prompts]]
name = "explain"
description = "Explains a topic."
messages = [{ role = "user", text = "Explain {topic}." }]
[[prompts.arguments]]
name = "topic"
description = "What to explain"
required = true
values = ["disks", "network", "netfilter"]
"#;

/// All that the fixture offers.
pub fn everything() -> String {
    let progress = "for step in 1 2 3; do echo \"progress $step 3 step $step\" >&2; done; \
                    echo 'a line of the log' >&2; echo finished";
    [
        ECHO,
        DANGEROUS,
        OFFERS,
        &holding_tool("hold"),
        &gated_tool("gated"),
        &script_tool("steps", progress, "progress = true\nread_only = true"),
    ]
    .concat()
}

/// A directory with the files that the offers name.
pub fn directory() -> Directory {
    let directory = Directory::new();
    directory.write("docs/one.txt", "the first file\n");
    directory.write("docs/sub/two.md", "# the second file\n");
    directory.write("secret.txt", "outside\n");
    directory
}

/// A server that offers everything.
pub fn server() -> Server {
    server_with(&Settings::with(&everything()))
}

/// The same with these settings.
pub fn server_with(settings: &Settings) -> Server {
    let directory = directory();
    directory.pipe("gate");
    Server::start_in(directory, settings)
}

/// The example that has a handler of each kind, built like the program beside which it will lie.
static HANDLERS: LazyLock<PathBuf> = LazyLock::new(|| {
    let beside = Path::new(env!("CARGO_BIN_EXE_erlmcp")).parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", "conformance_server", "--target-dir"]);
    cargo.arg(beside.parent().unwrap());
    if beside.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success());
    beside.join("examples/conformance_server")
});

/// A server whose tools are handlers of a program, with this at the end of its configuration.
pub fn handlers(rest: &str) -> Server {
    handlers_with(&Settings::with(&format!("[host]\nenabled = false\n{rest}")))
}

/// The same with these settings.
pub fn handlers_with(settings: &Settings) -> Server {
    let directory = Directory::new();
    let text = settings.text(&directory);
    handlers_in(directory, &text)
}

/// The same with this configuration, in which `@` is its directory.
pub fn handlers_of(text: &str) -> Server {
    let directory = Directory::new();
    let text = text.replace('@', &directory.path().display().to_string());
    handlers_in(directory, &text)
}

fn handlers_in(directory: Directory, text: &str) -> Server {
    let path = directory.write("erlmcp.toml", text);
    Server::spawn(directory, Command::new(&*HANDLERS).arg(path).env_clear())
}

/// The same over standard input and output.
pub fn handlers_over_stdio() -> StdioServer {
    let directory = Directory::new();
    let text = "[transports.stdio]\n[host]\nenabled = false\n";
    let path = directory.write("erlmcp.toml", text);
    let mut command = Command::new(&*HANDLERS);
    command.arg(path).arg("--stdio").env_clear();
    StdioServer::spawn(directory, command)
}

/// Holds the gated tool until it is released.
pub struct Gate(File);

impl Gate {
    /// The gate of this directory. While it lives, what is written into it is not lost.
    pub fn of(directory: &Directory) -> Self {
        Self(OpenOptions::new().read(true).write(true).open(directory.file("gate")).unwrap())
    }

    /// Lets one call go on.
    pub fn release(&mut self, word: &str) {
        writeln!(self.0, "{word}").unwrap();
    }
}

/// A certificate for localhost that vouches for itself, and its key, as PEM.
pub fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}
