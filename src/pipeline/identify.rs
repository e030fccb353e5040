//! Who is it, and is it too much: asked of every request and message that has come over a network,
//! in this order, whatever it has come over.

use std::net::IpAddr;
use std::sync::Arc;

use super::exchange::Exchange;
use super::snapshot::Snapshot;
use crate::base::clock::Now;
use crate::guard::authn::inquiry::Waiter;
use crate::guard::authn::{Authenticated, Credentials, Occasion, Verdict};
use crate::guard::gate::Admitted;
use crate::guard::rate::Metered;
use crate::guard::refusal::Refusal;

/// How often a request may wait for another server: keys may change while they are fetched.
pub(super) const MOST_ROUNDS: u32 = 2;

/// Why a request is not let through, or not yet.
#[derive(Debug)]
pub(super) enum Unmetered {
    /// Another server is asked who it is from; the same once more when it has told.
    Later(Admitted, Arc<Waiter>),
    /// It is refused.
    Refused(Refusal),
}

/// Is it too much already, whoever it is?
pub(super) fn comes_too_often(
    snapshot: &Snapshot,
    credentials: &Credentials<'_>,
    address: IpAddr,
    now: Now,
) -> Option<Refusal> {
    let authentication = &snapshot.authentication;
    // Who presents nothing is told to authenticate, however often it asks.
    if authentication.is_on() && credentials.are_absent() {
        return None;
    }
    let identity = || authentication.identity(credentials);
    snapshot.rate.before_authentication(address, credentials.tag(), identity, now).err()
}

/// Who is it, and is it too much? Also: can it be recorded?
pub(super) fn identify(
    exchange: &mut Exchange,
    snapshot: &Snapshot,
    admitted: Admitted,
    credentials: &Credentials<'_>,
    occasion: &Occasion<'_>,
) -> Result<Metered, Unmetered> {
    let authentication = &snapshot.authentication;
    let (verdict, errand) = authentication.authenticate(admitted, credentials, occasion);
    if let Some(errand) = errand {
        exchange.services().outbound.send(errand);
    }
    let authenticated = match verdict {
        Verdict::Known(authenticated) => authenticated,
        Verdict::Later(admitted, waiter) => return Err(Unmetered::Later(admitted, waiter)),
        Verdict::Refused(admitted, refusal) => {
            if let (Refusal::BadCredentials(_), Some(address)) = (&refusal, admitted.address()) {
                let identity = authentication.identity(credentials);
                let tag = credentials.tag();
                snapshot.rate.failed(address, tag, identity.as_ref(), occasion.now);
            }
            return Err(Unmetered::Refused(refusal));
        }
    };
    meter(exchange, snapshot, authenticated, credentials, occasion.now).map_err(Unmetered::Refused)
}

/// Is it too much of somebody who is known? Also: can it be recorded?
pub(super) fn meter(
    exchange: &mut Exchange,
    snapshot: &Snapshot,
    authenticated: Authenticated,
    credentials: &Credentials<'_>,
    now: Now,
) -> Result<Metered, Refusal> {
    exchange.set_principal(authenticated.principal());
    if !exchange.services().audit.is_able() {
        return Err(Refusal::Unrecorded);
    }
    snapshot.rate.meter(authenticated, credentials.tag(), &snapshot.policy, now)
}
