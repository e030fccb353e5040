//! Tokens whose issuer is asked, and what it may say.

use serde_json::{Value, json};

use super::*;
use crate::guard::authn::inquiry::tests::Sleeper;

fn settings() -> IntrospectionSettings {
    IntrospectionSettings {
        url: "https://auth.example.com/introspect".into(),
        client: ClientProof::Basic(Secret::new("Basic x".into())),
        issuer: Some("https://auth.example.com".into()),
        audiences: vec!["us".into()],
        takes_missing_audience: false,
        user_claim: "sub".into(),
        user_prefix: String::new(),
        roles_claim: Some("scope".into()),
        kept_claims: Arc::default(),
        ttl: Duration::from_secs(60),
        negative_ttl: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        leeway: Duration::from_secs(30),
    }
}

fn at(seconds: u64) -> Now {
    Now::from_duration(Duration::from_secs(seconds))
}

fn active() -> Value {
    json!({ "active": true, "sub": "user_123", "aud": "us", "scope": "read write" })
}

fn answer(json: &Value) -> Result<Incoming, OutgoingError> {
    Ok(Incoming { status: 200, max_age: None, body: json.to_string().into_bytes() })
}

fn look_up(it: &Arc<Introspection>, tag: u8, may_wait: bool, now: Now) -> Introspected {
    let wake: Arc<dyn Wake> = Arc::new(Sleeper::default());
    it.look_up("the token", [tag; 32], &wake, may_wait, (unix_seconds(), now))
}

fn asked(introspected: Introspected) -> Errand {
    match introspected {
        Introspected::Unsettled(Heard::Later(_, Some(errand))) => errand,
        other => panic!("{other:?}"),
    }
}

fn is_unavailable(introspected: &Introspected) -> bool {
    matches!(introspected, Introspected::Unsettled(Heard::Unavailable))
}

fn told(json: &Value) -> Introspected {
    let it = Arc::new(Introspection::new(settings()));
    asked(look_up(&it, 1, true, at(0))).done(answer(json), at(0));
    look_up(&it, 1, false, at(0))
}

#[test]
fn a_token_is_asked_about_once_and_known_for_a_while() {
    let it = Arc::new(Introspection::new(settings()));
    let errand = asked(look_up(&it, 1, true, at(0)));
    let form = errand.request().form.as_ref().unwrap().expose();
    assert_eq!(form, "token=the%20token&token_type_hint=access_token");
    let second = look_up(&it, 1, true, at(0));
    assert!(matches!(second, Introspected::Unsettled(Heard::Later(_, None))), "{second:?}");
    errand.done(answer(&active()), at(1));
    for second in [1, 60] {
        let Introspected::Known(principal) = look_up(&it, 1, false, at(second)) else { panic!() };
        assert_eq!(principal.user, "user_123");
        assert_eq!(principal.roles, ["read", "write"]);
        assert_eq!(principal.key, "oauth2:https://auth.example.com/introspect user_123");
    }
    // It may have been revoked meanwhile.
    asked(look_up(&it, 1, true, at(61))).done(answer(&json!({ "active": false })), at(61));
    let refused = look_up(&it, 1, true, at(70));
    assert!(matches!(refused, Introspected::Refused("token_inactive")), "{refused:?}");
    drop(asked(look_up(&it, 1, true, at(71))));
}

#[test]
fn an_answer_must_be_about_a_good_token_for_us() {
    let now = unix_seconds();
    for (change, expected) in [
        (json!({}), None),
        (json!({ "aud": ["other", "us"] }), None),
        (json!({ "iss": "https://auth.example.com", "exp": now + 60 }), None),
        (json!({ "exp": now - 29 }), None),
        (json!({ "aud": "other" }), Some("wrong_audience")),
        (json!({ "aud": null }), Some("invalid_claim_aud")),
        (json!({ "iss": "https://evil.example.com" }), Some("unknown_issuer")),
        (json!({ "iss": 1 }), Some("invalid_claim_iss")),
        (json!({ "exp": now - 31 }), Some("token_expired")),
        (json!({ "exp": "9999999999" }), Some("invalid_claim_exp")),
        (json!({ "nbf": now + 600 }), Some("token_not_yet_valid")),
        (json!({ "sub": "" }), Some("invalid_user")),
        (json!({ "sub": null }), Some("invalid_user")),
        (json!({ "scope": 7 }), Some("invalid_claim_roles")),
    ] {
        let mut answer = active();
        for (name, value) in change.as_object().unwrap() {
            answer[name] = value.clone();
        }
        match (told(&answer), expected) {
            (Introspected::Known(_), None) => {}
            (Introspected::Refused(why), Some(expected)) => assert_eq!(why, expected),
            (other, _) => panic!("{change}: {other:?}"),
        }
    }
    let mut without_audience = active();
    without_audience.as_object_mut().unwrap().remove("aud");
    assert!(matches!(told(&without_audience), Introspected::Refused("invalid_claim_aud")));
}

#[test]
fn what_is_no_answer_lets_nobody_in() {
    for body in [json!([]), json!({}), json!({ "active": "true" }), json!({ "active": 1 })] {
        assert!(is_unavailable(&told(&body)), "{body}");
    }
    let it = Arc::new(Introspection::new(settings()));
    let wrong = Ok(Incoming { status: 401, max_age: None, body: br#"{"active":true}"#.to_vec() });
    asked(look_up(&it, 1, true, at(0))).done(wrong, at(0));
    assert!(is_unavailable(&look_up(&it, 1, false, at(0))));
}

#[test]
fn an_endpoint_that_keeps_failing_is_left_alone_for_a_while() {
    let it = Arc::new(Introspection::new(settings()));
    for tag in 0..5 {
        asked(look_up(&it, tag, true, at(0))).done(Err(OutgoingError::Timeout), at(0));
    }
    assert!(is_unavailable(&look_up(&it, 9, true, at(9))));
    let probe = asked(look_up(&it, 9, true, at(10)));
    assert!(is_unavailable(&look_up(&it, 10, true, at(10))), "one is sent ahead");
    probe.done(answer(&active()), at(10));
    drop(asked(look_up(&it, 10, true, at(10))));
}

#[test]
fn a_flood_of_tokens_is_bounded() {
    let it = Arc::new(Introspection::new(settings()));
    let wake: Arc<dyn Wake> = Arc::new(Sleeper::default());
    let tag = |number: usize| {
        let mut tag = [0; 32];
        tag[..8].copy_from_slice(&number.to_be_bytes());
        tag
    };
    let look_up = |number| it.look_up("t", tag(number), &wake, true, (unix_seconds(), at(0)));
    let flights: Vec<_> = (0..MOST_FLIGHTS).map(|number| asked(look_up(number))).collect();
    assert!(is_unavailable(&look_up(MOST_FLIGHTS)));
    for flight in flights {
        flight.done(answer(&active()), at(0));
    }
    for number in MOST_FLIGHTS..MOST_ANSWERS + 10 {
        asked(look_up(number)).done(answer(&active()), at(0));
    }
    assert_eq!(it.state.lock().answers.len(), MOST_ANSWERS);
    assert!(matches!(look_up(MOST_ANSWERS + 9), Introspected::Known(_)), "the newest is known");
}
