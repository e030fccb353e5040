//! What a right configuration becomes.

use std::time::Duration;

use serde_json::json;

use super::{good, read, warnings};
use crate::backend::local::command::Argument;
use crate::backend::settings::{ResourceSettings, Role, ToolOutput};
use crate::backend::template::Part;
use crate::connection::settings::TlsVersion;
use crate::guard::settings::{HostPattern, KeyCredential};
use crate::mcp::methods::Permission;

const KEY: &str = "authentication.api_keys = [{ key = { env = \"GOOD_KEY\" }, user = \"a\" }]\n";

fn listener(text: &str) -> crate::connection::settings::HttpListener {
    good(&format!("{KEY}{text}")).http.unwrap()
}

#[test]
fn network_guards_are_on_where_there_is_a_network() {
    let local = good("");
    assert!(!local.authentication.enabled && !local.audit.enabled && local.http.is_none());
    assert!(local.rate_limiting.enabled && local.authorization.enabled);
    let network = good(&format!("{KEY}[transports.http]"));
    assert!(network.authentication.enabled && network.audit.enabled);
    assert!(network.http.unwrap().tls.is_none());
}

#[test]
fn several_addresses_and_localhost_are_listened_on() {
    let http =
        listener("transports.http.listen = [\"localhost:80\", \"[::1]:81\", \"127.0.0.1:0\"]");
    let texts: Vec<_> = http.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["127.0.0.1:80", "[::1]:80", "[::1]:81", "127.0.0.1:0"]);
}

#[test]
fn own_names_and_the_public_host_are_allowed_hosts() {
    let text = "[transports.http]\npublic_url = \"https://Mcp.example.com/x\"\n\
                allowed_hosts = [\"other.example:81\"]";
    let http = listener(text);
    let host = |host: &str, port| HostPattern { host: host.to_owned(), port };
    assert_eq!(
        http.surface.allowed_hosts,
        [
            host("localhost", None),
            host("127.0.0.1", None),
            host("[::1]", None),
            host("mcp.example.com", None),
            host("other.example", Some(81)),
        ]
    );
    assert!(http.surface.allowed_origins.is_empty());
}

#[test]
fn tls_is_on_where_its_table_is() {
    assert!(listener("[transports.http]\n[tls]").tls.is_some());
    assert!(listener("[transports.http]\n[tls]\nenabled = false").tls.is_none());
    assert!(listener("[transports.http]\ntls = true").tls.is_some());
    assert!(listener("[transports.http]\ntls = false\n[tls]").tls.is_none());
    let tls = listener("[transports.http]\n[tls]\nversions = [\"tlsv1.3\", \"tlsv1.3\"]").tls;
    assert_eq!(tls.unwrap().versions, [TlsVersion::V1_3]);
}

#[test]
fn the_state_directory_follows_the_environment() {
    let at = |world| super::parse("[transports.stdio]", "e", &world).unwrap().runtime;
    let nowhere = super::World::default();
    assert_eq!(at(nowhere).state_directory.to_str(), Some("/var/lib/erlmcp"));
    let home = super::World::default().with_variable("HOME", "/h");
    assert_eq!(at(home).state_directory.to_str(), Some("/h/.local/state/erlmcp"));
    let both =
        super::World::default().with_variable("HOME", "/h").with_variable("XDG_STATE_HOME", "/s");
    assert_eq!(at(both).state_directory.to_str(), Some("/s/erlmcp"));
    let relative = super::World::default().with_variable("XDG_STATE_HOME", "s");
    assert_eq!(at(relative).state_directory.to_str(), Some("/var/lib/erlmcp"));
}

#[test]
fn a_bound_per_user_follows_a_lower_bound_for_all() {
    let settings = good("limits = { max_connections = 20, calls = 8, max_sessions = 5 }");
    assert_eq!(settings.limits.max_connections_per_address, 20);
    assert_eq!(settings.calls.max_calls_per_user, 8);
    assert_eq!(settings.sessions.max_sessions_per_user, 5);
}

#[test]
fn integers_of_any_radix_are_numbers() {
    let settings = good("rate_limiting.max_attempts_per_second = 0x10\nlimits.headers = 0x1_0");
    assert_eq!(settings.rate_limiting.burst, 16);
    assert_eq!(settings.limits.headers, 16);
}

#[test]
fn networks_are_read_and_a_lone_address_is_one() {
    let settings = good("rate_limiting.exempt_networks = [\"10.0.0.0/8\", \"::1\"]");
    let texts: Vec<_> =
        settings.rate_limiting.exempt_networks.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["10.0.0.0/8", "::1/128"]);
}

#[test]
fn rates_have_names_and_what_contradicts_them_is_told() {
    let text = "[rate_limiting]\nroles = { admin = 200, guest = 0.5 }\n\
                max_failures_per_minute = 0\n\
                tools = { \"report_*\" = 1, echo = 2 }\nmethods = { \"tools/*\" = 3 }\n\
                [limits]\ncalls_per_tool = { \"*\" = 7 }";
    let settings = good(text);
    let limits = &settings.rate_limiting;
    assert_eq!(limits.roles.keys().collect::<Vec<_>>(), ["admin", "guest"]);
    assert!((limits.address_attempts_per_second - 200.0).abs() < f64::EPSILON);
    assert_eq!((limits.tools.len(), limits.methods.len()), (2, 1));
    assert!(limits.limit_headers && limits.max_failures_per_minute == 0);
    assert!(
        settings.calls.max_calls_per_tool.iter().all(|(one, most)| one.matches("a") && *most == 7)
    );
    let contradictions = good(&format!(
        "{KEY}[rate_limiting]\nroles = {{ admin = 200 }}\naddress_attempts_per_second = 100\n\
         exempt_networks = [\"10.1.0.0/16\"]\n[transports.http]\ntls = false\n\
         trusted_proxies = [\"10.0.0.0/8\"]"
    ));
    let told = warnings(&contradictions).join("\n");
    assert!(told.contains("address_attempts_per_second: 100 is less than the 200"), "{told}");
    assert!(told.contains("the trusted proxies of 10.0.0.0/8 would not be counted"), "{told}");
    let idle = good(&format!("{KEY}[transports.http]\nforwarded_header = \"forwarded\""));
    assert!(warnings(&idle).join("\n").contains("has no effect while no proxy is trusted"));
}

#[test]
fn a_hash_and_an_end_are_read() {
    let text = format!(
        "[[authentication.api_keys]]\nhash = \"sha256:{}:{}\"\nuser = \"a\"\nroles = [\"admin\"]\n\
         expires = 1970-01-02T00:00:00Z",
        "0a".repeat(8),
        "Ff".repeat(32)
    );
    let settings = good(&text);
    let key = &settings.authentication.api_keys[0];
    let KeyCredential::Sha256 { salt, digest } = &key.credential else { panic!("a hash") };
    assert_eq!((salt.as_slice(), digest), ([10; 8].as_slice(), &[255; 32]));
    assert_eq!(key.roles, ["admin"]);
    let end = key.expires.unwrap().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(end, Duration::from_secs(86_400));
}

#[test]
fn a_key_from_a_variable_may_begin_with_a_dollar_sign() {
    let text = "authentication.api_keys = [{ key = { env = \"DOLLAR\" }, user = \"a\" }]";
    let settings = good(text);
    let KeyCredential::Plain(key) = &settings.authentication.api_keys[0].credential else {
        panic!("a plain key")
    };
    assert_eq!(key.expose(), "$ecretfromenvironment");
}

#[test]
fn a_literal_key_and_a_short_one_are_told_but_never_shown() {
    let text = "[authentication]\nenabled = false\napi_keys = { \"short-key\" = \"a\" }";
    let settings = good(text);
    assert_eq!(
        warnings(&settings),
        [
            "e.toml:4: authentication.api_keys: the key is shorter than 16 characters; make one \
             with: openssl rand -hex 32",
            "e.toml:4: authentication.api_keys: the key is stored in the clear in the \
             configuration; use `hash`, { env = \"NAME\" } or { file = \"/path\" }",
        ]
    );
    assert!(!format!("{settings:?}").contains("short-key"));
    assert_eq!(settings.authentication.api_keys[0].user, "a");
}

#[test]
fn a_listener_that_answers_to_no_name_is_told() {
    let text = format!("{KEY}[transports.http]\nlisten = \"0.0.0.0:8443\"\n[tls]");
    assert_eq!(
        warnings(&good(&text)),
        ["e.toml:4: transports.http.listen: other hosts are answered under no name yet; name \
          this host in transports.http.allowed_hosts or public_url"]
    );
}

#[test]
fn a_table_that_guards_no_network_is_told() {
    let settings = good("[authentication]\nenabled = true");
    assert_eq!(
        warnings(&settings),
        ["e.toml:2: authentication: has no effect without a network transport; \
          remove [authentication] or add [transports.http]"]
    );
}

#[test]
fn insecure_listeners_are_possible_by_name() {
    let text = "development.insecure_listeners = true\nauthentication.enabled = false\n\
                [transports.http]\nlisten = \"0.0.0.0:1\"";
    assert!(read(text).is_ok());
}

#[test]
fn an_empty_header_is_left_out_and_all_can_be() {
    let settings = good("security_headers.x_frame_options = \"\"");
    assert_eq!(settings.security_headers.fields.len(), 5);
    let settings = good("security_headers.enabled = false");
    assert!(settings.security_headers.fields.is_empty());
}

#[test]
fn audit_events_are_all_or_those_that_are_named() {
    assert_eq!(good("").audit.events.len(), 7);
    assert_eq!(good("audit.events = []").audit.events.len(), 7);
    assert_eq!(good("audit.events = [\"request\", \"request\"]").audit.events.len(), 1);
}

#[test]
fn a_tool_has_its_arguments_and_schema() {
    let text = "[[tools]]\nname = \"df\"\ndescription = \"${x} of disks\"\n\
                command = [\"/usr/bin/df\", \"--x={mount}\"]\nread_only = true\n\
                environment = { A = { env = \"GOOD_KEY\" } }\n[tools.input_schema]\n\
                type = \"object\"\nproperties = { mount = { type = \"string\", maxLength = 9, \
                x = [1.5, true, 1970-01-02] } }";
    let settings = good(text);
    let tool = &settings.tools[0];
    assert_eq!(
        tool.input_schema,
        json!({"type": "object", "properties": {"mount": {
            "type": "string", "maxLength": 9, "x": [1.5, true, "1970-01-02"]}}})
    );
    let parts = [Part::Literal("--x=".to_owned()), Part::Placeholder("mount".to_owned())];
    let Argument::One(template) = &tool.arguments[0] else { panic!("a template") };
    assert_eq!(template.parts(), parts);
    assert_eq!(tool.permission, Permission::Read);
    assert!(!tool.hints.destructive);
    assert_eq!(tool.output, ToolOutput::Text);
    assert_eq!(tool.environment[0].1.expose(), "0123456789abcdef0123456789abcdef");
    assert!(!format!("{tool:?}").contains("0123456789abcdef"));
}

#[test]
fn a_tool_without_schema_takes_no_arguments() {
    let text = "[[tools]]\nname = \"df\"\ndescription = \"d\"\ncommand = [\"/usr/bin/df\"]";
    let tool = &good(text).tools[0];
    assert_eq!(
        tool.input_schema,
        json!({"type": "object", "properties": {}, "additionalProperties": false})
    );
    assert_eq!(tool.permission, Permission::Execute);
    assert!(tool.hints.destructive && tool.output_schema.is_none());
}

#[test]
fn a_schema_may_stand_in_a_file() {
    let text = "[[tools]]\nname = \"df\"\ndescription = \"d\"\n\
                command = [\"/usr/bin/df\", \"{x}\"]\ninput_schema_file = \"/etc/object.json\"";
    assert_eq!(good(text).tools[0].input_schema["type"], json!("object"));
}

#[test]
fn resources_and_prompts_are_read() {
    let text = "[[resources]]\nname = \"m\"\nfile = \"/etc/motd\"\nuri = \"file:///etc/motd\"\n\
                [[resources]]\nname = \"d\"\nroot = \"/srv\"\nuri_prefix = \"docs://d/\"\n\
                [[prompts]]\nname = \"p\"\ndescription = \"d\"\n\
                arguments = [{ name = \"t\", values = [\"x\"] }]\n\
                messages = [{ role = \"assistant\", text = \"{{{t}\" }]";
    let settings = good(text);
    let ResourceSettings::File(file) = &settings.resources[0] else { panic!("a file") };
    assert_eq!(
        (file.uri.as_str(), file.max_bytes, file.watch),
        ("file:///etc/motd", 1 << 20, true)
    );
    let ResourceSettings::Root(root) = &settings.resources[1] else { panic!("a root") };
    assert_eq!((root.uri_prefix.as_str(), root.max_depth, root.hidden), ("docs://d/", 16, false));
    let prompt = &settings.prompts[0];
    assert_eq!(prompt.arguments[0].values, ["x"]);
    assert_eq!(prompt.messages[0].role, Role::Assistant);
    assert_eq!(prompt.messages[0].text.placeholders().collect::<Vec<_>>(), ["t"]);
}
