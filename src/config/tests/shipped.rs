//! The files of `etc/`: they load, and the one that documents every key tells the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::de::DeTable;

use super::super::context::Context;
use super::super::{Configuration, FileKind, Problems, embedded_default, parse, settings};
use super::{FileError, FileFacts, Sources, VariableError};
use crate::actors::settings::{AuditEvent, Rotation};
use crate::backend::settings::ResourceSettings;
use crate::connection::settings::TlsIdentity;
use crate::guard::settings::{KeyCredential, OriginPattern, Scheme};
use crate::mcp::methods::Permission;

const COMMENTED: &str = include_str!("../../../etc/erlmcp.toml");
const DEVELOPMENT: &str = include_str!("../../../etc/development.toml");
const STAGING: &str = include_str!("../../../etc/staging.toml");
const PRODUCTION: &str = include_str!("../../../etc/production.toml");

/// The machine the files are written for: the variables of the guide, and every named file.
struct Machine;

impl Sources for Machine {
    fn variable(&self, name: &str) -> Result<String, VariableError> {
        let value = match name {
            "ERLMCP_API_KEY" => "0123456789abcdef0123456789abcdef",
            "ERLMCP_TLS_CERT" => "/etc/erlmcp/tls/server.crt",
            "ERLMCP_TLS_KEY" => "/etc/erlmcp/tls/server.key",
            "ERLMCP_TLS_CA" => "/etc/erlmcp/tls/ca.crt",
            "JWT_ISSUER" => "https://auth.yourdomain.com",
            "JWT_AUDIENCE" => "erlmcp-production",
            "JWT_JWKS_URL" => "https://auth.yourdomain.com/jwks.json",
            "OAUTH2_INTROSPECTION_URL" => "https://auth.yourdomain.com/introspect",
            "OAUTH2_CLIENT_ID" => "erlmcp",
            "OAUTH2_CLIENT_SECRET" => "a secret of the client",
            "HOME" => "/home/operator",
            _ => return Err(VariableError::Unset),
        };
        Ok(value.to_owned())
    }

    fn read(&self, path: &Path) -> Result<(String, FileFacts), FileError> {
        Ok((r#"{"type":"object"}"#.to_owned(), self.facts(path)?))
    }

    fn facts(&self, path: &Path) -> Result<FileFacts, FileError> {
        match path.extension() {
            None if path.starts_with("/etc") => {
                Ok(FileFacts { kind: FileKind::Directory, mode: 0o755, owner: 0 })
            }
            _ => Ok(FileFacts { kind: FileKind::Regular, mode: 0o700, owner: 0 }),
        }
    }

    fn user(&self) -> u32 {
        0
    }
}

fn load(text: &str) -> Configuration {
    let loaded: Result<_, Problems> = parse(text, "etc", &Machine);
    loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn plain(configuration: &Configuration) -> String {
    format!("{configuration:#?}")
}

/// A line of the commented file, with the table it belongs to.
struct Line<'t> {
    text: &'t str,
    marker: Marker,
    section: String,
    /// Whether the table is only an example.
    section_is_example: bool,
    /// Which table of the file it is, counted from the top.
    table: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    Live,
    Default,
    Example,
    Prose,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let (mut section, mut section_is_example, mut table) = (String::new(), false, 0);
    let mut found = Vec::new();
    for line in text.lines() {
        let (marker, text) = if let Some(example) = line.strip_prefix("#~ ") {
            (Marker::Example, example)
        } else if line.starts_with("# ") || line == "#" {
            (Marker::Prose, line)
        } else if let Some(default) = line.strip_prefix('#') {
            (Marker::Default, default)
        } else {
            (Marker::Live, line)
        };
        if marker != Marker::Prose && text.starts_with('[') {
            section = text.trim_matches(['[', ']']).to_owned();
            section_is_example = marker == Marker::Example;
            table += 1;
        }
        let section = section.clone();
        found.push(Line { text, marker, section, section_is_example, table });
    }
    // The legend at the top explains the markers and is prose as a whole.
    let legend = found.iter().take_while(|line| line.section.is_empty()).count();
    found.drain(..legend);
    found
}

fn key(text: &str) -> Option<&str> {
    let (key, _) = text.split_once(" = ")?;
    key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_').then_some(key)
}

fn join(lines: &[Line<'_>], wanted: impl Fn(&Line<'_>) -> bool) -> String {
    let chosen = lines.iter().filter(|line| line.marker == Marker::Live || wanted(line));
    chosen.map(|line| line.text).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_commented_file_shows_each_key_at_its_default() {
    let lines = lines(COMMENTED);
    let uncommented =
        join(&lines, |line| line.marker == Marker::Default && !line.section_is_example);
    assert!(uncommented.lines().filter_map(key).count() > 70);
    let shipped = load(COMMENTED);
    assert_eq!(plain(&load(&uncommented)), plain(&shipped));
    assert!(shipped.warnings.is_empty(), "{:?}", shipped.warnings);
}

#[test]
fn the_defaults_of_examples_are_those_of_the_program() {
    let lines = lines(COMMENTED);
    let examples = join(&lines, |line| line.marker == Marker::Example);
    let given: BTreeSet<_> = lines
        .iter()
        .filter(|line| line.marker == Marker::Example)
        .filter_map(|line| Some((line.table, key(line.text)?)))
        .collect();
    let everything = join(&lines, |line| match line.marker {
        Marker::Example => true,
        Marker::Default => key(line.text).is_none_or(|key| !given.contains(&(line.table, key))),
        Marker::Live | Marker::Prose => false,
    });
    let with_examples = load(&examples);
    assert_eq!(plain(&load(&everything)), plain(&with_examples));
    assert!(with_examples.stdio);
    assert_eq!(with_examples.tools.len(), 3);
    assert_eq!(with_examples.resources.len(), 2);
    assert_eq!(with_examples.prompts.len(), 1);
    assert_eq!(with_examples.authentication.api_keys.len(), 2);
}

#[test]
fn the_commented_file_names_every_key_there_is() {
    let document = DeTable::parse(COMMENTED).unwrap();
    let context = Context::new("etc", COMMENTED, document.get_ref(), &Machine);
    settings(&context, false);
    let mut shown: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let lines = lines(COMMENTED);
    for line in lines.iter().filter(|line| line.marker != Marker::Prose) {
        shown.entry(line.section.clone()).or_default().extend(key(line.text));
    }
    let unavailable = ["alerts", "metrics"];
    let mut checked = 0;
    for (section, about) in context.schema() {
        for key in about.keys.into_iter().filter(|key| !unavailable.contains(key)) {
            let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            let is_table = shown.keys().any(|known| known.starts_with(&path));
            let is_key = shown.get(&section).is_some_and(|keys| keys.contains(key));
            let inline = !shown.contains_key(&section) && COMMENTED.contains(&format!(" {key} = "));
            let hidden = path == "secrets" || path == "observability";
            assert!(is_table || is_key || inline || hidden, "{path} is not shown");
            checked += 1;
        }
    }
    assert!(checked > 150, "{checked}");
}

#[test]
fn a_start_without_a_file_serves_https_on_loopback_and_awaits_its_first_key() {
    let settings = embedded_default(&Machine).unwrap();
    let http = settings.http.unwrap();
    assert_eq!(http.addresses, ["127.0.0.1:8443".parse().unwrap()]);
    assert!(matches!(http.tls.unwrap().identity, TlsIdentity::Generated { .. }));
    assert!(settings.authentication.enabled && settings.authentication.api_keys.is_empty());
    assert!(settings.audit.enabled && settings.host.enabled && !settings.stdio);
    assert!((settings.rate_limiting.max_attempts_per_second - 100.0).abs() < f64::EPSILON);
    assert_eq!(settings.rate_limiting.burst, 100);
    let state = Path::new("/home/operator/.local/state/erlmcp");
    assert_eq!(settings.runtime.state_directory, state);
    assert_eq!(settings.audit.log_path, state.join("audit.log"));
}

#[test]
fn the_default_text_as_a_file_lacks_a_key() {
    let problems = parse(include_str!("../default.toml"), "d", &Machine).unwrap_err();
    assert!(problems.to_string().contains("authentication.api_keys: there is no key"));
}

#[test]
fn development_is_stdio_without_guards_of_the_network() {
    let settings = load(DEVELOPMENT);
    assert!(settings.stdio && settings.http.is_none());
    assert!(!settings.authentication.enabled && !settings.rate_limiting.enabled);
    assert!(settings.validation.json_schema);
    assert_eq!(settings.validation.max_message_size, 10_485_760);
    assert!(settings.warnings.is_empty());
}

#[test]
fn staging_is_https_with_one_key() {
    let settings = load(STAGING);
    assert!(settings.http.unwrap().tls.is_some());
    let [key] = settings.authentication.api_keys.as_slice() else { panic!("one key") };
    let KeyCredential::Plain(secret) = &key.credential else { panic!("a plain key") };
    assert_eq!(secret.expose(), "0123456789abcdef0123456789abcdef");
    assert_eq!(key.user, "staging_user");
    assert_eq!(settings.rate_limiting.burst, 100);
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

#[test]
fn production_is_the_guide_as_far_as_this_version_goes() {
    let settings = load(PRODUCTION);
    let http = settings.http.unwrap();
    assert_eq!(http.addresses, ["0.0.0.0:8080".parse().unwrap()]);
    assert_eq!(http.surface.allowed_methods, ["POST", "GET", "OPTIONS"]);
    let wildcard = OriginPattern {
        scheme: Scheme::Https,
        wildcard: true,
        host: "yourdomain.com".to_owned(),
        port: 443,
    };
    assert_eq!(http.surface.allowed_origins.get(1), Some(&wildcard));
    let tls = http.tls.unwrap();
    assert!(matches!(tls.identity, TlsIdentity::Files(_)));
    assert_eq!(tls.client_authorities.unwrap(), Path::new("/etc/erlmcp/tls/ca.crt"));
    assert_eq!(settings.authorization.user_roles["service_456"], ["admin"]);
    assert!(settings.authorization.roles["admin"].contains(&Permission::Delete));
    assert_eq!(settings.audit.rotation, Rotation::Daily);
    assert_eq!(settings.audit.retention_days, 90);
    assert_eq!(settings.audit.events.len(), 5);
    assert!(settings.audit.events.contains(&AuditEvent::SecretAccessed));
    let fields = settings.security_headers.fields;
    assert!(fields.contains(&("referrer-policy", "strict-origin-when-cross-origin".to_owned())));
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

#[test]
fn every_shipped_file_that_needs_a_key_says_so_where_the_variable_is_missing() {
    for (text, key, variable) in [
        (COMMENTED, "key", "ERLMCP_API_KEY"),
        (STAGING, "key", "ERLMCP_API_KEY"),
        (PRODUCTION, "jwt.required_audience", "JWT_AUDIENCE"),
        (PRODUCTION, "oauth2.client_secret", "OAUTH2_CLIENT_SECRET"),
    ] {
        let problems = parse(text, "etc", &super::World::default()).unwrap_err().to_string();
        let expected = format!(
            "{key}: the environment variable {variable} is not set; set {variable} before the \
             start, or remove this reference"
        );
        assert!(problems.contains(&expected), "{problems}");
        assert!(!problems.contains("names no audience"), "{problems}");
        assert!(!problems.contains("there is no key"), "{problems}");
    }
}

#[test]
fn the_examples_show_both_kinds_of_resources() {
    let lines = lines(COMMENTED);
    let settings = load(&join(&lines, |line| line.marker == Marker::Example));
    assert!(matches!(settings.resources[0], ResourceSettings::File(_)));
    assert!(matches!(settings.resources[1], ResourceSettings::Root(_)));
}
