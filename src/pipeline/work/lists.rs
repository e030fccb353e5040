//! The lists: only what the caller may use, page by page. They ask the same question as the calls.

use std::sync::Arc;

use super::dispatch::{Blocking, Work};
use super::tasks;
use super::tools::{can_call, writer};
use crate::backend::catalog::OfferedTool;
use crate::backend::context::Context;
use crate::backend::provider::Failure;
use crate::guard::authz::View;
use crate::guard::authz::rule::{Caller, Place, Thing};
use crate::guard::refusal::Refusal;
use crate::guard::validate::Call;
use crate::mcp::era::Version;
use crate::mcp::errors::RpcError;
use crate::mcp::methods::{Method, Permission};
use crate::pipeline::calls::outcome::Outcome;
use crate::pipeline::services::Services;
use crate::pipeline::snapshot::Snapshot;

/// `tools/list`.
pub fn tools(services: &Services, snapshot: &Snapshot, call: &Call) -> Result<Work, Refusal> {
    let view = snapshot.view_of(call);
    let may_see = |tool: &OfferedTool| {
        view.shows(Method::ToolsCall, Thing::Tool(&tool.name), tool.permission)
    };
    let version = call.version();
    let visible = snapshot
        .catalog
        .tools()
        .iter()
        .filter(|tool| can_call(tool, version) && may_see(tool))
        .map(|tool| (tool.name.as_str(), tool.json.get(version).as_slice()));
    page(services, snapshot, call, "tools", visible)
}

/// `prompts/list`.
pub fn prompts(services: &Services, snapshot: &Snapshot, call: &Call) -> Result<Work, Refusal> {
    let view = snapshot.view_of(call);
    let may_see = |name: &str| view.shows(Method::PromptsGet, Thing::Prompt(name), READ);
    let all = snapshot
        .catalog
        .prompts()
        .iter()
        .filter(|prompt| may_see(&prompt.name))
        .map(|prompt| (prompt.name.as_str(), prompt.json.get(call.version()).as_slice()));
    page(services, snapshot, call, "prompts", all)
}

/// `resources/templates/list`.
pub fn templates(services: &Services, snapshot: &Snapshot, call: &Call) -> Result<Work, Refusal> {
    let view = snapshot.view_of(call);
    let may_see = |uri: &str| view.shows(Method::ResourcesRead, Thing::Resource(uri), READ);
    let all: Vec<(String, Vec<u8>)> = snapshot
        .catalog
        .providers()
        .iter()
        .flat_map(|provider| provider.templates())
        .filter(|template| may_see(&template.uri))
        .map(|template| (template.uri.clone(), template.to_json("uriTemplate", call.version())))
        .collect();
    let all = all.iter().map(|(key, json)| (key.as_str(), json.as_slice()));
    page(services, snapshot, call, "resourceTemplates", all)
}

/// `tasks/list` (2025-11-25).
pub fn tasks(services: &Services, snapshot: &Snapshot, call: &Call) -> Result<Work, Refusal> {
    let all = tasks::shown(services, snapshot, call);
    let all = all.iter().map(|(key, json)| (key.as_str(), json.as_slice()));
    page(services, snapshot, call, "tasks", all)
}

fn page<'i>(
    services: &Services,
    snapshot: &Snapshot,
    call: &Call,
    key: &str,
    items: impl Iterator<Item = (&'i str, &'i [u8])>,
) -> Result<Work, Refusal> {
    let mut items = items.peekable();
    if let Some(last) = position(services, call)? {
        while items.next().ok_or_else(bad_cursor)?.0 != last {}
    }
    let page: Vec<_> = items.by_ref().take(snapshot.identity.page_size).collect();
    let next = match (items.peek(), page.last()) {
        (Some(_), Some((last, _))) => Some(seal(services, call, last)),
        _ => None,
    };
    let json = writer(snapshot, call.version()).page(
        key,
        page.iter().map(|(_, json)| *json),
        next.as_deref(),
    );
    Ok(Work::now(Outcome::Result(json)))
}

/// `resources/list`: may read directories, so it is work for later.
pub fn resources(
    services: &Arc<Services>,
    snapshot: &Arc<Snapshot>,
    call: &Call,
) -> Result<Work, Refusal> {
    // The position is the number of the provider and the last URI of it that was shown.
    let (provider, last) = match position(services, call)? {
        None => (0, None),
        Some(position) => {
            let (number, last) = position.split_once(' ').ok_or_else(bad_cursor)?;
            (number.parse().map_err(|_| bad_cursor())?, Some(last.to_owned()))
        }
    };
    let (services, snapshot) = (Arc::clone(services), Arc::clone(snapshot));
    let (version, principal) = (call.version(), Arc::clone(call.principal()));
    let place = Place::At(call.transport(), call.address());
    Ok(Work::Blocking(Blocking::plain(Arc::new(move |_: &Context| {
        let view = snapshot.policy.for_caller(Caller { principal: &principal, place });
        let (items, next) = collect(&snapshot, &view, version, provider, last.clone())?;
        let next = next.map(|position| services.cursors.seal(&principal.key, LIST, &position));
        let json = writer(&snapshot, version).page(
            "resources",
            items.iter().map(Vec::as_slice),
            next.as_deref(),
        );
        Ok(Outcome::Result(json))
    }))))
}

const LIST: &str = "resources/list";
const READ: Permission = Permission::Read;

type Collected = (Vec<Vec<u8>>, Option<String>);

fn collect(
    snapshot: &Snapshot,
    view: &View<'_>,
    version: Version,
    first: usize,
    mut last: Option<String>,
) -> Result<Collected, Failure> {
    let size = snapshot.identity.page_size;
    let mut items = Vec::new();
    for (number, provider) in snapshot.catalog.providers().iter().enumerate().skip(first) {
        let room = size - items.len();
        let after = last.take();
        // One more than fits shows whether there is more.
        let found = provider.list(after.as_deref(), room.saturating_add(1))?;
        let shown = found.iter().take(room);
        let last_shown = shown.clone().next_back().map(|resource| resource.uri.clone());
        let shown = shown.filter(|resource| {
            view.shows(Method::ResourcesRead, Thing::Resource(&resource.uri), READ)
        });
        items.extend(shown.map(|resource| resource.to_json("uri", version)));
        if found.len() > room {
            let position = last_shown.or(after).unwrap_or_default();
            return Ok((items, Some(format!("{number} {position}"))));
        }
    }
    Ok((items, None))
}

/// Where the last page ended, if the request goes on from one.
fn position(services: &Services, call: &Call) -> Result<Option<String>, Refusal> {
    let Some(cursor) = call.params().get("cursor").and_then(|cursor| cursor.as_str()) else {
        return Ok(None);
    };
    services
        .cursors
        .open(&call.principal().key, call.method().name(), cursor)
        .map(Some)
        .map_err(|_| bad_cursor())
}

fn seal(services: &Services, call: &Call, last: &str) -> String {
    services.cursors.seal(&call.principal().key, call.method().name(), last)
}

fn bad_cursor() -> Refusal {
    Refusal::Invalid(200, RpcError::invalid_params("The cursor is not valid; list from the start"))
}
