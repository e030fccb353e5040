//! What is known of a call between its rounds: what the client was asked, what it answered, what
//! the handler noted. It travels sealed with a modern client and stays here for the others.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Requests of one round, and answers or notes of one call, at most.
pub const MOST_ENTRIES: usize = 32;
/// Bytes of all answers of one call at most.
const MOST_ANSWER_BYTES: usize = 1 << 20;
/// Rounds of one call at most; a handler that asks without end is cut short.
pub const MOST_ROUNDS: u64 = 32;

/// An answer of the client and the question it was given to.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    /// Of the question that stood under the key; `None` if the client answered unasked.
    digest: Option<String>,
    outcome: Result<Value, String>,
    bytes: usize,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dialogue {
    asked: BTreeMap<String, String>,
    answers: BTreeMap<String, Answer>,
    notes: BTreeMap<String, Value>,
    rounds: u64,
}

impl Dialogue {
    /// The client's answer under `key`, if it was given to the question with this digest. `Err` is
    /// the client's own sentence for why it has no answer.
    pub fn answer(&self, key: &str, digest: &str) -> Option<Result<&Value, &str>> {
        let answer = self.answers.get(key)?;
        let is_for_it = answer.digest.as_deref().is_none_or(|given_to| given_to == digest);
        is_for_it.then(|| answer.outcome.as_ref().map_err(String::as_str))
    }

    /// Forgets an answer that was none.
    pub fn forget(&mut self, key: &str) {
        self.answers.remove(key);
    }

    /// Begins a round with these questions: keys and digests. False if it is one round too many.
    pub fn ask(&mut self, questions: impl IntoIterator<Item = (String, String)>) -> bool {
        self.asked = questions.into_iter().collect();
        self.rounds += 1;
        self.rounds <= MOST_ROUNDS
    }

    /// Takes an answer in. What nobody needs is kept within a bound, and never looked at.
    pub fn take_in(&mut self, key: String, outcome: Result<Value, String>) {
        if self.answers.len() >= MOST_ENTRIES && !self.answers.contains_key(&key) {
            return;
        }
        let digest = self.asked.remove(&key);
        let bytes = outcome.as_ref().map_or(0, |value| value.to_string().len());
        let kept: usize = self.answers.values().map(|answer| answer.bytes).sum();
        let answer = if kept + bytes > MOST_ANSWER_BYTES {
            Answer { digest, outcome: Err("its answers are too large".to_owned()), bytes: 0 }
        } else {
            Answer { digest, outcome, bytes }
        };
        self.answers.insert(key, answer);
    }

    /// What the handler noted under `key`.
    pub fn note(&self, key: &str) -> Option<&Value> {
        self.notes.get(key)
    }

    /// Notes a value; false if there are too many.
    pub fn set_note(&mut self, key: &str, value: Value) -> bool {
        let has_room = self.notes.len() < MOST_ENTRIES || self.notes.contains_key(key);
        if has_room {
            self.notes.insert(key.to_owned(), value);
        }
        has_room
    }

    /// The dialogue as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let answers: Map<String, Value> = self
            .answers
            .iter()
            .map(|(key, answer)| {
                let outcome = match &answer.outcome {
                    Ok(value) => json!([answer.digest, value]),
                    Err(sentence) => json!([answer.digest, null, sentence]),
                };
                (key.clone(), outcome)
            })
            .collect();
        let whole = json!({
            "asked": self.asked, "answers": answers, "notes": self.notes, "rounds": self.rounds
        });
        whole.to_string().into_bytes()
    }

    /// Reads what [`Dialogue::to_json`] wrote.
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let whole: Value = serde_json::from_slice(json).ok()?;
        let mut dialogue = Self { rounds: whole.get("rounds")?.as_u64()?, ..Self::default() };
        for (key, digest) in whole.get("asked")?.as_object()? {
            dialogue.asked.insert(key.clone(), digest.as_str()?.to_owned());
        }
        for (key, value) in whole.get("notes")?.as_object()? {
            dialogue.notes.insert(key.clone(), value.clone());
        }
        for (key, answer) in whole.get("answers")?.as_object()? {
            let digest = answer.get(0)?.as_str().map(str::to_owned);
            let outcome = match answer.get(2) {
                None => Ok(answer.get(1)?.clone()),
                Some(sentence) => Err(sentence.as_str()?.to_owned()),
            };
            let bytes = outcome.as_ref().map_or(0, |value: &Value| value.to_string().len());
            dialogue.answers.insert(key.clone(), Answer { digest, outcome, bytes });
        }
        Some(dialogue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_for_the_question_that_was_asked() {
        let mut dialogue = Dialogue::default();
        assert!(dialogue.ask([("price".to_owned(), "ten".to_owned())]));
        dialogue.take_in("price".into(), Ok(json!("yes")));
        assert_eq!(dialogue.answer("price", "ten"), Some(Ok(&json!("yes"))));
        assert_eq!(dialogue.answer("price", "a thousand"), None);
        dialogue.take_in("unasked".into(), Ok(json!(1)));
        assert_eq!(dialogue.answer("unasked", "whatever"), Some(Ok(&json!(1))));
    }

    #[test]
    fn it_comes_back_from_its_json() {
        let mut dialogue = Dialogue::default();
        dialogue.ask([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        dialogue.take_in("a".into(), Ok(json!({"x": null})));
        dialogue.take_in("c".into(), Err("no model".into()));
        assert!(dialogue.set_note("order", json!(7)));
        assert_eq!(Dialogue::from_json(&dialogue.to_json()), Some(dialogue));
        for broken in ["", "[]", "{}", r#"{"rounds":1,"asked":{"a":1},"notes":{},"answers":{}}"#] {
            assert_eq!(Dialogue::from_json(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn everything_in_it_is_bounded() {
        let mut dialogue = Dialogue::default();
        for number in 0..1_000 {
            dialogue.take_in(number.to_string(), Ok(json!(1)));
        }
        assert_eq!(dialogue.answers.len(), MOST_ENTRIES);
        assert!((0..1_000).any(|number| !dialogue.set_note(&number.to_string(), json!(1))));
        assert!((0..1_000).any(|_| !dialogue.ask([])));
        let mut dialogue = Dialogue::default();
        for key in ["a", "b"] {
            dialogue.take_in(key.into(), Ok(json!("x".repeat(MOST_ANSWER_BYTES / 2 + 1))));
        }
        assert!(matches!(dialogue.answer("a", ""), Some(Ok(_))));
        assert!(matches!(dialogue.answer("b", ""), Some(Err(_))), "both are too much");
    }

    #[test]
    fn answers_have_a_bound_in_bytes() {
        let mut dialogue = Dialogue::default();
        let half = json!("x".repeat(MOST_ANSWER_BYTES / 2 - 16));
        for key in ["a", "b", "c"] {
            dialogue.ask([(key.to_owned(), "d".to_owned())]);
            dialogue.take_in(key.to_owned(), Ok(half.clone()));
        }
        assert!(dialogue.answer("a", "d").unwrap().is_ok());
        assert!(dialogue.answer("c", "d").unwrap().is_err());
        // What is forgotten counts no more.
        dialogue.forget("a");
        dialogue.ask([("d".to_owned(), "d".to_owned())]);
        dialogue.take_in("d".to_owned(), Ok(half));
        assert!(dialogue.answer("d", "d").unwrap().is_ok());
    }
}
