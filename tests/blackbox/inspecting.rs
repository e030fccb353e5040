//! What the command line tells of tokens and certificates, without a server.

use std::process::Output;

use serde_json::{Value, json};

use crate::certificates::{Authority, JWT};
use crate::harness::process::Server;
use crate::harness::process::{Directory, Settings, program, run, with_input};
use crate::harness::provider::Provider;
use crate::providers::published;
use crate::tokens::{AUDIENCE, ISSUER, Issuer, now};

/// What is said of a token by a configuration, and the exit status.
fn inspected(settings: &Settings, token: &str) -> (String, Option<i32>) {
    let directory = Directory::new();
    let path = directory.write("erlmcp.toml", &settings.text(&directory));
    told(with_input(program(&["token", "inspect", "--config", path.to_str().unwrap()]), token))
}

fn told(output: Output) -> (String, Option<i32>) {
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}

fn line<'t>(text: &'t str, begin: &str) -> &'t str {
    let mut lines = text.lines().map(str::trim_start);
    lines.find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("no {begin:?} in:\n{text}"))
}

#[test]
fn a_token_that_is_good_is_shown_with_whom_it_proves_and_by_which_key() {
    let issuer = Issuer::new();
    let token = issuer.token(|claims| claims["scope"] = json!("mcp:read mcp:write"));
    for given in [token.clone(), format!("{token}\n"), format!("Bearer {token}\n")] {
        let (text, status) = inspected(&issuer.settings(""), &given);
        assert_eq!(status, Some(0), "{text}");
        assert!(line(&text, "alg").contains("\"RS256\""), "{text}");
        assert!(line(&text, "exp").contains(", in "), "{text}");
        assert_eq!(line(&text, "taken"), "taken");
        assert!(line(&text, "user").ends_with("user_123"), "{text}");
        assert!(line(&text, "scopes").ends_with("mcp:read, mcp:write"), "{text}");
        assert!(line(&text, "key").ends_with("\"key-2024-01\" (configuration)"), "{text}");
        let signature = token.rsplit('.').next().unwrap();
        assert!(!text.contains(signature), "who reads this could use the token");
    }
}

#[test]
fn a_token_that_is_refused_is_told_why_and_what_would_be_right() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let settings = issuer.settings("");
    let changed = |name: &str, value: Value| issuer.token(|claims| claims[name] = value);
    let good = issuer.token(|_| ());
    let unknown = json!({ "alg": "RS256", "kid": "other" });
    let none = json!({ "alg": "none", "kid": "key-2024-01" });
    let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": 1 });
    let long = format!("{good}{}", "A".repeat(9_000));
    for (token, reason, with) in [
        (changed("exp", json!(1)), "token_expired", "get a new one"),
        (changed("nbf", json!(9_000_000_000_u64)), "token_not_yet_valid", "clocks"),
        (changed("aud", json!(["x"])), "wrong_audience", AUDIENCE),
        (changed("iss", json!("https://else.example")), "unknown_issuer", ISSUER),
        (changed("sub", json!(7)), "invalid_user", "`sub`"),
        (changed("exp", json!("soon")), "invalid_claim_exp", "`exp`"),
        (stranger.token(|_| ()), "invalid_signature", "\"key-2024-01\" (configuration)"),
        (issuer.sign(&unknown, &claims), "unknown_key_id", "\"key-2024-01\" (configuration)"),
        (issuer.sign(&none, &claims), "unknown_algorithm", "ES256"),
        (issuer.sign(&json!({ "alg": "RS256", "crit": [] }), &claims), "unknown_extension", "crit"),
        (issuer.sign(&json!({ "alg": "RS256", "typ": "x" }), &claims), "wrong_type", "at+jwt"),
        (long, "malformed", "8192"),
        ("not a token".into(), "malformed", "three parts"),
        (String::new(), "malformed", "three parts"),
    ] {
        let (text, status) = inspected(&settings, &token);
        assert_eq!(status, Some(1), "{text}");
        let refused = line(&text, "refused");
        assert!(refused.contains(&format!("({reason})")) && refused.contains(with), "{text}");
        assert!(!text.lines().any(|line| line == "taken"), "{text}");
    }
}

#[test]
fn without_a_configuration_nothing_is_verified_and_that_is_said() {
    let issuer = Issuer::new();
    let token = issuer.token(|claims| claims["name"] = json!("a\u{1b}[2J\u{9b}2J\u{202e}"));
    let inspect = |input: &str| told(with_input(program(&["token", "inspect"]), input));
    let (text, status) = inspect(&token);
    assert_eq!(status, Some(0));
    assert!(line(&text, "iss").contains(ISSUER));
    assert!(line(&text, "not verified").contains("--config"));
    let is_control = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(is_control), "it writes to the terminal: {text:?}");
    for wrong in ["", "x", "x.y.z"] {
        assert_eq!(inspect(wrong).1, Some(1), "{wrong}");
    }
    // As an argument, everybody on the host could read it.
    let output = told(with_input(program(&["token", "inspect", &token]), ""));
    assert_eq!(output.1, Some(2));
    assert!(output.0.contains("standard input") && !output.0.contains(&token), "{}", output.0);
}

#[test]
fn published_keys_are_fetched_for_it_and_what_fails_is_told() {
    let (issuer, provider) = (Issuer::new(), Provider::start());
    provider.publish(vec![issuer.jwk("key-2024-01")]);
    let settings = published(&provider);
    let token = issuer.token(|_| ());
    let (text, status) = inspected(&settings, &token);
    assert_eq!(status, Some(0), "{text}");
    assert!(line(&text, "key").ends_with("\"key-2024-01\" (published)"), "{text}");
    assert_eq!(provider.asked().len(), 1);
    // Whoever is not named is not asked.
    inspected(&settings, &issuer.token(|claims| claims["iss"] = json!("https://else.example")));
    assert_eq!(provider.asked().len(), 1);
    provider.fail(Some("HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n"));
    let (text, status) = inspected(&settings, &token);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("were not fetched") && text.contains("500"), "{text}");
    assert!(line(&text, "refused").contains("the keys of its issuer are none"), "{text}");
}

#[test]
fn what_an_administrator_has_changed_counts() {
    let (issuer, new) = (Issuer::new(), Issuer::new());
    let server = Server::start(&issuer.settings(""));
    let config = server.directory.file("erlmcp.toml");
    let inspect = |token: &str| {
        let command = ["token", "inspect", "--config", config.to_str().unwrap()];
        told(with_input(program(&command), token))
    };
    let stolen = issuer.token(|claims| claims["jti"] = json!("stolen"));
    assert_eq!(inspect(&stolen).1, Some(0));
    server.administer(&["tokens", "revoke", "stolen"]);
    let (text, status) = inspect(&stolen);
    assert_eq!(status, Some(1));
    assert!(line(&text, "refused").contains("(token_revoked)"), "{text}");
    let key = new.public_key();
    server.administer(&["keys", "rotate", "next", key.to_str().unwrap()]);
    let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": now() + 60 });
    let (text, _) = inspect(&new.sign(&json!({ "alg": "RS256", "kid": "next" }), &claims));
    assert!(line(&text, "key").ends_with("\"next\" (rotation)"), "{text}");
}

fn cert(words: &[&str]) -> (String, Option<i32>) {
    told(run(&mut program(&[&["cert"], words].concat())))
}

/// The files of an authority and its configuration, by their names.
fn path(authority: &Authority, name: &str) -> String {
    authority.directory.file(name).to_str().unwrap().to_owned()
}

#[test]
fn certificates_are_shown_as_openssl_shows_them() {
    let authority = Authority::new();
    authority.sign("ann", "URI:spiffe://example.org/ann,DNS:a.example,email:ann@example.org");
    let (text, status) = cert(&["inspect", &path(&authority, "ann.pem")]);
    assert_eq!(status, Some(0), "{text}");
    let openssl = |arguments: &[&str]| {
        let certificate = ["x509", "-in", "ann.pem", "-noout"];
        let shown = authority.openssl(&[&certificate[..], arguments].concat());
        let shown = String::from_utf8(shown).unwrap();
        shown.trim().split_once('=').unwrap().1.to_owned()
    };
    assert_eq!(line(&text, "subject"), "subject      CN=ann");
    let fingerprint = openssl(&["-fingerprint", "-sha256"]).replace(':', "").to_lowercase();
    assert!(line(&text, "SHA-256").ends_with(&fingerprint), "{text}");
    let serial = openssl(&["-serial"]).to_lowercase();
    assert!(line(&text, "serial").ends_with(&serial), "{text}");
    let issuer = openssl(&["-issuer", "-nameopt", "sep_comma_plus_space"]);
    assert!(line(&text, "issuer").ends_with(&issuer), "{issuer} in\n{text}");
    for name in ["URI \"spiffe://example.org/ann\"", "DNS \"a.example\"", "\"ann@example.org\""] {
        assert!(line(&text, "names").contains(name), "{text}");
    }
    assert!(line(&text, "purposes").ends_with("clientAuth; signs no others"), "{text}");
    assert!(line(&text, "key").ends_with("EC P-256"), "{text}");
    let (text, _) = cert(&["inspect", &path(&authority, "ca.pem")]);
    assert!(line(&text, "purposes").ends_with("; signs others"), "{text}");
    let (text, status) = cert(&["inspect", &path(&authority, "ann.key")]);
    assert_eq!(status, Some(1));
    assert!(text.contains("ann.key: holds no certificate"), "{text}");
}

#[test]
fn the_certificate_of_a_client_is_verified_as_its_server_would() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.sign("ops", "URI:spiffe://example.org/ops/7");
    authority.sign("odd", "URI:spiffe://example.org/*");
    authority.sign("gone", "URI:spiffe://example.org/ops/8");
    authority.sign_for("server", "URI:spiffe://example.org/ops/9", "serverAuth", &[]);
    let expired = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"];
    authority.sign_for("old", "URI:spiffe://example.org/ops/9", "clientAuth", &expired);
    stranger.sign("strange", "URI:spiffe://example.org/ops/7");
    authority.revoke("gone");
    let mtls = format!(
        "{JWT}[[authentication.mtls.identities]]\nmatch = \"spiffe://example.org/ops/*\"\n\
         user = \"operator\"\nroles = [\"user\"]\n"
    );
    let lists = format!("crlfiles = [\"{}\"]", path(&authority, "ca.crl"));
    let text = authority.settings(&mtls, &lists).text(&authority.directory);
    let write = |text: &str| {
        let file = authority.directory.write("erlmcp.toml", text);
        file.to_str().unwrap().to_owned()
    };
    let methods = "[authentication]\nmethods = [\"mtls\"]\n";
    let config = write(&text.replace("[authentication]\n", methods));
    let verify = |authority: &Authority, name: &str| {
        cert(&["verify", &path(authority, name), "--config", &config])
    };
    let (text, status) = verify(&authority, "ops.pem");
    assert_eq!(status, Some(0), "{text}");
    assert!(line(&text, "user").ends_with("operator") && line(&text, "roles").ends_with("user"));
    for (whose, name, why) in [
        (&authority, "odd.pem", "certificate_name_invalid"),
        (&authority, "gone.pem", "taken it back"),
        (&authority, "server.pem", "purpose"),
        (&authority, "old.pem", "is over"),
        (&stranger, "strange.pem", "another authority"),
    ] {
        let (text, status) = verify(whose, name);
        assert_eq!(status, Some(1), "{name}: {text}");
        assert!(text.contains(why), "{name}: {text}");
    }
}

#[test]
fn the_certificate_of_a_server_is_verified_as_its_clients_would() {
    let authority = Authority::new();
    authority.sign_for("web", "DNS:mcp.example.com,IP:192.0.2.1", "serverAuth", &[]);
    authority.sign("client", "DNS:mcp.example.com");
    authority.sign_for("nameless", "", "serverAuth", &[]);
    let ca = path(&authority, "ca.pem");
    let verify = |name: &str, host: &[&str]| {
        let file = path(&authority, name);
        cert(&[&["verify", &file, "--authority", &ca], host].concat())
    };
    for host in [&[][..], &["--host", "mcp.example.com"], &["--host", "192.0.2.1"]] {
        let (text, status) = verify("web.pem", host);
        assert_eq!(status, Some(0), "{host:?}: {text}");
        assert!(text.starts_with("good for "), "{text}");
    }
    for (name, host, why) in [
        ("web.pem", &["--host", "other.example"][..], "for other names"),
        ("client.pem", &[], "purpose"),
        ("nameless.pem", &[], "--host"),
        ("web.pem", &["--host", "a b"], "no name or address"),
    ] {
        let (text, status) = verify(name, host);
        assert_eq!(status, Some(1), "{name}: {text}");
        assert!(text.contains(why), "{name}: {text}");
    }
    for words in [&["verify"][..], &["verify", "a.pem"], &["inspect"], &["inspect", "a", "b"]] {
        assert_eq!(cert(words).1, Some(2), "{words:?}");
    }
}
