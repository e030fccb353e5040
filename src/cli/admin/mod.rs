//! `erlmcp admin`: asks a running server through its control socket, and prints what it says.

mod print;

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value};

use super::arguments::admin::AdminCommand;
use super::{CONFIGURATION, complain, say};
use crate::cli::text::plain;
use crate::config::{self, Sources as _, SystemSources};
use crate::guard::authn::jwt::rotation::RotatedKey;

/// Longest answer, in bytes.
const ANSWER_BYTES: u64 = 16 * 1024 * 1024;
/// How long an answer may take: longer than any command does.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(command: &AdminCommand) -> ExitCode {
    let socket = match socket(command) {
        Ok(socket) => socket,
        Err(problems) => {
            complain(&format!("{problems}\nerlmcp: --socket PATH needs no configuration"));
            return ExitCode::from(CONFIGURATION);
        }
    };
    let asked = request(command).and_then(|request| ask(&socket, &request));
    match asked {
        Ok(answer) => tell(command, &answer),
        Err(problem) => {
            complain(&format!("erlmcp: {problem}"));
            ExitCode::FAILURE
        }
    }
}

/// Where the socket is: as it was said, or as the configuration says, or where a server without a
/// configuration has it.
fn socket(command: &AdminCommand) -> Result<PathBuf, config::Problems> {
    if let Some(socket) = &command.socket {
        return Ok(socket.clone());
    }
    let configuration = match &command.config {
        Some(path) => config::load(path, &SystemSources),
        None => config::embedded_default(&SystemSources),
    };
    configuration.map(|configuration| configuration.admin.socket)
}

/// The request, with the key that goes with it.
fn request(command: &AdminCommand) -> Result<Map<String, Value>, String> {
    let mut request = command.request.clone();
    if let Some(file) = &command.key_file {
        let read = SystemSources.read(file);
        let (pem, _) = read.map_err(|error| format!("the file {} {error}", file.display()))?;
        // A private one must not even go over the socket.
        RotatedKey::new("", "", &pem)
            .map_err(|error| format!("the file {} {error}", file.display()))?;
        request.insert("pem".into(), pem.into());
    }
    Ok(request)
}

fn ask(socket: &Path, request: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let shown = socket.display();
    let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("no server listens at {shown}; is it running, and is that its socket?")
        }
        _ => format!("{shown}: {error}"),
    })?;
    let line = exchange(stream, request).map_err(|error| format!("{shown}: {error}"))?;
    let answer = serde_json::from_str(&line).ok();
    answer.ok_or_else(|| format!("{shown}: what answers there is no erlmcp"))
}

fn exchange(mut stream: UnixStream, request: &Map<String, Value>) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    // Whoever is refused at once is told why before it is done with sending.
    let sent = stream.write_all(&line);
    let mut answer = String::new();
    let read = BufReader::new(stream.take(ANSWER_BYTES)).read_line(&mut answer);
    match (sent, read) {
        (_, Ok(1..)) => Ok(answer),
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(()), Ok(_)) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn tell(command: &AdminCommand, answer: &Map<String, Value>) -> ExitCode {
    let is_ok = answer.get("ok").and_then(Value::as_bool) == Some(true);
    if command.is_json {
        say(&format!("{}\n", Value::Object(answer.clone())));
    } else if is_ok {
        let name = command.request.get("command").and_then(Value::as_str).unwrap_or_default();
        let result = answer.get("result").unwrap_or(&Value::Null);
        say(&print::readable(name, result));
    } else {
        let why = answer.get("error").and_then(Value::as_str).unwrap_or("it does not say why");
        complain(&format!("erlmcp: {}", plain(why)));
    }
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
