//! The control socket as operators and their programs use it: by the command, and by hand.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use super::DEADLINE;
use super::process::{Server, program, run};

impl Server {
    /// Where its control socket is.
    pub fn socket(&self) -> PathBuf {
        self.directory.file("state/admin.sock")
    }

    /// Runs `erlmcp admin` with these words.
    pub fn admin(&self, words: &[&str]) -> Output {
        let socket = self.socket();
        let before = ["admin", "--socket", socket.to_str().unwrap()];
        run(&mut program(&[&before[..], words].concat()))
    }

    /// The same, which must succeed; what it prints.
    pub fn administer(&self, words: &[&str]) -> String {
        let output = self.admin(words);
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        assert!(output.stderr.is_empty() && !text.is_empty(), "{words:?}: {output:?}");
        text
    }

    /// The same for a program: the result.
    pub fn admin_json(&self, words: &[&str]) -> Value {
        let text = self.administer(&[&["--json"], words].concat());
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["ok"], true, "{answer}");
        answer["result"].clone()
    }

    /// The same, which must fail; what it says on standard error.
    pub fn admin_fails(&self, words: &[&str]) -> String {
        let output = self.admin(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }

    /// The present value of a counter.
    pub fn counter(&self, name: &str) -> u64 {
        let status = self.admin_json(&["status"]);
        status["counters"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {status}"))
    }

    /// A connection to the control socket.
    pub fn control(&self) -> Control {
        Control::connect(&self.socket()).unwrap()
    }
}

/// A connection to a control socket that sends what it is told to.
pub struct Control(BufReader<UnixStream>);

impl Control {
    pub fn connect(socket: &std::path::Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends bytes; a server that has closed already is noticed when it is read.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// The next line; `None` at the end.
    pub fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a line and reads the answer.
    pub fn ask(&mut self, line: &str) -> Value {
        self.write(format!("{line}\n").as_bytes());
        self.line().unwrap_or_else(|| panic!("no answer to {line}"))
    }
}
