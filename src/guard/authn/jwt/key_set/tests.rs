//! A set as an issuer publishes it, changes it, and fails to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::guard::authn::inquiry::Waiter;
use crate::guard::authn::inquiry::tests::Sleeper;

fn set() -> Arc<KeySet> {
    let source = KeySource {
        url: "https://auth.example.com/jwks".into(),
        algorithms: vec![Algorithm::ES256],
        timeout: Duration::from_secs(5),
    };
    Arc::new(KeySet::new("https://auth.example.com", source))
}

fn wake() -> Arc<dyn Wake> {
    Arc::new(Sleeper::default())
}

fn at(seconds: u64) -> Now {
    Now::from_duration(Duration::from_secs(seconds))
}

fn keys(ids: &[&str], max_age: Option<u64>) -> Result<Incoming, OutgoingError> {
    let key = |id: &&str| {
        let x = URL_SAFE_NO_PAD.encode([0x81; 32]);
        json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": x, "y": x })
    };
    let keys: Vec<_> = ids.iter().map(key).collect();
    let body = json!({ "keys": keys }).to_string().into_bytes();
    Ok(Incoming { status: 200, max_age, body })
}

fn ids(set: &KeySet, now: Now) -> Vec<String> {
    let keys = set.keys(now);
    let keys = keys.iter().flat_map(|keys| keys.iter());
    keys.filter_map(|(id, _)| id.clone()).collect()
}

fn asked(heard: Heard) -> (Arc<Waiter>, Errand) {
    match heard {
        Heard::Later(waiter, Some(errand)) => (waiter, errand),
        other => panic!("{other:?}"),
    }
}

/// A set that was fetched at the start, with these keys.
fn fetched(first: &[&str]) -> Arc<KeySet> {
    let set = set();
    let (waiter, errand) = asked(set.ask("a", &wake(), true, at(0)));
    errand.done(keys(first, None), at(0));
    assert!(waiter.has_answer());
    set
}

#[test]
fn the_first_token_fetches_and_the_next_ones_wait_for_the_same() {
    let set = set();
    assert!(set.keys(at(0)).is_none());
    let (first, errand) = asked(set.ask("a", &wake(), true, at(0)));
    let Heard::Later(second, None) = set.ask("b", &wake(), true, at(1)) else { panic!() };
    assert_eq!(&*errand.request().url, "https://auth.example.com/jwks");
    errand.done(keys(&["a"], None), at(1));
    assert!(first.has_answer() && second.has_answer());
    assert_eq!(ids(&set, at(1)), ["a"]);
    assert_eq!(set.generation(), 1);
}

#[test]
fn a_new_key_is_fetched_once_and_a_flood_of_unknown_ones_is_not() {
    let set = fetched(&["a"]);
    assert!(matches!(set.ask("b", &wake(), true, at(4)), Heard::Nothing), "too early");
    let (_waiter, errand) = asked(set.ask("b", &wake(), true, at(5)));
    errand.done(keys(&["a", "b"], None), at(5));
    assert_eq!(ids(&set, at(5)), ["a", "b"]);
    let mut asked = 0;
    for number in 0..10_000 {
        let heard = set.ask(&format!("x{number}"), &wake(), true, at(10 + number / 1_000));
        if let Heard::Later(_, Some(errand)) = heard {
            asked += 1;
            errand.done(keys(&["a", "b"], None), at(10 + number / 1_000));
        }
    }
    assert_eq!(asked, 2, "in ten seconds");
    assert!(set.state.lock().unknown.len() <= MOST_UNKNOWN);
}

#[test]
fn a_key_that_is_known_to_be_unknown_is_not_asked_for() {
    let set = fetched(&["a"]);
    assert!(matches!(set.ask("b", &wake(), false, at(0)), Heard::Nothing), "it has waited");
    assert!(matches!(set.ask("b", &wake(), true, at(59)), Heard::Nothing));
    drop(asked(set.ask("b", &wake(), true, at(60))));
}

#[test]
fn the_last_good_set_stays_while_the_issuer_is_away_and_not_for_ever() {
    let set = fetched(&["a"]);
    let mut asked = 0;
    for second in 5..300 {
        if let Heard::Later(_, Some(errand)) = set.ask("b", &wake(), true, at(second)) {
            asked += 1;
            errand.done(Err(OutgoingError::Timeout), at(second));
        }
    }
    assert!((7..=12).contains(&asked), "{asked} requests in five minutes");
    assert_eq!(ids(&set, at(300)), ["a"]);
    assert_eq!(ids(&set, at(86_401)), [""; 0]);
    assert!(matches!(set.ask("a", &wake(), false, at(86_401)), Heard::Unavailable));
}

#[test]
fn an_issuer_that_was_away_at_the_start_is_asked_again() {
    let set = set();
    let (waiter, errand) = asked(set.ask("a", &wake(), true, at(0)));
    drop(errand);
    assert!(waiter.has_answer(), "it is told that nobody could ask");
    assert!(matches!(set.ask("a", &wake(), true, at(0)), Heard::Unavailable));
    let (_waiter, errand) = asked(set.ask("a", &wake(), true, at(1)));
    errand.done(keys(&["a"], None), at(1));
    assert_eq!(ids(&set, at(1)), ["a"]);
}

#[test]
fn a_set_is_fetched_ahead_of_its_end() {
    let set = set();
    assert!(set.refresh(at(0)).is_none(), "nobody has needed it");
    asked(set.ask("a", &wake(), true, at(0))).1.done(keys(&["a"], Some(100)), at(0));
    assert!(set.refresh(at(74)).is_none());
    let errand = set.refresh(at(75)).unwrap();
    assert!(set.refresh(at(75)).is_none(), "one is under way");
    errand.done(Err(OutgoingError::Status(500)), at(75));
    assert!(set.refresh(at(75)).is_none());
    set.refresh(at(76)).unwrap().done(keys(&["b"], Some(0)), at(76));
    assert_eq!((ids(&set, at(76)), set.generation()), (vec!["b".to_owned()], 2));
    assert!(set.refresh(at(90)).is_none(), "no issuer makes us ask without a pause");
}

#[test]
fn what_is_no_set_changes_nothing() {
    let set = fetched(&["a"]);
    let answer =
        |status, body: &str| Ok(Incoming { status, max_age: None, body: body.as_bytes().to_vec() });
    let answers = [answer(302, ""), answer(200, "<html>"), answer(200, r#"{"keys":[]}"#)];
    for (number, answer) in (1..).zip(answers) {
        let now = at(number * 100);
        asked(set.ask(&format!("x{number}"), &wake(), true, now)).1.done(answer, now);
        assert_eq!(ids(&set, now), ["a"]);
    }
}
