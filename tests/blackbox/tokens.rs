//! JSON Web Tokens that issuers have signed: who is let in by them, and with which rights.

use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::http::Request;
use crate::harness::process::{Directory, Server, Session, Settings};
use crate::harness::tools::{ECHO, script_tool};
use crate::harness::{ADMIN, LEGACY, call, initialize, modern_request, request, text_of};

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "erlmcp-production";

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An issuer that has a key of its own, made and used by OpenSSL.
pub(crate) struct Issuer {
    directory: Directory,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let issuer = Self { directory: Directory::new() };
        issuer.openssl(&[
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-out",
            "key.pem",
        ]);
        issuer.openssl(&["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
        issuer
    }

    fn openssl(&self, arguments: &[&str]) -> Vec<u8> {
        let output =
            Command::new("openssl").args(arguments).current_dir(self.directory.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The file of its public key.
    pub(crate) fn public_key(&self) -> PathBuf {
        self.directory.file("public.pem")
    }

    /// The file of its private key.
    pub(crate) fn private_key(&self) -> PathBuf {
        self.directory.file("key.pem")
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let message = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        self.directory.write("message", &message);
        let signature = self.openssl(&["dgst", "-sha256", "-sign", "key.pem", "message"]);
        format!("{message}.{}", encode(&signature))
    }

    pub(crate) fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "user_123", "exp": now() + 600,
        });
        change(&mut claims);
        self.sign(&json!({ "alg": "RS256", "kid": "key-2024-01", "typ": "at+jwt" }), &claims)
    }

    /// Its key as it would be published.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let shown = self.openssl(&["rsa", "-pubin", "-in", "public.pem", "-modulus", "-noout"]);
        let shown = String::from_utf8(shown).unwrap();
        let hex = shown.trim().strip_prefix("Modulus=").unwrap();
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let modulus: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let modulus = URL_SAFE_NO_PAD.encode(modulus);
        json!({ "kty": "RSA", "use": "sig", "kid": id, "n": modulus, "e": "AQAB" })
    }

    pub(crate) fn settings(&self, more: &str) -> Settings {
        let public = self.public_key();
        Settings::with(&format!(
            "{ECHO}{}\n[authentication.jwt]\nrequired_issuer = \"{ISSUER}\"\n\
             required_audience = \"{AUDIENCE}\"\n{more}\n\
             public_keys = {{ \"key-2024-01\" = {{ file = \"{}\" }} }}\n",
            script_tool("change", "echo changed", ""),
            public.display()
        ))
    }
}

pub(crate) fn echo(token: &str) -> Request {
    let params = call("echo", json!({ "text": "hello" }));
    Request::modern(&modern_request(1, "tools/call", params)).key(token)
}

#[test]
fn a_token_lets_its_user_in_and_an_api_key_still_does() {
    let issuer = Issuer::new();
    let server = Server::start(&issuer.settings(""));
    let token = issuer.token(|_| ());
    for _ in 0..2 {
        assert_eq!(server.send(&echo(&token)).status, 200);
    }
    assert_eq!(server.send(&echo(ADMIN)).status, 200);
    let records = server.audited("\"authentication\":\"jwt\"", 2);
    assert_eq!(records[0]["user"], "user_123");
    let stopped = server.stop();
    let text = format!("{:?}{:?}", stopped.stderr, stopped.audit());
    assert!(!text.contains(&token) && !text.contains(token.rsplit('.').next().unwrap()));
}

#[test]
fn a_token_that_proves_nothing_is_challenged_like_no_token() {
    let issuer = Issuer::new();
    let stranger = Issuer::new();
    let server = Server::start(&issuer.settings(""));
    let good = issuer.token(|_| ());
    let (message, signature) = good.rsplit_once('.').unwrap();
    for token in [
        stranger.token(|_| ()),
        issuer.token(|claims| claims["exp"] = json!(now() - 31)),
        issuer.token(|claims| claims["exp"] = json!((now() + 600).to_string())),
        issuer.token(|claims| claims["nbf"] = json!(now() + 600)),
        issuer.token(|claims| claims["aud"] = json!("another")),
        issuer.token(|claims| claims["iss"] = json!("https://evil.example.com")),
        issuer.token(|claims| claims["sub"] = json!("")),
        issuer.sign(&json!({ "alg": "none" }), &json!({ "iss": ISSUER })),
        format!("{message}."),
        format!("{message}.{}", signature.replace(['A', 'B'], "C")),
        format!("{good}.x.y"),
    ] {
        let response = server.send(&echo(&token));
        assert_eq!(response.status, 401, "{response:?}");
        assert!(response.header("www-authenticate").unwrap().starts_with("Bearer"));
        let body = String::from_utf8_lossy(&response.body).into_owned();
        assert!(!body.contains("signature") && !body.contains("audience"), "{body}");
    }
    assert_eq!(server.send(&echo(&good)).status, 200);
}

#[test]
fn rights_come_from_the_user_and_from_the_roles_in_the_token() {
    let issuer = Issuer::new();
    let server = Server::start(&issuer.settings("roles_claim = \"realm_access.roles\""));
    let change = |sub: &str, roles: Value| {
        let token = issuer.token(|claims| {
            claims["sub"] = json!(sub);
            claims["realm_access"] = json!({ "roles": roles });
        });
        let message = modern_request(1, "tools/call", call("change", json!({})));
        server.send(&Request::modern(&message).key(&token)).json()
    };
    assert_eq!(change("stranger", json!([]))["error"]["code"], -32602);
    assert_eq!(change("stranger", json!(["no such role"]))["error"]["code"], -32602);
    let changed = change("stranger", json!(["no such role", "admin"]));
    assert_eq!(text_of(&changed), "changed\n");
    assert_eq!(text_of(&change("root", json!([]))), "changed\n", "by its name");
}

// B13
#[test]
fn a_session_goes_on_with_the_next_token_of_its_user_and_with_nobody_elses() {
    let issuer = Issuer::new();
    let server = Server::start(&issuer.settings(""));
    let first = issuer.token(|_| ());
    let opened = server.send(&Request::post(&initialize(0, LEGACY[3])).key(&first));
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let ping = |token: &str| {
        let message = Request::post(&request(1, "ping", json!({}))).key(token);
        server
            .send(&message.header("Mcp-Session-Id", &id).header("MCP-Protocol-Version", LEGACY[3]))
    };
    let next = issuer.token(|claims| claims["exp"] = json!(now() + 1_200));
    assert_eq!(ping(&next).status, 200);
    let other = issuer.token(|claims| claims["sub"] = json!("root"));
    assert_eq!(ping(&other).status, 404);
    // An API key of a user of the same name is somebody else, too.
    let by_key = Session::open(&server, LEGACY[3], ADMIN);
    let message = Request::post(&request(1, "ping", json!({}))).key(&other);
    let message =
        message.header("Mcp-Session-Id", &by_key.id).header("MCP-Protocol-Version", LEGACY[3]);
    assert_eq!(server.send(&message).status, 404);
}

#[test]
fn without_api_keys_among_the_methods_no_key_is_taken() {
    let issuer = Issuer::new();
    let settings = issuer.settings("");
    let mut server = Server::start(&settings);
    let text = server.directory.read("erlmcp.toml");
    let text = text.replace("api_keys = [", "methods = [\"jwt\"]\napi_keys = [");
    server.reload_text(&text);
    assert_eq!(server.send(&echo(ADMIN)).status, 401);
    assert_eq!(server.send(&echo(&issuer.token(|_| ()))).status, 200);
    // The issuer goes, and so does what it vouched for.
    server.reload_text(&text.replace(ISSUER, "https://another.example.com"));
    assert_eq!(server.send(&echo(&issuer.token(|_| ()))).status, 401);
}

#[test]
fn streams_that_only_listen_end_with_the_token_and_a_session_opens_its_own_again() {
    let issuer = Issuer::new();
    let server = Server::start(&issuer.settings("leeway_seconds = 0"));
    let short = issuer.token(|claims| claims["exp"] = json!(now() + 3));
    let opened = server.send(&Request::post(&initialize(0, LEGACY[3])).key(&short));
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let listen = |token: &str| {
        let request = Request::bare("GET").key(token).header("Mcp-Session-Id", &id);
        server.connect().stream(&request.header("MCP-Protocol-Version", LEGACY[3]))
    };
    let mut legacy = listen(&short);
    let wishes = json!({ "notifications": { "toolsListChanged": true } });
    let message = modern_request(1, "subscriptions/listen", wishes);
    let mut modern = server.connect().stream(&Request::modern(&message).key(&short));
    assert!(modern.message().is_some(), "it is acknowledged");
    assert_eq!((modern.message(), legacy.message()), (None, None));
    assert_eq!(server.send(&echo(&short)).status, 401);
    let mut again = listen(&issuer.token(|_| ()));
    let mut settings = issuer.settings("");
    settings.rest = settings.rest.replace("name = \"echo\"", "name = \"echoes\"");
    let mut server = server;
    server.reload(&settings);
    let told = again.message().unwrap();
    assert_eq!(told["method"], "notifications/tools/list_changed");
}

// B113
#[test]
fn a_renewed_token_passes_the_lockout_of_its_source_and_forged_ones_of_its_name_do_not() {
    let issuer = Issuer::new();
    let limits = "max_failures = 3\nbackoff_levels = [0]\nmax_attempts_per_second = 10000";
    let server = Server::start(&issuer.settings("").limited(limits));
    let named = |name: &'static str, serial: u64| {
        issuer.token(|claims| {
            claims["sub"] = name.into();
            claims["jti"] = serial.into();
        })
    };
    let forged = |serial: u64| {
        let token = named("alice", serial);
        let (message, signature) = token.rsplit_once('.').unwrap();
        format!("{message}.{}", signature.chars().rev().collect::<String>())
    };
    let ask = |key: &str| {
        let message = modern_request(1, "tools/list", json!({}));
        server.send(&Request::modern(&message).key(key)).status
    };
    assert_eq!(ask(&named("alice", 1)), 200);
    for _ in 0..3 {
        assert_eq!(ask("wrong-key-0123456789abcdef0123456789"), 401);
    }
    assert_eq!(ask(&named("bob", 1)), 429, "nobody knows bob here");
    let renewed = named("alice", 2);
    assert_eq!(ask(&renewed), 200);
    for serial in 0..3 {
        assert_eq!(ask(&forged(serial)), 401);
    }
    assert_eq!(ask(&forged(3)), 429);
    assert_eq!(ask(&named("alice", 3)), 429, "a token that was not seen before is one more guess");
    assert_eq!(ask(&renewed), 200, "a token that was good is none");
}

// B113
#[test]
fn one_who_fails_behind_a_common_address_locks_out_nobody_else() {
    let issuer = Issuer::new();
    let limits = "max_failures = 3\nbackoff_levels = [0]\nmax_attempts_per_second = 10000";
    let server = Server::start(&issuer.settings("leeway_seconds = 0").limited(limits));
    let alice = |until: u64| issuer.token(|claims| claims["exp"] = until.into());
    let ask = |key: &str| {
        let message = modern_request(1, "tools/list", json!({}));
        server.send(&Request::modern(&message).key(key)).status
    };
    assert_eq!(ask(&alice(now() + 600)), 200);
    let over = alice(now() - 600);
    let statuses: Vec<u16> = (0..5).map(|_| ask(&over)).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    assert_eq!(ask(ADMIN), 200, "who was not seen here before is asked as ever");
}
