//! Reads `[outbound]`, and the URLs of servers that we ask; it must never ask one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::context::Context;
use super::reader::Reader;
use super::tls::is_file;
use super::value::Value;
use crate::actors::settings::OutboundSettings;
use crate::guard::settings::{Authentication, HostPattern};

/// Where the distributions keep the authorities that they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// Reads `[outbound]`.
pub(super) fn read(reader: &mut Reader<'_>) -> OutboundSettings {
    let named = reader.value("cacertfile");
    let authorities = match named {
        Some(value) => value
            .absolute_path("/etc/erlmcp/tls/outbound-ca.crt")
            .filter(|path| is_file(&value, path)),
        None => bundle(reader.context()),
    };
    OutboundSettings { authorities }
}

fn bundle(context: &Context<'_>) -> Option<PathBuf> {
    if !context.sources.inspects_named_files() {
        return None;
    }
    let mut bundles = BUNDLES.iter().map(Path::new);
    bundles.find(|path| context.sources.facts(path).is_ok()).map(Path::to_owned)
}

/// Says so where a server is asked over TLS and no authority is known that could vouch for it.
pub(super) fn check(
    context: &Context<'_>,
    authentication: &Authentication,
    outbound: &OutboundSettings,
) {
    if outbound.authorities.is_some() || !context.sources.inspects_named_files() {
        return;
    }
    let issuers = authentication.jwt.iter().flat_map(|jwt| &jwt.issuers);
    let sets = issuers.filter_map(|issuer| issuer.key_source.as_ref().map(|source| &source.url));
    let introspection = authentication.oauth2.as_ref().map(|it| &it.url);
    let mut urls = sets.chain(introspection);
    if let Some(url) = urls.find(|url| url.starts_with("https://")) {
        context.error_at(
            "outbound.cacertfile",
            &format!("no certificate of an authority is known that {url:?} could be verified by"),
            "install the ca-certificates of your system, or write for example \
             outbound.cacertfile = \"/etc/erlmcp/tls/outbound-ca.crt\"",
        );
    }
}

/// A URL that is asked: https, or http where nobody can listen on the way.
pub(super) fn url(value: &Value<'_>, example: &str) -> Option<Arc<str>> {
    let text = value.string("a string")?;
    let problem = problem_of(&text);
    if let Some(problem) = problem {
        value.error(&format!("{} {problem}", value.shown(&text)), &format!("write {example}"));
        return None;
    }
    Some(text.into())
}

/// True if `text` is such a URL.
pub(super) fn is_url(text: &str) -> bool {
    problem_of(text).is_none()
}

fn problem_of(text: &str) -> Option<&'static str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Some("is no URL") };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if text.contains('#') || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("has a fragment, or a character that no URL has");
    }
    let Ok(host) = HostPattern::parse(authority) else {
        return Some("has no valid host, or a user name beside it");
    };
    match scheme {
        "https" => None,
        "http" if is_this_host(&host) => None,
        _ => Some("is not an https URL"),
    }
}

/// True for the names of this very host.
pub(super) fn is_this_host(host: &HostPattern) -> bool {
    matches!(host.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
}
