//! Tickets: what a page shows in place of a credential when it opens a WebSocket, where it can send
//! no header. Each is good once, for a short time, and for the origin that has asked for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::clock::Now;
use crate::base::ids::{NoRandomness, session_id};
use crate::base::principal::Principal;

/// How long a ticket is good.
pub const LIFETIME: Duration = Duration::from_secs(30);
/// Most tickets at once, and most of one principal.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 16;

/// Tickets that were given and not shown yet.
#[derive(Debug, Default)]
pub struct Tickets {
    given: Mutex<HashMap<String, Ticket>>,
}

#[derive(Debug)]
struct Ticket {
    principal: Arc<Principal>,
    origin: Option<String>,
    given: Now,
}

impl Tickets {
    /// A ticket for a principal; `None` if there are too many.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn give(
        &self,
        principal: &Arc<Principal>,
        origin: Option<&str>,
        now: Now,
    ) -> Result<Option<String>, NoRandomness> {
        let text = session_id()?;
        let mut given = self.given.lock();
        given.retain(|_, ticket| ticket.is_good(now));
        let own = given.values().filter(|other| other.principal.key == principal.key).count();
        if given.len() >= MOST || own >= MOST_OF_ONE {
            return Ok(None);
        }
        let (principal, origin) = (Arc::clone(principal), origin.map(str::to_owned));
        given.insert(text.clone(), Ticket { principal, origin, given: now });
        Ok(Some(text))
    }

    /// Whose ticket this is. It is good no more.
    pub fn redeem(&self, text: &str, origin: Option<&str>, now: Now) -> Option<Arc<Principal>> {
        let ticket = self.given.lock().remove(text)?;
        let is_good = ticket.is_good(now) && ticket.origin.as_deref() == origin;
        is_good.then_some(ticket.principal)
    }
}

impl Ticket {
    fn is_good(&self, now: Now) -> bool {
        now.since(self.given) < LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::principal::AuthMethod;

    fn principal(user: &str) -> Arc<Principal> {
        Arc::new(Principal::new(AuthMethod::ApiKey, user, Vec::new()))
    }

    #[test]
    fn a_ticket_is_good_once_for_a_while_and_for_its_page() {
        let (tickets, now, page) = (Tickets::default(), Now::read(), Some("https://a.example"));
        let user = principal("u");
        let give = || tickets.give(&user, page, now).unwrap().unwrap();
        let good = give();
        assert_eq!(tickets.redeem(&good, page, now).unwrap().user, "u");
        assert!(tickets.redeem(&good, page, now).is_none(), "twice");
        assert!(tickets.redeem(&give(), None, now).is_none(), "no page");
        assert!(tickets.redeem(&give(), page, now.plus(LIFETIME)).is_none(), "too late");
        assert!(tickets.redeem("", page, now).is_none());
    }

    #[test]
    fn nobody_can_take_all_tickets() {
        let (tickets, now) = (Tickets::default(), Now::read());
        for _ in 0..MOST_OF_ONE {
            assert!(tickets.give(&principal("greedy"), None, now).unwrap().is_some());
        }
        assert!(tickets.give(&principal("greedy"), None, now).unwrap().is_none());
        assert!(tickets.give(&principal("other"), None, now).unwrap().is_some());
        let later = now.plus(LIFETIME);
        assert!(tickets.give(&principal("greedy"), None, later).unwrap().is_some());
    }
}
