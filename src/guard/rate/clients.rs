//! What an administrator can see of sources, and forgive them. It shows no credential and no user.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::RateLimiter;
use super::failures::Failures;
use crate::base::clock::Now;
use crate::base::source::source;

/// How a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientStatus {
    /// Failed authentications that still count.
    pub failures: u32,
    /// How long it is locked out, or an identity there; zero if nothing is.
    pub blocked_for: Duration,
    /// Requests it may make at once.
    pub tokens: u32,
}

/// A source whose failures still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offender {
    /// Its address, or its network of IPv6.
    pub network: IpNet,
    /// Failed authentications.
    pub failures: u32,
    /// How long it is locked out, or an identity there; zero if nothing is.
    pub blocked_for: Duration,
}

impl RateLimiter {
    /// How the source of an address stands.
    pub fn status_of(&self, address: IpAddr, now: Now) -> ClientStatus {
        let source = source(address);
        let (failures, blocked_for) =
            self.lockout.at(source, now).into_iter().fold(NOTHING, |sum, one| add(sum, one, now));
        let tokens = self.addresses.look(self.hash(source), now).quota().remaining;
        ClientStatus { failures, blocked_for, tokens }
    }

    /// Up to `limit` sources whose failures still count, those that are locked out longest first.
    pub fn clients(&self, limit: usize, now: Now) -> Vec<Offender> {
        let mut by_source: HashMap<IpAddr, (u32, Duration)> = HashMap::new();
        for (source, failures) in self.lockout.all(now) {
            let sum = by_source.entry(source).or_insert(NOTHING);
            *sum = add(*sum, failures, now);
        }
        let offender = |(source, (failures, blocked_for))| Offender {
            network: network(source),
            failures,
            blocked_for,
        };
        let mut offenders: Vec<Offender> = by_source.into_iter().map(offender).collect();
        let rank = |one: &Offender| (one.blocked_for, one.failures, one.network);
        offenders.sort_unstable_by_key(|one| std::cmp::Reverse(rank(one)));
        offenders.truncate(limit);
        offenders
    }

    /// Forgets the failures at the source of an address and gives it a rested bucket. True if there
    /// were failures.
    pub fn reset(&self, address: IpAddr, now: Now) -> bool {
        let source = source(address);
        let had_failed = !self.lockout.at(source, now).is_empty();
        self.lockout.forget(source);
        self.addresses.forget(self.hash(source));
        had_failed
    }
}

const NOTHING: (u32, Duration) = (0, Duration::ZERO);

fn add((count, longest): (u32, Duration), one: Failures, now: Now) -> (u32, Duration) {
    (count.saturating_add(one.count), longest.max(one.blocked_until.since(now)))
}

fn network(source: IpAddr) -> IpNet {
    let length = if source.is_ipv6() { 64 } else { 32 };
    IpNet::new(source, length).unwrap_or_else(|_| IpNet::from(source))
}
