//! Tasks, as both shapes write them: the experimental ones of 2025-11-25, which clients ask for,
//! and the extension of 2026-07-28, in which the server decides. Data only.

use super::era::Version;
use crate::base::clock::rfc3339;
use crate::proto::object::Object;

/// Where a task stands. From the last three it never moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It runs.
    Working,
    /// It waits for answers of its client.
    InputRequired,
    /// It has a result, perhaps one that says that the tool failed.
    Completed,
    /// It ended with an error of the protocol.
    Failed,
    /// Its client wanted it no more.
    Cancelled,
}

impl TaskState {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// True if it will not change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// A task at one moment.
#[derive(Clone, Copy, Debug)]
pub struct TaskView<'t> {
    /// Its id.
    pub id: &'t str,
    /// Where it stands.
    pub state: TaskState,
    /// A sentence about that.
    pub message: Option<&'t str>,
    /// When it began, in microseconds since 1970.
    pub created: u64,
    /// When it changed last, in microseconds since 1970.
    pub updated: u64,
    /// How long after its beginning it is kept, in milliseconds.
    pub ttl_ms: u64,
    /// How often a client should ask, in milliseconds.
    pub poll_ms: u64,
}

impl TaskView<'_> {
    /// Appends the members of `Task`.
    pub fn write_members(&self, object: &mut Object<'_>, version: Version) {
        let (ttl, poll) = if version.has_task_handles() {
            ("ttlMs", "pollIntervalMs")
        } else {
            ("ttl", "pollInterval")
        };
        object
            .text("taskId", self.id)
            .text("status", self.state.name())
            .optional_text("statusMessage", self.message)
            .text("createdAt", &rfc3339(self.created))
            .text("lastUpdatedAt", &rfc3339(self.updated))
            .number(ttl, self.ttl_ms)
            .number(poll, self.poll_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn each_shape_has_its_own_names() {
        let view = TaskView {
            id: "t",
            state: TaskState::InputRequired,
            message: None,
            created: 0,
            updated: 1_000_000,
            ttl_ms: 5,
            poll_ms: 6,
        };
        let written = |version| -> Value {
            let mut out = Vec::new();
            let mut object = Object::open(&mut out);
            view.write_members(&mut object, version);
            object.close();
            serde_json::from_slice(&out).unwrap()
        };
        assert_eq!(
            written(Version::V2026_07_28),
            json!({"taskId": "t", "status": "input_required",
                "createdAt": "1970-01-01T00:00:00.000000Z",
                "lastUpdatedAt": "1970-01-01T00:00:01.000000Z", "ttlMs": 5, "pollIntervalMs": 6})
        );
        let requested = written(Version::V2025_11_25);
        assert_eq!((&requested["ttl"], &requested["pollInterval"]), (&json!(5), &json!(6)));
        assert_eq!(requested.get("ttlMs"), None);
    }
}
