//! What a task asks its client. The questions stand in the task, where `tasks/get` shows them and
//! `tasks/update` answers them (2026-07-28); each also goes as a request to one client that waits
//! for the result and can answer it (2025-11-25). The first answer counts, whichever way it comes.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use serde_json::Value;

use super::parked::{request_json, take_back};
use super::pending::{Addressee, Pending};
use super::task::Task;
use crate::mcp::input::InputRequest;
use crate::mcp::legacy::session::{Asker, Session};
use crate::mcp::outlet::{Outlet, Weight};
use crate::mcp::tasks::TaskState;
use crate::proto::jsonrpc::Id;

/// The questions of one task.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: Vec<Question>,
    asker: Option<Arc<dyn Asker>>,
    /// Keys that were given to the client: none is given twice.
    used_keys: BTreeSet<String>,
}

/// A question without an answer.
#[derive(Debug)]
struct Question {
    /// The handler's key.
    key: String,
    /// The client's key, by which this question and no later one is meant.
    shown: String,
    request: InputRequest,
    sent: Option<Sent>,
}

/// A request on the stream of a client.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    session: Weak<Session>,
    outlet: Arc<Outlet>,
    id: Id,
}

/// Who is told an answer, and by which of its keys.
#[derive(Debug)]
struct Answered {
    asker: Arc<dyn Asker>,
    key: String,
    sent: Option<Sent>,
}

impl Questions {
    /// True if an answer is missing.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Begins a round of questions.
    pub(super) fn begin(&mut self, asker: Arc<dyn Asker>, requests: Vec<(String, InputRequest)>) {
        for (key, request) in requests {
            let shown = self.unused(&key);
            self.open.push(Question { key, shown, request, sent: None });
        }
        self.asker = Some(asker);
    }

    /// A key for the client that it has not seen before.
    fn unused(&mut self, key: &str) -> String {
        let mut shown = key.to_owned();
        let mut number = 1;
        while !self.used_keys.insert(shown.clone()) {
            number += 1;
            shown = format!("{key}-{number}");
        }
        shown
    }

    /// What is asked, by the client's keys.
    pub(super) fn shown(&self) -> Vec<(String, InputRequest)> {
        self.open.iter().map(|one| (one.shown.clone(), one.request.clone())).collect()
    }

    /// Ends all questions and gives what was sent of them.
    #[must_use]
    pub(super) fn end(&mut self) -> Vec<Sent> {
        self.asker = None;
        std::mem::take(&mut self.open).into_iter().filter_map(|one| one.sent).collect()
    }

    fn answer(&mut self, shown: &str) -> Option<Answered> {
        let place = self.open.iter().position(|one| one.shown == shown)?;
        let Question { key, sent, .. } = self.open.remove(place);
        let asker = if self.open.is_empty() { self.asker.take() } else { self.asker.clone() };
        asker.map(|asker| Answered { asker, key, sent })
    }

    /// Notes where a question was sent and gives what is to be taken back for it: what was sent
    /// before, or this itself if it has its answer.
    fn note(&mut self, shown: &str, sent: Sent) -> Option<Sent> {
        match self.open.iter_mut().find(|one| one.shown == shown) {
            Some(question) => question.sent.replace(sent),
            None => Some(sent),
        }
    }
}

impl Sent {
    /// Takes the request back, unless it is answered.
    pub(super) fn take_back(&self) {
        if let Some(session) = self.session.upgrade() {
            take_back(&session, &self.outlet, std::slice::from_ref(&self.id));
        }
    }
}

/// Those of `waiters` that can be sent requests, the best one first: it reads, and came last.
fn readers(waiters: &[Arc<Pending>]) -> Vec<(Arc<Session>, Arc<Outlet>)> {
    let reader = |waiter: &Arc<Pending>| {
        let Addressee { session, outlet, takes_requests, .. } =
            waiter.destination().addressee().filter(|_| !waiter.is_over())?;
        session.clone().filter(|_| *takes_requests).map(|session| (session, Arc::clone(outlet)))
    };
    let mut readers: Vec<_> = waiters.iter().rev().filter_map(reader).collect();
    readers.sort_by_key(|(_, outlet)| !outlet.has_reader());
    readers
}

impl Task {
    /// Sends what is asked to those who wait, each question to the best who can answer it.
    pub(super) fn send_questions(self: &Arc<Self>) {
        let _one_at_a_time = self.sending.lock();
        let (waiters, questions): (_, Vec<_>) = {
            let state = self.state.lock();
            let question = |one: &Question| {
                let stream = one.sent.as_ref().map(|sent| Arc::clone(&sent.outlet));
                (one.shown.clone(), one.request.clone(), stream)
            };
            (state.waiters.clone(), state.questions.open.iter().map(question).collect())
        };
        let readers = readers(&waiters);
        for (shown, request, stream) in questions {
            let able =
                |(session, _): &&(Arc<Session>, _)| session.capabilities.has(request.capability());
            let Some((session, outlet)) = readers.iter().find(able) else { continue };
            if stream.is_none_or(|stream| !Arc::ptr_eq(&stream, outlet)) {
                self.send_question(&shown, &request, session, outlet);
            }
        }
    }

    fn send_question(
        self: &Arc<Self>,
        shown: &str,
        request: &InputRequest,
        session: &Arc<Session>,
        outlet: &Arc<Outlet>,
    ) {
        let asker: Arc<dyn Asker> = Arc::clone(self) as Arc<dyn Asker>;
        let Some(id) = session.ask(&asker, shown) else { return };
        let json = request_json(&id, request, self.subject().version, self.related());
        outlet.push(json, Weight::Kept);
        let sent = Sent { session: Arc::downgrade(session), outlet: Arc::clone(outlet), id };
        let surplus = self.state.lock().questions.note(shown, sent);
        if let Some(surplus) = surplus {
            surplus.take_back();
        }
    }

    /// Takes an answer to the question that the client knows as `shown`; one to anything else is
    /// ignored.
    pub(super) fn take_answer(&self, shown: &str, outcome: Result<Value, String>) {
        let answered = {
            let mut state = self.state.lock();
            let answered = state.questions.answer(shown);
            if answered.is_some() && !state.questions.is_open() {
                state.enter(TaskState::Working);
            }
            answered
        };
        let Some(Answered { asker, key, sent }) = answered else { return };
        if let Some(sent) = sent {
            sent.take_back();
        }
        self.tell();
        asker.answered(&key, outcome);
    }
}

impl Asker for Task {
    fn answered(self: Arc<Self>, shown: &str, outcome: Result<Value, String>) {
        self.take_answer(shown, outcome);
    }
}
