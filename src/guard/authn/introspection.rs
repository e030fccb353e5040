//! Tokens that only their issuer can read (OAuth 2.0 Token Introspection, RFC 7662): it is asked
//! once for a token, and its answer is good for a short time. While it cannot be asked, nobody is
//! let in by such a token.

mod answer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use self::answer::Told;
use super::api_key::KeyTag;
use super::inquiry::{Asker, Errand, Heard, Waiters};
use crate::base::clock::{Now, unix_seconds};
use crate::base::outgoing::{Incoming, Outgoing, OutgoingError};
use crate::base::principal::Principal;
use crate::base::secret::Secret;
use crate::mcp::outlet::Wake;

/// Most answers that are remembered.
const MOST_ANSWERS: usize = 10_000;
/// Most tokens that are asked about at once.
const MOST_FLIGHTS: usize = 256;
/// Failures in a row after which nothing is asked for a while, and for how long.
const MOST_FAILURES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(10);
/// Longest answer, in bytes.
const ANSWER_BYTES: u64 = 64 * 1024;

/// Whom to ask, and what to make of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// The introspection endpoint.
    pub url: Arc<str>,
    /// The value of `Authorization` that we are known by, or the form's members instead.
    pub client: ClientProof,
    /// What `iss` must be, where the answer has one.
    pub issuer: Option<String>,
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// Whether an answer without `aud` is taken.
    pub takes_missing_audience: bool,
    /// The member with the name of the user.
    pub user_claim: String,
    /// Stands before the name, so that users of two issuers are told apart.
    pub user_prefix: String,
    /// Where the roles stand: a claim, or names with dots between them for one inside of others;
    /// without it a token brings none.
    pub roles_claim: Option<String>,
    /// The claims that are kept for the rules of the policy.
    pub kept_claims: Arc<[String]>,
    /// How long a good answer is good.
    pub ttl: Duration,
    /// How long a bad one is.
    pub negative_ttl: Duration,
    /// The time for one request.
    pub timeout: Duration,
    /// How far the clock of the issuer may be off.
    pub leeway: Duration,
}

/// How we prove to the endpoint who we are (RFC 6749 section 2.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// In `Authorization`.
    Basic(Secret),
    /// In the form.
    Post(Secret),
}

/// See the module.
#[derive(Debug)]
pub struct Introspection {
    settings: IntrospectionSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answers: HashMap<KeyTag, Answer>,
    flights: HashMap<KeyTag, Waiters>,
    failures: u32,
    paused_until: Option<Now>,
}

#[derive(Debug)]
struct Answer {
    told: Told,
    until: Now,
}

/// What is known of a token.
#[derive(Debug)]
pub(super) enum Introspected {
    /// It proves this principal.
    Known(Arc<Principal>),
    /// It proves nobody; why.
    Refused(&'static str),
    /// It has to be asked about, or cannot be.
    Unsettled(Heard),
}

impl Introspection {
    /// Nothing asked yet.
    pub fn new(settings: IntrospectionSettings) -> Self {
        Self { settings, state: Mutex::default() }
    }

    /// True if it asks the same endpoint in the same way.
    pub fn is_by(&self, settings: &IntrospectionSettings) -> bool {
        self.settings == *settings
    }

    /// What is known of a token, or will be. `may_wait` is false for who has waited before.
    pub(super) fn look_up(
        self: &Arc<Self>,
        token: &str,
        tag: KeyTag,
        wake: &Arc<dyn Wake>,
        may_wait: bool,
        (unix_seconds, now): (u64, Now),
    ) -> Introspected {
        let mut state = self.state.lock();
        if let Some(answer) = state.answers.get(&tag).filter(|answer| now < answer.until) {
            return answer.told.at(unix_seconds);
        }
        if !may_wait {
            return Introspected::Unsettled(Heard::Unavailable);
        }
        if let Some(waiters) = state.flights.get_mut(&tag) {
            let waiter = waiters.add(wake);
            let heard = waiter.map_or(Heard::Unavailable, |it| Heard::Later(it, None));
            return Introspected::Unsettled(heard);
        }
        // After a pause one is sent ahead, and the others wait for what becomes of it.
        let is_probing = state.failures >= MOST_FAILURES && !state.flights.is_empty();
        let is_paused = state.paused_until.is_some_and(|until| now < until);
        if is_probing || is_paused || state.flights.len() >= MOST_FLIGHTS {
            return Introspected::Unsettled(Heard::Unavailable);
        }
        let mut waiters = Waiters::default();
        let Some(waiter) = waiters.add(wake) else {
            return Introspected::Unsettled(Heard::Unavailable);
        };
        state.flights.insert(tag, waiters);
        drop(state);
        Introspected::Unsettled(Heard::Later(waiter, Some(self.errand(token, tag))))
    }

    fn errand(self: &Arc<Self>, token: &str, tag: KeyTag) -> Errand {
        let mut form = String::with_capacity(token.len() + 64);
        form.push_str("token=");
        push_form_encoded(&mut form, token);
        form.push_str("&token_type_hint=access_token");
        let authorization = match &self.settings.client {
            ClientProof::Basic(value) => Some(value.clone()),
            ClientProof::Post(members) => {
                form.push('&');
                form.push_str(members.expose());
                None
            }
        };
        let request = Outgoing {
            url: Arc::clone(&self.settings.url),
            form: Some(Secret::new(form)),
            authorization,
            accept: "application/json",
            timeout: self.settings.timeout,
            most_bytes: ANSWER_BYTES,
        };
        Errand::new(request, Arc::new(Flight { of: Arc::clone(self), tag }))
    }

    fn read(
        &self,
        answer: Result<Incoming, OutgoingError>,
        now: Now,
    ) -> Result<Answer, OutgoingError> {
        let answer = answer?;
        if answer.status != 200 {
            return Err(OutgoingError::Status(answer.status));
        }
        let told = answer::read(&answer.body, &self.settings, unix_seconds())
            .ok_or(OutgoingError::Unusable("it answered with something else than RFC 7662 says"))?;
        let ttl = match told {
            Told::Active(_) => self.settings.ttl,
            Told::Refused(_) => self.settings.negative_ttl,
        };
        Ok(Answer { told, until: now.plus(ttl) })
    }
}

/// A request that is under way.
#[derive(Debug)]
struct Flight {
    of: Arc<Introspection>,
    tag: KeyTag,
}

impl Asker for Flight {
    fn answered(&self, answer: Result<Incoming, OutgoingError>, now: Now) {
        let read = self.of.read(answer, now);
        let waiters = {
            let mut state = self.of.state.lock();
            match read {
                Ok(answer) => {
                    state.failures = 0;
                    state.paused_until = None;
                    state.remember(self.tag, answer, now);
                }
                Err(error) => {
                    state.failures = state.failures.saturating_add(1);
                    if state.failures >= MOST_FAILURES {
                        state.paused_until = Some(now.plus(PAUSE));
                    }
                    // One line for each pause, not one for each request.
                    if state.failures <= MOST_FAILURES {
                        log::warn!("a token could not be introspected: {error}");
                    }
                }
            }
            state.flights.remove(&self.tag)
        };
        if let Some(waiters) = waiters {
            waiters.tell();
        }
    }
}

impl State {
    /// Remembers an answer. Where there is no room, the one that is over first makes some.
    fn remember(&mut self, tag: KeyTag, answer: Answer, now: Now) {
        if self.answers.len() >= MOST_ANSWERS {
            self.answers.retain(|_, answer| now < answer.until);
        }
        if self.answers.len() >= MOST_ANSWERS {
            let first = self.answers.iter().min_by_key(|(_, answer)| answer.until.micros());
            if let Some(first) = first.map(|(tag, _)| *tag) {
                self.answers.remove(&first);
            }
        }
        self.answers.insert(tag, answer);
    }
}

/// Appends `text` as `application/x-www-form-urlencoded` writes it.
pub fn push_form_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests;
