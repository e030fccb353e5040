//! Issuers that are asked while the server runs: for the keys that they publish, and about tokens
//! that only they can read.

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::DEADLINE;
use crate::harness::http::{Connection, Request, Response};
use crate::harness::process::{Directory, Server, Settings};
use crate::harness::provider::Provider;
use crate::harness::tools::ECHO;
use crate::tokens::{AUDIENCE, ISSUER, Issuer, echo, now};

pub(crate) fn published(provider: &Provider) -> Settings {
    Settings::with(&format!(
        "{ECHO}\n[authentication.jwt]\nrequired_issuer = \"{ISSUER}\"\n\
         required_audience = \"{AUDIENCE}\"\njwks_url = \"{}\"\n",
        provider.url("/jwks")
    ))
}

fn introspected(provider: &Provider, more: &str) -> Settings {
    Settings::with(&format!(
        "{ECHO}\n[authentication.oauth2]\nintrospection_url = \"{}\"\nclient_id = \"erl mcp\"\n\
         client_secret = \"s3cr%t\"\nrequired_audience = \"{AUDIENCE}\"\n{more}\n",
        provider.url("/introspect")
    ))
}

fn active() -> Value {
    json!({ "active": true, "sub": "user_123", "aud": AUDIENCE, "exp": now() + 600 })
}

fn begin(server: &Server, token: &str) -> Connection {
    let mut connection = server.connect();
    connection.write(&echo(token).bytes());
    connection
}

#[test]
fn keys_are_fetched_when_they_are_needed_and_again_when_a_new_one_is_named() {
    let (issuer, provider) = (Issuer::new(), Provider::start());
    provider.publish(vec![issuer.jwk("another")]);
    let server = Server::start(&published(&provider));
    let token = issuer.token(|_| ());
    assert_eq!(provider.asked().len(), 0, "nobody has needed a key");
    assert_eq!(server.send(&echo(&token)).status, 401);
    provider.publish(vec![issuer.jwk("another"), issuer.jwk("key-2024-01")]);
    // An id that is unknown now is not asked for at once; one second later it may be.
    let until = Instant::now() + DEADLINE;
    let other = || issuer.sign(&json!({ "alg": "RS256", "kid": "x" }), &json!({ "iss": ISSUER }));
    while provider.asked().len() < 2 {
        assert!(Instant::now() < until, "the keys are never fetched again");
        assert_eq!(server.send(&echo(&other())).status, 401);
    }
    for _ in 0..3 {
        assert_eq!(server.send(&echo(&token)).status, 200);
    }
    assert_eq!(provider.asked().len(), 2);
}

// B114
#[test]
fn an_issuer_that_gives_a_new_key_the_id_of_the_old_one_is_asked_once_more() {
    let (old, new, provider) = (Issuer::new(), Issuer::new(), Provider::start());
    provider.publish(vec![old.jwk("key-2024-01")]);
    let server = Server::start(&published(&provider));
    let (first, second) = (old.token(|_| ()), new.token(|_| ()));
    assert_eq!(server.send(&echo(&first)).status, 200);
    provider.publish(vec![new.jwk("key-2024-01")]);
    // Until then it is a token with a wrong signature, and those do not make us ask at will.
    let until = Instant::now() + DEADLINE;
    while server.send(&echo(&second)).status != 200 {
        assert!(Instant::now() < until, "the keys are never fetched again");
    }
    assert_eq!(provider.asked().len(), 2);
    assert_eq!(server.send(&echo(&first)).status, 401, "what was verified by the old key is over");
    assert_eq!(provider.asked().len(), 2);
}

#[test]
fn who_comes_while_keys_are_fetched_waits_and_holds_nobody_up() {
    let (issuer, provider) = (Issuer::new(), Provider::start());
    provider.publish(vec![issuer.jwk("key-2024-01")]);
    let server = Server::start(&published(&provider));
    let token = issuer.token(|_| ());
    let release = provider.hold();
    let mut waiting: Vec<_> = (0..20).map(|_| begin(&server, &token)).collect();
    provider.wait();
    // All threads are free: an API key is known at once.
    assert_eq!(server.send(&Request::bare("GET")).status, 405);
    drop(release);
    for connection in &mut waiting {
        assert_eq!(connection.response().status, 200);
    }
    assert_eq!(provider.asked().len(), 1, "one request for all of them");
}

#[test]
fn without_keys_nobody_is_let_in_and_they_are_asked_for_again() {
    let (issuer, provider) = (Issuer::new(), Provider::start());
    provider.publish(vec![issuer.jwk("key-2024-01")]);
    provider.fail(Some("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"));
    let server = Server::start(&published(&provider));
    let token = issuer.token(|_| ());
    let refused = server.send(&echo(&token));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    provider.fail(None);
    let until = Instant::now() + DEADLINE;
    while server.send(&echo(&token)).status != 200 {
        assert!(Instant::now() < until, "it never recovers");
    }
    let records = server.audited("identity_provider_unavailable", 1);
    assert_eq!(records[0]["event"], "authentication_failure");
}

#[test]
fn answers_that_are_no_keys_are_survived() {
    let (issuer, provider) = (Issuer::new(), Provider::start());
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(100_000));
    for answer in [
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/jwks\r\nContent-Length: 0\r\n\r\n"
            .into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>".into(),
        "nonsense\r\n\r\n".into(),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{large}", large.len()),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".into(),
    ] {
        provider.fail(Some(&answer));
        let server = Server::start(&published(&provider));
        assert_eq!(server.send(&echo(&issuer.token(|_| ()))).status, 503, "{answer:.40}");
        assert_eq!(server.send(&Request::bare("GET")).status, 405);
    }
}

#[test]
fn an_issuer_without_a_trusted_certificate_is_not_believed() {
    let issuer = Issuer::new();
    let ((provider, certificate), (_, another)) = (Provider::over_tls(), Provider::over_tls());
    provider.publish(vec![issuer.jwk("key-2024-01")]);
    let token = issuer.token(|_| ());
    let directory = Directory::new();
    for (trusted, status) in [(another, 503), (certificate, 200)] {
        let file = directory.write("ca.pem", &trusted);
        let mut settings = published(&provider);
        settings.rest.push_str(&format!("[outbound]\ncacertfile = \"{}\"\n", file.display()));
        let server = Server::start(&settings);
        assert_eq!(server.send(&echo(&token)).status, status);
    }
    assert_eq!(provider.asked().len(), 1, "who is not trusted hears nothing");
}

#[test]
fn a_client_that_leaves_while_keys_are_fetched_is_forgotten() {
    let (issuer, provider) = (Issuer::new(), Provider::start());
    provider.publish(vec![issuer.jwk("key-2024-01")]);
    let server = Server::start(&published(&provider));
    let release = provider.hold();
    let connection = begin(&server, &issuer.token(|_| ()));
    provider.wait();
    drop(connection);
    server.audited("\"outcome\":\"aborted\"", 1);
    drop(release);
    assert_eq!(server.send(&echo(&issuer.token(|_| ()))).status, 200);
}

#[test]
fn a_token_that_only_its_issuer_can_read_is_asked_about_once() {
    let provider = Provider::start();
    provider.tell("opaque-token", active());
    let server = Server::start(&introspected(&provider, ""));
    for _ in 0..3 {
        assert_eq!(server.send(&echo("opaque-token")).status, 200);
    }
    let records = server.audited("\"authentication\":\"oauth2\"", 3);
    assert_eq!(records[0]["user"], "user_123");
    let asked = provider.asked();
    // Both parts of the proof are encoded as in a form (RFC 6749 section 2.3.1).
    let expected = "POST /introspect HTTP/1.1\nBasic ZXJsJTIwbWNwOnMzY3IlMjV0\n\
                    token=opaque-token&token_type_hint=access_token";
    assert_eq!(asked, [expected]);
    for _ in 0..3 {
        let refused = server.send(&echo("unknown-token"));
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    }
    assert_eq!(provider.asked().len(), 2, "what is not good is remembered too");
    let stopped = server.stop();
    let text = format!("{:?}{:?}", stopped.stderr, stopped.audit());
    assert!(!text.contains("opaque-token") && !text.contains("s3cr"), "{text}");
}

#[test]
fn what_is_told_of_a_token_must_hold_here() {
    let provider = Provider::start();
    let server = Server::start(&introspected(&provider, "roles_claim = \"scope\""));
    let ask = |name: &str, change: &dyn Fn(&mut Value)| -> Response {
        let mut answer = active();
        change(&mut answer);
        provider.tell(name, answer);
        server.send(&echo(name))
    };
    assert_eq!(ask("good", &|_| ()).status, 200);
    assert_eq!(ask("other-audience", &|it| it["aud"] = json!("other")).status, 401);
    assert_eq!(ask("expired", &|it| it["exp"] = json!(now() - 60)).status, 401);
    assert_eq!(ask("no-user", &|it| it["sub"] = Value::Null).status, 401);
    // A role that is not known gives nothing: it is not even listed.
    let unknown = ask("role", &|it| {
        it["scope"] = json!("nothing");
        it["sub"] = json!("stranger");
    });
    assert_eq!(unknown.json()["error"]["code"], -32602);
    server.audited("wrong_audience", 1);
    server.audited("token_expired", 1);
}

// B121
#[test]
fn a_token_that_was_revoked_is_refused_once_its_answer_is_old() {
    let provider = Provider::start();
    provider.tell("token", active());
    let server = Server::start(&introspected(&provider, "cache_ttl_seconds = 1"));
    assert_eq!(server.send(&echo("token")).status, 200);
    provider.tell("token", json!({ "active": false }));
    let until = Instant::now() + DEADLINE;
    while server.send(&echo("token")).status != 401 {
        assert!(Instant::now() < until, "it is never refused");
    }
}

#[test]
fn while_the_issuer_cannot_be_asked_nobody_is_let_in() {
    let provider = Provider::start();
    provider.tell("token", active());
    provider.fail(Some("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"));
    let server = Server::start(&introspected(&provider, ""));
    for _ in 0..20 {
        assert_eq!(server.send(&echo("token")).status, 503);
    }
    assert_eq!(provider.asked().len(), 5, "then it is left alone for a while");
    assert_eq!(server.send(&Request::bare("GET")).status, 405, "other proofs are not concerned");
}

#[test]
fn the_metadata_of_the_endpoint_tells_where_to_get_a_token() {
    let provider = Provider::start();
    let mut settings = published(&provider);
    settings.http = "tls = false\npublic_url = \"https://mcp.example.com/base/mcp\"".into();
    let server = Server::start(&settings);
    let get = |path: &str| {
        let mut request = Request::bare("GET").without("Authorization").without("X-API-Key");
        request.target = path.into();
        server.send(&request)
    };
    let well_known = "/.well-known/oauth-protected-resource";
    for path in [well_known, &format!("{well_known}/base/mcp"), &format!("{well_known}/mcp")] {
        let response = get(path);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(
            response.json(),
            json!({
                "resource": "https://mcp.example.com/base/mcp",
                "authorization_servers": [ISSUER],
                "bearer_methods_supported": ["header"],
                "resource_name": "erlmcp",
            })
        );
    }
    assert_eq!(get(&format!("{well_known}/other")).status, 404);
    // B86: nothing of the request is told back.
    let mut request = echo("x").without("Authorization").without("X-API-Key");
    request = request.header("Host", "localhost").header("X-Forwarded-Host", "evil.example");
    let challenge = server.send(&request).header("www-authenticate").unwrap().to_owned();
    assert_eq!(
        challenge,
        "Bearer realm=\"erlmcp\", resource_metadata=\"https://mcp.example.com/.well-known/\
         oauth-protected-resource/base/mcp\""
    );
}
