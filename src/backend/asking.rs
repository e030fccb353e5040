//! How a handler asks its client. A call that has asked rests without a thread; when the answers
//! are there, its handler runs again from the start, and what it asked before is answered at once.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::context::Context;
use super::provider::{Failure, Reason};
use super::task::TaskPhase;
use crate::guard::schema::{Schema, SchemaLimits};
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::dialogue::{Dialogue, MOST_ENTRIES};
use crate::mcp::errors::shown;
use crate::mcp::input::{
    Elicitation, Elicited, InputRequest, InputResponse, Root, Sampled, Sampling,
};

/// What one run of a handler leaves to the next.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// What was asked, answered and noted before.
    pub dialogue: Dialogue,
    /// What the client is asked now, by key.
    pub asked: Vec<(String, InputRequest)>,
    /// The last progress that was reported.
    pub last_progress: Option<f64>,
}

/// The client's answers to several requests, by the keys they were asked under.
#[derive(Clone, Debug, Default)]
pub struct Inputs(HashMap<String, InputResponse>);

impl Inputs {
    /// The answer to the elicitation under `key`.
    ///
    /// # Errors
    /// None was asked under this key.
    pub fn elicited(&mut self, key: &str) -> Result<Elicited, Failure> {
        match self.0.remove(key) {
            Some(InputResponse::Elicited(elicited)) => Ok(elicited),
            _ => Err(never_asked(key)),
        }
    }

    /// The answer to the sampling under `key`.
    ///
    /// # Errors
    /// None was asked under this key.
    pub fn sampled(&mut self, key: &str) -> Result<Sampled, Failure> {
        match self.0.remove(key) {
            Some(InputResponse::Sampled(sampled)) => Ok(sampled),
            _ => Err(never_asked(key)),
        }
    }

    /// The roots that were asked for under `key`.
    ///
    /// # Errors
    /// None were asked for under this key.
    pub fn roots(&mut self, key: &str) -> Result<Vec<Root>, Failure> {
        match self.0.remove(key) {
            Some(InputResponse::Roots(roots)) => Ok(roots),
            _ => Err(never_asked(key)),
        }
    }
}

fn never_asked(key: &str) -> Failure {
    mistake(&format!("it takes the answer to {key:?}, which it did not ask so"))
}

/// A mistake of the handler: its author learns of it from the log, its client does not.
fn mistake(what: &str) -> Failure {
    log::error!("a handler made a mistake: {what}");
    Failure::new("The call failed")
}

impl Context {
    /// What the client can do, as far as it can be reached while this call runs.
    pub fn client(&self) -> ClientCapabilities {
        self.capabilities
    }

    /// Asks the person at the client; see [`Context::ask`].
    ///
    /// # Errors
    /// As for [`Context::ask`].
    pub fn elicit(&self, key: &str, elicitation: Elicitation) -> Result<Elicited, Failure> {
        self.ask([(key, elicitation.into())])?.elicited(key)
    }

    /// Asks the client's model; see [`Context::ask`].
    ///
    /// # Errors
    /// As for [`Context::ask`].
    pub fn sample(&self, key: &str, sampling: Sampling) -> Result<Sampled, Failure> {
        self.ask([(key, sampling.into())])?.sampled(key)
    }

    /// Asks the client for its roots; see [`Context::ask`].
    ///
    /// # Errors
    /// As for [`Context::ask`].
    pub fn roots(&self, key: &str) -> Result<Vec<Root>, Failure> {
        self.ask([(key, InputRequest::Roots)])?.roots(key)
    }

    /// Asks the client several things at once; the keys tell the requests of a call apart.
    ///
    /// The first time there is no answer yet: the failure that comes back is to be handed on with
    /// `?`. The call rests, without a thread, until the client has answered; then the handler runs
    /// again **from its start**, and here the answers come back. So what stands before a question
    /// is done again: keep it free of effects, or put it into [`Context::once`]. An answer to a
    /// question counts for no other one, and values that a person entered match the requested
    /// schema. A modern client may bring answers along before it is asked.
    ///
    /// # Errors
    /// The client cannot do what is asked (see [`Context::client`]); it has refused to answer; or
    /// it has not answered yet.
    pub fn ask<K: Into<String>>(
        &self,
        requests: impl IntoIterator<Item = (K, InputRequest)>,
    ) -> Result<Inputs, Failure> {
        let Some(round) = &self.round else {
            return Err(mistake("it asks its client and was offered as quick"));
        };
        let requests: Vec<(String, InputRequest)> =
            requests.into_iter().map(|(key, request)| (key.into(), request)).collect();
        if requests.len() > MOST_ENTRIES {
            return Err(mistake("it asks too many things at once"));
        }
        let keys: BTreeSet<&str> = requests.iter().map(|(key, _)| key.as_str()).collect();
        if keys.len() < requests.len() {
            return Err(mistake("it asks two things under one key"));
        }
        let capabilities = requests.iter().map(|(_, request)| request.capability());
        if let Some(missing) = capabilities.into_iter().find(|c| !self.capabilities.has(*c)) {
            return Err(Failure(Reason::Incapable(missing)));
        }
        let mut round = round.lock();
        let mut inputs = Inputs::default();
        let mut unanswered = Vec::new();
        for (key, request) in requests {
            match answer(&round.dialogue, &key, &request)? {
                Some(response) => drop(inputs.0.insert(key, response)),
                None => {
                    round.dialogue.forget(&key);
                    unanswered.push((key, request));
                }
            }
        }
        if unanswered.is_empty() {
            return Ok(inputs);
        }
        round.asked = unanswered;
        Err(Failure(Reason::Asked))
    }

    /// Does `work` once, however often the handler runs again for this call, and gives its value
    /// each time. With a modern client the value travels sealed, so keep it small.
    ///
    /// # Errors
    /// Those of `work`, which are not remembered.
    pub fn once(
        &self,
        key: &str,
        work: impl FnOnce() -> Result<Value, Failure>,
    ) -> Result<Value, Failure> {
        let Some(round) = &self.round else { return work() };
        if let Some(value) = round.lock().dialogue.note(key) {
            return Ok(value.clone());
        }
        let value = work()?;
        if !round.lock().dialogue.set_note(key, value.clone()) {
            return Err(mistake("it notes too many values"));
        }
        Ok(value)
    }

    /// Says that what follows takes long: the client gets a task instead of waiting, if it can, and
    /// asks for the result later. The handler runs again from its start, as after a question; what
    /// it asks from here on is asked through the task.
    ///
    /// Nothing happens if the call is a task already, or is not to become one: for the tool was not
    /// offered so, or the client does not take tasks.
    ///
    /// # Errors
    /// The call becomes a task: hand it on with `?`.
    pub fn become_task(&self) -> Result<(), Failure> {
        match self.task {
            TaskPhase::Never | TaskPhase::Running(_) => Ok(()),
            TaskPhase::Possible => Err(Failure(Reason::BecomesTask)),
        }
    }
}

/// The client's answer to `request`; `None` if there is none that fits.
fn answer(
    dialogue: &Dialogue,
    key: &str,
    request: &InputRequest,
) -> Result<Option<InputResponse>, Failure> {
    let schema = match request {
        InputRequest::Elicitation(elicitation) => elicitation.schema(),
        _ => None,
    };
    let schema = schema.map(|schema| Schema::compile(schema, &SchemaLimits::default()));
    let schema = schema.transpose().map_err(|e| mistake(&format!("a requested schema: {e}")))?;
    let response = match dialogue.answer(key, &request.digest()) {
        None => None,
        Some(Ok(result)) => request.read(result),
        Some(Err(sentence)) => {
            return Err(Failure::new(format!("The client did not answer: {}", shown(sentence))));
        }
    };
    Ok(response.filter(|response| match (response, &schema) {
        (InputResponse::Elicited(Elicited::Accepted(values)), Some(schema)) => {
            schema.check(&Value::Object(values.clone())).is_ok()
        }
        _ => true,
    }))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::backend::context::Wishes;
    use crate::base::principal::{AuthMethod, Principal};
    use crate::mcp::era::Version;

    fn context(declared: &Value, dialogue: Dialogue) -> Context {
        let version = Version::V2026_07_28;
        let principal = Arc::new(Principal::new(AuthMethod::Local, "u", vec![]));
        let capabilities = ClientCapabilities::read(declared.as_object().unwrap(), version);
        Context::new(principal, version, Arc::default(), None, Wishes::default())
            .asking(capabilities, Round { dialogue, ..Round::default() })
    }

    fn question() -> Elicitation {
        let schema = json!({"type": "object", "required": ["name"],
            "properties": {"name": {"type": "string"}}});
        Elicitation::form("Who?", schema)
    }

    fn after(answer: Value) -> Dialogue {
        let mut dialogue = Dialogue::default();
        dialogue.ask([("who".to_owned(), InputRequest::from(question()).digest())]);
        dialogue.take_in("who".into(), Ok(answer));
        dialogue
    }

    #[test]
    fn a_question_rests_the_call_and_its_answer_wakes_it() {
        let first = context(&json!({"elicitation": {}}), Dialogue::default());
        assert_eq!(first.elicit("who", question()), Err(Failure(Reason::Asked)));
        assert_eq!(first.into_round().asked.len(), 1);
        let accepted = json!({"action": "accept", "content": {"name": "Agnes"}});
        let second = context(&json!({"elicitation": {}}), after(accepted));
        let Ok(Elicited::Accepted(values)) = second.elicit("who", question()) else { panic!() };
        assert_eq!(values["name"], "Agnes");
    }

    #[test]
    fn values_that_break_the_schema_are_no_answer() {
        for content in [json!({"name": 3}), json!({})] {
            let answer = json!({"action": "accept", "content": content});
            let again = context(&json!({"elicitation": {}}), after(answer));
            assert_eq!(again.elicit("who", question()), Err(Failure(Reason::Asked)));
        }
        let declined = context(&json!({"elicitation": {}}), after(json!({"action": "decline"})));
        assert_eq!(declined.elicit("who", question()), Ok(Elicited::Declined));
    }

    #[test]
    fn what_the_client_cannot_do_is_not_asked() {
        let context = context(&json!({"sampling": {}}), Dialogue::default());
        let incapable = Failure(Reason::Incapable(question_capability()));
        assert_eq!(context.elicit("who", question()), Err(incapable));
        let asked = context.ask([("m", Sampling::user("?", 1).into()), ("r", InputRequest::Roots)]);
        assert!(matches!(asked, Err(Failure(Reason::Incapable(_)))));
        assert!(context.into_round().asked.is_empty());
    }

    fn question_capability() -> crate::mcp::capability::ClientCapability {
        InputRequest::from(question()).capability()
    }

    #[test]
    fn work_is_done_once_however_often_the_handler_runs() {
        let runs = Cell::new(0);
        let mut dialogue = Dialogue::default();
        for _ in 0..3 {
            let context = context(&json!({}), dialogue);
            let value = context.once("order", || {
                runs.set(runs.get() + 1);
                Ok(json!(runs.get()))
            });
            assert_eq!(value, Ok(json!(1)));
            dialogue = context.into_round().dialogue;
        }
        assert_eq!(runs.get(), 1);
    }
}
