//! What a handler can say and learn while it works: progress, log messages, whether it is still
//! wanted. It cannot answer; its return value is the answer. How it asks its client is in
//! `asking.rs`.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::asking::Round;
use super::task::TaskPhase;
use crate::base::cancel::Cancellation;
use crate::base::principal::Principal;
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::era::Version;
use crate::mcp::meta::{LogLevel, RELATED_TASK};
use crate::mcp::outlet::{Outlet, Weight};
use crate::mcp::subscriptions::Change;
use crate::proto::jsonrpc::{Id, write_notification};
use crate::proto::object::Object;

/// One running call, as its handler sees it.
#[derive(Debug)]
pub struct Context {
    principal: Arc<Principal>,
    version: Version,
    cancellation: Arc<Cancellation>,
    outlet: Option<Arc<Outlet>>,
    progress_token: Option<Id>,
    log_level: Option<LogLevel>,
    announcer: Option<Arc<dyn Announce>>,
    pub(super) capabilities: ClientCapabilities,
    pub(super) round: Option<Mutex<Round>>,
    pub(super) task: TaskPhase,
    last_progress: Mutex<f64>,
}

/// What the client of a call wants to hear while it runs.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Progress, under this token.
    pub progress_token: Option<Id>,
    /// Log messages of this level and above.
    pub log_level: Option<LogLevel>,
}

/// Tells everybody who wants to know that something has changed.
pub trait Announce: std::fmt::Debug + Send + Sync {
    /// Tells it.
    fn announce(&self, change: &Change);
}

impl Context {
    /// A call that can be heard through `outlet`, if there is one.
    pub fn new(
        principal: Arc<Principal>,
        version: Version,
        cancellation: Arc<Cancellation>,
        outlet: Option<Arc<Outlet>>,
        wishes: Wishes,
    ) -> Self {
        Self {
            principal,
            version,
            cancellation,
            outlet,
            progress_token: wishes.progress_token,
            log_level: wishes.log_level,
            announcer: None,
            capabilities: ClientCapabilities::default(),
            round: None,
            task: TaskPhase::Never,
            last_progress: Mutex::new(f64::NEG_INFINITY),
        }
    }

    /// The same call, which may rest while its client answers.
    #[must_use]
    pub fn asking(mut self, capabilities: ClientCapabilities, round: Round) -> Self {
        self.capabilities = capabilities;
        self.last_progress = Mutex::new(round.last_progress.unwrap_or(f64::NEG_INFINITY));
        self.round = Some(Mutex::new(round));
        self
    }

    /// The same call, where it stands on its way to become a task.
    #[must_use]
    pub fn in_phase(mut self, task: TaskPhase) -> Self {
        self.task = task;
        self
    }

    /// The same call, whose changes are told through `announcer`.
    #[must_use]
    pub fn announcing(mut self, announcer: Arc<dyn Announce>) -> Self {
        self.announcer = Some(announcer);
        self
    }

    /// What this run leaves to the next one.
    pub fn into_round(self) -> Round {
        let last_progress = Some(self.last_progress.into_inner());
        let round = self.round.map(Mutex::into_inner).unwrap_or_default();
        Round { last_progress, ..round }
    }

    /// Who calls.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Reports progress, if the client wants to hear of it; out of `total`, if that is known.
    ///
    /// Progress must grow: a report that does not is not sent (MCP, progress).
    pub fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        {
            let mut last = self.last_progress.lock();
            if self.is_cancelled() || !progress.is_finite() || progress <= *last {
                return;
            }
            *last = progress;
        }
        if let (TaskPhase::Running(task), Some(message)) = (&self.task, message) {
            task.set_message(message);
        }
        let (Some(outlet), Some(token)) = (&self.outlet, &self.progress_token) else { return };
        let mut params = Vec::new();
        let mut object = Object::open(&mut params);
        token.write(object.member("progressToken"));
        object.value("progress", &number(progress));
        if let Some(total) = total.filter(|total| total.is_finite()) {
            object.value("total", &number(total));
        }
        if self.version.has_progress_messages() {
            object.optional_text("message", message);
        }
        self.relate(&mut object);
        object.close();
        self.notify(outlet, "notifications/progress", &params);
    }

    /// Sends a log message to the client, if it wants messages of this level.
    pub fn log(&self, level: LogLevel, logger: Option<&str>, data: &Value) {
        let Some(outlet) = &self.outlet else { return };
        if self.is_cancelled() || self.log_level.is_none_or(|wanted| level < wanted) {
            return;
        }
        let mut params = Vec::new();
        let mut object = Object::open(&mut params);
        object.text("level", level.name()).optional_text("logger", logger).value("data", data);
        self.relate(&mut object);
        object.close();
        self.notify(outlet, "notifications/message", &params);
    }

    /// The `_meta` that names the task which a message is about (2025-11-25, tasks).
    pub fn related(&self) -> Map<String, Value> {
        let mut meta = Map::new();
        if let TaskPhase::Running(task) = &self.task {
            meta.insert(RELATED_TASK.into(), json!({ "taskId": task.id() }));
        }
        meta
    }

    fn relate(&self, params: &mut Object<'_>) {
        if matches!(self.task, TaskPhase::Running(_)) {
            params.members("_meta", &self.related());
        }
    }

    /// Tells all clients that want to know, and may, that something has changed.
    pub fn announce(&self, change: &Change) {
        if let Some(announcer) = &self.announcer {
            announcer.announce(change);
        }
    }

    /// Lets go of the client's connection while the call goes on, if the client can come back for
    /// the rest (2025-11-25, Streamable HTTP, polling). Any other call goes on as before.
    pub fn let_client_poll(&self) {
        if let Some(outlet) = self.outlet.as_ref().filter(|_| self.version.has_priming_events()) {
            outlet.let_go();
        }
    }

    fn notify(&self, outlet: &Outlet, method: &str, params: &[u8]) {
        let mut json = Vec::new();
        write_notification(&mut json, method, params);
        outlet.push(json, Weight::Droppable);
    }

    /// Nobody waits for the answer any more: return soon, with whatever.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.cause().is_some()
    }

    /// The cancellation itself, for waits that must be woken.
    pub fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }
}

/// Whole numbers are written without a fraction.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
        return Value::from(value as i64);
    }
    Value::from(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cancel::Cause;
    use crate::base::principal::AuthMethod;
    use crate::mcp::outlet::{OutletLimits, Wake};
    use serde_json::json;

    struct Deaf;
    impl Wake for Deaf {
        fn wake(&self) {}
    }

    fn context(wishes: Wishes) -> (Context, Arc<Outlet>) {
        let limits = OutletLimits { queued_bytes: 10_000, replay_bytes: 0 };
        let outlet = Arc::new(Outlet::new(limits));
        let principal = Arc::new(Principal::new(AuthMethod::Local, "u", vec![]));
        let context = Context::new(
            principal,
            Version::V2025_11_25,
            Arc::default(),
            Some(Arc::clone(&outlet)),
            wishes,
        );
        (context, outlet)
    }

    fn heard(outlet: &Outlet) -> Vec<Value> {
        let ticket = outlet.attach(Arc::new(Deaf)).unwrap();
        let taken = outlet.take(ticket, 100_000);
        taken.frames.iter().map(|f| serde_json::from_slice(&f.json).unwrap()).collect()
    }

    #[test]
    fn progress_goes_to_who_asked_and_only_forward() {
        let (context, outlet) =
            context(Wishes { progress_token: Some(Id::Number(0)), log_level: None });
        for step in [0.0, 50.0, 50.0, 10.0, f64::NAN, 100.0] {
            context.progress(step, Some(100.0), Some("m"));
        }
        context.cancellation().cancel(Cause::Client);
        context.progress(200.0, None, None);
        context.log(LogLevel::Emergency, None, &json!("nobody asked"));
        let heard = heard(&outlet);
        assert_eq!(heard.len(), 3);
        assert_eq!(
            heard[1]["params"],
            json!({"progressToken":0,"progress":50,"total":100,"message":"m"})
        );
    }

    #[test]
    fn log_messages_go_to_who_asked_for_their_level() {
        let wishes = Wishes { progress_token: None, log_level: Some(LogLevel::Warning) };
        let (context, outlet) = context(wishes);
        context.progress(1.0, None, None);
        context.log(LogLevel::Info, None, &json!("quiet"));
        context.log(LogLevel::Error, Some("tool"), &json!({"a": 1}));
        let heard = heard(&outlet);
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0]["params"], json!({"level":"error","logger":"tool","data":{"a":1}}));
    }
}
