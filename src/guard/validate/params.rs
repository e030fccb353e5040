//! The parameters of each method: a call whose parameters pass holds what its method needs in the
//! form that the revision gives it, and no name or URI that tries to lead elsewhere.

use serde_json::Value;

use super::uri;
use crate::mcp::era::Version;
use crate::mcp::errors::RpcError;
use crate::mcp::methods::Method;
use crate::mcp::{parameters, shape};
use crate::proto::jsonrpc::Params;

/// Longest name of a tool or prompt that is looked at, in bytes.
const NAME_BYTES: usize = 256;

/// Why parameters are refused.
#[derive(Debug, PartialEq)]
pub enum Fault {
    /// Missing or of the wrong type.
    Type(RpcError),
    /// A URI or name that tries to lead elsewhere.
    Hostile(RpcError),
}

/// Checks the parameters of a request.
pub fn check(method: Method, params: &Params, version: Version) -> Result<(), Fault> {
    shape::check(parameters::of(method), params, version)
        .map_err(|mismatch| Fault::Type(RpcError::invalid_params(mismatch.to_string())))?;
    match method {
        Method::ToolsCall | Method::PromptsGet => name(params),
        Method::Complete => params.get("ref").and_then(Value::as_object).map_or(Ok(()), name),
        _ => uris(method, params).into_iter().try_for_each(checked_uri),
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

/// True if a `subscriptions/listen` wants to hear of tasks.
pub fn listens_to_tasks(method: Method, params: &Params) -> bool {
    let wishes = params.get("notifications").and_then(Value::as_object);
    method == Method::Listen && wishes.is_some_and(|wishes| wishes.contains_key("taskIds"))
}

fn name(params: &Params) -> Result<(), Fault> {
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.len() > NAME_BYTES || name.chars().any(char::is_control) {
        return Err(Fault::Hostile(RpcError::invalid_params("`name` is not a valid name")));
    }
    Ok(())
}

fn checked_uri(text: &str) -> Result<(), Fault> {
    uri::check(text).map_err(|fault| Fault::Hostile(RpcError::invalid_params(fault.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verdict(method: Method, params: Value) -> Result<(), Fault> {
        let version =
            if method.is_in(Version::NEWEST) { Version::NEWEST } else { Version::NEWEST_LEGACY };
        check(method, params.as_object().unwrap(), version)
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
        let good = json!({"name": "a", "inputResponses": {"a": {}}, "requestState": ""});
        assert_eq!(verdict(Method::ToolsCall, good), Ok(()));
        for (key, wrong) in [
            ("inputResponses", json!(null)),
            ("inputResponses", json!([])),
            ("inputResponses", json!({"a": 5})),
            ("requestState", json!({})),
        ] {
            let params = json!({"name": "a", key: wrong});
            assert!(verdict(Method::ToolsCall, params.clone()).is_err(), "{params}");
            let version = Version::NEWEST_LEGACY;
            let of_legacy = check(Method::ToolsCall, params.as_object().unwrap(), version);
            assert_eq!(of_legacy, Ok(()), "it means nothing there: {params}");
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
