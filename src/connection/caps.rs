//! How many connections there are, in all, in a TLS handshake, and from each address, and how much
//! they hold of messages that are not whole. A place is free again when its permit is dropped.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::base::counters::Counters;
use crate::base::source::source;
use crate::base::tally::Tally;

/// One address may have one of so many parts of the handshakes at once.
const SHARES: usize = 4;

/// So much may each connection hold, whatever the others do, and is not counted, in bytes.
const OWN_BYTES: usize = 64 * 1024;

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections.
    pub connections: usize,
    /// Of these, from one address.
    pub per_address: usize,
    /// Of these, that have not shaken hands yet; a quarter of them from one address.
    pub handshakes: usize,
    /// Bytes of messages that are not whole, in all connections, without the first 64 KiB of each.
    pub bytes: usize,
}

/// The count; see the module.
#[derive(Debug)]
pub struct Caps {
    bounds: Bounds,
    held: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    count: usize,
    handshakes: usize,
    by_address: Tally<IpAddr>,
    /// Those that have not shaken hands yet.
    shaking: Tally<IpAddr>,
}

/// One connection that is counted.
#[derive(Debug)]
pub struct Place {
    caps: Arc<Caps>,
    /// `None` as long as a proxy has not said whom it is from.
    address: Option<IpAddr>,
    is_handshaking: bool,
    /// Bytes that it holds, as far as they are counted.
    held: usize,
}

impl Caps {
    /// Nobody is there.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, held: AtomicUsize::new(0), state: Mutex::default() })
    }

    /// A place for one more connection, if there is one. The address is not known of one whose
    /// proxy has yet to say it.
    ///
    /// Addresses of one [`source`] count as one.
    pub fn admit(self: &Arc<Self>, address: Option<IpAddr>, is_handshaking: bool) -> Option<Place> {
        let address = address.map(source);
        let mut state = self.state.lock();
        if state.count >= self.bounds.connections
            || is_handshaking && !self.may_shake_hands(&state, address)
        {
            return None;
        }
        if address.is_some_and(|address| !state.by_address.enter(address, self.bounds.per_address))
        {
            return None;
        }
        state.count += 1;
        if is_handshaking {
            state.handshakes += 1;
            if let Some(address) = address {
                state.shaking.enter(address, usize::MAX);
            }
        }
        Some(Place { caps: Arc::clone(self), address, is_handshaking, held: 0 })
    }

    /// True if there is a place for one more that has not shaken hands yet. Nobody gets more than
    /// their share, or one address that sends nothing would keep all others out.
    fn may_shake_hands(&self, state: &State, address: Option<IpAddr>) -> bool {
        let share = (self.bounds.handshakes / SHARES).max(1);
        let own = address.map_or(0, |address| state.shaking.count(&address));
        state.handshakes < self.bounds.handshakes && own < share
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.state.lock().count
    }
}

impl Place {
    /// Hands are shaken, and the connection is known to be from `address`.
    ///
    /// # Errors
    /// There are too many of that address.
    pub fn end_handshake(&mut self, address: IpAddr, counters: &Counters) -> io::Result<()> {
        let address = source(address);
        let mut state = self.caps.state.lock();
        if std::mem::take(&mut self.is_handshaking) {
            state.end_handshake(self.address);
        }
        if self.address.is_none() {
            if !state.by_address.enter(address, self.caps.bounds.per_address) {
                counters.connections_refused.increment();
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            self.address = Some(address);
        }
        Ok(())
    }

    /// Notes how many bytes of messages that are not whole the connection holds now; false if it
    /// must let go of them, because all connections hold too much together.
    pub fn hold(&mut self, bytes: usize) -> bool {
        let counted = bytes.saturating_sub(OWN_BYTES);
        let former = std::mem::replace(&mut self.held, counted);
        let held = &self.caps.held;
        if counted <= former {
            held.fetch_sub(former - counted, Ordering::Relaxed);
            return true;
        }
        let more = counted - former;
        held.fetch_add(more, Ordering::Relaxed).saturating_add(more) <= self.caps.bounds.bytes
    }
}

impl State {
    /// One that began from this address, as far as that was known, shakes hands no more.
    fn end_handshake(&mut self, address: Option<IpAddr>) {
        self.handshakes = self.handshakes.saturating_sub(1);
        if let Some(address) = address {
            self.shaking.leave(&address);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hold(0);
        let mut state = self.caps.state.lock();
        state.count = state.count.saturating_sub(1);
        if self.is_handshaking {
            state.end_handshake(self.address);
        }
        if let Some(address) = self.address {
            state.by_address.leave(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(connections: usize, per_address: usize, handshakes: usize) -> Arc<Caps> {
        Caps::new(Bounds { connections, per_address, handshakes, bytes: 1_000_000 })
    }

    #[test]
    fn what_is_held_is_bounded_together_and_small_messages_pass() {
        let caps = caps(9, 9, 9);
        let mut places: Vec<_> = (0..4).map(|_| caps.admit(None, false).unwrap()).collect();
        let mut last = places.pop().unwrap();
        let own = |bytes| OWN_BYTES + bytes;
        assert!(places[0].hold(own(600_000)) && places[1].hold(own(400_000)));
        assert!(!places[2].hold(own(1)));
        assert!(places[2].hold(OWN_BYTES), "it has let go of some");
        assert!(last.hold(10), "and this is small");
        assert!(!places[1].hold(own(400_001)));
        places[1].hold(0);
        assert!(places[2].hold(own(300_000)));
        drop((places, last));
        assert_eq!(caps.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn both_caps_hold_and_nothing_of_a_closed_connection_stays() {
        let caps = caps(3, 2, 3);
        let admit = |address| caps.admit(Some(address), false);
        let v6 = |host: &str| host.parse::<IpAddr>().unwrap();
        let one_network = [admit(v6("2001:db8::1")).unwrap(), admit(v6("2001:db8::2")).unwrap()];
        assert!(admit(v6("2001:db8::3")).is_none());
        drop(one_network);
        let ip = |n: u8| IpAddr::from([127, 0, 0, n]);
        let places = [admit(ip(1)).unwrap(), admit(ip(1)).unwrap()];
        assert!(admit(ip(1)).is_none());
        let third = admit(ip(2)).unwrap();
        assert!(admit(ip(3)).is_none());
        drop((places, third));
        assert!(caps.count() == 0 && caps.state.lock().by_address.is_empty());
    }

    #[test]
    fn who_does_not_shake_hands_takes_no_place_of_those_who_have() {
        let caps = caps(10, 10, 5);
        let address = |n: u8| IpAddr::from([127, 0, 0, n]);
        let shake = |n: u8| caps.admit(Some(address(n)), true);
        let mut one = shake(1).unwrap();
        assert!(shake(1).is_none(), "it has its share");
        let others: Vec<_> = (2..=5).map(|n| shake(n).unwrap()).collect();
        assert!(shake(6).is_none(), "there are too many in all");
        assert!(caps.admit(Some(address(1)), false).is_some(), "there is none to shake");
        one.end_handshake(address(1), &Counters::default()).unwrap();
        one.end_handshake(address(1), &Counters::default()).unwrap();
        let again = shake(1).unwrap();
        assert!(shake(1).is_none() && shake(6).is_none());
        drop((one, others, again));
        let state = caps.state.lock();
        assert!(state.count == 0 && state.handshakes == 0 && state.shaking.is_empty());
    }

    #[test]
    fn what_comes_by_a_proxy_counts_as_from_whom_it_is() {
        let caps = caps(10, 1, 10);
        let client = IpAddr::from([192, 0, 2, 1]);
        let mut one = caps.admit(None, true).unwrap();
        let mut other = caps.admit(None, true).unwrap();
        one.end_handshake(client, &Counters::default()).unwrap();
        let counters = Counters::default();
        assert!(other.end_handshake(client, &counters).is_err());
        assert_eq!(counters.connections_refused.value(), 1);
        drop(other);
        assert!(caps.admit(Some(client), false).is_none());
        drop(one);
        assert!(caps.count() == 0 && caps.state.lock().by_address.is_empty());
    }
}
