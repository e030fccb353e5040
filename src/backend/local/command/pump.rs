//! Moves bytes between a running command and its caller; it must never wait without a bound.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::group::{Group, after};
use super::interrupt::Interrupt;
use super::stderr::{StderrLine, StderrReader};
use super::{CommandError, CommandLimits};

const CHUNK_BYTES: usize = 16 * 1024;

/// The three streams of a command.
pub(super) struct Pump<'a> {
    limits: &'a CommandLimits,
    interrupt: &'a Interrupt,
    deadline: Instant,
    input: Input,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    chunk: Vec<u8>,
    collected: Vec<u8>,
    reader: StderrReader,
}

/// Which streams can be served without waiting.
#[derive(Default, Clone, Copy)]
struct Ready {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl<'a> Pump<'a> {
    /// Takes the pipes of `child`; `input` is written to its stdin, if that is a pipe.
    pub(super) fn new(
        child: &mut Child,
        input: Vec<u8>,
        limits: &'a CommandLimits,
        interrupt: &'a Interrupt,
        reader: StderrReader,
    ) -> io::Result<Self> {
        let stdin = child.stdin.take();
        if let Some(pipe) = &stdin {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        Ok(Self {
            limits,
            interrupt,
            deadline: after(Instant::now(), limits.timeout),
            input: Input { stdin, bytes: input, written: 0 },
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            chunk: vec![0; CHUNK_BYTES],
            collected: Vec::new(),
            reader,
        })
    }

    /// Serves the streams until the leader of `group` has ended and both outputs are closed.
    ///
    /// Descendants may hold the outputs open after that; they get the grace time, no more.
    pub(super) fn run(
        &mut self,
        group: &Group,
        on_line: &mut dyn FnMut(StderrLine),
    ) -> Result<(), CommandError> {
        let mut last_call = None;
        loop {
            if self.interrupt.is_raised() {
                return Err(CommandError::Cancelled);
            }
            let now = Instant::now();
            if last_call.is_none() && group.has_ended() {
                self.input.stdin = None;
                last_call = Some(self.deadline.min(after(now, self.limits.kill_grace)));
            }
            if last_call.is_some() && self.stdout.is_none() && self.stderr.is_none() {
                break;
            }
            let until = last_call.unwrap_or(self.deadline);
            // Once the leader has ended, what is in the pipes is read even when time is over.
            let ready =
                self.wait(group, last_call.is_some(), until.saturating_duration_since(now))?;
            if ready.stdin {
                self.input.write();
            }
            if ready.stdout {
                self.read_stdout()?;
            }
            if ready.stderr {
                self.read_stderr(on_line);
            }
            if until <= now {
                if last_call.is_some() {
                    break;
                }
                return Err(CommandError::TimedOut);
            }
        }
        self.reader.finish(on_line);
        Ok(())
    }

    /// Closes the pipes and gives what came out of them.
    pub(super) fn into_parts(self) -> (Vec<u8>, StderrReader) {
        (self.collected, self.reader)
    }

    fn wait(&self, group: &Group, ended: bool, time: Duration) -> Result<Ready, CommandError> {
        let time = match group.longest_wait() {
            Some(longest) if !ended => time.min(longest),
            _ => time,
        };
        let mut descriptors = Vec::with_capacity(5);
        descriptors.push(PollFd::new(self.interrupt, PollFlags::IN));
        let mut watch = |descriptor, events| -> usize {
            descriptors.push(PollFd::from_borrowed_fd(descriptor, events));
            descriptors.len() - 1
        };
        let stdin = self.input.stdin.as_ref().map(|pipe| watch(pipe.as_fd(), PollFlags::OUT));
        let stdout = self.stdout.as_ref().map(|pipe| watch(pipe.as_fd(), PollFlags::IN));
        let stderr = self.stderr.as_ref().map(|pipe| watch(pipe.as_fd(), PollFlags::IN));
        if let Some(pidfd) = group.pidfd().filter(|_| !ended) {
            watch(pidfd, PollFlags::IN);
        }
        match poll(&mut descriptors, Timespec::try_from(time).ok().as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(CommandError::Io(error.into())),
        }
        let is_ready = |index: Option<usize>| {
            index
                .and_then(|index| descriptors.get(index))
                .is_some_and(|descriptor| !descriptor.revents().is_empty())
        };
        Ok(Ready { stdin: is_ready(stdin), stdout: is_ready(stdout), stderr: is_ready(stderr) })
    }

    fn read_stdout(&mut self) -> Result<(), CommandError> {
        let Some(bytes) = read_chunk(&mut self.stdout, &mut self.chunk) else { return Ok(()) };
        if bytes.len() > self.limits.output_bytes.saturating_sub(self.collected.len()) {
            return Err(CommandError::OutputTooLarge);
        }
        self.collected.extend_from_slice(bytes);
        Ok(())
    }

    fn read_stderr(&mut self, on_line: &mut dyn FnMut(StderrLine)) {
        if let Some(bytes) = read_chunk(&mut self.stderr, &mut self.chunk) {
            self.reader.feed(bytes, on_line);
        }
    }
}

/// Reads once from a pipe that is ready; closes it at its end.
fn read_chunk<'a, R: Read>(pipe: &mut Option<R>, chunk: &'a mut [u8]) -> Option<&'a [u8]> {
    match pipe.as_mut()?.read(chunk) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
        Ok(0) | Err(_) => {
            *pipe = None;
            None
        }
        Ok(count) => chunk.get(..count),
    }
}

/// What is still to be written to stdin.
struct Input {
    stdin: Option<ChildStdin>,
    bytes: Vec<u8>,
    written: usize,
}

impl Input {
    /// Writes what the pipe takes; closes it when all is written or the command stopped reading.
    fn write(&mut self) {
        let Some(pipe) = &mut self.stdin else { return };
        match pipe.write(self.bytes.get(self.written..).unwrap_or_default()) {
            Ok(count) => self.written += count,
            Err(error) if is_transient(&error) => return,
            Err(_) => self.written = self.bytes.len(),
        }
        if self.written >= self.bytes.len() {
            self.stdin = None;
            self.bytes = Vec::new();
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
