//! What stands between a call of the right form and its work, the same by every way: what it names,
//! the policy, and the rates of its method and tool.

use super::dispatch::target_of;
use crate::base::clock::Now;
use crate::guard::authz::Grant;
use crate::guard::refusal::Refusal;
use crate::guard::validate::{Call, params, uri};
use crate::mcp::errors::RpcError;
use crate::pipeline::services::Services;
use crate::pipeline::snapshot::Snapshot;

/// Grants a call, or says why not.
pub fn grant(
    services: &Services,
    snapshot: &Snapshot,
    call: Call,
    now: Now,
) -> Result<Grant, Refusal> {
    check_schemes(snapshot, &call)?;
    let target = target_of(services, snapshot, &call);
    let granted = snapshot.policy.decide(call, target)?;
    // Behind the policy: who may not call a tool learns nothing of its rate.
    snapshot.rate.meter_call(granted.call(), now)?;
    Ok(granted)
}

/// Only the schemes that are configured may be asked for, whatever they lead to.
fn check_schemes(snapshot: &Snapshot, call: &Call) -> Result<(), Refusal> {
    let Some(allowed) = &snapshot.uri_schemes else { return Ok(()) };
    let is_allowed = |uri: &str| allowed.iter().any(|it| it.eq_ignore_ascii_case(uri::scheme(uri)));
    if params::uris(call.method(), call.params()).into_iter().all(is_allowed) {
        return Ok(());
    }
    Err(Refusal::invalid(RpcError::invalid_params("The scheme of the URI is not allowed")))
}
