//! `completion/complete` and `prompts/get`: what is proposed for an argument, and what it fills.

use std::sync::Arc;

use serde_json::Value;

use super::dispatch::{Blocking, Work};
use super::inputs;
use super::tools::writer;
use crate::backend::context::Context;
use crate::backend::provider::Arguments;
use crate::base::percent::encode_path;
use crate::guard::authz::rule::{Caller, Place, Thing};
use crate::guard::refusal::Refusal;
use crate::guard::validate::Call;
use crate::mcp::errors::RpcError;
use crate::mcp::methods::{Method, Permission};
use crate::pipeline::calls::outcome::Outcome;
use crate::pipeline::services::Services;
use crate::pipeline::snapshot::Snapshot;

/// Most values of one answer (MCP, completion).
const MOST_VALUES: usize = 100;

/// `completion/complete`.
pub fn complete(snapshot: &Arc<Snapshot>, call: &Call) -> Result<Work, Refusal> {
    let text = |object: &str, key: &str| {
        let value = call.params().get(object).and_then(|object| object.get(key));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (name, prefix) = (text("argument", "name"), text("argument", "value"));
    let version = call.version();
    if text("ref", "type") == "ref/prompt" {
        let prompt_name = text("ref", "name");
        let thing = Thing::Prompt(&prompt_name);
        let may_see = snapshot.view_of(call).shows(Method::PromptsGet, thing, Permission::Read);
        let prompt = snapshot.catalog.prompt(&prompt_name).filter(|_| may_see);
        let prompt =
            prompt.ok_or_else(|| Refusal::NotFound(RpcError::unknown_prompt(&prompt_name)))?;
        let values = prompt.handler.complete(&name, &prefix);
        return Ok(Work::now(Outcome::Result(written(snapshot, version, &values))));
    }
    let template = text("ref", "uri");
    let is_known = |provider: &Arc<dyn crate::backend::provider::ResourceProvider>| {
        provider.templates().iter().any(|known| known.uri == template) || provider.claims(&template)
    };
    let thing = Thing::Resource(&template);
    let may_see = snapshot.view_of(call).shows(Method::ResourcesRead, thing, Permission::Read);
    let provider = snapshot.catalog.providers().iter().find(|provider| is_known(provider));
    let Some(provider) = provider.filter(|_| may_see).cloned() else {
        return Err(Refusal::NotFound(RpcError::unknown_resource(&template, version)));
    };
    let snapshot = Arc::clone(snapshot);
    let principal = Arc::clone(call.principal());
    let place = Place::At(call.transport(), call.address());
    Ok(Work::Blocking(Blocking::plain(Arc::new(move |_: &Context| {
        let view = snapshot.policy.for_caller(Caller { principal: &principal, place });
        let mut values = provider.complete(&template, &name, &prefix);
        values.retain(|value| {
            let uri = expanded(&template, &name, value);
            view.shows(Method::ResourcesRead, Thing::Resource(&uri), Permission::Read)
        });
        Ok(Outcome::Result(written(&snapshot, version, &values)))
    }))))
}

/// The URI that a template with this value is (RFC 6570, levels 1 and 2).
fn expanded(template: &str, name: &str, value: &str) -> String {
    let mut path = String::new();
    encode_path(&mut path, value);
    let segment = path.replace('/', "%2F");
    template.replace(&format!("{{+{name}}}"), &path).replace(&format!("{{{name}}}"), &segment)
}

fn written(snapshot: &Snapshot, version: crate::mcp::era::Version, values: &[String]) -> Vec<u8> {
    let shown = values.get(..values.len().min(MOST_VALUES)).unwrap_or_default();
    writer(snapshot, version).completion(shown, values.len())
}

/// `prompts/get`.
pub fn prompt(
    services: &Services,
    snapshot: &Arc<Snapshot>,
    call: &mut Call,
) -> Result<Work, Refusal> {
    let (inputs, mut params) = inputs::take(services, call)?;
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let arguments = match params.remove("arguments") {
        Some(Value::Object(arguments)) => arguments,
        _ => Arguments::new(),
    };
    let prompt = snapshot
        .catalog
        .prompt(&name)
        .ok_or_else(|| Refusal::NotFound(RpcError::unknown_prompt(&name)))?;
    let wrong = |what: String| Refusal::Invalid(200, RpcError::invalid_params(what));
    if let Some(missing) =
        prompt.arguments.iter().find(|a| a.required && !arguments.contains_key(&a.name))
    {
        return Err(wrong(format!("The argument `{}` is required", missing.name)));
    }
    if arguments.keys().any(|key| prompt.arguments.iter().all(|a| a.name != *key)) {
        return Err(wrong("The prompt has no argument of this name".to_owned()));
    }
    let handler = Arc::clone(&prompt.handler);
    let (version, snapshot) = (call.version(), Arc::clone(snapshot));
    let is_quick = handler.is_quick();
    let run = move |context: &Context| {
        let filled = handler.fill(context, arguments.clone())?;
        let writer = writer(&snapshot, version);
        Ok(Outcome::Result(writer.prompt(filled.description.as_deref(), &filled.messages)))
    };
    Ok(if is_quick {
        Work::Quick(Box::new(run))
    } else {
        Work::Blocking(Blocking::asking(Arc::new(run), inputs))
    })
}
