//! One task: a call whose client does not wait but asks how it stands, answers what it asks, and
//! fetches what it came to.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::outcome::Outcome;
use super::pending::Pending;
use super::task_questions::Questions;
use crate::backend::task::TaskStatus;
use crate::base::cancel::{Cancellation, Cause};
use crate::base::clock::{Now, unix_micros};
use crate::base::principal::Principal;
use crate::mcp::era::Version;
use crate::mcp::errors::RpcError;
use crate::mcp::input::InputRequest;
use crate::mcp::legacy::session::{Asker, Session};
use crate::mcp::meta::RELATED_TASK;
use crate::mcp::tasks::{TaskState, TaskView};
use crate::pipeline::services::{Expire, Services};

/// Longest status message, in characters.
const MESSAGE_CHARACTERS: usize = 512;

/// What a task is about.
#[derive(Debug)]
pub struct Subject {
    /// Whose it is.
    pub principal: Arc<Principal>,
    /// The tool that was called.
    pub tool: String,
    /// The revision of the call.
    pub version: Version,
    /// The session of the call (2025-11-25).
    pub session: Option<Arc<Session>>,
    /// What ends it early.
    pub cancellation: Arc<Cancellation>,
    /// How long it is kept.
    pub ttl: Duration,
}

/// One task.
#[derive(Debug)]
pub struct Task {
    id: String,
    subject: Subject,
    created: u64,
    poll: Duration,
    services: Weak<Services>,
    pub(super) state: Mutex<State>,
    /// Held while questions are sent, so that none is sent twice.
    pub(super) sending: Mutex<()>,
}

#[derive(Debug)]
pub(super) struct State {
    state: TaskState,
    message: Option<String>,
    updated: u64,
    /// Shared: it may be large, and whoever asks how the task stands looks at it.
    outcome: Option<Arc<Outcome>>,
    /// Bytes of it that count in the table.
    counted: usize,
    pub(super) questions: Questions,
    /// Who waits for the result (2025-11-25).
    pub(super) waiters: Vec<Arc<Pending>>,
}

/// What a client is told of a task.
#[derive(Debug)]
pub struct Status {
    /// Where it stands.
    pub state: TaskState,
    message: Option<String>,
    updated: u64,
    /// What it came to.
    pub outcome: Option<Arc<Outcome>>,
    /// What the client is to answer, by the client's keys.
    pub asked: Vec<(String, InputRequest)>,
}

impl Task {
    /// A task that has just begun.
    pub(super) fn new(
        id: String,
        subject: Subject,
        poll: Duration,
        services: &Arc<Services>,
    ) -> Self {
        let created = unix_micros();
        let state = State {
            state: TaskState::Working,
            message: None,
            updated: created,
            outcome: None,
            counted: 0,
            questions: Questions::default(),
            waiters: Vec::new(),
        };
        let services = Arc::downgrade(services);
        Self {
            id,
            subject,
            created,
            poll,
            services,
            state: Mutex::new(state),
            sending: Mutex::default(),
        }
    }

    /// Its id.
    pub(in crate::pipeline) fn id_text(&self) -> &str {
        &self.id
    }

    /// When it began, in microseconds since 1970.
    pub(super) fn created(&self) -> u64 {
        self.created
    }

    /// Bytes of its result that count in the table.
    pub(super) fn counted(&self) -> usize {
        self.state.lock().counted
    }

    /// It waits for answers of its client.
    pub(super) fn is_resting(&self) -> bool {
        self.state.lock().questions.is_open()
    }

    /// The tool that was called.
    pub fn tool(&self) -> &str {
        &self.subject.tool
    }

    /// What it is about.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Forgets the task when its time is over.
    pub fn expire_at(self: &Arc<Self>, at: Now, services: &Services) {
        let target: Weak<Self> = Arc::downgrade(self);
        services.timer.arm(at, target as Weak<dyn Expire>);
    }

    pub(super) fn is_final(&self) -> bool {
        self.state.lock().state.is_final()
    }

    /// Where it stands now.
    pub fn status(&self) -> Status {
        let state = self.state.lock();
        Status {
            state: state.state,
            message: state.message.clone(),
            updated: state.updated,
            outcome: state.outcome.clone(),
            asked: state.questions.shown(),
        }
    }

    /// `status` in the words of the wire.
    pub fn view<'t>(&'t self, status: &'t Status) -> TaskView<'t> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        TaskView {
            id: &self.id,
            state: status.state,
            message: status.message.as_deref(),
            created: self.created,
            updated: status.updated,
            ttl_ms: milliseconds(self.subject.ttl),
            poll_ms: milliseconds(self.poll),
        }
    }

    /// Asks the client: through the task, and on the stream of whoever waits for its result.
    pub fn ask(self: &Arc<Self>, asker: Arc<dyn Asker>, requests: Vec<(String, InputRequest)>) {
        let Some(services) = self.services.upgrade() else { return };
        {
            let mut state = self.state.lock();
            if state.state.is_final() {
                return;
            }
            state.questions.begin(asker, requests);
            state.enter(TaskState::InputRequired);
        }
        self.tell();
        self.send_questions();
        // Looked at after the questions are there: one of the two sees the other.
        if services.tasks.is_closing() {
            self.cancel();
        }
    }

    /// The `_meta` of messages about it (2025-11-25).
    pub fn related(&self) -> Map<String, Value> {
        let mut meta = Map::new();
        meta.insert(RELATED_TASK.into(), json!({ "taskId": self.id }));
        meta
    }

    /// Takes the client's answers (2026-07-28); those to nothing that is asked are ignored.
    pub fn update(&self, responses: Map<String, Value>) {
        for (shown, response) in responses {
            self.take_answer(&shown, Ok(response));
        }
    }

    /// Ends the task with what its handler came to.
    pub fn finish(&self, mut outcome: Outcome) {
        let Some(services) = self.services.upgrade() else { return };
        let mut size = outcome.size();
        let principal = &self.subject.principal.key;
        if !services.tasks.make_room(size, principal, &services.snapshot.load().tasks) {
            size = 0;
            outcome = Outcome::Error(RpcError::internal("The result is too large to be kept"));
        }
        let state = match &outcome {
            Outcome::Result(_) | Outcome::ToolError(_) => TaskState::Completed,
            Outcome::Error(_) => TaskState::Failed,
        };
        if !self.end(state, outcome, size) {
            services.tasks.give_back(size, principal);
        }
    }

    /// Ends the task for its client; what runs is asked to stop. False if it has ended already.
    pub fn cancel(&self) -> bool {
        let outcome = Outcome::Error(RpcError::internal("The task was cancelled"));
        let is_first = self.end(TaskState::Cancelled, outcome, 0);
        if is_first {
            self.subject.cancellation.cancel(Cause::Client);
        }
        is_first
    }

    fn end(&self, to: TaskState, outcome: Outcome, counted: usize) -> bool {
        let outcome = Arc::new(outcome);
        let (waiters, sent) = {
            let mut state = self.state.lock();
            if state.state.is_final() {
                return false;
            }
            state.enter(to);
            state.outcome = Some(Arc::clone(&outcome));
            state.counted = counted;
            (std::mem::take(&mut state.waiters), state.questions.end())
        };
        for sent in sent {
            sent.take_back();
        }
        for waiter in waiters {
            waiter.complete(Outcome::clone(&outcome));
        }
        self.tell();
        true
    }

    /// Answers `waiter` with what the task comes to, now or later (2025-11-25).
    pub fn wait(self: &Arc<Self>, waiter: Arc<Pending>) {
        let outcome = {
            let mut state = self.state.lock();
            state.waiters.retain(|other| !other.is_over());
            if state.outcome.is_none() {
                state.waiters.push(Arc::clone(&waiter));
            }
            state.outcome.clone()
        };
        match outcome {
            Some(outcome) => {
                waiter.complete(Outcome::clone(&outcome));
            }
            None => self.send_questions(),
        }
    }

    /// Tells those who listen that it has changed.
    pub(super) fn tell(&self) {
        if let Some(services) = self.services.upgrade() {
            services.publish_task(self);
        }
    }
}

impl State {
    pub(super) fn enter(&mut self, state: TaskState) {
        self.state = state;
        self.updated = unix_micros();
    }
}

impl TaskStatus for Task {
    fn id(&self) -> &str {
        &self.id
    }

    fn set_message(&self, message: &str) {
        {
            let mut state = self.state.lock();
            if state.state.is_final() {
                return;
            }
            state.message = Some(message.chars().take(MESSAGE_CHARACTERS).collect());
            state.updated = unix_micros();
        }
        self.tell();
    }
}

impl Expire for Task {
    fn expire(&self, _: Now) {
        let outcome = Outcome::Error(RpcError::internal("The task has expired"));
        self.end(TaskState::Failed, outcome, 0);
        self.subject.cancellation.cancel(Cause::Deadline);
        if let Some(services) = self.services.upgrade() {
            services.tasks.remove(&self.id);
        }
    }
}
