//! From a granted call to the work that answers it. It takes a `Grant` and nothing else, and only
//! the policy makes one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::inputs::{self, Inputs};
use super::tools::{HeaderOf, writer};
use super::{completion, lists, tasks, tools};
use crate::backend::context::Context;
use crate::backend::provider::ReadError;
use crate::base::principal::{AuthMethod, Principal};
use crate::guard::authz::rule::Thing;
use crate::guard::authz::{Grant, Target};
use crate::guard::refusal::Refusal;
use crate::guard::validate::Call;
use crate::mcp::capability::TASKS_EXTENSION;
use crate::mcp::era::{Era, Version};
use crate::mcp::errors::RpcError;
use crate::mcp::meta::LogLevel;
use crate::mcp::methods::{Method, Permission};
use crate::mcp::subscriptions::Filter;
use crate::pipeline::calls::outcome::{Outcome, QuickRun, Run};
use crate::pipeline::calls::task::Task;
use crate::pipeline::services::Services;
use crate::pipeline::snapshot::Snapshot;
use crate::proto::json::write_string;
use crate::proto::object::Object;

/// How a call is answered.
pub enum Work {
    /// Never blocks: may run where the request was read.
    Quick(QuickRun),
    /// May block: runs on a handler thread.
    Blocking(Blocking),
    /// By a stream of changes that stays open.
    Listen(Filter),
    /// By opening a session (legacy).
    Initialize,
    /// By what a task comes to (2025-11-25).
    Await(Arc<Task>),
}

/// Work for a handler thread.
pub struct Blocking {
    /// What runs.
    pub run: Run,
    /// What it knows of its rounds before; without that it cannot ask its client.
    pub inputs: Option<Inputs>,
    /// Whether it becomes a task.
    pub tasks: TaskChoice,
    /// The tool that is called, if one is.
    pub tool: String,
}

/// Whether a call becomes a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskChoice {
    /// It does not.
    Never,
    /// Its handler says when (2026-07-28).
    WhenHandlerSays,
    /// It begins as one, kept so long if its client said so (2025-11-25).
    AtOnce(Option<Duration>),
}

impl Blocking {
    /// Work that asks nobody.
    pub fn plain(run: Run) -> Self {
        Self { run, inputs: None, tasks: TaskChoice::Never, tool: String::new() }
    }

    /// Work that may ask its client.
    pub fn asking(run: Run, inputs: Inputs) -> Self {
        Self { inputs: Some(inputs), ..Self::plain(run) }
    }
}

impl Work {
    /// Work that is done.
    pub fn now(outcome: Outcome) -> Self {
        Self::Quick(Box::new(|_: &Context| Ok(outcome)))
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quick(_) => "Quick",
            Self::Blocking(_) => "Blocking",
            Self::Listen(_) => "Listen",
            Self::Initialize => "Initialize",
            Self::Await(_) => "Await",
        })
    }
}

/// What the policy must know of the thing that a call names.
pub fn target_of(services: &Services, snapshot: &Snapshot, call: &Call) -> Target {
    let exists = |exists: bool| {
        if exists { Target::Needs(Permission::Read) } else { Target::Absent }
    };
    let name = call.target().unwrap_or_default();
    let tool = |name: &str| {
        snapshot.catalog.tool(name).map_or(Target::Absent, |tool| Target::Needs(tool.permission))
    };
    match call.method() {
        Method::ToolsCall => tool(name),
        method if method.is_about_tasks() && !snapshot.catalog.has_tasks() => Target::NoMethod,
        Method::TasksList if !can_list_tasks(call.principal()) => Target::NoMethod,
        Method::TasksList => Target::Nothing,
        // Whoever may not call the tool any more may not see what came of it.
        method if method.is_about_tasks() => services
            .tasks
            .find(name, call.principal())
            .and_then(|task| snapshot.catalog.tool(task.tool()))
            .map_or(Target::Absent, |tool| Target::Task(tool.name.clone(), tool.permission)),
        Method::PromptsGet => exists(snapshot.catalog.prompt(name).is_some()),
        Method::ResourcesRead | Method::Subscribe | Method::Unsubscribe => {
            exists(snapshot.catalog.provider_of(name).is_some())
        }
        _ => Target::Nothing,
    }
}

/// Prepares the work of a granted call.
pub fn dispatch(
    services: &Arc<Services>,
    snapshot: &Arc<Snapshot>,
    grant: Grant,
    header: Option<HeaderOf<'_>>,
) -> Result<Work, Refusal> {
    let mut call = grant.into_call();
    let version = call.version();
    match call.method() {
        Method::Initialize => Ok(Work::Initialize),
        Method::Discover => Ok(done(discover(snapshot, version, call.principal()))),
        Method::Ping => Ok(done(empty(snapshot, version))),
        Method::SetLevel => set_level(snapshot, &call),
        Method::ToolsList => lists::tools(services, snapshot, &call),
        Method::ToolsCall => tools::call(services, snapshot, &mut call, header),
        Method::ResourcesList => lists::resources(services, snapshot, &call),
        Method::TemplatesList => lists::templates(services, snapshot, &call),
        Method::ResourcesRead => read(services, snapshot, &mut call),
        Method::Subscribe => subscribe(snapshot, &call, true),
        Method::Unsubscribe => subscribe(snapshot, &call, false),
        Method::Listen => Ok(Work::Listen(listen_filter(services, snapshot, &call))),
        Method::PromptsList => lists::prompts(services, snapshot, &call),
        Method::PromptsGet => completion::prompt(services, snapshot, &mut call),
        Method::Complete => completion::complete(snapshot, &call),
        Method::TasksGet => tasks::get(services, snapshot, &call),
        Method::TasksUpdate => tasks::update(services, snapshot, &mut call),
        Method::TasksCancel => tasks::cancel(services, snapshot, &call),
        Method::TasksResult => tasks::result(services, &call),
        Method::TasksList => lists::tasks(services, snapshot, &call),
    }
}

fn done(json: Vec<u8>) -> Work {
    Work::now(Outcome::Result(json))
}

fn empty(snapshot: &Snapshot, version: Version) -> Vec<u8> {
    writer(snapshot, version).object(|_| {})
}

/// Where everybody is the same, a list of tasks would show everybody's.
fn can_list_tasks(principal: &Principal) -> bool {
    principal.method != AuthMethod::None
}

/// What the server can do for a caller, told in the words of `version`.
fn write_capabilities(
    snapshot: &Snapshot,
    version: Version,
    principal: &Principal,
    object: &mut Object<'_>,
) {
    let mut capabilities = Object::open(object.member("capabilities"));
    let catalog = &snapshot.catalog;
    if version.era() == Era::Legacy || !catalog.tools().is_empty() {
        capabilities.raw("logging", b"{}");
    }
    if !catalog.tools().is_empty() {
        capabilities.raw("tools", br#"{"listChanged":true}"#);
    }
    if !catalog.providers().is_empty() {
        capabilities.raw("resources", br#"{"subscribe":true,"listChanged":true}"#);
    }
    if !catalog.prompts().is_empty() {
        capabilities.raw("prompts", br#"{"listChanged":true}"#);
    }
    let can_complete = !catalog.prompts().is_empty() || !catalog.providers().is_empty();
    if version.has_completions_capability() && can_complete {
        capabilities.raw("completions", b"{}");
    }
    if catalog.has_tasks() && version.has_requested_tasks() {
        capabilities.raw(
            "tasks",
            if can_list_tasks(principal) {
                br#"{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#
            } else {
                br#"{"cancel":{},"requests":{"tools":{"call":{}}}}"#
            },
        );
    }
    if catalog.has_tasks() && version.has_task_handles() {
        capabilities.value("extensions", &json!({ TASKS_EXTENSION: {} }));
    }
    capabilities.close();
}

/// The result of `initialize`.
pub fn initialized(snapshot: &Snapshot, version: Version, principal: &Principal) -> Vec<u8> {
    writer(snapshot, version).object(|object| {
        object.text("protocolVersion", version.name());
        write_capabilities(snapshot, version, principal, object);
        object.raw("serverInfo", &snapshot.identity.info);
        object.optional_text("instructions", snapshot.identity.instructions.as_deref());
    })
}

fn discover(snapshot: &Snapshot, version: Version, principal: &Principal) -> Vec<u8> {
    writer(snapshot, version).cacheable(|object| {
        object.array("supportedVersions", Version::modern(), |out, version| {
            write_string(out, version.name());
        });
        write_capabilities(snapshot, version, principal, object);
        object.optional_text("instructions", snapshot.identity.instructions.as_deref());
    })
}

fn set_level(snapshot: &Snapshot, call: &Call) -> Result<Work, Refusal> {
    let level = call.params().get("level").and_then(Value::as_str).and_then(LogLevel::from_name);
    if let (Some(level), Some(session)) = (level, call.session()) {
        session.set_log_level(level);
    }
    Ok(done(empty(snapshot, call.version())))
}

fn read(services: &Services, snapshot: &Arc<Snapshot>, call: &mut Call) -> Result<Work, Refusal> {
    let uri = call.target().unwrap_or_default().to_owned();
    let version = call.version();
    let (inputs, _) = inputs::take(services, call)?;
    let absent = || RpcError::unknown_resource(&uri, version);
    let provider = snapshot.catalog.provider_of(&uri);
    let provider = Arc::clone(provider.ok_or_else(|| Refusal::NotFound(absent()))?);
    let snapshot = Arc::clone(snapshot);
    let run = move |context: &Context| match provider.read(context, &uri) {
        Ok(contents) => Ok(Outcome::Result(writer(&snapshot, version).resource(&contents))),
        Err(ReadError::NotFound) => Ok(Outcome::Error(RpcError::unknown_resource(&uri, version))),
        Err(ReadError::Failed(failure)) => Err(failure),
    };
    Ok(Work::Blocking(Blocking::asking(Arc::new(run), inputs)))
}

fn subscribe(snapshot: &Snapshot, call: &Call, wanted: bool) -> Result<Work, Refusal> {
    if let (Some(uri), Some(session)) = (call.target(), call.session()) {
        let mut filter = session.listener.filter.lock();
        if !wanted {
            filter.uris.remove(uri);
        } else if filter.uris.len() < snapshot.calls.subscriptions {
            filter.uris.insert(uri.to_owned());
        } else if !filter.uris.contains(uri) {
            return Err(Refusal::Overloaded("Too many subscriptions"));
        }
    }
    Ok(done(empty(snapshot, call.version())))
}

/// The part of the wishes that can be honoured.
fn listen_filter(services: &Services, snapshot: &Snapshot, call: &Call) -> Filter {
    let wishes = call.params().get("notifications");
    let wish = |key: &str| wishes.and_then(|w| w.get(key)).and_then(Value::as_bool) == Some(true);
    let texts = |key: &str| {
        let list = wishes.and_then(|w| w.get(key)).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    };
    let view = snapshot.view_of(call);
    let may_read =
        |uri: &str| view.shows(Method::ResourcesRead, Thing::Resource(uri), Permission::Read);
    let most = snapshot.calls.subscriptions;
    let has_resources = !snapshot.catalog.providers().is_empty();
    Filter {
        tools: wish("toolsListChanged") && !snapshot.catalog.tools().is_empty(),
        prompts: wish("promptsListChanged") && !snapshot.catalog.prompts().is_empty(),
        resources: wish("resourcesListChanged") && has_resources,
        uris: texts("resourceSubscriptions")
            .filter(|uri| snapshot.catalog.provider_of(uri).is_some() && may_read(uri))
            .take(most)
            .map(str::to_owned)
            .collect(),
        tasks: texts("taskIds")
            .filter(|id| {
                let task = services.tasks.find(id, call.principal());
                task.is_some_and(|task| snapshot.may_call(call.principal(), task.tool()))
            })
            .take(most)
            .map(str::to_owned)
            .collect(),
    }
}
