//! How much, how fast: token buckets per address, per principal by its roles, and per tool and
//! method; and the lockout of those who guess. It counts; it never asks who is right.

mod bucket;
mod calls;
mod lockout;

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::authn::Authenticated;
use super::authn::api_key::KeyTag;
use super::authz::Policy;
use super::refusal::Refusal;
use super::settings::RateLimiting;
use crate::base::clock::Now;
use crate::base::principal::{AuthMethod, Principal};
use crate::base::source::source;
pub use bucket::Level;
use bucket::{Buckets, Rate};
use calls::CallRates;
use lockout::Lockout;

/// Token: the request was counted and is within bounds. Made only here.
#[derive(Debug)]
pub struct Metered {
    authenticated: Authenticated,
    level: Option<Level>,
}

impl Metered {
    /// The same once more: for a message that needs no count beside that of its request.
    pub fn again(&self) -> Self {
        Self { authenticated: self.authenticated.again(), level: self.level }
    }

    /// Who the request is from.
    pub fn principal(&self) -> &Arc<Principal> {
        self.authenticated.principal()
    }

    /// Where it is from; `None` over stdio.
    pub fn address(&self) -> Option<IpAddr> {
        self.authenticated.admitted().address()
    }

    /// What is left to the principal, if it is told.
    pub fn level(&self) -> Option<Level> {
        self.level
    }
}

/// The counting of one configuration.
#[derive(Debug)]
pub struct RateLimiter {
    enabled: bool,
    tells_levels: bool,
    exempt: Vec<IpNet>,
    hasher: RandomState,
    per_address: Rate,
    per_principal: Rate,
    by_role: Vec<(String, Rate)>,
    addresses: Buckets,
    principals: Buckets,
    calls: Option<CallRates>,
    lockout: Lockout,
}

/// Most entries of each table; see [`Buckets`].
const TABLE: usize = 65_536;

impl RateLimiter {
    /// Empty tables with the rates of `settings`.
    pub fn new(settings: &RateLimiting) -> Self {
        let burst = f64::from(settings.burst.max(1));
        let per_second = settings.address_attempts_per_second;
        Self {
            enabled: settings.enabled,
            tells_levels: settings.limit_headers,
            exempt: settings.exempt_networks.clone(),
            hasher: RandomState::new(),
            per_address: Rate { per_second, burst: per_second.max(burst) },
            per_principal: Rate { per_second: settings.max_attempts_per_second, burst },
            by_role: settings.roles.iter().map(|(role, rate)| (role.clone(), of(*rate))).collect(),
            addresses: Buckets::new(TABLE),
            principals: Buckets::new(TABLE),
            calls: CallRates::new(settings, TABLE),
            lockout: Lockout::new(settings, TABLE),
        }
    }

    /// Asked before a credential is looked at: is this source locked out, or too fast?
    ///
    /// What was good from this source before is let through a lockout, a credential by its tag and
    /// a token by whom it claims to be for: whoever shares an address with a guesser must not
    /// suffer for it. Who only claims to be somebody is counted under that name, too.
    pub fn before_authentication(
        &self,
        address: IpAddr,
        credential: Option<KeyTag>,
        claimed: impl FnOnce() -> Option<String>,
        now: Now,
    ) -> Result<(), Refusal> {
        if !self.counts(address) {
            return Ok(());
        }
        let source = self.source(address);
        if let Some(wait) = self.lockout.wait(source, now) {
            let knows = |pair| self.lockout.knows(pair, now);
            if !credential.is_some_and(|tag| knows(self.pair(source, tag))) {
                let claimed = claimed().map(|claimed| self.pair(source, claimed));
                let claimed = claimed.filter(|pair| knows(*pair));
                let claimed = claimed.ok_or(Refusal::LockedOut(wait))?;
                if let Some(wait) = self.lockout.wait(claimed, now) {
                    return Err(Refusal::LockedOut(wait));
                }
            }
        }
        self.addresses.take(source, self.per_address, now).map(drop).map_err(Refusal::TooMany)
    }

    /// A credential from this address was refused; with whom it claims to be for.
    pub fn failed(&self, address: IpAddr, claimed: Option<String>, now: Now) {
        if self.counts(address) {
            let source = self.source(address);
            self.lockout.failed(source, now);
            if let Some(claimed) = claimed {
                self.lockout.failed_as(self.pair(source, claimed), now);
            }
        }
    }

    /// Counts an authenticated request against its principal. A refusal comes with what is left.
    pub fn meter(
        &self,
        authenticated: Authenticated,
        credential: Option<KeyTag>,
        policy: &Policy,
        now: Now,
    ) -> Result<Metered, (Refusal, Option<Level>)> {
        let address = authenticated.admitted().address();
        let mut level = None;
        if self.enabled && address.is_none_or(|address| self.counts(address)) {
            let principal = authenticated.principal();
            if let (Some(address), Some(tag)) = (address, credential) {
                let source = self.source(address);
                // The next token of the same user is another one, and as good.
                self.lockout.succeeded(
                    match principal.method {
                        AuthMethod::Jwt => self.pair(source, &principal.key),
                        _ => self.pair(source, tag),
                    },
                    now,
                );
            }
            let key = self.hash(&principal.key);
            let rate = self.rate_of(principal, policy);
            let taken = self.principals.take(key, rate, now);
            let told = |level| Some(level).filter(|_| self.tells_levels);
            level = match taken {
                Ok(level) => told(level),
                Err(wait) => return Err((Refusal::TooMany(wait), told(rate.empty(wait)))),
            };
        }
        Ok(Metered { authenticated, level })
    }

    /// Counts one more message of a request that was counted already (2025-03-26, batches).
    pub fn meter_another(
        &self,
        metered: &Metered,
        policy: &Policy,
        now: Now,
    ) -> Result<Metered, Refusal> {
        let authenticated = metered.authenticated.again();
        self.meter(authenticated, None, policy, now).map_err(|(refusal, _)| refusal)
    }

    /// The highest rate of the roles of a principal, or that of everybody.
    fn rate_of(&self, principal: &Principal, policy: &Policy) -> Rate {
        if self.by_role.is_empty() {
            return self.per_principal;
        }
        let roles = policy.roles_of(principal);
        let rates = roles.filter_map(|role| {
            self.by_role.iter().find(|(known, _)| known == role).map(|(_, rate)| *rate)
        });
        rates.max_by(|a, b| a.per_second.total_cmp(&b.per_second)).unwrap_or(self.per_principal)
    }

    fn counts(&self, address: IpAddr) -> bool {
        self.enabled && !self.exempt.iter().any(|network| network.contains(&address))
    }

    fn source(&self, address: IpAddr) -> u64 {
        self.hash(source(address))
    }

    fn pair(&self, source: u64, other: impl Hash) -> u64 {
        self.hash((source, other))
    }

    fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }
}

/// A rate whose burst is what one second gives.
fn of(per_second: f64) -> Rate {
    Rate { per_second, burst: per_second.ceil().max(1.0) }
}

/// The shortest wait that is told to anybody.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// A request of the process that started us, not counted: for tests of the guards behind this one.
#[cfg(test)]
pub(in crate::guard) fn uncounted() -> Metered {
    let admitted = super::gate::admit_local();
    Metered { authenticated: super::authn::authenticate_local(admitted), level: None }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::guard::authn::authenticate_local;
    use crate::guard::gate::admit_local;

    pub(super) fn settings() -> RateLimiting {
        RateLimiting {
            enabled: true,
            max_attempts_per_second: 10.0,
            burst: 10,
            address_attempts_per_second: 100.0,
            max_failures: 3,
            block_duration: Duration::from_secs(300),
            backoff_levels: vec![Duration::ZERO, Duration::from_secs(1)],
            exempt_networks: vec!["10.0.0.0/8".parse().unwrap()],
            ..RateLimiting::default()
        }
    }

    fn policy() -> Policy {
        use crate::guard::settings::{Authorization, Lines};
        Policy::new(&Authorization {
            enabled: true,
            default_role: "guest".into(),
            roles: Default::default(),
            user_roles: [("root".to_owned(), vec!["admin".to_owned()])].into(),
            scopes: Default::default(),
            rules: Vec::new(),
            lines: Lines::default(),
        })
    }

    #[test]
    fn roles_have_rates_of_their_own_and_the_highest_counts() {
        let roles = [("guest", 1.0), ("user", 2.0), ("admin", 20.0)];
        let roles = roles.map(|(name, rate)| (name.to_owned(), rate)).into();
        let limiter = RateLimiter::new(&RateLimiting { roles, ..settings() });
        let rate = |name: &str, roles: &[&str]| {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            let principal = Principal::new(AuthMethod::ApiKey, name, roles);
            limiter.rate_of(&principal, &policy()).per_second
        };
        assert!((rate("x", &[]) - 1.0).abs() < f64::EPSILON, "the default role");
        assert!((rate("x", &["user", "other"]) - 2.0).abs() < f64::EPSILON);
        assert!((rate("root", &["user"]) - 20.0).abs() < f64::EPSILON);
        assert!((rate("x", &["other"]) - 10.0).abs() < f64::EPSILON, "no rate of its own");
    }

    // B113
    #[test]
    fn the_next_token_of_a_user_is_let_through_and_guessing_under_its_name_is_not() {
        let limiter = RateLimiter::new(&settings());
        let address = ip("192.0.2.1");
        let claimed = || Some("jwt:https://a user".to_owned());
        let known = limiter.pair(limiter.source(address), claimed().unwrap());
        limiter.lockout.succeeded(known, at(0));
        for second in 0..3 {
            limiter.failed(address, None, at(second));
        }
        let ask = |claimed: &dyn Fn() -> Option<String>, now| {
            limiter.before_authentication(address, Some([9; 32]), claimed, now)
        };
        assert_eq!(ask(&claimed, at(3)), Ok(()));
        let stranger = ask(&|| Some("jwt:https://a other".to_owned()), at(3));
        assert!(matches!(stranger, Err(Refusal::LockedOut(_))));
        for second in 3..6 {
            limiter.failed(address, claimed(), at(second));
        }
        assert!(matches!(ask(&claimed, at(6)), Err(Refusal::LockedOut(_))));
        let elsewhere = limiter.before_authentication(ip("192.0.2.2"), None, claimed, at(6));
        assert_eq!(elsewhere, Ok(()), "and from elsewhere it is not locked out by that");
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
        let meter = |now| limiter.meter(authenticate_local(admit_local()), None, &policy(), now);
        for _ in 0..10 {
            assert!(meter(at(1)).is_ok());
        }
        let (refusal, _) = meter(at(1)).unwrap_err();
        assert!(matches!(refusal, Refusal::TooMany(wait) if wait <= Duration::from_millis(100)));
        assert!(meter(at(2)).is_ok());
    }

    #[test]
    fn a_guesser_is_locked_out_and_one_who_knows_a_key_beside_it_is_not() {
        let limiter = RateLimiter::new(&settings());
        let (address, good, bad) = (ip("192.0.2.1"), [1; 32], [2; 32]);
        let known = limiter.pair(limiter.source(address), good);
        limiter.lockout.succeeded(known, at(0));
        for second in 0..3 {
            limiter.failed(address, None, at(second * 10));
        }
        let ask = |tag, now| limiter.before_authentication(address, tag, || None, now);
        assert!(matches!(ask(Some(bad), at(21)), Err(Refusal::LockedOut(_))));
        assert!(matches!(ask(None, at(21)), Err(Refusal::LockedOut(_))));
        assert_eq!(ask(Some(good), at(21)), Ok(()));
        let elsewhere = limiter.before_authentication(ip("192.0.2.2"), Some(bad), || None, at(21));
        assert_eq!(elsewhere, Ok(()), "nobody else is locked out");
        assert_eq!(ask(Some(bad), at(400)), Ok(()), "it ends");
    }

    #[test]
    fn addresses_of_one_v6_network_are_one_source_and_exempt_ones_none() {
        let limiter = RateLimiter::new(&settings());
        for host in 0..3 {
            limiter.failed(ip(&format!("2001:db8::{host}")), None, at(0));
        }
        let same = limiter.before_authentication(ip("2001:db8::ffff"), None, || None, at(0));
        assert!(matches!(same, Err(Refusal::LockedOut(_))));
        let other = limiter.before_authentication(ip("2001:db8:0:1::1"), None, || None, at(0));
        assert_eq!(other, Ok(()));
        for _ in 0..10 {
            limiter.failed(ip("::ffff:10.1.2.3"), None, at(0));
            limiter.failed(ip("10.1.2.3"), None, at(0));
        }
        assert_eq!(limiter.before_authentication(ip("10.1.2.3"), None, || None, at(0)), Ok(()));
    }
}
