//! A process under test: its directory, its configuration, its lines on standard error, its end.

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;

use super::http::{Connection, Request, Response};
pub use super::session::Session;
use super::{ADMIN, DEADLINE, GUEST, USER, secrets, tls};

/// A directory that goes when the test does.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("erlmcp-blackbox-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // A former process of the same number may have been killed before it could clean up.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that only its owner may read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// A named pipe: what reads it waits until somebody writes.
    pub fn pipe(&self, name: &str) -> PathBuf {
        let path = self.file(name);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program with an empty environment.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_erlmcp"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// Runs the program to its end, which must come.
pub fn run(command: &mut Command) -> Output {
    run_with(command, "")
}

/// The same with this on its standard input.
pub fn with_input(mut command: Command, input: &str) -> Output {
    run_with(command.stdin(Stdio::piped()), input)
}

fn run_with(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = Pid::from_child(&child);
    let process = watch(id);
    if let Some(mut stdin) = child.stdin.take() {
        // It may end before it has read all of it.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = thread::spawn(move || child.wait_with_output().unwrap());
    if !has_ended(&process) {
        kill_process(id, Signal::KILL).unwrap();
        panic!("it did not end: {:?}", output.join().unwrap());
    }
    output.join().unwrap()
}

/// The parts of the test configuration; a test changes what it is about.
pub struct Settings {
    pub server: String,
    pub listen: String,
    pub http: String,
    /// More API keys.
    pub keys: String,
    pub rate_limiting: String,
    pub roles: String,
    pub rest: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: String::new(),
            listen: "127.0.0.1:0".into(),
            http: "tls = false".into(),
            keys: String::new(),
            rate_limiting: "enabled = false".into(),
            roles: "user_roles = { root = [\"admin\"], user_123 = [\"user\"] }".into(),
            rest: String::new(),
        }
    }
}

impl Settings {
    /// With these tables at the end.
    pub fn with(rest: &str) -> Self {
        Self { rest: rest.into(), ..Self::default() }
    }

    /// The same over TLS, with a certificate that is made at the start.
    pub fn over_tls(mut self) -> Self {
        self.http = "tls = true".into();
        self
    }

    /// The same with this bucket and lockout.
    pub fn limited(mut self, rate_limiting: &str) -> Self {
        self.rate_limiting = rate_limiting.into();
        self
    }

    /// The configuration for a server in `directory`.
    pub fn text(&self, directory: &Directory) -> String {
        let Self { server, listen, http, keys, rate_limiting, roles, rest } = self;
        let directory = directory.path().display();
        let rest = rest.replace("@", &directory.to_string());
        format!(
            r#"
[server]
state_directory = "{directory}/state"
{server}
[transports.http]
listen = "{listen}"
{http}
[authentication]
api_keys = [
    {{ key = "{ADMIN}", user = "root" }},
    {{ key = "{USER}", user = "user_123" }},
    {{ key = "{GUEST}", user = "visitor" }},
    {keys}
]
[authorization]
{roles}
[rate_limiting]
{rate_limiting}
{rest}
"#
        )
    }
}

/// The lines that somebody writes, as they come.
pub fn lines_of(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = unbounded();
    thread::spawn(move || {
        for line in BufReader::new(source).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A running server.
pub struct Server {
    pub directory: Directory,
    child: Child,
    lines: Receiver<String>,
    output: Receiver<String>,
    seen: Vec<String>,
    address: SocketAddr,
    /// Where it takes lines, if it does.
    tcp: Option<SocketAddr>,
    /// The certificate authority, if it serves TLS.
    authority: Option<PathBuf>,
}

impl Server {
    /// Starts a server and waits until it listens.
    pub fn start(settings: &Settings) -> Self {
        Self::start_in(Directory::new(), settings)
    }

    /// The same in a directory that holds something already.
    pub fn start_in(directory: Directory, settings: &Settings) -> Self {
        let path = directory.write("erlmcp.toml", &settings.text(&directory));
        let path = path.to_str().unwrap();
        Self::spawn(directory, &mut program(&["serve", "--config", path]))
    }

    /// Starts this command, which serves HTTP.
    pub fn spawn(directory: Directory, command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(child.stderr.take().unwrap());
        let output = lines_of(child.stdout.take().unwrap());
        let address = "127.0.0.1:0".parse().unwrap();
        let seen = Vec::new();
        let (tcp, authority) = (None, None);
        let mut server = Self { directory, child, lines, output, seen, address, tcp, authority };
        let line = server.wait_for("listening on http");
        let (_, url) = line.split_once("://").unwrap();
        server.address = url.split('/').next().unwrap().parse().unwrap();
        if line.contains("https://") {
            server.authority = Some(server.directory.file("state/ca.pem"));
        }
        server
    }

    /// Uses this certificate authority instead of the one that the server made.
    pub fn trusting(mut self, authority: PathBuf) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Waits for a line on standard error that contains `text`.
    pub fn wait_for(&mut self, text: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let is_it = line.contains(text);
                    self.seen.push(line.clone());
                    if is_it {
                        return line;
                    }
                }
                Err(error) => panic!("no `{text}` ({error}) in:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// True if it has said a line with this text on standard error before now.
    pub fn has_said(&self, text: &str) -> bool {
        self.seen.iter().any(|line| line.contains(text))
    }

    /// What it says on standard output up to a line that ends with this.
    pub fn output_through(&self, end: &str) -> String {
        let mut text = String::new();
        loop {
            let line = self.output.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("{text}"));
            text.push_str(&line);
            text.push('\n');
            if line.ends_with(end) {
                return text;
            }
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn authority(&self) -> &Path {
        self.authority.as_deref().unwrap()
    }

    /// A new connection, with TLS if the server has it.
    pub fn connect(&self) -> Connection {
        match &self.authority {
            None => Connection::plain(self.address),
            Some(authority) => {
                Connection::tls(self.address, tls::client(&fs::read(authority).unwrap()))
            }
        }
    }

    /// Where it takes lines, which it tells behind where it speaks HTTP.
    pub fn tcp_address(&mut self) -> SocketAddr {
        if let Some(address) = self.tcp {
            return address;
        }
        let line = self.wait_for("listening on t");
        let address = line.split_once("://").unwrap().1.parse().unwrap();
        self.tcp = Some(address);
        address
    }

    /// Sends one request over a connection of its own and reads the whole answer.
    pub fn send(&self, request: &Request) -> Response {
        self.connect().exchange(request)
    }

    /// Sends a message in the modern form and reads the answer.
    pub fn modern(&self, message: &Value) -> Response {
        self.send(&Request::modern(message))
    }

    /// A session of this revision.
    pub fn session(&self, version: &str) -> Session<'_> {
        Session::open(self, version, ADMIN)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// Replaces the configuration and waits until it is in force.
    pub fn reload(&mut self, settings: &Settings) {
        self.reload_text(&settings.text(&self.directory));
    }

    /// The same with this text.
    pub fn reload_text(&mut self, text: &str) {
        self.directory.write("erlmcp.toml", text);
        self.signal(Signal::HUP);
        self.wait_for("is in force");
    }

    /// Asks again and again until the audit log has this many records with `text`; they.
    pub fn audited(&self, text: &str, count: usize) -> Vec<Value> {
        let until = Instant::now() + DEADLINE;
        loop {
            let log = self.directory.read("state/audit.log");
            // The last line may be in the making.
            let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let found: Vec<_> = whole.lines().filter(|line| line.contains(text)).collect();
            if found.len() >= count {
                return found.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            assert!(Instant::now() < until, "no record of {text} in {log}");
            // Where limits are tight, to ask so often is too much.
            let status = self.send(&Request::bare("GET")).status;
            assert!(matches!(status, 405 | 429), "{status}");
        }
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        assert!(has_ended(&watch(self.id())), "it did not end: {}", self.seen.join("\n"));
        self.child.wait().unwrap()
    }

    /// The directory of a server that has ended in whatever way.
    pub fn into_directory(mut self) -> Directory {
        std::mem::replace(&mut self.directory, Directory::new())
    }

    /// Ends the server as an operator does. The lines that it wrote, and its directory.
    pub fn stop(mut self) -> Stopped {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "{status}");
        let mut stderr = std::mem::take(&mut self.seen);
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => stderr.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("standard error stays open"),
            }
        }
        self.seen.clone_from(&stderr);
        assert_eq!(self.leaks(), [""; 0]);
        let directory = std::mem::replace(&mut self.directory, Directory::new());
        Stopped { directory, stderr }
    }

    /// The secrets of this test that it has written somewhere.
    fn leaks(&mut self) -> Vec<String> {
        self.seen.extend(self.lines.try_iter());
        let mut leaks = secrets::found_in("the log", &self.seen.join("\n"));
        leaks.extend(secrets::found_below(&self.directory.file("state")));
        leaks
    }

    /// The process ids and states of its children.
    pub fn children(&self) -> Vec<(i32, char)> {
        let parent = self.id().as_raw_nonzero().get();
        let mut children = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            let Some((_, after)) = stat.rsplit_once(") ") else { continue };
            let mut fields = after.split(' ');
            let state = fields.next().and_then(|state| state.chars().next()).unwrap();
            if fields.next() == Some(&parent.to_string()) {
                children.push((id, state));
            }
        }
        children
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A test that has failed already tells of that.
        if !thread::panicking() {
            assert_eq!(self.leaks(), [""; 0]);
        }
    }
}

/// What is left of a server that ended well.
pub struct Stopped {
    pub directory: Directory,
    pub stderr: Vec<String>,
}

impl Stopped {
    /// The records of its audit log.
    pub fn audit(&self) -> Vec<Value> {
        let text = self.directory.read("state/audit.log");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Watches a process, which must be there still.
pub fn watch(id: Pid) -> OwnedFd {
    pidfd_open(id, PidfdFlags::empty()).unwrap()
}

/// Watches the process whose number is the last word of this.
pub fn watch_last(text: &str) -> OwnedFd {
    let number = text.split_whitespace().last().unwrap();
    watch(Pid::from_raw(number.parse().unwrap()).unwrap())
}

/// Waits for the end of a watched process; false if it does not end.
pub fn has_ended(process: &OwnedFd) -> bool {
    is_readable(process)
}

/// Waits until there is something to read; false if nothing comes.
pub fn is_readable(source: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&source, PollFlags::IN)];
    let timeout = Timespec::try_from(DEADLINE).unwrap();
    poll(&mut fds, Some(&timeout)).unwrap() == 1
}
