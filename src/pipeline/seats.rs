//! How many connections of messages each user has. A seat counts until it is dropped. Requests over
//! HTTP need none: their sessions are counted (`mcp::legacy::table`).

use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::principal::Principal;
use crate::base::tally::Tally;
use crate::guard::refusal::Refusal;

/// Why a user gets no further connection.
pub(super) const TOO_MANY_CONNECTIONS: Refusal =
    Refusal::Overloaded("Too many connections of this user");

/// The count; see the module.
#[derive(Debug, Default)]
pub struct Seats(Mutex<Tally<String>>);

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
        let has_room = self.0.lock().enter(key.clone(), most);
        has_room.then(|| Seat { seats: Arc::clone(self), key })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.0.lock().leave(&self.key);
    }
}
