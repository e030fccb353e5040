//! How many connections there are, in all and from each address. A place is free again when its
//! permit is dropped.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::source::source;

/// The count; see the module.
#[derive(Debug)]
pub struct Caps {
    all: usize,
    per_address: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    count: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection that is counted.
#[derive(Debug)]
pub struct Place {
    caps: Arc<Caps>,
    address: IpAddr,
}

impl Caps {
    /// At most `all` connections, and `per_address` of one address.
    pub fn new(all: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self { all, per_address, state: Mutex::default() })
    }

    /// A place for one more connection, if there is one.
    ///
    /// Addresses of one [`source`] count as one.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = source(address);
        let mut state = self.state.lock();
        if state.count >= self.all {
            return None;
        }
        let own = state.by_address.entry(address).or_default();
        if *own >= self.per_address {
            return None;
        }
        *own += 1;
        state.count += 1;
        Some(Place { caps: Arc::clone(self), address })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.state.lock().count
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.caps.state.lock();
        state.count = state.count.saturating_sub(1);
        if let Some(own) = state.by_address.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                state.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_caps_hold_and_nothing_of_a_closed_connection_stays() {
        let caps = Caps::new(3, 2);
        let v6 = |host: &str| host.parse::<IpAddr>().unwrap();
        let one_network =
            [caps.admit(v6("2001:db8::1")).unwrap(), caps.admit(v6("2001:db8::2")).unwrap()];
        assert!(caps.admit(v6("2001:db8::3")).is_none());
        drop(one_network);
        let ip = |n: u8| IpAddr::from([127, 0, 0, n]);
        let places = [caps.admit(ip(1)).unwrap(), caps.admit(ip(1)).unwrap()];
        assert!(caps.admit(ip(1)).is_none());
        let third = caps.admit(ip(2)).unwrap();
        assert!(caps.admit(ip(3)).is_none());
        drop((places, third));
        assert_eq!((caps.count(), caps.state.lock().by_address.len()), (0, 0));
    }
}
