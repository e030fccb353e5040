//! A call on the handler threads, from its first run to its last. Between two runs it rests: its
//! client was asked, and no thread waits for the answer.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::outcome::{Outcome, Run, guarded};
use super::pending::{Addressee, Destination, Pending, too_long};
use crate::backend::asking::Round;
use crate::backend::context::{Announce, Context, Wishes};
use crate::backend::provider::{Failure, Reason};
use crate::backend::task::TaskPhase;
use crate::base::cancel::Cause;
use crate::base::clock::{Now, unix_seconds};
use crate::base::principal::Principal;
use crate::guard::authz::rule::Thing;
use crate::guard::refusal::Refusal;
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::era::{Era, Version};
use crate::mcp::errors::RpcError;
use crate::mcp::input::InputRequest;
use crate::mcp::legacy::session::{Asker, GONE, Session};
use crate::mcp::methods::{Method, Permission};
use crate::mcp::outlet::{Outlet, Weight};
use crate::mcp::request_state::{Binding, SealError};
use crate::pipeline::services::{Expire, Services};
use crate::pipeline::snapshot::Snapshot;
use crate::pipeline::work::tools::writer;
use crate::proto::jsonrpc::{Id, write_notification, write_request};

/// What is run, for whom.
#[derive(Clone)]
pub struct Script {
    /// The handler and its arguments.
    pub run: Run,
    /// What a `requestState` of it is bound to; a call without one cannot ask.
    pub binding: Option<Binding>,
    /// Who calls.
    pub principal: Arc<Principal>,
    /// The version it speaks.
    pub version: Version,
    /// What it wants to hear.
    pub wishes: Wishes,
    /// What its client can be asked.
    pub capabilities: ClientCapabilities,
    /// The tool that is called, if one is.
    pub tool: String,
    /// What hears progress and log messages.
    pub outlet: Option<Arc<Outlet>>,
    /// Where it stands on its way to become a task.
    pub phase: TaskPhase,
}

/// A call; see the module.
pub struct Parked {
    pub(in crate::pipeline) pending: Pending,
    pub(in crate::pipeline) script: Script,
    pub(in crate::pipeline) services: Arc<Services>,
    pub(in crate::pipeline) snapshot: Arc<Snapshot>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    round: Round,
    /// What the client has not answered yet; with the id of the request, where it has one.
    open: HashMap<String, Option<Id>>,
    deadline: Option<Now>,
}

impl Parked {
    /// A call that has not run yet.
    pub fn new(
        pending: Pending,
        script: Script,
        services: Arc<Services>,
        snapshot: Arc<Snapshot>,
        round: Round,
    ) -> Arc<Self> {
        let state = Mutex::new(State { round, ..State::default() });
        Arc::new(Self { pending, script, services, snapshot, state })
    }

    /// Registers the call and gives it to a handler thread.
    pub fn start(self: &Arc<Self>, deadline: Now) {
        self.services.calls.register(self.pending.cancellation());
        self.arm(deadline);
        self.submit();
    }

    /// The call is given up at `deadline`, unless it moves.
    fn arm(self: &Arc<Self>, deadline: Now) {
        self.state.lock().deadline = Some(deadline);
        let target: Weak<Self> = Arc::downgrade(self);
        self.services.timer.arm(deadline, target as Weak<dyn Expire>);
    }

    fn submit(self: &Arc<Self>) {
        let parked = Arc::clone(self);
        if self.services.jobs.submit(Box::new(move || parked.run())).is_err() {
            self.complete(Outcome::Error(Refusal::Overloaded("The server is busy").error()));
        }
    }

    fn run(self: &Arc<Self>) {
        let context = self.context();
        if context.is_cancelled() || self.pending.is_over() {
            self.complete(Outcome::Error(RpcError::internal("The call was cancelled")));
            return;
        }
        if !self.may_go_on() {
            self.complete(Outcome::Error(RpcError::unknown_tool(&self.script.tool)));
            return;
        }
        let ran = {
            let _place = self.pending.tool_place();
            guarded(|| (self.script.run)(&context))
        };
        let outcome = match ran {
            Ok(outcome) => outcome,
            Err(Failure(Reason::Asked)) => return self.rest(context.into_round()),
            Err(Failure(Reason::BecomesTask)) => {
                return self.become_task(context.into_round(), None);
            }
            Err(failure) => Outcome::failed(failure, self.script.version),
        };
        self.complete(outcome);
    }

    /// Rights that were taken away while the call rested are gone for what is left of it.
    fn may_go_on(&self) -> bool {
        let present = self.services.snapshot.load();
        if present.number == self.snapshot.number {
            return true;
        }
        let (principal, tool) = (&self.script.principal, &self.script.tool);
        let is_allowed = if tool.is_empty() {
            let (method, thing) = (Method::PromptsGet, Thing::None);
            present.policy.allows(principal, method, thing, Permission::Read)
        } else {
            present.may_call(principal, tool)
        };
        is_allowed && present.vouches_for(principal)
    }

    fn context(&self) -> Context {
        let script = &self.script;
        let announcer: Arc<dyn Announce> = Arc::clone(&self.services) as Arc<dyn Announce>;
        let context = Context::new(
            Arc::clone(&script.principal),
            script.version,
            Arc::clone(self.pending.cancellation()),
            script.outlet.clone(),
            script.wishes.clone(),
        );
        let context = context.announcing(announcer).in_phase(script.phase.clone());
        if script.binding.is_none() {
            return context;
        }
        context.asking(script.capabilities, self.state.lock().round.clone())
    }

    /// Ends the call. True if this was the answer.
    pub fn complete(&self, outcome: Outcome) -> bool {
        let open = std::mem::take(&mut self.state.lock().open);
        if let Some(Addressee { session: Some(session), outlet, .. }) =
            self.pending.destination().addressee()
        {
            let ids: Vec<Id> = open.into_values().flatten().collect();
            take_back(session, outlet, &ids);
        }
        self.pending.complete(outcome)
    }

    /// The handler has asked: the questions go to the client, and the call waits for its answers.
    fn rest(self: &Arc<Self>, mut round: Round) {
        let asked = std::mem::take(&mut round.asked);
        let digests = asked.iter().map(|(key, request)| (key.clone(), request.digest()));
        if !round.dialogue.ask(digests) {
            log::error!("a handler asks its client without end");
            self.complete(Outcome::Error(RpcError::internal("The call asks too often")));
            return;
        }
        match self.pending.destination() {
            Destination::Task(task) => {
                self.wait_for(round, &asked);
                let asker: Arc<dyn Asker> = Arc::clone(self) as Arc<dyn Asker>;
                task.ask(asker, asked);
            }
            Destination::Own(addressee)
            | Destination::Shared(addressee)
            | Destination::Gathered(addressee, _) => match addressee.era {
                Era::Modern => {
                    self.complete(self.input_required(&round, &asked));
                }
                Era::Legacy => {
                    self.wait_for(round, &asked);
                    let deadline = Now::read().plus(self.snapshot.calls.input_timeout);
                    self.arm(deadline);
                    self.send(addressee, &asked);
                }
            },
        }
    }

    fn wait_for(self: &Arc<Self>, round: Round, asked: &[(String, InputRequest)]) {
        {
            let mut state = self.state.lock();
            state.round = round;
            state.open = asked.iter().map(|(key, _)| (key.clone(), None)).collect();
        }
        // No handler runs that would see a cancellation.
        let resting = Arc::downgrade(self);
        self.pending.cancellation().on_cancel(move || {
            if let Some(parked) = resting.upgrade() {
                parked.complete(Outcome::Error(RpcError::internal("The call was cancelled")));
            }
        });
    }

    /// Sends requests on the stream of the call (handshake revisions).
    fn send(self: &Arc<Self>, addressee: &Addressee, asked: &[(String, InputRequest)]) {
        let Some(session) = &addressee.session else { return };
        let asker: Arc<dyn Asker> = Arc::clone(self) as Arc<dyn Asker>;
        for (key, request) in asked {
            let Some(id) = session.ask(&asker, key) else {
                Arc::clone(self).answered(key, Err(GONE.to_owned()));
                continue;
            };
            let is_open =
                self.state.lock().open.get_mut(key).map(|known| *known = Some(id.clone()));
            if is_open.is_none() {
                // It has ended meanwhile.
                session.withdraw(&[id]);
                return;
            }
            addressee
                .outlet
                .push(request_json(&id, request, self.script.version, Map::new()), Weight::Kept);
        }
    }

    /// The result that says what the client is to answer (2026-07-28).
    fn input_required(&self, round: &Round, asked: &[(String, InputRequest)]) -> Outcome {
        let Some(binding) = &self.script.binding else {
            return Outcome::Error(RpcError::internal("The call failed"));
        };
        let expires = unix_seconds().saturating_add(self.snapshot.calls.input_timeout.as_secs());
        let sealed = self.services.request_states.seal(binding, &round.dialogue.to_json(), expires);
        match sealed {
            Ok(state) => Outcome::Result(
                writer(&self.snapshot, self.script.version).input_required(asked, &state),
            ),
            Err(SealError::TooLong) => {
                log::error!("a call must remember more than fits into its requestState");
                Outcome::Error(RpcError::internal("The call has too much to remember"))
            }
            Err(SealError::NoRandomness) => Outcome::Error(Refusal::Unrecorded.error()),
        }
    }
}

/// Takes back what a client was asked and has not answered.
pub(super) fn take_back(session: &Session, outlet: &Outlet, ids: &[Id]) {
    for id in session.withdraw(ids) {
        let mut json = Vec::new();
        let params = json!({ "requestId": id.to_value() }).to_string();
        write_notification(&mut json, "notifications/cancelled", params.as_bytes());
        outlet.push(json, Weight::Droppable);
    }
}

/// A request to a client of a handshake revision.
pub(in crate::pipeline) fn request_json(
    id: &Id,
    request: &InputRequest,
    version: Version,
    meta: Map<String, Value>,
) -> Vec<u8> {
    let mut params = request.params(version);
    if !meta.is_empty() {
        params.insert("_meta".into(), Value::Object(meta));
    }
    let mut json = Vec::new();
    let params = Value::Object(params).to_string();
    write_request(&mut json, id, request.method(), params.as_bytes());
    json
}

impl Asker for Parked {
    fn answered(self: Arc<Self>, key: &str, outcome: Result<Value, String>) {
        let is_complete = {
            let mut state = self.state.lock();
            if state.open.remove(key).is_none() {
                return;
            }
            state.round.dialogue.take_in(key.to_owned(), outcome);
            state.open.is_empty()
        };
        if is_complete {
            self.pending.cancellation().clear_hook();
            if self.pending.destination().addressee().is_some() {
                self.arm(Now::read().plus(self.snapshot.calls.timeout));
            }
            self.submit();
        }
    }
}

impl Expire for Parked {
    fn expire(&self, now: Now) {
        // A call that has rested since has another deadline, and a timer of its own for that.
        if self.state.lock().deadline.is_none_or(|deadline| deadline <= now) {
            self.pending.cancellation().cancel(Cause::Deadline);
            self.complete(Outcome::Error(too_long()));
        }
    }
}

impl std::fmt::Debug for Parked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parked").field("pending", &self.pending).finish_non_exhaustive()
    }
}
