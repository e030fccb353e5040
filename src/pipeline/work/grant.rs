//! What stands between a call of the right form and its work, the same by every way: the rates of
//! its method and tool, what it names, and the policy.

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
    snapshot.rate.meter_call(&call, now)?;
    let target = target_of(services, snapshot, &call);
    snapshot.policy.decide(call, target)
}
