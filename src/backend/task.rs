//! A call as a task: where it stands, and what its handler can say of it.

use std::sync::Arc;

/// A task, as its handler sees it.
pub trait TaskStatus: std::fmt::Debug + Send + Sync {
    /// Its id.
    fn id(&self) -> &str;

    /// Tells whoever asks for the task's status how far it is.
    fn set_message(&self, message: &str);
}

/// Where a call stands on its way to become a task.
#[derive(Clone, Debug)]
pub enum TaskPhase {
    /// It is answered when it is done: its client or its tool wants it so.
    Never,
    /// It becomes a task if its handler says so.
    Possible,
    /// It is one.
    Running(Arc<dyn TaskStatus>),
}
