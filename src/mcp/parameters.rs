//! The parameters of each method, as the schemas of the revisions have them
//! (`schema/<revision>/schema.ts`, and the tasks extension).

use super::era::{Era, Version};
use super::meta::{CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, LogLevel, PROTOCOL_VERSION};
use super::methods::Method;
use super::shape::Shape::{Count, Each, Flag, Known, List, Members, Object, Tagged, Text};
use super::shape::{Member, Shape, needed, optional};

/// The parameters of a method, but for `_meta`.
pub fn of(method: Method) -> &'static [Member] {
    match method {
        Method::Ping | Method::Discover => &[],
        Method::Initialize => INITIALIZE,
        Method::SetLevel => SET_LEVEL,
        Method::ToolsList
        | Method::ResourcesList
        | Method::TemplatesList
        | Method::PromptsList
        | Method::TasksList => PAGE,
        Method::ToolsCall => TOOLS_CALL,
        Method::PromptsGet => PROMPTS_GET,
        Method::ResourcesRead => RESOURCES_READ,
        Method::Subscribe | Method::Unsubscribe => RESOURCE,
        Method::Complete => COMPLETE,
        Method::Listen => LISTEN,
        Method::TasksGet | Method::TasksCancel | Method::TasksResult => TASK,
        Method::TasksUpdate => TASKS_UPDATE,
    }
}

/// What a modern request must carry in its `_meta`.
pub const META: &[Member] = &[
    needed(PROTOCOL_VERSION, Text),
    needed(CLIENT_CAPABILITIES, Members(CAPABILITIES)),
    optional(CLIENT_INFO, Members(IMPLEMENTATION)),
    optional(LOG_LEVEL, LEVEL),
];

const LEVEL: Shape = Known(|word| LogLevel::from_name(word).is_some(), "a log level");

const SET_LEVEL: &[Member] = &[needed("level", LEVEL)];

const PAGE: &[Member] = &[optional("cursor", Text)];

const RESOURCE: &[Member] = &[needed("uri", Text)];

const TASK: &[Member] = &[needed("taskId", Text)];

const INITIALIZE: &[Member] = &[
    needed("protocolVersion", Text),
    needed("capabilities", Members(CAPABILITIES)),
    needed("clientInfo", Members(IMPLEMENTATION)),
];

const IMPLEMENTATION: &[Member] = &[
    needed("name", Text),
    needed("version", Text),
    optional("title", Text).within(Version::has_titles),
    optional("description", Text).within(Version::has_icons),
    optional("websiteUrl", Text).within(Version::has_icons),
    optional("icons", List(&Members(ICON))).within(Version::has_icons),
];

const ICON: &[Member] = &[
    needed("src", Text),
    optional("mimeType", Text),
    optional("sizes", List(&Text)),
    optional("theme", Known(|word| matches!(word, "light" | "dark"), "\"light\" or \"dark\"")),
];

const CAPABILITIES: &[Member] = &[
    optional("experimental", Each(&Object)),
    optional("roots", Members(&[optional("listChanged", Flag).within(is_legacy)])),
    optional("sampling", Members(SAMPLING)),
    optional("elicitation", Members(ELICITATION)).within(Version::has_elicitation),
    optional("tasks", Members(TASKS)).within(Version::has_requested_tasks),
    optional("extensions", Each(&Object)).within(is_modern),
];

const SAMPLING: &[Member] = &[
    optional("context", Object).within(Version::has_sampling_tools),
    optional("tools", Object).within(Version::has_sampling_tools),
];

const ELICITATION: &[Member] = &[
    optional("form", Object).within(Version::has_url_elicitation),
    optional("url", Object).within(Version::has_url_elicitation),
];

const TASKS: &[Member] =
    &[optional("list", Object), optional("cancel", Object), optional("requests", TASK_REQUESTS)];

const TASK_REQUESTS: Shape = Members(&[
    optional("sampling", Members(&[optional("createMessage", Object)])),
    optional("elicitation", Members(&[optional("create", Object)])),
]);

const TOOLS_CALL: &[Member] = &[
    needed("name", Text),
    optional("arguments", Object),
    optional("task", Members(&[optional("ttl", Count)])).within(Version::has_requested_tasks),
    INPUT_RESPONSES,
    REQUEST_STATE,
];

const PROMPTS_GET: &[Member] =
    &[needed("name", Text), optional("arguments", Each(&Text)), INPUT_RESPONSES, REQUEST_STATE];

const RESOURCES_READ: &[Member] = &[needed("uri", Text), INPUT_RESPONSES, REQUEST_STATE];

const TASKS_UPDATE: &[Member] =
    &[needed("taskId", Text), needed("inputResponses", Each(&Object)), REQUEST_STATE];

/// What a client adds to a request that it makes again. What its answers mean is looked at where
/// they are needed: only there is known what was asked.
const INPUT_RESPONSES: Member = optional("inputResponses", Each(&Object)).within(is_modern);
const REQUEST_STATE: Member = optional("requestState", Text).within(is_modern);

const COMPLETE: &[Member] = &[
    needed("ref", Tagged("type", &[("ref/prompt", PROMPT), ("ref/resource", RESOURCE)])),
    needed("argument", Members(&[needed("name", Text), needed("value", Text)])),
    optional("context", Members(&[optional("arguments", Each(&Text))]))
        .within(Version::has_completion_context),
];

const PROMPT: &[Member] =
    &[needed("name", Text), optional("title", Text).within(Version::has_titles)];

const LISTEN: &[Member] = &[needed("notifications", Members(SUBSCRIPTIONS))];

const SUBSCRIPTIONS: &[Member] = &[
    optional("toolsListChanged", Flag),
    optional("promptsListChanged", Flag),
    optional("resourcesListChanged", Flag),
    optional("resourceSubscriptions", List(&Text)),
    optional("taskIds", List(&Text)),
];

fn is_legacy(version: Version) -> bool {
    version.era() == Era::Legacy
}

fn is_modern(version: Version) -> bool {
    version.era() == Era::Modern
}
