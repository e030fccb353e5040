//! What is secret stays so, however much is logged. Every test holds what its servers write against
//! the credentials that it used (`harness/secrets.rs`); this one uses all kinds of them, good and
//! bad, at the most talkative level.

use std::process::Command;

use serde_json::json;

use crate::harness::http::Request;
use crate::harness::process::{Directory, Server, Settings, program};
use crate::harness::provider::Provider;
use crate::harness::tools::ECHO;
use crate::harness::{ADMIN, LEGACY, call, modern_request, request, secrets};
use crate::tokens::{AUDIENCE, ISSUER, Issuer, echo, now};

const CLIENT_SECRET: &str = "client-secret-0123456789abcdef";
const SHARED_SECRET: &str = "shared-secret-0123456789abcdef0123456789";
const KEY_OF_VARIABLE: &str = "key-of-a-variable-0123456789abcdef";
const KEY_OF_FILE: &str = "key-of-a-file-0123456789abcdef";
const OPAQUE: &str = "opaque-token-0123456789abcdef";
const ARGUMENT: &str = "argument-0123456789abcdef";

fn start(provider: &Provider, authority: &str) -> Server {
    let directory = Directory::new();
    let key = directory.write("api.key", KEY_OF_FILE);
    let authority = directory.write("authority.pem", authority);
    let mut settings = Settings::with(&format!(
        "{ECHO}\n[log]\nlevel = \"trace\"\n[authentication.jwt]\nrequired_issuer = \"{ISSUER}\"\n\
         required_audience = \"{AUDIENCE}\"\njwks_url = \"{}\"\n\
         shared_secrets = {{ \"shared\" = \"{SHARED_SECRET}\" }}\n\
         [authentication.oauth2]\nintrospection_url = \"{}\"\nclient_id = \"erlmcp\"\n\
         client_secret = \"{CLIENT_SECRET}\"\nrequired_audience = \"{AUDIENCE}\"\n\
         [outbound]\ncacertfile = \"{}\"\n",
        provider.url("/jwks"),
        provider.url("/introspect"),
        authority.display()
    ))
    .over_tls();
    settings.http += "\nsse_path = \"/sse\"";
    settings.keys = format!(
        "{{ key = {{ env = \"API_KEY\" }}, user = \"variable\" }},\n\
         {{ key = {{ file = \"{}\" }}, user = \"file\" }},",
        key.display()
    );
    Command::new("chmod").arg("600").arg(&key).status().unwrap();
    let path = directory.write("erlmcp.toml", &settings.text(&directory));
    let mut command = program(&["serve", "--config", path.to_str().unwrap()]);
    Server::spawn(directory, command.env("API_KEY", KEY_OF_VARIABLE))
}

#[test]
fn no_secret_is_written_or_said_at_the_most_talkative_level() {
    for secret in [CLIENT_SECRET, SHARED_SECRET, KEY_OF_VARIABLE, KEY_OF_FILE, OPAQUE, ARGUMENT] {
        secrets::keep(secret);
    }
    let (issuer, (provider, authority)) = (Issuer::new(), Provider::over_tls());
    provider.publish(vec![issuer.jwk("key-2024-01")]);
    provider
        .tell(OPAQUE, json!({ "active": true, "sub": "o", "aud": AUDIENCE, "exp": now() + 60 }));
    let mut server = start(&provider, &authority);
    let good = issuer.token(|_| ());
    for (credential, status) in [
        (ADMIN, 200),
        (KEY_OF_VARIABLE, 200),
        (KEY_OF_FILE, 200),
        (&good, 200),
        (OPAQUE, 200),
        ("wrong-key-0123456789abcdef", 401),
        (&issuer.token(|claims| claims["exp"] = json!(1)), 401),
        (&issuer.token(|claims| claims["aud"] = json!("x")), 401),
        (&Issuer::new().token(|_| ()), 401),
        (&format!("{good}x"), 401),
    ] {
        assert_eq!(server.send(&echo(credential)).status, status, "{credential}");
    }
    // In places where no credential belongs.
    let query = Request::modern(&modern_request(1, "tools/list", json!({})));
    server.send(&query.clone().anonymous().target(&format!("/mcp?access_token={good}")));
    server.send(&query.clone().header("Cookie", &format!("token={good}")));
    server.send(&query.header("Authorization", &format!("Basic {OPAQUE}")));
    server.send(&Request::post(&json!({ "token": good, "secret": CLIENT_SECRET })).anonymous());
    server.send(&Request::post_bytes(format!("{{\"token\":\"{good}\"").as_bytes()));
    // What is called is recorded; what with, and what came of it, is not.
    let arguments = json!({ "text": ARGUMENT, "wrong": ARGUMENT });
    for arguments in [json!({ "text": ARGUMENT }), arguments, json!({ "text": [ARGUMENT] })] {
        let message = modern_request(1, "tools/call", call("echo", arguments));
        server.send(&Request::modern(&message));
    }
    let session = server.session(LEGACY[3]);
    session.send(&request(1, "tools/list", json!({})));
    session.send(&request(2, "no/such", json!({ "text": ARGUMENT })));
    let mut stream = server.connect().stream(&Request::bare("GET").target("/sse"));
    let address = stream.event().unwrap().data;
    secrets::keep(address.strip_prefix("/sse/").unwrap());
    server.send(&Request::post(&request(1, "ping", json!({}))).target(&address));
    server.send(&Request::bare("DELETE").target(&address));
    drop(stream);
    // Issuers that fail, and a configuration that is wrong.
    provider.fail(Some("HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(server.send(&echo("opaque-token-of-another-kind")).status, 503);
    let text = server.directory.read("erlmcp.toml");
    server.directory.write("erlmcp.toml", &text.replace("client_secret =", "client_secrets ="));
    server.signal(rustix::process::Signal::HUP);
    server.wait_for("stays as it was");
    let stopped = server.stop();
    let records = stopped.directory.read("state/audit.log");
    assert!(records.lines().count() >= 20, "{records}");
    assert!(stopped.stderr.iter().any(|line| line.contains(" TRACE ")), "it was not talkative");
}
