//! A client that starts the server as its child and speaks to it by lines.

use crossbeam_channel::Receiver;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::DEADLINE;
use super::process::{Directory, Settings, has_ended, is_readable, lines_of, program, watch};
use super::recorder::{LineRecorder, Recorded};

/// A server on standard input and output.
pub struct StdioServer {
    pub directory: Directory,
    child: Child,
    input: Option<ChildStdin>,
    output: Option<Receiver<String>>,
    errors: Option<JoinHandle<String>>,
    recorder: LineRecorder,
}

impl StdioServer {
    /// Starts a server in this directory, whose output is read as it comes.
    pub fn start_in(directory: Directory, settings: &Settings) -> Self {
        let mut server = Self::start_unread_in(directory, settings);
        server.read();
        server
    }

    /// Starts a server whose output nobody reads.
    pub fn start_unread_in(directory: Directory, settings: &Settings) -> Self {
        let path = directory.write("erlmcp.toml", &settings.text(&directory));
        let command = program(&["serve", "--stdio", "--config", path.to_str().unwrap()]);
        Self::spawn_unread(directory, command)
    }

    /// Starts this command, whose output is read as it comes.
    pub fn spawn(directory: Directory, command: Command) -> Self {
        let mut server = Self::spawn_unread(directory, command);
        server.read();
        server
    }

    fn spawn_unread(directory: Directory, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let input = child.stdin.take();
        let recorder = LineRecorder::default();
        Self { directory, child, input, output: None, errors: Some(errors), recorder }
    }

    /// Begins to read.
    pub fn read(&mut self) {
        self.output = Some(lines_of(self.take_output()));
    }

    /// Watches the process.
    pub fn watch(&self) -> OwnedFd {
        watch(Pid::from_child(&self.child))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until something is in the pipe that nobody reads yet.
    pub fn wait_for_output(&self) {
        assert!(is_readable(self.child.stdout.as_ref().unwrap()), "it says nothing");
    }

    /// Sends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.recorder.sent(bytes);
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Sends a line as it is.
    pub fn line(&mut self, line: &[u8]) {
        self.bytes(&[line, b"\n"].concat());
    }

    pub fn send(&mut self, message: &Value) {
        self.line(message.to_string().as_bytes());
    }

    /// The next line, which must be a message.
    pub fn message(&self) -> Value {
        let message = self.value();
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        message
    }

    /// The next line, which must be an array of messages.
    pub fn messages(&self) -> Vec<Value> {
        self.value().as_array().unwrap().clone()
    }

    fn value(&self) -> Value {
        let line = self.output.as_ref().unwrap().recv_timeout(DEADLINE).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    /// Sends a request and reads the next message.
    pub fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.message()
    }

    /// Closes the input.
    pub fn close_input(&mut self) {
        self.recorder.finish();
        self.input = None;
    }

    /// The output, to be read or closed by the caller.
    pub fn take_output(&mut self) -> Recorded<ChildStdout> {
        self.recorder.heard(self.child.stdout.take().unwrap())
    }

    /// Closes the input and waits for the end: status, the messages that still came, and stderr.
    pub fn end(mut self) -> (ExitStatus, Vec<Value>, String) {
        self.close_input();
        let mut messages = Vec::new();
        while let Ok(line) = self.output.as_ref().unwrap().recv_timeout(DEADLINE) {
            messages.push(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}")));
        }
        assert!(has_ended(&self.watch()), "it did not end");
        let status = self.child.wait().unwrap();
        (status, messages, self.errors.take().unwrap().join().unwrap())
    }
}

impl Drop for StdioServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
