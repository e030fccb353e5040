//! A command's process group; it must never outlive the call, and never leave a zombie behind.
//!
//! The group is signalled only while its leader is not yet waited for: until then the kernel
//! cannot give the leader's number, and so the group's, to a stranger.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, pidfd_open,
    waitid, waitpid,
};

/// The longest pause between two looks at processes that cannot be polled.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long the kernel may take to remove processes after SIGKILL.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// A child that leads a process group of its own, and all that it started and that stayed in it.
pub(super) struct Group {
    child: Child,
    leader: Pid,
    pidfd: Option<OwnedFd>,
    grace: Duration,
    status: Option<ExitStatus>,
}

impl Group {
    /// Takes a child that was spawned as the leader of a new process group. `grace` is the time
    /// between SIGTERM and SIGKILL.
    pub(super) fn new(child: Child, grace: Duration) -> Self {
        let leader = Pid::from_child(&child);
        // Absent before Linux 5.3 and under some filters; then the leader is looked at in turns.
        let pidfd = pidfd_open(leader, PidfdFlags::empty()).ok();
        Self { child, leader, pidfd, grace, status: None }
    }

    /// A descriptor that becomes readable when the leader ends, where the kernel has them.
    pub(super) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// The longest wait after which [`Self::has_ended`] must be asked again.
    pub(super) fn longest_wait(&self) -> Option<Duration> {
        self.pidfd.is_none().then_some(LOOK_AGAIN)
    }

    /// Whether the leader has ended. It stays waitable, so its number stays taken.
    pub(super) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.leader), options), Ok(None))
    }

    /// Ends what is left of the group, waits for it, and says how the leader ended.
    ///
    /// `None` when the kernel did not let go of the leader in time after SIGKILL.
    pub(super) fn finish(mut self) -> Option<ExitStatus> {
        self.end();
        self.status
    }

    fn end(&mut self) {
        if self.status.is_some() {
            return;
        }
        let deadline = after(Instant::now(), self.grace);
        if !self.has_ended() {
            self.terminate();
            self.wait_for_leader(deadline);
        }
        // Also for what the leader started in answer to the first signal.
        if !self.is_gone() {
            self.terminate();
            self.wait_until_gone(deadline);
        }
        // Without regard to what was found: a process that was started during the look is hit
        // too, and an empty group costs nothing.
        self.signal(Signal::KILL);
        let deadline = after(Instant::now(), KILL_PATIENCE);
        self.wait_for_leader(deadline);
        self.wait_until_gone(deadline);
        if self.has_ended() {
            self.status = self.child.wait().ok();
        } else {
            log::error!("a killed command did not end; the kernel still holds it");
        }
    }

    fn signal(&self, signal: Signal) {
        // Fails only when nobody is there who may be signalled.
        let _ = kill_process_group(self.leader, signal);
    }

    fn terminate(&self) {
        self.signal(Signal::TERM);
        // A stopped process takes SIGTERM only when it goes on.
        self.signal(Signal::CONT);
    }

    fn wait_for_leader(&self, deadline: Instant) {
        while !self.has_ended() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            match self.pidfd() {
                Some(pidfd) => {
                    wait_for(&mut [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)], left);
                }
                None => wait_for(&mut [], left.min(LOOK_AGAIN)),
            }
        }
    }

    fn wait_until_gone(&self, deadline: Instant) {
        let mut pause = Duration::from_millis(1);
        while !self.is_gone() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            wait_for(&mut [], pause.min(left));
            pause = (pause * 2).min(LOOK_AGAIN);
        }
    }

    /// Whether the leader has ended and no other process of the group is alive.
    ///
    /// Without /proc nobody knows: then nothing is waited for, and SIGKILL must do.
    ///
    /// Orphans of the group that ended are waited for on the way where they are this process's
    /// children: it is their parent if it is the first process of a container.
    fn is_gone(&self) -> bool {
        self.has_ended() && self.count_members().unwrap_or(0) == 0
    }

    /// The living members beside the leader; `None` where /proc cannot be read.
    fn count_members(&self) -> Option<usize> {
        let own = rustix::process::getpid();
        let mut living = 0;
        for entry in std::fs::read_dir("/proc").ok()?.flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(pid) = number.and_then(Pid::from_raw) else { continue };
            let Ok(line) = std::fs::read(entry.path().join("stat")) else { continue };
            let Some(stat) = Stat::parse(&line) else { continue };
            if pid == self.leader || stat.group != self.leader.as_raw_pid() {
                continue;
            }
            if !stat.ended {
                living += 1;
            } else if stat.parent == own.as_raw_pid() {
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        Some(living)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// The moment `time` after `now`; a time beyond what the clock can hold ends at once.
pub(super) fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or(now)
}

/// Polls until an event or until the time is over; a signal ends it early.
fn wait_for(descriptors: &mut [PollFd<'_>], time: Duration) {
    let _ = poll(descriptors, Timespec::try_from(time).ok().as_ref());
}

/// What one line of `/proc/PID/stat` says; proc_pid_stat(5).
struct Stat {
    ended: bool,
    parent: i32,
    group: i32,
}

impl Stat {
    fn parse(line: &[u8]) -> Option<Self> {
        // The name of the program stands in parentheses and may contain anything, also these.
        let after_name = line.rsplit(|&byte| byte == b')').next()?;
        let mut fields = std::str::from_utf8(after_name).ok()?.split_ascii_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X" | "x");
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Self { ended, parent, group })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_cannot_hide_behind_its_name() {
        let stat = Stat::parse(b"7 (a) Z 1 2 (b) S 3 44 55 0\n").unwrap();
        assert!(!stat.ended);
        assert_eq!((stat.parent, stat.group), (3, 44));
        assert!(Stat::parse(b"7 (x) Z 1 7").unwrap().ended);
        assert!(Stat::parse(b"7 (\xff\xfe) S 1 7").is_some());
        assert!(Stat::parse(b"").is_none());
    }
}
