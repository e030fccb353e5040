//! How many connections of messages each user has. A seat counts until it is dropped. Requests over
//! HTTP need none: their sessions are counted (`mcp::legacy::table`).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::principal::Principal;
use crate::guard::refusal::Refusal;

/// Why a user gets no further connection.
pub(super) const TOO_MANY_CONNECTIONS: Refusal =
    Refusal::Overloaded("Too many connections of this user");

/// The count; see the module.
#[derive(Debug, Default)]
pub struct Seats(Mutex<HashMap<String, usize>>);

/// One connection that is counted.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    key: String,
}

impl Seats {
    /// Counts one more of this user, unless there are `most`.
    pub fn take(self: &Arc<Self>, principal: &Principal, most: usize) -> Option<Seat> {
        let key = principal.key.clone();
        let mut counts = self.0.lock();
        let own = counts.entry(key.clone()).or_default();
        if *own >= most {
            return None;
        }
        *own += 1;
        Some(Seat { seats: Arc::clone(self), key })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.seats.0.lock();
        if let Some(own) = counts.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                counts.remove(&self.key);
            }
        }
    }
}
