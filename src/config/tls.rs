//! Reads `[tls]`; it must never read a certificate or a key, only see whether they may be used.

use std::path::Path;

use super::reader::Reader;
use super::sources::FileKind;
use super::value::Value;
use crate::connection::settings::{CertificateFiles, TlsIdentity, TlsSettings, TlsVersion};
use crate::guard::settings::HostPattern;

/// What `[tls]` says, whether or not a listener uses it.
pub(super) struct TlsTable {
    pub(super) present: bool,
    pub(super) enabled: bool,
    pub(super) settings: TlsSettings,
}

/// Reads `[tls]`.
pub(super) fn read(reader: &mut Reader<'_>) -> TlsTable {
    const VERIFY: [(&str, bool); 2] = [("verify_peer", true), ("verify_none", false)];
    let present = reader.is_present();
    let enabled = reader.boolean("enabled", present);
    let identity = identity(reader, enabled);
    let further = reader.tables("certificates", |one| {
        one.required("certfile", "\"/etc/erlmcp/tls/other.crt\"");
        one.required("keyfile", "\"/etc/erlmcp/tls/other.key\"");
        certificate_files(one, enabled)
    });
    let authorities = reader.value("cacertfile");
    let client_authorities = authorities.as_ref().and_then(|value| {
        let path = value.absolute_path("/etc/erlmcp/tls/ca.crt")?;
        (!enabled || is_file(value, &path)).then_some(path)
    });
    let required = reader.boolean("fail_if_no_peer_cert", false);
    if required && authorities.is_none() {
        reader.context().error_at(
            &reader.path_of("fail_if_no_peer_cert"),
            "no client certificate can be verified without `cacertfile`",
            "write for example cacertfile = \"/etc/erlmcp/tls/ca.crt\"",
        );
    }
    let verify_peer = reader.choice("verify", &VERIFY, true);
    if required && !verify_peer {
        reader.context().error_at(
            &reader.path_of("fail_if_no_peer_cert"),
            "contradicts verify = \"verify_none\"",
            "write verify = \"verify_peer\"",
        );
    }
    let lists = reader.items("crlfiles", "[\"/etc/erlmcp/tls/ca.crl\"]");
    if let (Some(first), None) = (lists.first(), &authorities) {
        first.error("is of no use without `cacertfile`", "add the authorities of the clients");
    }
    let revocation_lists = lists.iter().filter_map(|value| {
        let path = value.absolute_path("/etc/erlmcp/tls/ca.crl")?;
        (!enabled || is_file(value, &path)).then_some(path)
    });
    let revocation_lists = revocation_lists.collect();
    TlsTable {
        present,
        enabled,
        settings: TlsSettings {
            identity,
            further,
            versions: versions(reader),
            verify_peer,
            client_authorities,
            revocation_lists,
            client_certificate_required: required,
            handshake_timeout: reader.milliseconds("handshake_timeout_ms", 100..=120_000, 10_000),
        },
    }
}

fn identity(reader: &mut Reader<'_>, enabled: bool) -> TlsIdentity {
    for (one, other) in [("certfile", "keyfile"), ("keyfile", "certfile")] {
        if reader.has(one) && !reader.has(other) {
            let what = format!("is of no use without `{other}`");
            let remedy = format!("give both, or neither to have a certificate made; add {other}");
            reader.context().error_at(&reader.path_of(one), &what, &remedy);
        }
    }
    let has_files = reader.has("certfile");
    let names = reader.items("generated_names", "[\"mcp.example.com\"]");
    if let (Some(first), true) = (names.first(), has_files) {
        first.warning("no certificate is made beside `certfile`", "remove generated_names");
    }
    let files = certificate_files(reader, enabled);
    match reader.value("ocspfile") {
        Some(response) if !has_files => {
            response.error("is of no use without `certfile`", "give the certificate that it is of");
        }
        _ => {}
    }
    files.map_or_else(
        || TlsIdentity::Generated { extra_names: names.iter().filter_map(server_name).collect() },
        TlsIdentity::Files,
    )
}

/// The files of a certificate, unless one of them is not given or cannot be used.
fn certificate_files(reader: &mut Reader<'_>, enabled: bool) -> Option<CertificateFiles> {
    let mut file = |key, example, is_good: fn(&Value<'_>, &Path) -> bool| {
        let value = reader.value(key)?;
        let path = value.absolute_path(example)?;
        (!enabled || is_good(&value, &path)).then_some(path)
    };
    let certificate_chain = file("certfile", "/etc/erlmcp/tls/server.crt", is_file);
    let private_key = file("keyfile", "/etc/erlmcp/tls/server.key", is_secret_file);
    let ocsp_response = file("ocspfile", "/etc/erlmcp/tls/server.ocsp", is_response);
    Some(CertificateFiles {
        certificate_chain: certificate_chain?,
        private_key: private_key?,
        ocsp_response,
    })
}

fn server_name(value: &Value<'_>) -> Option<String> {
    let text = value.string("a string")?;
    let bare_v6 = text.parse::<std::net::Ipv6Addr>().is_ok();
    match HostPattern::parse(&text) {
        _ if bare_v6 => Some(text),
        Ok(HostPattern { host, port: None }) => Some(host),
        Ok(_) | Err(_) => {
            let what = format!("{} is no host name or address", value.shown(&text));
            value.error(&what, "write for example \"mcp.example.com\" or \"192.0.2.7\"");
            None
        }
    }
}

fn versions(reader: &mut Reader<'_>) -> Vec<TlsVersion> {
    const VERSIONS: [(&str, TlsVersion); 2] =
        [("tlsv1.2", TlsVersion::V1_2), ("tlsv1.3", TlsVersion::V1_3)];
    const PROFILES: [(&str, &[TlsVersion]); 2] =
        [("intermediate", &[TlsVersion::V1_2, TlsVersion::V1_3]), ("modern", &[TlsVersion::V1_3])];
    let [(_, intermediate), _] = PROFILES;
    let profile = reader.choice("profile", &PROFILES, intermediate);
    let Some(value) = reader.value("versions") else { return profile.to_vec() };
    let items = value.items("[\"tlsv1.2\", \"tlsv1.3\"]");
    let mut chosen: Vec<TlsVersion> = Vec::new();
    for version in items.iter().filter_map(|item| item.choice(&VERSIONS)) {
        if !chosen.contains(&version) {
            chosen.push(version);
        }
    }
    if items.is_empty() && value.value.is_array() {
        value.error("no version is allowed", "write versions = [\"tlsv1.2\", \"tlsv1.3\"]");
    }
    if chosen.iter().any(|version| !profile.contains(version)) {
        let what = "the profile \"modern\" has no version before tlsv1.3";
        value.error(what, "remove `versions`, or write profile = \"intermediate\"");
    }
    chosen
}

pub(super) fn is_file(value: &Value<'_>, path: &Path) -> bool {
    is_kind_of_file(value, path, "PEM")
}

fn is_response(value: &Value<'_>, path: &Path) -> bool {
    is_kind_of_file(value, path, "DER")
}

fn is_kind_of_file(value: &Value<'_>, path: &Path, form: &str) -> bool {
    let sources = value.context.sources;
    if !sources.inspects_named_files() {
        return true;
    }
    let what = match sources.facts(path) {
        Ok(facts) if facts.kind == FileKind::Regular => return true,
        Ok(_) => "is not a regular file".to_owned(),
        Err(error) => error.to_string(),
    };
    let what = format!("{} {what}", path.display());
    let remedy = format!("give the path of a {form} file that the user erlmcp runs as may read");
    value.error(&what, &remedy);
    false
}

fn is_secret_file(value: &Value<'_>, path: &Path) -> bool {
    if !is_file(value, path) {
        return false;
    }
    let sources = value.context.sources;
    match sources.facts(path) {
        Ok(facts) => value.fit_for_secret(&path.display().to_string(), facts),
        // Only a source that looks at no named file comes here without facts.
        Err(_) => !sources.inspects_named_files(),
    }
}
