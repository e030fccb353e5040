//! The counting as a whole: who is refused, who is not, and what a flood leaves behind.

use super::*;
use crate::guard::authn::authenticate_local;
use crate::guard::gate::admit_local;
use crate::guard::settings::Authorization;

fn settings() -> RateLimiting {
    RateLimiting {
        max_failures: 3,
        backoff_levels: vec![Duration::ZERO, Duration::from_secs(1)],
        exempt_networks: vec!["10.0.0.0/8".parse().unwrap()],
        ..RateLimiting::default()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(seconds: u64) -> Now {
    Now::from_duration(Duration::from_secs(seconds))
}

fn user(name: &'static str) -> Identity<'static> {
    Identity::Principal(name.into())
}

/// A limiter and one source.
struct Source {
    limiter: RateLimiter,
    address: IpAddr,
}

impl Source {
    fn new(settings: &RateLimiting) -> Self {
        Self { limiter: RateLimiter::new(settings), address: ip("192.0.2.1") }
    }

    fn asks(&self, tag: u8, identity: Option<Identity<'static>>, second: u64) -> bool {
        let identity = identity.or(Some(Identity::Credential([tag; 32])));
        let asked = self.limiter.before_authentication(
            self.address,
            Some([tag; 32]),
            || identity,
            at(second),
        );
        assert!(matches!(asked, Ok(()) | Err(Refusal::LockedOut(_))), "{asked:?}");
        asked.is_ok()
    }

    fn fails(&self, tag: u8, identity: Option<Identity<'static>>, second: u64) {
        let identity = identity.unwrap_or(Identity::Credential([tag; 32]));
        self.limiter.failed(self.address, Some([tag; 32]), Some(&identity), at(second));
    }

    fn succeeds(&self, identity: &Identity<'_>, second: u64) {
        let pair = self.limiter.pair(source(self.address), identity);
        self.limiter.lockout.succeeded(pair, at(second));
    }
}

fn policy(user_roles: &[(&str, &[&str])]) -> Policy {
    let roles = |list: &[&str]| list.iter().map(|role| (*role).to_owned()).collect();
    let user_roles = user_roles.iter().map(|(user, list)| ((*user).to_owned(), roles(list)));
    Policy::new(&Authorization {
        enabled: true,
        default_role: "guest".into(),
        roles: std::collections::BTreeMap::new(),
        user_roles: user_roles.collect(),
        scopes: std::collections::BTreeMap::new(),
        rules: Vec::new(),
        lines: crate::guard::settings::Lines::default(),
    })
}

#[test]
fn the_eleventh_request_of_ten_waits() {
    let limiter = RateLimiter::new(&settings());
    let policy = policy(&[]);
    let meter = |now| limiter.meter(authenticate_local(admit_local()), None, &policy, now);
    for left in (0..10).rev() {
        let quota = meter(at(1)).unwrap().quota();
        assert_eq!(quota, Some(Quota { limit: 10, remaining: left, reset: 1 }));
    }
    let Err(Refusal::TooMany(wait, Some(quota))) = meter(at(1)) else { panic!("it passed") };
    assert!(wait <= Duration::from_millis(100));
    assert_eq!(quota, Quota { limit: 10, remaining: 0, reset: 1 });
    assert!(meter(at(2)).is_ok());
}

#[test]
fn what_is_not_told_is_not_there() {
    let limiter = RateLimiter::new(&RateLimiting { limit_headers: false, burst: 1, ..settings() });
    let meter = || limiter.meter(authenticate_local(admit_local()), None, &policy(&[]), at(1));
    assert_eq!(meter().unwrap().quota(), None);
    assert!(matches!(meter(), Err(Refusal::TooMany(_, None))));
}

#[test]
fn the_highest_rate_of_several_roles_counts_and_the_burst_goes_with_it() {
    let roles = [("admin", 100.0), ("user", 20.0), ("guest", 0.1)];
    let limiter = RateLimiter::new(&RateLimiting {
        roles: roles.map(|(role, rate)| (role.to_owned(), rate)).into(),
        ..settings()
    });
    let policy = policy(&[("a", &["user", "admin"]), ("b", &["user"]), ("c", &["other"])]);
    for (name, own, burst) in [
        ("a", None, 100),
        ("b", None, 20),
        ("b", Some("admin"), 100),
        ("c", None, 10),
        ("d", None, 1),
        ("d", Some("other"), 10),
    ] {
        let own = own.map(str::to_owned).into_iter().collect();
        let principal = Principal::new(AuthMethod::ApiKey, name, own);
        let class = limiter.class_of(&principal, &policy);
        let full = limiter.principals.take(limiter.hash((name, class)), class, at(0)).unwrap();
        assert_eq!(full.quota().limit, burst, "{name}");
    }
    let local = Principal::new(AuthMethod::Local, "a", vec!["admin".into()]);
    assert_eq!(limiter.class_of(&local, &policy), 0);
}

#[test]
fn a_guesser_is_locked_out_and_one_who_knows_a_key_beside_it_is_not() {
    let source = Source::new(&settings());
    source.succeeds(&Identity::Credential([1; 32]), 0);
    for second in 0..3 {
        source.fails(2, None, second * 10);
    }
    assert!(!source.asks(2, None, 21) && !source.asks(3, None, 21));
    assert!(source.asks(1, None, 21));
    let nothing = source.limiter.before_authentication(source.address, None, || None, at(21));
    assert!(matches!(nothing, Err(Refusal::LockedOut(_))));
    let elsewhere =
        source.limiter.before_authentication(ip("192.0.2.2"), Some([2; 32]), || None, at(21));
    assert_eq!(elsewhere, Ok(()), "nobody else is locked out");
    assert!(source.asks(2, None, 400), "it ends");
}

#[test]
fn a_renewed_token_of_a_known_user_passes_a_lockout_of_its_source() {
    let source = Source::new(&settings());
    source.succeeds(&user("jwt:i alice"), 0);
    for _ in 0..3 {
        source.fails(2, None, 0);
    }
    assert!(source.asks(9, Some(user("jwt:i alice")), 1), "a token that was not seen before");
    assert!(!source.asks(9, Some(user("jwt:i bob")), 1));
}

#[test]
fn the_name_of_a_known_user_is_no_door_for_guessing() {
    let source = Source::new(&settings());
    source.succeeds(&user("jwt:i alice"), 0);
    source.succeeds(&Identity::Credential([1; 32]), 0);
    source.succeeds(&Identity::Credential([7; 32]), 0);
    for (tag, second) in [(20, 0), (21, 1), (22, 3)] {
        assert!(source.asks(tag, Some(user("jwt:i alice")), second));
        source.fails(tag, Some(user("jwt:i alice")), second);
    }
    assert!(!source.asks(30, Some(user("jwt:i alice")), 4), "the identity is locked out");
    assert!(source.asks(31, None, 4), "its neighbours are not, known or not");
    assert!(source.asks(1, Some(user("jwt:i alice")), 4), "nor is the token that was good");
    source.succeeds(&Identity::Credential([7; 32]), 4);
    assert!(!source.asks(30, Some(user("jwt:i alice")), 5), "no success clears it");
    assert!(source.asks(30, Some(user("jwt:i alice")), 304));
}

#[test]
fn a_key_that_was_good_and_is_not_any_more_costs_its_user_and_no_neighbour() {
    let source = Source::new(&settings());
    source.succeeds(&Identity::Credential([1; 32]), 0);
    for second in [0, 1, 3] {
        assert!(source.asks(1, None, second));
        source.fails(1, None, second);
    }
    assert!(!source.asks(1, None, 4));
    assert!(source.asks(2, None, 4));
}

#[test]
fn addresses_of_one_v6_network_are_one_source_and_exempt_ones_none() {
    let limiter = RateLimiter::new(&settings());
    let fail = |address: &str| limiter.failed(ip(address), None, None, at(0));
    let ask = |address: &str| limiter.before_authentication(ip(address), None, || None, at(0));
    for host in 0..3 {
        fail(&format!("2001:db8::{host}"));
    }
    assert!(matches!(ask("2001:db8::ffff"), Err(Refusal::LockedOut(_))));
    assert_eq!(ask("2001:db8:0:1::1"), Ok(()));
    for _ in 0..10 {
        fail("::ffff:10.1.2.3");
        fail("10.1.2.3");
    }
    assert_eq!(ask("10.1.2.3"), Ok(()));
    assert_eq!(ask("::ffff:10.1.2.3"), Ok(()));
}

#[test]
fn where_many_sources_fail_each_failure_costs_the_longest_wait() {
    let limiter = RateLimiter::new(&RateLimiting { max_failures_per_minute: 50, ..settings() });
    let address = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from(0xc000_0200 + n));
    let waits = |n, now| limiter.status_of(address(n), now).blocked_for;
    for n in 0..50 {
        limiter.failed(address(n), None, None, at(0));
        assert_eq!(waits(n, at(0)), Duration::ZERO, "the first level");
    }
    limiter.failed(address(50), None, None, at(0));
    assert_eq!(waits(50, at(0)), Duration::from_secs(1), "the last level");
    let good = limiter.before_authentication(address(60), None, || None, at(0));
    assert_eq!(good, Ok(()), "who has not failed is asked as ever");
    let known = limiter.pair(address(70), &user("jwt:i alice"));
    limiter.lockout.succeeded(known, at(0));
    limiter.failed(address(70), Some([1; 32]), Some(&user("jwt:i alice")), at(0));
    assert_eq!(waits(70, at(0)), Duration::ZERO, "who was good is no newcomer");
    limiter.failed(address(61), None, None, at(60));
    assert_eq!(waits(61, at(60)), Duration::ZERO, "it passes");
}

#[test]
fn a_million_sources_are_bounded_and_an_offender_is_still_known() {
    let limiter = RateLimiter::new(&settings());
    let offender = ip("2001:db8:ffff:ffff::1");
    let ask = |address, now| limiter.before_authentication(address, None, || None, now);
    for _ in 0..3 {
        limiter.failed(offender, None, None, at(0));
    }
    for n in 0..1_000_000_u128 {
        let address = IpAddr::V6(std::net::Ipv6Addr::from((0x2001_0db8 << 96) | (n << 64)));
        let now = Now::from_micros(u64::try_from(n).unwrap());
        let _ = ask(address, now);
        limiter.failed(address, None, None, now);
    }
    assert!(limiter.addresses.len() <= TABLE && limiter.lockout.entries() <= TABLE);
    assert!(matches!(ask(offender, at(1)), Err(Refusal::LockedOut(_))));
    assert_eq!(limiter.clients(1, at(1))[0].network.to_string(), "2001:db8:ffff:ffff::/64");
}

#[test]
fn an_administrator_sees_offenders_and_can_forgive_them() {
    let source = Source::new(&settings());
    source.succeeds(&user("jwt:i alice"), 0);
    for _ in 0..3 {
        source.fails(2, None, 0);
        source.fails(3, Some(user("jwt:i alice")), 0);
    }
    source.limiter.failed(ip("2001:db8::7"), None, None, at(0));
    let asked = source.limiter.before_authentication(ip("2001:db8::8"), None, || None, at(0));
    assert_eq!(asked, Ok(()));
    let clients = source.limiter.clients(10, at(0));
    let shown: Vec<_> = clients
        .iter()
        .map(|one| (one.network.to_string(), one.failures, one.blocked_for.as_secs()))
        .collect();
    assert_eq!(shown, [("192.0.2.1/32".into(), 6, 300), ("2001:db8::/64".into(), 1, 0)]);
    assert_eq!(source.limiter.clients(1, at(0)).len(), 1);
    let status = source.limiter.status_of(ip("2001:db8::9"), at(0));
    assert_eq!(status, ClientStatus { failures: 1, blocked_for: Duration::ZERO, tokens: 99 });
    assert!(source.limiter.reset(source.address, at(0)));
    assert!(!source.limiter.reset(source.address, at(0)), "there is nothing left");
    assert!(source.asks(2, None, 0) && source.asks(3, Some(user("jwt:i alice")), 0));
    assert_eq!(source.limiter.clients(10, at(0)).len(), 1, "others are as they were");
    assert!(source.limiter.clients(10, at(400)).is_empty());
}
