//! The command line: checks, exit statuses, and what is said about a bad configuration.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::harness::fixture::certificate;
use crate::harness::process::{Directory, Settings, program, run, with_input};

fn check(directory: &Directory, text: &str) -> Output {
    let path = directory.write("erlmcp.toml", text);
    run(&mut program(&["serve", "--check", "--config", path.to_str().unwrap()]))
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_check_of_a_good_configuration_leaves_nothing_behind() {
    let directory = Directory::new();
    let output = check(&directory, &Settings::default().text(&directory));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!directory.file("state").exists(), "a check made the state directory");
}

// B149, B123
#[test]
fn all_problems_are_told_at_once_with_file_line_key_and_remedy() {
    let directory = Directory::new();
    let text = "[transports.http]\n\
                listen = \"127.0.0.1:0\"\n\
                [authentication]\n\
                enabledd = true\n\
                api_keys = [{ key = { env = \"MISSING_VARIABLE\" }, user = \"u\" }]\n\
                [limits]\n\
                max_connections = \"many\"\n";
    let output = check(&directory, text);
    assert_eq!(output.status.code(), Some(78));
    let said = stderr(&output);
    let file = directory.file("erlmcp.toml").display().to_string();
    for (line, words) in [
        (4, ["enabledd", "enabled"]),
        (5, ["MISSING_VARIABLE", "api_keys"]),
        (7, ["max_connections", "integer"]),
    ] {
        let place = format!("{file}:{line}:");
        let problem = said.lines().find(|text| text.starts_with(&place));
        let problem = problem.unwrap_or_else(|| panic!("nothing of line {line} in:\n{said}"));
        assert!(words.iter().all(|word| problem.contains(word)), "{problem}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn a_serve_with_a_bad_configuration_says_the_same_and_does_not_start() {
    let directory = Directory::new();
    let path = directory.write("erlmcp.toml", "[server]\nworkerz = 1\n");
    let output = run(&mut program(&["serve", "--config", path.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("erlmcp.toml:2:"), "{}", stderr(&output));
    let absent = run(&mut program(&["serve", "--config", "/nonexistent/erlmcp.toml"]));
    assert_eq!(absent.status.code(), Some(78));
    assert!(stderr(&absent).contains("/nonexistent/erlmcp.toml"));
}

// B123
#[test]
fn a_variable_in_shell_style_is_never_a_key() {
    let directory = Directory::new();
    let text = Settings::default().text(&directory);
    let text = text.replace(crate::harness::ADMIN, "${ERLMCP_API_KEY}");
    let output = check(&directory, &text);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
}

// C5
#[test]
fn a_listener_for_everybody_needs_tls_and_authentication() {
    let directory = Directory::new();
    let good = Settings::default().text(&directory).replace("127.0.0.1:0", "0.0.0.0:0");
    let without_tls = check(&directory, &good);
    assert_eq!(without_tls.status.code(), Some(78));
    assert!(stderr(&without_tls).contains("listen"), "{}", stderr(&without_tls));
    let good = good.replace("tls = false", "tls = true");
    assert_eq!(check(&directory, &good).status.code(), Some(0));
    let open = good.replace("[authentication]", "[authentication]\nenabled = false");
    assert_eq!(check(&directory, &open).status.code(), Some(78));
}

// C81
#[test]
fn a_configuration_that_others_can_write_is_refused() {
    let directory = Directory::new();
    let path = directory.write("erlmcp.toml", &Settings::default().text(&directory));
    let serve = ["serve", "--check", "--config", path.to_str().unwrap()];
    assert_eq!(run(&mut program(&serve)).status.code(), Some(0));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
    let output = run(&mut program(&serve));
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
}

// C81
#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let directory = Directory::new();
    let secret = directory.write("secret", "key-of-a-file-0123456789abcdef012345\n");
    let keys = format!("{{ key = {{ file = \"{}\" }}, user = \"u\" }}", secret.display());
    let text = Settings { keys, ..Settings::default() }.text(&directory);
    assert_eq!(check(&directory, &text).status.code(), Some(0));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let output = check(&directory, &text);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("600"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("key-of-a-file"));
}

#[test]
fn exit_statuses_tell_what_went_wrong() {
    assert_eq!(run(&mut program(&["--help"])).status.code(), Some(0));
    assert_eq!(run(&mut program(&["--version"])).status.code(), Some(0));
    for arguments in [&["surf"][..], &[], &["serve", "--port", "1"], &["key", "hash", "secret"]] {
        let output = run(&mut program(arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty() && output.stdout.is_empty());
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = Directory::new();
    let state = directory.file("state");
    let arguments = ["serve", "--listen", &address, "--state", state.to_str().unwrap()];
    let output = run(&mut program(&arguments));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("etc").join(name)
}

#[test]
fn every_shipped_configuration_is_good_in_the_environment_that_it_asks_for() {
    let directory = Directory::new();
    let (certificate, key) = certificate();
    let certificate = directory.write("server.crt", &certificate);
    let key = directory.write("server.key", &key);
    for name in ["erlmcp.toml", "development.toml", "staging.toml", "production.toml"] {
        // A checkout may be writable for a group; what is installed is not.
        let path = directory.write(name, &fs::read_to_string(shipped(name)).unwrap());
        let mut command = program(&["serve", "--check", "--config", path.to_str().unwrap()]);
        command
            .env("HOME", directory.path())
            .env("ERLMCP_API_KEY", "0123456789abcdef0123456789abcdef")
            .env("ERLMCP_TLS_CERT", &certificate)
            .env("ERLMCP_TLS_KEY", &key)
            .env("ERLMCP_TLS_CA", &certificate)
            .env("JWT_ISSUER", "https://auth.example.com")
            .env("JWT_AUDIENCE", "erlmcp-production")
            .env("JWT_JWKS_URL", "https://auth.example.com/jwks.json")
            .env("OAUTH2_INTROSPECTION_URL", "https://auth.example.com/introspect")
            .env("OAUTH2_CLIENT_ID", "erlmcp")
            .env("OAUTH2_CLIENT_SECRET", "a secret of the test");
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
    }
    let path = directory.file("production.toml");
    let output = run(&mut program(&["serve", "--check", "--config", path.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("ERLMCP_TLS_CERT"), "{}", stderr(&output));
}

#[test]
fn a_key_is_hashed_from_standard_input_and_never_shown() {
    let made = run(&mut program(&["key", "new"]));
    let text = String::from_utf8(made.stdout).unwrap();
    assert!(made.status.success() && text.contains("sha256:"), "{text}");
    let key = "a-key-of-the-test-0123456789abcdef";
    let output = with_input(program(&["key", "hash"]), &format!("{key}\n"));
    let hash = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && hash.starts_with("sha256:"), "{hash}");
    assert!(!hash.contains(key));
}

#[test]
fn messages_are_checked_without_a_server() {
    let good = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let output = with_input(program(&["validate", "stdin"]), &format!("{good}\n"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = with_input(program(&["validate", "stdin"]), &format!("{good}\n{{bad\n"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("-32700"));
}
