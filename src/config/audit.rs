//! Reads `[audit]` and `[security_headers]`; it must never open the audit file.

use std::path::Path;

use super::diagnostics::quote;
use super::reader::Reader;
use crate::actors::settings::{AuditEvent, AuditSettings, Rotation};
use crate::guard::settings::SecurityHeaders;

const EVENTS: [(&str, AuditEvent); 7] = [
    ("authentication_success", AuditEvent::AuthenticationSuccess),
    ("authentication_failure", AuditEvent::AuthenticationFailure),
    ("authorization_denied", AuditEvent::AuthorizationDenied),
    ("rate_limit_exceeded", AuditEvent::RateLimitExceeded),
    ("invalid_input", AuditEvent::InvalidInput),
    ("request", AuditEvent::Request),
    ("secret_accessed", AuditEvent::SecretAccessed),
];

/// Reads `[audit]`. `network` says whether anyone can come over a network.
pub(super) fn audit(reader: &mut Reader<'_>, state: &Path, network: bool) -> AuditSettings {
    const ROTATIONS: [(&str, Rotation); 2] = [("none", Rotation::None), ("daily", Rotation::Daily)];
    let enabled = reader.boolean("enabled", network);
    backend(reader);
    let events = reader.items("events", "[\"authentication_failure\"]");
    let mut chosen: Vec<AuditEvent> = Vec::new();
    for event in events.iter().filter_map(|item| item.choice(&EVENTS)) {
        if !chosen.contains(&event) {
            chosen.push(event);
        }
    }
    if events.is_empty() {
        chosen = EVENTS.map(|(_, event)| event).to_vec();
    }
    reader.table("backend_config", |reader| AuditSettings {
        enabled,
        events: chosen,
        log_path: reader
            .absolute_path("log_path", "/var/log/erlmcp/audit.log")
            .unwrap_or_else(|| state.join("audit.log")),
        rotation: reader.choice("rotation", &ROTATIONS, Rotation::None),
        retention_days: reader.integer_in("retention_days", 1..=3650, 90),
    })
}

fn backend(reader: &mut Reader<'_>) {
    let Some(value) = reader.value("backend") else { return };
    if let Some(name) = value.string("a string").filter(|name| name != "file") {
        value.refuse_unavailable(&format!("backend = {}", quote(&name)));
    }
}

/// Reads `[security_headers]`; an empty text leaves a header out.
pub(super) fn security_headers(reader: &mut Reader<'_>) -> SecurityHeaders {
    const HEADERS: [(&str, &str, &str); 6] = [
        (
            "content_security_policy",
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (
            "strict_transport_security",
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        ),
        ("x_frame_options", "x-frame-options", "DENY"),
        ("x_content_type_options", "x-content-type-options", "nosniff"),
        ("referrer_policy", "referrer-policy", "no-referrer"),
        ("permissions_policy", "permissions-policy", "geolocation=(), microphone=(), camera=()"),
    ];
    let enabled = reader.boolean("enabled", true);
    let mut fields = Vec::new();
    for (key, name, default) in HEADERS {
        let text = field_value(reader, key).unwrap_or_else(|| default.to_owned());
        if enabled && !text.is_empty() {
            fields.push((name, text));
        }
    }
    SecurityHeaders { fields }
}

fn field_value(reader: &mut Reader<'_>, key: &'static str) -> Option<String> {
    let value = reader.value(key)?;
    let text = value.string("a string")?;
    // RFC 9110 section 5.5: visible characters with spaces between them.
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if !visible || text.trim() != text || text.len() > 2048 {
        let remedy = "write at most 2048 visible ASCII characters on one line";
        value.error("is no value of a header", remedy);
        return None;
    }
    Some(text)
}
