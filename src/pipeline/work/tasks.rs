//! How a call becomes a task, and the methods of tasks in both shapes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::dispatch::Work;
use super::tools::writer;
use crate::backend::asking::Round;
use crate::backend::task::TaskPhase;
use crate::base::cancel::Cancellation;
use crate::base::clock::Now;
use crate::guard::refusal::Refusal;
use crate::guard::validate::Call;
use crate::mcp::era::Version;
use crate::mcp::errors::RpcError;
use crate::mcp::result::ResultWriter;
use crate::mcp::tasks::TaskState;
use crate::pipeline::calls::outcome::Outcome;
use crate::pipeline::calls::parked::{Parked, Script};
use crate::pipeline::calls::pending::{Destination, Pending};
use crate::pipeline::calls::task::{Status, Subject, Task};
use crate::pipeline::services::Services;
use crate::pipeline::snapshot::Snapshot;
use crate::proto::object::Object;

impl Parked {
    /// Answers the call with a task, which goes on where the call stands.
    pub(in crate::pipeline) fn become_task(self: &Arc<Self>, round: Round, ttl: Option<Duration>) {
        if self.pending.cancellation().cause().is_some() {
            self.complete(Outcome::Error(RpcError::internal("The call was cancelled")));
            return;
        }
        let limits = &self.snapshot.tasks;
        let ttl = ttl.unwrap_or(limits.ttl).min(limits.ttl);
        let cancellation: Arc<Cancellation> = Arc::default();
        let session = self.pending.destination().addressee().and_then(|a| a.session.clone());
        let subject = Subject {
            principal: Arc::clone(&self.script.principal),
            tool: self.script.tool.clone(),
            version: self.script.version,
            session: session.filter(|_| self.script.version.has_requested_tasks()),
            cancellation: Arc::clone(&cancellation),
            ttl,
        };
        let Ok(task) = self.services.tasks.open(&self.services, subject, limits) else {
            self.complete(Outcome::Error(Refusal::Overloaded("Too many tasks").error()));
            return;
        };
        let deadline = Now::read().plus(ttl);
        task.expire_at(deadline, &self.services);
        let Some((exchange, permit)) = self.pending.hand_over() else {
            return self.services.tasks.remove(task.id_text());
        };
        let created =
            writer(&self.snapshot, self.script.version).task_created(&task.view(&task.status()));
        let destination = Destination::Task(Arc::clone(&task));
        let pending = Pending::new(exchange, destination, cancellation, permit);
        let subject = task.subject();
        let script = Script {
            outlet: subject.session.as_ref().map(|session| Arc::clone(&session.listener.outlet)),
            phase: TaskPhase::Running(Arc::clone(&task) as Arc<_>),
            ..self.script.clone()
        };
        let services = Arc::clone(&self.services);
        let parked = Self::new(pending, script, services, Arc::clone(&self.snapshot), round);
        // The client has its task before the task has anything to tell.
        if self.complete(Outcome::Result(created)) {
            parked.start(deadline);
        } else {
            // Nobody knows of it.
            task.cancel();
            parked.complete(Outcome::Error(RpcError::internal("The call was cancelled")));
            self.services.tasks.remove(task.id_text());
        }
    }
}

fn find(services: &Services, call: &Call) -> Result<Arc<Task>, Refusal> {
    let task = services.tasks.find(call.target().unwrap_or_default(), call.principal());
    task.ok_or_else(|| Refusal::NotFound(RpcError::unknown_task()))
}

fn done(json: Vec<u8>) -> Work {
    Work::now(Outcome::Result(json))
}

/// `tasks/get`.
pub fn get(services: &Services, snapshot: &Snapshot, call: &Call) -> Result<Work, Refusal> {
    let task = find(services, call)?;
    let writer = writer(snapshot, call.version());
    let status = task.status();
    Ok(done(writer.object(|object| write_detailed(object, &task, &status, &writer))))
}

/// Appends a task without what belongs to its state.
pub(in crate::pipeline) fn write_brief(
    object: &mut Object<'_>,
    task: &Task,
    status: &Status,
    version: Version,
) {
    task.view(status).write_members(object, version);
}

/// Appends a task with what belongs to its state, as `version` shows it.
pub(in crate::pipeline) fn write_detailed(
    object: &mut Object<'_>,
    task: &Task,
    status: &Status,
    writer: &ResultWriter<'_>,
) {
    write_brief(object, task, status, writer.version);
    if !writer.version.has_task_handles() {
        return;
    }
    if status.state == TaskState::InputRequired {
        writer.write_input_requests(object, &status.asked);
    }
    match status.outcome.as_deref() {
        Some(Outcome::Result(json) | Outcome::ToolError(json)) => {
            object.raw("result", json);
        }
        Some(Outcome::Error(error)) if status.state == TaskState::Failed => {
            object.value("error", &error.to_value());
        }
        _ => {}
    }
}

/// `tasks/update` (2026-07-28).
pub fn update(services: &Services, snapshot: &Snapshot, call: &mut Call) -> Result<Work, Refusal> {
    let task = find(services, call)?;
    if let Some(Value::Object(responses)) = call.take_params().remove("inputResponses") {
        task.update(responses);
    }
    Ok(done(writer(snapshot, call.version()).object(|_| {})))
}

/// `tasks/cancel`: a wish in the extension, an order in the shape before it.
pub fn cancel(services: &Services, snapshot: &Snapshot, call: &Call) -> Result<Work, Refusal> {
    let task = find(services, call)?;
    let writer = writer(snapshot, call.version());
    let is_first = task.cancel();
    if call.version().has_task_handles() {
        return Ok(done(writer.object(|_| {})));
    }
    if !is_first {
        let error = RpcError::invalid_params("The task has ended already");
        return Err(Refusal::Invalid(200, error));
    }
    let status = task.status();
    Ok(done(writer.object(|object| write_brief(object, &task, &status, writer.version))))
}

/// `tasks/result` (2025-11-25): the answer is that of the call, and may come later.
pub fn result(services: &Services, call: &Call) -> Result<Work, Refusal> {
    Ok(Work::Await(find(services, call)?))
}

/// The tasks of a caller, for `tasks/list` (2025-11-25).
pub fn shown(services: &Services, snapshot: &Snapshot, call: &Call) -> Vec<(String, Vec<u8>)> {
    let all = services.tasks.of(call.principal());
    let written = |task: &Arc<Task>| {
        let mut json = Vec::new();
        let mut object = Object::open(&mut json);
        write_brief(&mut object, task, &task.status(), call.version());
        object.close();
        (task.id_text().to_owned(), json)
    };
    let may_see = |task: &&Arc<Task>| snapshot.may_call(call.principal(), task.tool());
    all.iter().filter(may_see).map(written).collect()
}
