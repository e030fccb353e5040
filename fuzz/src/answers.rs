//! What a client answers, and what it brings back of a call: only what fits is read, and only what
//! was sealed here is opened.

use std::sync::LazyLock;

use erlmcp::mcp::dialogue::Dialogue;
use erlmcp::mcp::input::{Elicitation, Elicited, InputRequest, InputResponse, Sampling};
use erlmcp::mcp::request_state::{BadState, Binding, RequestStates};
use serde_json::{Value, json};

static STATES: LazyLock<RequestStates> =
    LazyLock::new(|| RequestStates::new().expect("randomness"));

fn binding(digest: &str) -> Binding {
    Binding { principal: "caller".into(), method: "tools/call", digest: digest.into() }
}

/// One answer, or one `requestState`.
pub fn answers(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(STATES.open(&binding("a"), text, 0), Err(BadState::Foreign), "a forgery");
    }
    if let Ok(sealed) = STATES.seal(&binding("a"), data, 5) {
        assert_eq!(STATES.open(&binding("a"), &sealed, 5).as_deref(), Ok(data));
        assert_eq!(STATES.open(&binding("a"), &sealed, 6), Err(BadState::Expired));
        assert_eq!(STATES.open(&binding("b"), &sealed, 5), Err(BadState::Foreign));
    }
    if let Some(dialogue) = Dialogue::from_json(data) {
        assert_eq!(Dialogue::from_json(&dialogue.to_json()), Some(dialogue));
    }
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let requests: [InputRequest; 4] = [
        Elicitation::form("?", json!({ "type": "object" })).into(),
        Elicitation::url("?", "https://example.com/").into(),
        Sampling::user("?", 1).into(),
        InputRequest::Roots,
    ];
    for request in requests {
        match request.read(&value) {
            None => {}
            Some(InputResponse::Elicited(Elicited::Accepted(_))) => {
                assert_eq!(value["action"], "accept");
            }
            Some(InputResponse::Elicited(_)) => assert_ne!(value["action"], "accept"),
            Some(InputResponse::Sampled(sampled)) => assert_eq!(value["model"], sampled.model),
            Some(InputResponse::Roots(roots)) => {
                assert_eq!(value["roots"].as_array().map(Vec::len), Some(roots.len()));
            }
        }
    }
}
