//! How much, how fast: token buckets per address and per principal, and the lockout of those who
//! guess. It counts; it never asks who is right.

mod bucket;
mod lockout;

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::authn::Authenticated;
use super::authn::api_key::KeyTag;
use super::refusal::Refusal;
use super::settings::RateLimiting;
use crate::base::clock::Now;
use crate::base::principal::Principal;
use crate::base::source::source;
use bucket::{Buckets, Rate};
use lockout::Lockout;

/// Token: the request was counted and is within bounds. Made only here.
#[derive(Debug)]
pub struct Metered {
    authenticated: Authenticated,
}

impl Metered {
    /// The same once more: for a message that needs no count beside that of its request.
    pub fn again(&self) -> Self {
        Self { authenticated: self.authenticated.again() }
    }

    /// Who the request is from.
    pub fn principal(&self) -> &Arc<Principal> {
        self.authenticated.principal()
    }

    /// Where it is from; `None` over stdio.
    pub fn address(&self) -> Option<IpAddr> {
        self.authenticated.admitted().address()
    }
}

/// The counting of one configuration.
#[derive(Debug)]
pub struct RateLimiter {
    enabled: bool,
    exempt: Vec<IpNet>,
    hasher: RandomState,
    addresses: Buckets,
    principals: Buckets,
    lockout: Lockout,
}

/// Most entries of each table; see [`Buckets`].
const TABLE: usize = 65_536;

impl RateLimiter {
    /// Empty tables with the rates of `settings`.
    pub fn new(settings: &RateLimiting) -> Self {
        let burst = f64::from(settings.burst.max(1));
        let per_principal = Rate { per_second: settings.max_attempts_per_second, burst };
        let per_address = Rate {
            per_second: settings.address_attempts_per_second,
            burst: settings.address_attempts_per_second.max(burst),
        };
        Self {
            enabled: settings.enabled,
            exempt: settings.exempt_networks.clone(),
            hasher: RandomState::new(),
            addresses: Buckets::new(per_address, TABLE),
            principals: Buckets::new(per_principal, TABLE),
            lockout: Lockout::new(settings, TABLE),
        }
    }

    /// Asked before a credential is looked at: is this source locked out, or too fast?
    ///
    /// A credential that was good from this source before is let through a lockout: whoever shares
    /// an address with a guesser must not suffer for it, and to know a good one is not to guess.
    pub fn before_authentication(
        &self,
        address: IpAddr,
        credential: Option<KeyTag>,
        now: Now,
    ) -> Result<(), Refusal> {
        if !self.counts(address) {
            return Ok(());
        }
        let source = self.source(address);
        if let Some(wait) = self.lockout.wait(source, now)
            && !credential.is_some_and(|tag| self.lockout.knows(self.pair(source, tag), now))
        {
            return Err(Refusal::LockedOut(wait));
        }
        self.addresses.take(source, now).map_err(Refusal::TooMany)
    }

    /// A credential from this address was refused.
    pub fn failed(&self, address: IpAddr, now: Now) {
        if self.counts(address) {
            self.lockout.failed(self.source(address), now);
        }
    }

    /// Counts an authenticated request against its principal.
    pub fn meter(
        &self,
        authenticated: Authenticated,
        credential: Option<KeyTag>,
        now: Now,
    ) -> Result<Metered, (Authenticated, Refusal)> {
        let address = authenticated.admitted().address();
        if self.enabled && address.is_none_or(|address| self.counts(address)) {
            if let (Some(address), Some(tag)) = (address, credential) {
                self.lockout.succeeded(self.pair(self.source(address), tag), now);
            }
            let key = self.hasher.hash_one(&authenticated.principal().key);
            if let Err(wait) = self.principals.take(key, now) {
                return Err((authenticated, Refusal::TooMany(wait)));
            }
        }
        Ok(Metered { authenticated })
    }

    /// Counts one more message of a request that was counted already (2025-03-26, batches).
    pub fn meter_another(&self, metered: &Metered, now: Now) -> Result<Metered, Refusal> {
        let authenticated = metered.authenticated.again();
        self.meter(authenticated, None, now).map_err(|(_, refusal)| refusal)
    }

    fn counts(&self, address: IpAddr) -> bool {
        self.enabled && !self.exempt.iter().any(|network| network.contains(&address))
    }

    fn source(&self, address: IpAddr) -> u64 {
        self.hash(source(address))
    }

    fn pair(&self, source: u64, tag: KeyTag) -> u64 {
        self.hash((source, tag))
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
    Metered { authenticated: super::authn::authenticate_local(admitted) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::authn::authenticate_local;
    use crate::guard::gate::admit_local;

    fn settings() -> RateLimiting {
        RateLimiting {
            enabled: true,
            max_attempts_per_second: 10.0,
            burst: 10,
            address_attempts_per_second: 100.0,
            max_failures: 3,
            block_duration: Duration::from_secs(300),
            backoff_levels: vec![Duration::ZERO, Duration::from_secs(1)],
            exempt_networks: vec!["10.0.0.0/8".parse().unwrap()],
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> Now {
        Now::from_duration(Duration::from_secs(seconds))
    }

    #[test]
    fn the_eleventh_request_of_ten_waits() {
        let limiter = RateLimiter::new(&settings());
        let meter = |now| limiter.meter(authenticate_local(admit_local()), None, now);
        for _ in 0..10 {
            assert!(meter(at(1)).is_ok());
        }
        let (_, refusal) = meter(at(1)).unwrap_err();
        assert!(matches!(refusal, Refusal::TooMany(wait) if wait <= Duration::from_millis(100)));
        assert!(meter(at(2)).is_ok());
    }

    #[test]
    fn a_guesser_is_locked_out_and_one_who_knows_a_key_beside_it_is_not() {
        let limiter = RateLimiter::new(&settings());
        let (address, good, bad) = (ip("192.0.2.1"), [1; 32], [2; 32]);
        let authenticated = authenticate_local(admit_local());
        let known = limiter.pair(limiter.source(address), good);
        limiter.lockout.succeeded(known, at(0));
        drop(authenticated);
        for second in 0..3 {
            limiter.failed(address, at(second * 10));
        }
        let ask = |tag, now| limiter.before_authentication(address, tag, now);
        assert!(matches!(ask(Some(bad), at(21)), Err(Refusal::LockedOut(_))));
        assert!(matches!(ask(None, at(21)), Err(Refusal::LockedOut(_))));
        assert_eq!(ask(Some(good), at(21)), Ok(()));
        let elsewhere = limiter.before_authentication(ip("192.0.2.2"), Some(bad), at(21));
        assert_eq!(elsewhere, Ok(()), "nobody else is locked out");
        assert_eq!(ask(Some(bad), at(400)), Ok(()), "it ends");
    }

    #[test]
    fn addresses_of_one_v6_network_are_one_source_and_exempt_ones_none() {
        let limiter = RateLimiter::new(&settings());
        for host in 0..3 {
            limiter.failed(ip(&format!("2001:db8::{host}")), at(0));
        }
        let same = limiter.before_authentication(ip("2001:db8::ffff"), None, at(0));
        assert!(matches!(same, Err(Refusal::LockedOut(_))));
        let other = limiter.before_authentication(ip("2001:db8:0:1::1"), None, at(0));
        assert_eq!(other, Ok(()));
        for _ in 0..10 {
            limiter.failed(ip("::ffff:10.1.2.3"), at(0));
            limiter.failed(ip("10.1.2.3"), at(0));
        }
        assert_eq!(limiter.before_authentication(ip("10.1.2.3"), None, at(0)), Ok(()));
    }
}
