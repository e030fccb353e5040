//! How much, how fast: token buckets per address, per principal and per call, and the lockout of
//! those who guess. It counts; it never asks who is right.

mod bucket;
mod calls;
mod clients;
mod failures;
mod lockout;
mod quota;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::authn::api_key::KeyTag;
use super::authn::{Authenticated, Identity};
use super::authz::Policy;
use super::refusal::Refusal;
use super::settings::RateLimiting;
use super::validate::Call;
use crate::base::clock::Now;
use crate::base::principal::{AuthMethod, Principal};
use crate::base::source::source;
use crate::base::transport::Transport;
use crate::mcp::methods::Method;
use bucket::{Buckets, Class, Empty, Rate};
use calls::CallRates;
pub use clients::{ClientStatus, Offender};
use lockout::{Lockout, Pair};
use quota::Level;
pub use quota::Quota;

/// Token: the request was counted and is within bounds. Made only here.
#[derive(Debug)]
pub struct Metered {
    authenticated: Authenticated,
    class: Class,
    quota: Option<Quota>,
}

impl Metered {
    /// The same once more: for a message that needs no count beside that of its request.
    pub fn again(&self) -> Self {
        Self { authenticated: self.authenticated.again(), ..*self }
    }

    /// Who the request is from.
    pub fn principal(&self) -> &Arc<Principal> {
        self.authenticated.principal()
    }

    /// What it came over.
    pub fn transport(&self) -> Transport {
        self.authenticated.admitted().transport()
    }

    /// Where it is from; `None` over stdio.
    pub fn address(&self) -> Option<IpAddr> {
        self.authenticated.admitted().address()
    }

    /// What its caller has left, if that was counted and is told.
    pub fn quota(&self) -> Option<Quota> {
        self.quota
    }
}

/// The counting of one configuration.
#[derive(Debug)]
pub struct RateLimiter {
    enabled: bool,
    tells_quotas: bool,
    exempt: Vec<IpNet>,
    hasher: RandomState,
    addresses: Buckets,
    principals: Buckets,
    /// The class of a role's rate; a higher class is a higher rate, and 0 is that of no role.
    roles: HashMap<String, Class>,
    calls: CallRates,
    lockout: Lockout,
}

/// Most entries of each table; see [`Buckets`].
const TABLE: usize = 65_536;

impl RateLimiter {
    /// Empty tables with the rates of `settings`.
    pub fn new(settings: &RateLimiting) -> Self {
        let burst = f64::from(settings.burst.max(1));
        let per_second = settings.max_attempts_per_second;
        let per_address = Rate {
            per_second: settings.address_attempts_per_second,
            burst: settings.address_attempts_per_second.max(burst),
        };
        let mut by_rate: Vec<(&String, f64)> =
            settings.roles.iter().map(|(role, rate)| (role, *rate)).collect();
        by_rate.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        let per_role = |rate: f64| Rate {
            per_second: rate,
            burst: (burst * (rate / per_second)).ceil().max(1.0),
        };
        let of_no_role = Rate { per_second, burst };
        let rates = by_rate.iter().map(|(_, rate)| per_role(*rate));
        Self {
            enabled: settings.enabled,
            tells_quotas: settings.limit_headers,
            exempt: settings.exempt_networks.clone(),
            hasher: RandomState::new(),
            addresses: Buckets::new(vec![per_address], TABLE),
            principals: Buckets::new(std::iter::once(of_no_role).chain(rates).collect(), TABLE),
            roles: by_rate.into_iter().map(|(role, _)| role.clone()).zip(1..).collect(),
            calls: CallRates::new(settings, TABLE),
            lockout: Lockout::new(settings, TABLE),
        }
    }

    /// Asked before a credential is looked at: is this source, or the identity that it presents,
    /// locked out, or the source too fast? `identity` is only computed where somebody has failed.
    pub fn before_authentication(
        &self,
        address: IpAddr,
        credential: Option<KeyTag>,
        identity: impl FnOnce() -> Option<Identity<'static>>,
        now: Now,
    ) -> Result<(), Refusal> {
        if !self.counts(address) {
            return Ok(());
        }
        let source = source(address);
        let credential = || Some(self.pair(source, &Identity::Credential(credential?)));
        let identity = || Some(self.pair(source, &identity()?));
        if let Some(wait) = self.lockout.wait(source, credential, identity, now) {
            return Err(Refusal::LockedOut(wait));
        }
        self.stranger(address, now)
    }

    /// Counts a request that shows no credential, or is none that anybody could make: is its source
    /// too fast?
    pub fn stranger(&self, address: IpAddr, now: Now) -> Result<(), Refusal> {
        if !self.counts(address) {
            return Ok(());
        }
        let taken = self.addresses.take(self.hash(source(address)), 0, now);
        taken.map(drop).map_err(|empty| self.too_many(empty))
    }

    /// A credential from this address was refused.
    pub fn failed(
        &self,
        address: IpAddr,
        credential: Option<KeyTag>,
        identity: Option<&Identity<'_>>,
        now: Now,
    ) {
        if self.counts(address) {
            let source = source(address);
            let credential = credential.map(|tag| self.pair(source, &Identity::Credential(tag)));
            let identity = identity.map(|identity| self.pair(source, identity));
            self.lockout.failed(source, credential, identity, now);
        }
    }

    /// Counts an authenticated request against its principal, at the rate of its roles.
    pub fn meter(
        &self,
        authenticated: Authenticated,
        credential: Option<KeyTag>,
        policy: &Policy,
        now: Now,
    ) -> Result<Metered, Refusal> {
        if let (Some(address), Some(tag)) = (authenticated.admitted().address(), credential)
            && self.counts(address)
        {
            let (source, principal) = (source(address), authenticated.principal());
            self.lockout.succeeded(self.pair(source, &Identity::Credential(tag)), now);
            if principal.method == AuthMethod::Jwt {
                let identity = Identity::Principal(principal.key.as_str().into());
                self.lockout.succeeded(self.pair(source, &identity), now);
            }
        }
        let class = self.class_of(authenticated.principal(), policy);
        self.meter_as(authenticated, class, now)
    }

    fn meter_as(
        &self,
        authenticated: Authenticated,
        class: Class,
        now: Now,
    ) -> Result<Metered, Refusal> {
        let mut quota = None;
        if self.counts_call(authenticated.admitted().address()) {
            let key = self.hash(&authenticated.principal().key);
            let taken = self.principals.take(key, class, now);
            let left = taken.map_err(|empty| self.too_many(empty))?;
            quota = self.told(left);
        }
        Ok(Metered { authenticated, class, quota })
    }

    /// Counts one more message of a request that was counted already (2025-03-26, batches).
    pub fn meter_another(&self, metered: &Metered, now: Now) -> Result<Metered, Refusal> {
        self.meter_as(metered.authenticated.again(), metered.class, now)
    }

    /// Counts a call against the rates of its tool and of its method.
    pub fn meter_call(&self, call: &Call, now: Now) -> Result<(), Refusal> {
        if self.calls.are_none() || !self.counts_call(call.address()) {
            return Ok(());
        }
        let tool = call.target().filter(|_| call.method() == Method::ToolsCall);
        let key_of = |class: Class| self.hash((&call.principal().key, class));
        let taken = self.calls.take(call.method().name(), tool, key_of, now);
        taken.map_err(|empty| self.too_many(empty))
    }

    fn too_many(&self, (wait, level): Empty) -> Refusal {
        Refusal::TooMany(wait, self.told(level))
    }

    fn told(&self, level: Level) -> Option<Quota> {
        self.tells_quotas.then(|| level.quota())
    }

    fn class_of(&self, principal: &Principal, policy: &Policy) -> Class {
        if self.roles.is_empty() || principal.method == AuthMethod::Local {
            return 0;
        }
        let classes = policy.roles_of(principal).filter_map(|role| self.roles.get(role));
        classes.max().copied().unwrap_or(0)
    }

    fn counts_call(&self, address: Option<IpAddr>) -> bool {
        self.enabled && address.is_none_or(|address| self.counts(address))
    }

    fn counts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.enabled && !self.exempt.iter().any(|network| network.contains(&address))
    }

    fn pair(&self, source: IpAddr, identity: &Identity<'_>) -> Pair {
        Pair { key: self.hash((source, identity)), source }
    }

    fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }
}

/// The shortest wait that is told to anybody.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// A request of the process that started us, not counted: for tests of the guards behind this one.
#[cfg(test)]
pub(in crate::guard) fn uncounted() -> Metered {
    let admitted = super::gate::admit_local();
    let authenticated = super::authn::authenticate_local(admitted);
    Metered { authenticated, class: 0, quota: None }
}

#[cfg(test)]
mod tests;
