//! What the threads are told: how many, where they write; it must never say who may call.

use std::path::PathBuf;
use std::time::Duration;

/// The threads and the files of the process.
#[derive(Clone, Debug)]
pub struct RuntimeSettings {
    /// Where generated keys and the audit log are kept; default below `$XDG_STATE_HOME`, else
    /// below `$HOME/.local/state`, else `/var/lib/erlmcp`.
    pub state_directory: PathBuf,
    /// Threads that take steps of connections; 0, the default, is one less than there are cores.
    pub workers: usize,
    /// Threads that run blocking tools; default 16.
    pub handlers: usize,
    /// Time for running requests to end when the server stops; default 10 s.
    pub drain: Duration,
}

impl RuntimeSettings {
    /// The worker threads to start on a machine of so many cores, at least one.
    #[must_use]
    pub fn worker_threads(&self, cores: usize) -> usize {
        if self.workers == 0 { cores.saturating_sub(1).max(1) } else { self.workers }
    }
}

/// Requests to other servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundSettings {
    /// The certificates of authorities that other servers are verified by, in PEM; default those
    /// of the system. `None` where there are none.
    pub authorities: Option<PathBuf>,
}

/// The record of what was decided about whom.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditSettings {
    /// Whether records are written; default true where a network transport is.
    pub enabled: bool,
    /// The events that are recorded; default all of them.
    pub events: Vec<AuditEvent>,
    /// The file; default `audit.log` in the state directory.
    pub log_path: PathBuf,
    /// When a new file is begun; default never.
    pub rotation: Rotation,
    /// Days a rotated file is kept; default 90.
    pub retention_days: u32,
}

/// What can be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditEvent {
    /// A caller proved its identity.
    AuthenticationSuccess,
    /// A caller failed to prove its identity.
    AuthenticationFailure,
    /// A known caller asked for what it may not do.
    AuthorizationDenied,
    /// A request was refused because there were too many.
    RateLimitExceeded,
    /// A request was refused for its form.
    InvalidInput,
    /// A request was answered.
    Request,
    /// A secret was read from a store.
    SecretAccessed,
}

/// When a new audit file is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Never.
    None,
    /// At midnight UTC.
    Daily,
}

/// The control socket, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSettings {
    /// Whether there is one; default true where a network transport is.
    pub enabled: bool,
    /// Its path; default `admin.sock` in the state directory.
    pub socket: PathBuf,
    /// The group that may connect; default none, and then only the server's own user and root may.
    pub group: Option<u32>,
    /// Who may look; default nobody else.
    pub look: People,
    /// Who may act, and look; default nobody else.
    pub act: People,
}

/// Some users of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// Their numbers.
    pub users: Vec<u32>,
    /// The numbers of groups that their processes act for.
    pub groups: Vec<u32>,
}

impl People {
    fn has(&self, user: u32, group: u32) -> bool {
        self.users.contains(&user) || self.groups.contains(&group)
    }
}

/// What somebody may do at the control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See how things stand.
    Look,
    /// Change them, too.
    Act,
}

impl AdminSettings {
    /// What a process of this user and group may do, where `own` is the server's own user.
    #[must_use]
    pub fn right_of(&self, user: u32, group: u32, own: u32) -> Option<Right> {
        if user == 0 || user == own || self.act.has(user, group) {
            Some(Right::Act)
        } else {
            self.look.has(user, group).then_some(Right::Look)
        }
    }
}

/// The operator's log, written to standard error.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// The least severe message that is written; default info.
    pub level: LogLevel,
}

/// Severities of log messages, the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing is written.
    Off,
    /// Something failed.
    Error,
    /// Something may fail soon.
    Warn,
    /// Something an operator wants to know.
    Info,
    /// Steps of the program.
    Debug,
    /// Every step of the program.
    Trace,
}

#[cfg(test)]
mod tests {
    use super::{AdminSettings, People, Right, RuntimeSettings};

    #[test]
    fn one_core_is_left_to_the_reactor_but_one_worker_always_runs() {
        let mut runtime = RuntimeSettings {
            state_directory: "/".into(),
            workers: 0,
            handlers: 1,
            drain: std::time::Duration::ZERO,
        };
        assert_eq!(runtime.worker_threads(4), 3);
        assert_eq!(runtime.worker_threads(1), 1);
        runtime.workers = 7;
        assert_eq!(runtime.worker_threads(1), 7);
    }

    #[test]
    fn nobody_may_look_or_act_who_is_not_named() {
        let settings = AdminSettings {
            enabled: true,
            socket: "/".into(),
            group: None,
            look: People { users: vec![10], groups: vec![100] },
            act: People { users: vec![20], groups: vec![200] },
        };
        let right = |user, group| settings.right_of(user, group, 5);
        for (user, group, expected) in [
            (0, 9, Some(Right::Act)),
            (5, 9, Some(Right::Act)),
            (6, 9, None),
            (10, 9, Some(Right::Look)),
            (6, 100, Some(Right::Look)),
            (20, 9, Some(Right::Act)),
            (6, 200, Some(Right::Act)),
            (10, 200, Some(Right::Act)),
            (100, 10, None),
        ] {
            assert_eq!(right(user, group), expected, "{user} {group}");
        }
    }
}
