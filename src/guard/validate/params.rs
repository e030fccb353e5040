//! The parameters of each method, by type: a call whose parameters pass holds what its method needs
//! in the form it needs.

use serde_json::Value;

use super::uri;
use crate::mcp::errors::RpcError;
use crate::mcp::meta::LogLevel;
use crate::mcp::methods::Method;
use crate::proto::jsonrpc::Params;

/// Longest name of a tool, prompt or argument that is looked at, in bytes.
const NAME_BYTES: usize = 256;
/// Most resources, and most tasks, of one `subscriptions/listen`.
const MOST_WISHES: usize = 1_000;

/// Why parameters are refused.
#[derive(Debug, PartialEq)]
pub enum Fault {
    /// Missing or of the wrong type.
    Type(RpcError),
    /// A URI or name that tries to lead elsewhere.
    Hostile(RpcError),
}

/// Checks the parameters of a request.
pub fn check(method: Method, params: &Params) -> Result<(), Fault> {
    match method {
        Method::Ping | Method::Discover => Ok(()),
        Method::Initialize => {
            text(params, "protocolVersion")?;
            required_object(params, "capabilities")?;
            required_object(params, "clientInfo")
        }
        Method::SetLevel => match text(params, "level").map(LogLevel::from_name) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(wrong("`level` is not a log level")),
            Err(fault) => Err(fault),
        },
        Method::ToolsList | Method::ResourcesList | Method::TemplatesList | Method::PromptsList => {
            optional_text(params, "cursor")
        }
        Method::ToolsCall => {
            name(params)?;
            optional_object(params, "arguments")
        }
        Method::PromptsGet => {
            name(params)?;
            text_values(params, "arguments")
        }
        Method::ResourcesRead | Method::Subscribe | Method::Unsubscribe => resource(params),
        Method::Complete => completion(params),
        Method::Listen => listen(params),
        Method::TasksGet | Method::TasksCancel | Method::TasksResult => {
            text(params, "taskId").map(drop)
        }
        Method::TasksUpdate => {
            text(params, "taskId")?;
            required_object(params, "inputResponses")
        }
        Method::TasksList => optional_text(params, "cursor"),
    }
}

/// The URIs that the parameters of a request name.
pub fn uris(method: Method, params: &Params) -> Vec<&str> {
    match method {
        Method::ResourcesRead | Method::Subscribe | Method::Unsubscribe => {
            params.get("uri").and_then(Value::as_str).into_iter().collect()
        }
        Method::Listen => {
            let wishes = params.get("notifications").and_then(|it| it.get("resourceSubscriptions"));
            let uris = wishes.and_then(Value::as_array).into_iter().flatten();
            uris.filter_map(Value::as_str).collect()
        }
        _ => Vec::new(),
    }
}

/// Checks what a client adds to a request that it makes again (2026-07-28, multi round-trip
/// requests). What the answers mean is looked at where they are needed.
pub fn check_inputs(method: Method, params: &Params) -> Result<(), RpcError> {
    use Method::{PromptsGet, ResourcesRead, TasksUpdate, ToolsCall};
    if !matches!(method, ToolsCall | PromptsGet | ResourcesRead | TasksUpdate) {
        return Ok(());
    }
    let is_answers =
        |value: &Value| value.as_object().is_some_and(|all| all.values().all(Value::is_object));
    if params.get("inputResponses").is_some_and(|value| !is_answers(value)) {
        return Err(RpcError::invalid_params("`inputResponses` must be an object of objects"));
    }
    if params.get("requestState").is_some_and(|state| !state.is_string()) {
        return Err(RpcError::invalid_params("`requestState` must be a string"));
    }
    Ok(())
}

/// True if a `subscriptions/listen` wants to hear of tasks.
pub fn listens_to_tasks(method: Method, params: &Params) -> bool {
    let wishes = params.get("notifications").and_then(Value::as_object);
    method == Method::Listen && wishes.is_some_and(|wishes| wishes.contains_key("taskIds"))
}

fn name(params: &Params) -> Result<(), Fault> {
    let name = text(params, "name")?;
    if name.len() > NAME_BYTES || name.chars().any(char::is_control) {
        return Err(Fault::Hostile(RpcError::invalid_params("`name` is not a valid name")));
    }
    Ok(())
}

fn resource(params: &Params) -> Result<(), Fault> {
    checked_uri(text(params, "uri")?)
}

fn checked_uri(text: &str) -> Result<(), Fault> {
    uri::check(text).map_err(|fault| Fault::Hostile(RpcError::invalid_params(fault.to_string())))
}

fn completion(params: &Params) -> Result<(), Fault> {
    let reference = params.get("ref").and_then(Value::as_object);
    let reference = reference.ok_or_else(|| wrong("`ref` must be an object"))?;
    match reference.get("type").and_then(Value::as_str) {
        Some("ref/prompt") => name(reference)?,
        // A template is no URI: its braces are looked up as they stand.
        Some("ref/resource") => drop(text(reference, "uri")?),
        _ => return Err(wrong("`ref.type` must be \"ref/prompt\" or \"ref/resource\"")),
    }
    let argument = params.get("argument").and_then(Value::as_object);
    let argument = argument.ok_or_else(|| wrong("`argument` must be an object"))?;
    text(argument, "name")?;
    text(argument, "value")?;
    optional_object(params, "context")
}

fn listen(params: &Params) -> Result<(), Fault> {
    let wishes = params.get("notifications").and_then(Value::as_object);
    let wishes = wishes.ok_or_else(|| wrong("`notifications` must be an object"))?;
    for key in ["toolsListChanged", "promptsListChanged", "resourcesListChanged"] {
        if wishes.get(key).is_some_and(|wish| !wish.is_boolean()) {
            return Err(wrong("the wishes in `notifications` must be true or false"));
        }
    }
    let texts = |key: &str| -> Result<Vec<&str>, Fault> {
        let Some(list) = wishes.get(key) else { return Ok(Vec::new()) };
        let list = list.as_array().filter(|list| list.len() <= MOST_WISHES);
        let texts = list.and_then(|list| list.iter().map(Value::as_str).collect());
        texts.ok_or_else(|| wrong(&format!("`{key}` must be a list of at most 1000 strings")))
    };
    texts("taskIds")?;
    texts("resourceSubscriptions")?.into_iter().try_for_each(checked_uri)
}

fn text<'p>(params: &'p Params, key: &str) -> Result<&'p str, Fault> {
    let value = params.get(key).and_then(Value::as_str);
    value.ok_or_else(|| wrong(&format!("`{key}` must be a string")))
}

fn optional_text(params: &Params, key: &str) -> Result<(), Fault> {
    if params.contains_key(key) { text(params, key).map(drop) } else { Ok(()) }
}

fn required_object(params: &Params, key: &str) -> Result<(), Fault> {
    if params.get(key).is_some_and(Value::is_object) {
        Ok(())
    } else {
        Err(wrong(&format!("`{key}` must be an object")))
    }
}

fn optional_object(params: &Params, key: &str) -> Result<(), Fault> {
    if params.contains_key(key) { required_object(params, key) } else { Ok(()) }
}

fn text_values(params: &Params, key: &str) -> Result<(), Fault> {
    let Some(value) = params.get(key) else { return Ok(()) };
    if value.as_object().is_some_and(|members| members.values().all(Value::is_string)) {
        Ok(())
    } else {
        Err(wrong(&format!("`{key}` must be an object of strings")))
    }
}

fn wrong(what: &str) -> Fault {
    Fault::Type(RpcError::invalid_params(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verdict(method: Method, params: Value) -> Result<(), Fault> {
        check(method, params.as_object().unwrap())
    }

    #[test]
    fn what_each_method_needs_is_asked_for() {
        for (method, params) in [
            (Method::ToolsCall, json!({"name": "a"})),
            (Method::ToolsCall, json!({"name": "a", "arguments": {"b": 1}})),
            (Method::ToolsList, json!({"cursor": ""})),
            (Method::PromptsGet, json!({"name": "a", "arguments": {"b": "c"}})),
            (Method::SetLevel, json!({"level": "info"})),
            (Method::ResourcesRead, json!({"uri": "a:b"})),
            (
                Method::Complete,
                json!({
                    "ref": {"type": "ref/prompt", "name": "a"},
                    "argument": {"name": "b", "value": ""}
                }),
            ),
            (Method::Listen, json!({"notifications": {"toolsListChanged": true}})),
        ] {
            assert_eq!(verdict(method, params.clone()), Ok(()), "{params}");
        }
    }

    #[test]
    fn what_has_the_wrong_type_is_refused() {
        for (method, params) in [
            (Method::ToolsCall, json!({})),
            (Method::ToolsCall, json!({"name": 1})),
            (Method::ToolsCall, json!({"name": "a", "arguments": []})),
            (Method::ToolsCall, json!({"name": "a", "arguments": null})),
            (Method::ToolsList, json!({"cursor": {"a": 1}})),
            (Method::PromptsGet, json!({"name": "a", "arguments": {"b": 1}})),
            (Method::SetLevel, json!({"level": "loud"})),
            (Method::Initialize, json!({"protocolVersion": "2025-11-25"})),
            (
                Method::Complete,
                json!({"ref": {"type": "x"}, "argument": {"name": "b", "value": ""}}),
            ),
            (Method::Complete, json!({"ref": {"type": "ref/prompt", "name": "a"}})),
            (Method::Listen, json!({"notifications": {"toolsListChanged": 1}})),
            (Method::Listen, json!({"notifications": {"resourceSubscriptions": "a:b"}})),
            (Method::Listen, json!({"notifications": {"taskIds": [1]}})),
            (Method::TasksGet, json!({})),
            (Method::TasksUpdate, json!({"taskId": "a"})),
        ] {
            assert!(matches!(verdict(method, params.clone()), Err(Fault::Type(_))), "{params}");
        }
    }

    #[test]
    fn answers_of_a_client_have_a_form_too() {
        let verdict = |params: Value| check_inputs(Method::ToolsCall, params.as_object().unwrap());
        assert_eq!(verdict(json!({"inputResponses": {"a": {}}, "requestState": ""})), Ok(()));
        for wrong in [
            json!({"inputResponses": null}),
            json!({"inputResponses": []}),
            json!({"inputResponses": {"a": 5}}),
            json!({"requestState": {}}),
        ] {
            assert!(verdict(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_called_hostile() {
        for (method, params) in [
            (Method::ResourcesRead, json!({"uri": "../../etc/passwd"})),
            (Method::Subscribe, json!({"uri": "file:///%2e%2e/etc"})),
            (Method::ToolsCall, json!({"name": "a\nb"})),
            (Method::ToolsCall, json!({"name": "a".repeat(300)})),
            (Method::Listen, json!({"notifications": {"resourceSubscriptions": ["a:../b"]}})),
        ] {
            assert!(matches!(verdict(method, params.clone()), Err(Fault::Hostile(_))), "{params}");
        }
    }
}
