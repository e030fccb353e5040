//! What a modern client brings along when it makes a request again: its answers, and the sealed
//! memory of the rounds before.

use serde_json::{Map, Value};

use crate::backend::asking::Round;
use crate::base::clock::unix_seconds;
use crate::guard::refusal::Refusal;
use crate::guard::validate::Call;
use crate::mcp::dialogue::Dialogue;
use crate::mcp::era::Era;
use crate::mcp::errors::RpcError;
use crate::mcp::input::digest;
use crate::mcp::request_state::{BadState, Binding};
use crate::pipeline::services::Services;

/// What a call knows of its rounds before, and what it is bound to.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// For the `requestState` of the next round.
    pub binding: Binding,
    /// What is known.
    pub round: Round,
}

/// Takes the inputs out of the parameters of `call`; what is left of them is what the caller asks
/// for, and what a `requestState` is good for.
pub fn take(services: &Services, call: &mut Call) -> Result<(Inputs, Map<String, Value>), Refusal> {
    let mut params = call.take_params();
    params.remove("_meta");
    let responses = params.remove("inputResponses");
    let state = params.remove("requestState");
    let about = Value::Object(params);
    let binding = Binding {
        principal: call.principal().key.clone(),
        method: call.method().name(),
        digest: digest(&about),
    };
    let Value::Object(params) = about else { return Err(broken()) };
    if call.version().era() == Era::Legacy {
        return Ok((Inputs { binding, round: Round::default() }, params));
    }
    let mut dialogue = match state.as_ref().and_then(Value::as_str) {
        None => Dialogue::default(),
        Some(state) => open(services, &binding, state)?,
    };
    if let Some(Value::Object(responses)) = responses {
        for (key, response) in responses {
            dialogue.take_in(key, Ok(response));
        }
    }
    Ok((Inputs { binding, round: Round { dialogue, ..Round::default() } }, params))
}

fn open(services: &Services, binding: &Binding, state: &str) -> Result<Dialogue, Refusal> {
    match services.request_states.open(binding, state, unix_seconds()) {
        Ok(json) => Dialogue::from_json(&json).ok_or_else(broken),
        Err(BadState::Foreign) => Err(broken()),
        Err(BadState::Expired) => Err(Refusal::invalid(RpcError::invalid_params(
            "The requestState has expired; make the request anew",
        ))),
    }
}

fn broken() -> Refusal {
    Refusal::invalid(RpcError::invalid_params("The requestState is not valid for this request"))
}
