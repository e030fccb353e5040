//! Reads `[transports.*]`: listeners, hosts and origins; it must never open a socket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::outbound::is_this_host;
use super::proxies;
use super::reader::Reader;
use super::tls::TlsTable;
use super::value::Value;
use crate::connection::settings::{HttpListener, LinesListener, TlsSettings};
use crate::guard::settings::{HostPattern, HttpSurface, OriginPattern, Paths};

/// Where the transports are, if the configuration does not say.
const HTTP_PORT: u16 = 8443;
const TCP_PORT: u16 = 9000;
const WEBSOCKET_PORT: u16 = 8444;
const LISTEN_EXAMPLE: &str = "\"127.0.0.1:8443\"";
const METHODS: [&str; 4] = ["POST", "GET", "DELETE", "OPTIONS"];
const HEADERS: [&str; 2] = ["authorization", "content-type"];

/// The transports that are switched on.
pub(super) struct Transports {
    pub(super) stdio: bool,
    pub(super) http: Option<HttpListener>,
    pub(super) tcp: Option<LinesListener>,
    /// A listener for WebSocket alone.
    pub(super) websocket: Option<HttpListener>,
}

impl Transports {
    /// True if anyone can come over a network.
    pub(super) fn has_network(&self) -> bool {
        self.http.is_some() || self.tcp.is_some() || self.websocket.is_some()
    }
}

/// Reads `[transports]`.
pub(super) fn read(reader: &mut Reader<'_>, tls: &TlsTable) -> Transports {
    let stdio = reader.has("stdio");
    reader.table("stdio", |_| ());
    let (has_http, has_tcp) = (reader.has("http"), reader.has("tcp"));
    let http = reader.table("http", |reader| http(reader, tls));
    let tcp = reader.table("tcp", |reader| tcp(reader, tls));
    let mut http = has_http.then_some(http);
    let has_websocket = reader.has("websocket");
    let shared = http.as_mut().filter(|_| has_websocket);
    let websocket = reader.table("websocket", |reader| websocket(reader, tls, shared));
    let websocket = websocket.filter(|_| has_websocket);
    Transports { stdio, http, tcp: has_tcp.then_some(tcp), websocket }
}

/// WebSocket: a path of the HTTP listener, or a listener of its own where `listen` is.
fn websocket(
    reader: &mut Reader<'_>,
    tls: &TlsTable,
    http: Option<&mut HttpListener>,
) -> Option<HttpListener> {
    let path = reader.value("path").and_then(|value| {
        let path = endpoint_path(&value, "path = \"/ws\"")?;
        let others = http.iter().flat_map(|http| [&http.paths.endpoint, &http.paths.events]);
        let lies_in = |other: &&String| lie_in_each_other(&path, other);
        if let Some(other) = others.flatten().find(lies_in) {
            let what = format!("{} and the path {other:?} lie in each other", value.shown(&path));
            value.error(&what, "write for example path = \"/ws\"");
        }
        Some(path)
    });
    let path = Some(path.unwrap_or_else(|| "/ws".to_owned()));
    match http {
        Some(http) if !reader.has("listen") => {
            http.paths.websocket = path;
            refuse_keys_of_a_listener(reader);
            None
        }
        _ => {
            let addresses = addresses(reader, WEBSOCKET_PORT);
            let paths = Paths { websocket: path, ..Paths::default() };
            let tls = listener_tls(reader, tls);
            let proxies = proxies::of_connections(reader);
            // One name for both, whatever port it is reached at.
            let public_host = http.as_ref().and_then(|http| host_of(http.public_url.as_deref()?));
            let public_host = public_host.map(|host| HostPattern { port: None, ..host });
            let surface = surface(reader, &addresses, public_host);
            Some(HttpListener { addresses, paths, tls, proxies, public_url: None, surface })
        }
    }
}

/// A path of another listener has its keys, and none of its own.
fn refuse_keys_of_a_listener(reader: &mut Reader<'_>) {
    const KEYS: [&str; 9] = [
        "tls",
        "proxy_protocol",
        "allowed_hosts",
        "allowed_origins",
        "allowed_methods",
        "allowed_headers",
        "max_age",
        "trusted_proxies",
        "forwarded_header",
    ];
    for key in KEYS {
        if let Some(value) = reader.value(key) {
            let remedy = "write it in [transports.http], or add `listen`";
            value.error("is of no use without `listen`", remedy);
        }
    }
}

fn tcp(reader: &mut Reader<'_>, tls: &TlsTable) -> LinesListener {
    let addresses = addresses(reader, TCP_PORT);
    let tls = listener_tls(reader, tls);
    LinesListener { addresses, tls, proxies: proxies::of_connections(reader) }
}

fn http(reader: &mut Reader<'_>, tls: &TlsTable) -> HttpListener {
    let addresses = addresses(reader, HTTP_PORT);
    let path = reader.value("path").and_then(|value| endpoint_path(&value, "path = \"/mcp\""));
    let path = path.unwrap_or_else(|| "/mcp".to_owned());
    let sse_path = sse_path(reader, &path);
    let tls = listener_tls(reader, tls);
    let proxies = proxies::of_connections(reader);
    let public_url = reader.value("public_url").and_then(|value| public_url(&value));
    let public_host = public_url.as_deref().and_then(host_of);
    let surface = surface(reader, &addresses, public_host);
    let paths = Paths { endpoint: Some(path), events: sse_path, websocket: None };
    HttpListener { addresses, paths, tls, proxies, public_url, surface }
}

fn addresses(reader: &mut Reader<'_>, port: u16) -> Vec<SocketAddr> {
    let default = || vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    let Some(value) = reader.value("listen") else { return default() };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    let items = if value.value.is_array() { value.items("") } else { vec![value.clone()] };
    if items.is_empty() {
        let remedy = format!("write for example listen = {LISTEN_EXAMPLE}");
        value.error("no address to listen on", &remedy);
    }
    for item in items {
        for address in socket_addresses(&item) {
            if let Some(other) = addresses.iter().find(|other| clash(**other, address)) {
                let what = format!("{address} and {other} cannot both be listened on");
                item.error(&what, "remove one of them or give it another port");
                break;
            }
            addresses.push(address);
        }
    }
    addresses
}

/// One address, or both of `localhost`.
fn socket_addresses(value: &Value<'_>) -> Vec<SocketAddr> {
    let wrong = || match value.value.is_table() {
        true => value.error(
            &format!("{} is not \"host:port\"", value.shown("")),
            &format!("it should be like {LISTEN_EXAMPLE}"),
        ),
        false => value.expected("\"host:port\"", LISTEN_EXAMPLE),
    };
    if !value.value.is_str() && !value.value.is_table() {
        wrong();
        return Vec::new();
    }
    let Some(text) = value.string("\"host:port\"") else { return Vec::new() };
    let Some((host, port)) = text.rsplit_once(':') else {
        wrong();
        return Vec::new();
    };
    if host.is_empty() {
        let remedy = format!("write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for all");
        value.error(&format!("{} names no host", value.shown(&text)), &remedy);
        return Vec::new();
    }
    let addresses: Result<Vec<_>, _> = match host.eq_ignore_ascii_case("localhost") {
        true => {
            ["127.0.0.1", "[::1]"].map(|ip| format!("{ip}:{port}").parse()).into_iter().collect()
        }
        false => text.parse().map(|address| vec![address]),
    };
    let looks_like_name = host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains(':');
    match addresses {
        Ok(addresses) => addresses,
        Err(_) if looks_like_name => {
            let what = format!("{} is a name, and names are not looked up", value.shown(host));
            value.error(&what, "write the address, for example \"192.0.2.7:8443\"");
            Vec::new()
        }
        Err(_) => {
            wrong();
            Vec::new()
        }
    }
}

/// Whether the system lets only one of two addresses be listened on.
pub(super) fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let (left, right) = (one.ip(), other.ip());
    let covered = left == right
        || (left.is_ipv4() == right.is_ipv4() && (left.is_unspecified() || right.is_unspecified()));
    one.port() == other.port() && one.port() != 0 && covered
}

/// Reads the path of the transport of 2024-11-05, which must not run into that of the endpoint.
fn sse_path(reader: &mut Reader<'_>, endpoint: &str) -> Option<String> {
    let value = reader.value("sse_path")?;
    let path = endpoint_path(&value, "sse_path = \"/sse\"")?;
    if lie_in_each_other(endpoint, &path) {
        let what = format!("{} and the path {endpoint:?} lie in each other", value.shown(&path));
        value.error(&what, "write for example sse_path = \"/sse\"");
        return None;
    }
    Some(path)
}

fn lie_in_each_other(one: &str, other: &str) -> bool {
    let is_at = |path: &str, other: &str| {
        path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is_at(one, other) || is_at(other, one)
}

fn endpoint_path(value: &Value<'_>, example: &str) -> Option<String> {
    let path = value.string("a string")?;
    let segment = |segment: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        !segment.is_empty() && segment.bytes().all(allowed) && segment != "." && segment != ".."
    };
    let reason = if !path.starts_with('/') {
        "does not begin with `/`"
    } else if path.ends_with('/') {
        "ends in `/`"
    } else if path.starts_with("/.well-known/") {
        "is kept for metadata"
    } else if !path.split('/').skip(1).all(segment) {
        "has other than letters, digits and `-_.~` between its slashes"
    } else {
        return Some(path);
    };
    let remedy = format!("write for example {example}");
    value.error(&format!("{} {reason}", value.shown(&path)), &remedy);
    None
}

fn listener_tls(reader: &mut Reader<'_>, tls: &TlsTable) -> Option<TlsSettings> {
    let wanted = reader.boolean("tls", tls.enabled);
    if wanted && tls.present && !tls.enabled {
        reader.context().error_at(
            &reader.path_of("tls"),
            "contradicts tls.enabled = false",
            "remove one of them",
        );
    }
    wanted.then(|| tls.settings.clone())
}

/// The host of a URL, if it is one that `Host` can name.
fn host_of(url: &str) -> Option<HostPattern> {
    let (_, rest) = url.split_once("://")?;
    let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
    HostPattern::parse(authority).ok()
}

/// Reads an https URL, or one of this host itself, without user, query and fragment.
fn public_url(value: &Value<'_>) -> Option<String> {
    let text = value.string("a string")?;
    let example = "write for example public_url = \"https://mcp.example.com/mcp\"";
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let (_, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host_of(&text);
    let is_local = scheme == "http" && host.as_ref().is_some_and(is_this_host);
    if !scheme.eq_ignore_ascii_case("https") && !is_local {
        value.error(&format!("{} is not an https URL", value.shown(&text)), example);
        return None;
    }
    let clean =
        path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains(['?', '#', '\\', '"']);
    match host {
        Some(_) if clean => Some(text),
        _ => {
            let what = format!("{} is more than a host, a port and a path", value.shown(&text));
            value.error(&what, example);
            None
        }
    }
}

fn surface(
    reader: &mut Reader<'_>,
    addresses: &[SocketAddr],
    public_host: Option<HostPattern>,
) -> HttpSurface {
    let hosts = reader.items("allowed_hosts", "[\"mcp.example.com\"]");
    let named = hosts.iter().filter_map(host_pattern);
    let mut allowed_hosts: Vec<HostPattern> = Vec::new();
    for host in own_hosts(addresses).into_iter().chain(public_host).chain(named) {
        if !allowed_hosts.contains(&host) {
            allowed_hosts.push(host);
        }
    }
    let origins = reader.items("allowed_origins", "[\"https://app.example.com\"]");
    HttpSurface {
        allowed_hosts,
        allowed_origins: origins.iter().filter_map(origin_pattern).collect(),
        allowed_methods: methods(reader),
        allowed_headers: headers(reader),
        preflight_max_age: Duration::from_secs(reader.integer_in("max_age", 0..=86_400, 86_400)),
        proxies: proxies::of_requests(reader),
    }
}

/// The names under which a listener is reached without any configuration. Names of the loopback
/// interface are no danger: a page of a foreign site cannot be loaded under them.
fn own_hosts(addresses: &[SocketAddr]) -> Vec<HostPattern> {
    let any_port = |host: String| HostPattern { host, port: None };
    let mut hosts = Vec::new();
    for address in addresses {
        let ip = address.ip();
        if is_loopback(ip) || ip.is_unspecified() {
            let names = ["localhost", "127.0.0.1", "[::1]"];
            hosts.extend(names.map(|name| any_port(name.to_owned())));
        }
        if !ip.is_unspecified() {
            hosts.push(any_port(match ip {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            }));
        }
    }
    hosts
}

/// Whether only this host reaches an address.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn host_pattern(value: &Value<'_>) -> Option<HostPattern> {
    let text = value.string("a string")?;
    HostPattern::parse(&text)
        .map_err(|reason| {
            let what = format!("{} {reason}", value.shown(&text));
            value
                .error(&what, "write a host as in \"mcp.example.com\" or \"mcp.example.com:8443\"");
        })
        .ok()
}

fn origin_pattern(value: &Value<'_>) -> Option<OriginPattern> {
    let text = value.string("a string")?;
    OriginPattern::parse(&text)
        .map_err(|reason| {
            let remedy = "name the pages' origins, as in \"https://app.example.com\" or \
                          \"https://*.example.com\"";
            value.error(&format!("{} {reason}", value.shown(&text)), remedy);
        })
        .ok()
}

fn methods(reader: &mut Reader<'_>) -> Vec<String> {
    let Some(value) = reader.value("allowed_methods") else {
        return METHODS.map(str::to_owned).to_vec();
    };
    let choices = METHODS.map(|method| (method, method));
    let items = value.items("[\"POST\", \"GET\", \"OPTIONS\"]");
    items.iter().filter_map(|item| item.choice(&choices)).map(str::to_owned).collect()
}

fn headers(reader: &mut Reader<'_>) -> Vec<String> {
    let Some(value) = reader.value("allowed_headers") else {
        return HEADERS.map(str::to_owned).to_vec();
    };
    let items = value.items("[\"authorization\", \"content-type\"]");
    items.iter().filter_map(header_name).collect()
}

fn header_name(value: &Value<'_>) -> Option<String> {
    let text = value.string("a string")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(allowed) {
        let what = format!("{} is no header name", value.shown(&text));
        value.error(&what, "name each header, for example \"x-request-id\"");
        return None;
    }
    Some(text.to_ascii_lowercase())
}
