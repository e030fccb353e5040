//! All legacy sessions, with caps for everybody together and for each principal. A session is given
//! only to its owner; to anyone else it does not exist.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::session::{Negotiated, Session};
use crate::base::clock::Now;
use crate::base::ids::session_id;
use crate::base::principal::Principal;
use crate::base::tally::Tally;
use crate::mcp::outlet::{Outlet, OutletLimits};

/// Bounds of the table.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Most sessions.
    pub sessions: usize,
    /// Most sessions of one principal.
    pub sessions_per_principal: usize,
    /// A session that is not used for so long is over.
    pub idle: Duration,
    /// A session is over after this time, used or not.
    pub lifetime: Duration,
    /// Bounds of its streams.
    pub outlet: OutletLimits,
}

/// Why there is no new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// One of the caps is reached.
    Full,
    /// No random number could be had for its id.
    NoRandomness,
}

/// The table; see the module.
#[derive(Debug, Default)]
pub struct Sessions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_id: HashMap<String, Arc<Session>>,
    per_principal: Tally<String>,
}

impl Sessions {
    /// Opens a session for `principal`.
    pub fn open(
        &self,
        principal: &Arc<Principal>,
        negotiated: Negotiated,
        limits: &SessionLimits,
        now: Now,
    ) -> Result<Arc<Session>, SessionError> {
        let id = session_id().map_err(|_| SessionError::NoRandomness)?;
        let outlet = Arc::new(Outlet::new(limits.outlet));
        let owner = Arc::clone(principal);
        let session = Arc::new(Session::new(id, owner, negotiated, outlet, limits.outlet, now));
        let (mut over, mut state) = (Vec::new(), self.state.lock());
        let mut is_in = state.enter(&session, limits);
        if !is_in {
            over = state.remove_over(limits, now);
            is_in = state.enter(&session, limits);
        }
        drop(state);
        close_all(&over);
        if is_in { Ok(session) } else { Err(SessionError::Full) }
    }

    /// The session with this id, if it is alive and `principal`'s own.
    pub fn find(
        &self,
        id: &str,
        principal: &Arc<Principal>,
        limits: &SessionLimits,
        now: Now,
    ) -> Option<Arc<Session>> {
        let session = self.state.lock().by_id.get(id).cloned()?;
        if session.principal.key != principal.key {
            return None;
        }
        if session.is_over(now, limits.idle, limits.lifetime) {
            self.remove(id);
            return None;
        }
        session.touch(now);
        session.listener.renew(principal);
        Some(session)
    }

    /// Ends a session.
    pub fn remove(&self, id: &str) {
        let removed = self.state.lock().remove(id);
        if let Some(session) = removed {
            session.close();
        }
    }

    /// Ends all sessions that are over.
    pub fn sweep(&self, limits: &SessionLimits, now: Now) {
        let over = self.state.lock().remove_over(limits, now);
        close_all(&over);
    }

    /// Ends the standalone streams of all sessions; what runs in them goes on.
    pub fn end_standalone_streams(&self) {
        for session in self.state.lock().by_id.values() {
            session.listener.outlet.end();
        }
    }

    /// Whoever waits for an answer of any client is told that none will come.
    pub fn abandon(&self) {
        for session in self.all() {
            session.abandon();
        }
    }

    /// All sessions.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.state.lock().by_id.values().cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.state.lock().by_id.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn close_all(sessions: &[Arc<Session>]) {
    for session in sessions {
        session.close();
    }
}

impl State {
    /// Takes a session in; false if a cap is reached.
    fn enter(&mut self, session: &Arc<Session>, limits: &SessionLimits) -> bool {
        let key = session.principal.key.clone();
        let has_room = self.by_id.len() < limits.sessions
            && self.per_principal.enter(key, limits.sessions_per_principal);
        if has_room {
            self.by_id.insert(session.id.clone(), Arc::clone(session));
        }
        has_room
    }

    fn remove(&mut self, id: &str) -> Option<Arc<Session>> {
        let session = self.by_id.remove(id)?;
        self.per_principal.leave(&session.principal.key);
        Some(session)
    }

    fn remove_over(&mut self, limits: &SessionLimits, now: Now) -> Vec<Arc<Session>> {
        let over: Vec<String> = self
            .by_id
            .values()
            .filter(|session| session.is_over(now, limits.idle, limits.lifetime))
            .map(|session| session.id.clone())
            .collect();
        over.iter().filter_map(|id| self.remove(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::principal::AuthMethod;
    use crate::mcp::capability::ClientCapabilities;
    use crate::mcp::era::Version;

    const NEGOTIATED: Negotiated =
        Negotiated { version: Version::V2025_11_25, capabilities: ClientCapabilities::NONE };
    const LIMITS: SessionLimits = SessionLimits {
        sessions: 3,
        sessions_per_principal: 2,
        idle: Duration::from_secs(10),
        lifetime: Duration::from_secs(100),
        outlet: OutletLimits { queued_bytes: 100, replay_bytes: 100 },
    };

    fn user(name: &str) -> Arc<Principal> {
        Arc::new(Principal::new(AuthMethod::ApiKey, name, vec![]))
    }

    fn at(seconds: u64) -> Now {
        Now::from_duration(Duration::from_secs(seconds))
    }

    #[test]
    fn caps_hold_for_each_and_for_all_and_the_idle_make_room() {
        let sessions = Sessions::default();
        let open = |who: &str, now| {
            sessions.open(&user(who), NEGOTIATED, &LIMITS, now).map(|s| s.id.clone())
        };
        assert!(open("a", at(0)).is_ok() && open("a", at(0)).is_ok());
        assert_eq!(open("a", at(0)), Err(SessionError::Full), "two are enough for one");
        assert!(open("b", at(0)).is_ok());
        assert_eq!(open("c", at(0)), Err(SessionError::Full), "three are enough for all");
        let idle = sessions.all();
        assert!(open("c", at(11)).is_ok(), "the idle ones have gone");
        assert_eq!(sessions.len(), 1);
        assert!(idle.iter().all(|gone| gone.listener.outlet.is_ended()), "and their streams too");
    }

    #[test]
    fn a_session_is_found_by_its_owner_only_and_while_it_lives() {
        let sessions = Sessions::default();
        let id = sessions.open(&user("a"), NEGOTIATED, &LIMITS, at(0)).unwrap().id.clone();
        assert!(sessions.find(&id, &user("b"), &LIMITS, at(1)).is_none());
        assert!(sessions.find(&id, &user("a"), &LIMITS, at(9)).is_some());
        assert!(sessions.find(&id, &user("a"), &LIMITS, at(18)).is_some(), "use keeps it alive");
        assert!(sessions.find(&id, &user("a"), &LIMITS, at(30)).is_none());
        assert!(sessions.is_empty(), "what is over is gone");
    }
}
