//! What the protocol core is told: the server's name and the bounds of sessions and calls.

use std::time::Duration;

use crate::base::wildcard::Wildcard;

/// How the server presents itself.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The name sent to clients; default `erlmcp`.
    pub name: String,
    /// A name for people; default none.
    pub title: Option<String>,
    /// The version sent to clients; default that of this program.
    pub version: String,
    /// What a client's model is told about the server; default nothing.
    pub instructions: Option<String>,
    /// Items in one page of a list; default 100.
    pub page_size: usize,
}

/// The bounds of sessions of clients that use them.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Sessions open at once; default 10 000.
    pub max_sessions: usize,
    /// Sessions of one user open at once; default 1000.
    pub max_sessions_per_user: usize,
    /// Time without a request after which a session ends; default 30 minutes.
    pub idle: Duration,
    /// Time after which a session ends in any case; default 24 hours.
    pub lifetime: Duration,
    /// Bytes of sent events kept per stream for a client that comes back; default 256 KiB.
    pub replay_bytes: usize,
    /// Subscriptions of one user; default 100.
    pub subscriptions_per_user: usize,
}

/// The bounds of calls that wait for their answer.
#[derive(Clone, Debug)]
pub struct CallSettings {
    /// Calls waiting at once; default 1024.
    pub max_calls: usize,
    /// Calls of one user waiting at once; default 64.
    pub max_calls_per_user: usize,
    /// Calls of tools waiting at once, for all that a pattern means together; default no bound.
    pub max_calls_per_tool: Vec<(Wildcard, usize)>,
    /// Time after which a call is given up; default 5 minutes.
    pub timeout: Duration,
    /// Time that a client has to answer what a call asks; default 10 minutes.
    pub input_timeout: Duration,
}

/// The bounds of calls that have become tasks.
#[derive(Clone, Debug)]
pub struct TaskSettings {
    /// Tasks kept at once, running and finished; default 1000.
    pub max_tasks: usize,
    /// Tasks of one user kept at once; default 100.
    pub max_tasks_per_user: usize,
    /// Bytes of results kept at once; default 64 MiB.
    pub result_bytes: usize,
    /// Bytes of results of one user kept at once; default 16 MiB.
    pub result_bytes_per_user: usize,
    /// Time that a task is kept from its beginning; default 1 hour.
    pub ttl: Duration,
    /// Time between two questions of a client for a task; default 1 second.
    pub poll: Duration,
}
