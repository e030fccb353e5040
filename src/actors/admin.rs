//! The admin thread: it owns the control socket and those who have connected to it. It knows who
//! they are from the kernel, takes lines within bounds of number, length and time, and has each
//! answered by the [`Desk`]. Requests of clients never wait for it.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;

use super::admin_socket::AdminSocket;
use super::settings::Right;
use crate::base::clock::Now;

/// Who may be connected at once; others wait in the kernel.
const MOST_CLIENTS: usize = 16;
/// Longest line, in bytes: a public key fits.
const LINE_BYTES: usize = 64 * 1024;
/// Time for a line to arrive, and for its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lines of one connection.
const MOST_LINES: u32 = 100;
/// How long accepting rests when it fails.
const PAUSE: Duration = Duration::from_millis(200);

/// The process at the other end, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminPeer {
    /// The number of its user.
    pub user: u32,
    /// The number of its group.
    pub group: u32,
}

/// Who answers.
pub trait Desk: Send + 'static {
    /// What a peer may do.
    fn right_of(&self, peer: AdminPeer) -> Option<Right>;
    /// Answers a line with one.
    fn answer(&mut self, line: &[u8], peer: AdminPeer, right: Right) -> Vec<u8>;
    /// Records that a peer was refused without a line that could be read, and why; what it is told.
    fn refuse(&mut self, peer: AdminPeer, why: &str) -> Vec<u8>;
}

/// The running thread; it ends when this is dropped or told to.
#[derive(Debug)]
pub struct Admin {
    is_open: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread or no descriptor left.
    pub fn start(socket: AdminSocket, desk: impl Desk) -> io::Result<Self> {
        let (is_open, ending) = UnixStream::pair()?;
        let mut office = Office { socket, ending, clients: Vec::new(), desk };
        let thread = Builder::new().name("admin".into()).spawn(move || office.run())?;
        Ok(Self { is_open: Some(is_open), thread: Some(thread) })
    }

    /// Lets the thread end after what it does, and the socket go; waits for neither.
    pub fn close(&mut self) {
        self.is_open = None;
    }

    /// The same, and waits.
    pub fn end(mut self) {
        self.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the admin thread panicked");
        }
    }
}

/// What the thread has.
struct Office<D> {
    socket: AdminSocket,
    ending: UnixStream,
    clients: Vec<Client>,
    desk: D,
}

/// Somebody who has connected.
struct Client {
    stream: UnixStream,
    peer: AdminPeer,
    right: Option<Right>,
    input: Vec<u8>,
    output: Vec<u8>,
    lines: u32,
    deadline: Now,
    /// Nothing follows what waits to be sent.
    closes: bool,
}

impl<D: Desk> Office<D> {
    fn run(&mut self) {
        let mut rests_until = Now::from_micros(0);
        while self.wait(rests_until) {
            if rests_until <= Now::read()
                && let Err(error) = self.accept()
            {
                log::warn!("nobody can be let in at the control socket: {error}");
                rests_until = Now::read().plus(PAUSE);
            }
            let desk = &mut self.desk;
            self.clients.retain_mut(|client| client.step(desk));
        }
    }

    /// Waits until there is something to do; false if the server ends.
    fn wait(&self, rests_until: Now) -> bool {
        let now = Now::read();
        let accepts = self.clients.len() < MOST_CLIENTS && rests_until <= now;
        let mut fds = vec![PollFd::new(&self.ending, PollFlags::IN)];
        for client in &self.clients {
            let is_sending = !client.output.is_empty();
            let flags = if is_sending { PollFlags::OUT } else { PollFlags::IN };
            fds.push(PollFd::new(&client.stream, flags));
        }
        if accepts {
            fds.push(PollFd::new(self.socket.listener(), PollFlags::IN));
        }
        let rest = Some(rests_until).filter(|_| rests_until > now);
        let next = self.clients.iter().map(|client| client.deadline).chain(rest).min();
        // A little later rather than a little too early, and then once more.
        let timeout = next.map(|at| at.since(now) + Duration::from_millis(1));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                log::error!("the control socket cannot be waited for: {error}");
                return false;
            }
        }
        fds.first().is_some_and(|ending| ending.revents().is_empty())
    }

    fn accept(&mut self) -> io::Result<()> {
        while self.clients.len() < MOST_CLIENTS {
            let stream = match self.socket.listener().accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            let credentials = socket_peercred(&stream)?;
            let peer =
                AdminPeer { user: credentials.uid.as_raw(), group: credentials.gid.as_raw() };
            let right = self.desk.right_of(peer);
            self.clients.push(Client {
                stream,
                peer,
                right,
                input: Vec::new(),
                output: Vec::new(),
                lines: 0,
                deadline: Now::read().plus(PATIENCE),
                closes: false,
            });
        }
        Ok(())
    }
}

impl Client {
    /// Does what can be done now; false if it is over.
    fn step(&mut self, desk: &mut impl Desk) -> bool {
        let Some(right) = self.right else {
            // It is told once, and recorded once, whatever it has to say.
            if !self.closes {
                self.refuse(desk, "you may neither look nor act here");
            }
            return self.send().is_ok_and(|is_sent| !is_sent) && !self.is_late();
        };
        loop {
            match self.send() {
                Err(_) => return false,
                Ok(false) => return !self.is_late(),
                Ok(true) if self.closes => return false,
                Ok(true) => {}
            }
            if let Some(line) = self.line() {
                self.answer(desk, &line, right);
                continue;
            }
            if self.input.len() > LINE_BYTES {
                self.refuse(desk, "the line is too long");
                continue;
            }
            match self.read() {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.is_late() {
                        return true;
                    }
                    self.refuse(desk, "the line took too long");
                }
                Err(_) => return false,
            }
        }
    }

    fn is_late(&self) -> bool {
        self.deadline <= Now::read()
    }

    /// Takes a whole line out of what has come.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.input.iter().take(LINE_BYTES).position(|byte| *byte == b'\n')?;
        let rest = self.input.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.input, rest);
        line.pop();
        Some(line)
    }

    fn answer(&mut self, desk: &mut impl Desk, line: &[u8], right: Right) {
        let peer = self.peer;
        let answer = catch_unwind(AssertUnwindSafe(|| desk.answer(line, peer, right)));
        self.output = answer.unwrap_or_else(|_| {
            log::error!("a command at the control socket panicked");
            br#"{"ok":false,"error":"it failed inside; see the log of the server"}"#.to_vec()
        });
        self.lines += 1;
        self.closes = self.lines >= MOST_LINES;
        self.finish_answer();
    }

    fn refuse(&mut self, desk: &mut impl Desk, why: &str) {
        self.output = desk.refuse(self.peer, why);
        self.closes = true;
        self.finish_answer();
    }

    fn finish_answer(&mut self) {
        self.output.push(b'\n');
        self.deadline = Now::read().plus(PATIENCE);
    }

    /// Sends what the peer takes; true if nothing is left.
    fn send(&mut self) -> io::Result<bool> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.output.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads once; false at the end.
    fn read(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 4 * 1024];
        loop {
            match self.stream.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    let count = read?;
                    self.input.extend_from_slice(bytes.get(..count).unwrap_or_default());
                    return Ok(count > 0);
                }
            }
        }
    }
}
