//! What stands between a call of the right form and its work, the same by every way: what it names,
//! the policy, and the rates of its method and tool.

use super::dispatch::target_of;
use crate::base::clock::Now;
use crate::guard::authz::Grant;
use crate::guard::refusal::Refusal;
use crate::guard::validate::Call;
use crate::pipeline::services::Services;
use crate::pipeline::snapshot::Snapshot;

/// Grants a call, or says why not.
pub fn grant(
    services: &Services,
    snapshot: &Snapshot,
    call: Call,
    now: Now,
) -> Result<Grant, Refusal> {
    let target = target_of(services, snapshot, &call);
    let granted = snapshot.policy.decide(call, target)?;
    // Behind the policy: who may not call a tool learns nothing of its rate.
    snapshot.rate.meter_call(granted.call(), now)?;
    Ok(granted)
}
