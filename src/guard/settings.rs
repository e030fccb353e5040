//! What the guards are told: plain data, checked before it is built; it must never hold state.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv6Addr;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;

use crate::base::secret::Secret;
use crate::base::wildcard::Wildcard;
use crate::guard::authn::certificate::Mtls;
use crate::guard::authn::introspection::IntrospectionSettings;
use crate::guard::authn::jwt::Issuer;
use crate::guard::authz::rule::Rule;
use crate::guard::proxies::Proxies;
use crate::mcp::methods::Permission;

/// Which hosts a request may name, and which web pages may send one.
#[derive(Clone, Debug)]
pub struct HttpSurface {
    /// Values of `Host` that are answered: the listener's own names and the configured ones.
    pub allowed_hosts: Vec<HostPattern>,
    /// Origins of web pages that may call; default none, and none means no page may.
    pub allowed_origins: Vec<OriginPattern>,
    /// Methods a preflight answer names; default POST, GET, DELETE, OPTIONS.
    pub allowed_methods: Vec<String>,
    /// Request headers a preflight answer names, lower case, besides those of MCP itself;
    /// default `authorization` and `content-type`.
    pub allowed_headers: Vec<String>,
    /// How long a browser may keep a preflight answer; default 24 hours.
    pub preflight_max_age: Duration,
    /// Who may say on whose behalf a request comes; default nobody.
    pub proxies: Proxies,
}

/// Where the parts of an HTTP listener are, each without a slash at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Streamable HTTP.
    pub endpoint: Option<String>,
    /// The transport of 2024-11-05, HTTP with server-sent events.
    pub events: Option<String>,
    /// WebSocket.
    pub websocket: Option<String>,
}

/// A host that `Host` may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// The name or address in lower case; an IPv6 address stands in brackets.
    pub host: String,
    /// The only port that is meant; `None` means any.
    pub port: Option<u16>,
}

/// Web origins that are allowed: one, or every subdomain of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// The scheme of the origin.
    pub scheme: Scheme,
    /// Whether `host` stands for its subdomains (at any depth) and not for itself.
    pub wildcard: bool,
    /// The name or address in lower case, without `*.`; an IPv6 address stands in brackets.
    pub host: String,
    /// The port; where none was written, the scheme's own.
    pub port: u16,
}

/// The schemes a web origin can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, port 80.
    Http,
    /// `https`, port 443.
    Https,
}

/// Why a text is no host or origin pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// The pattern allows everything.
    Everything,
    /// The scheme is missing or is neither `http` nor `https`.
    Scheme,
    /// A path, query, fragment or user name follows or precedes the host.
    MoreThanHost,
    /// `*` stands elsewhere than as the whole first label.
    Wildcard,
    /// Too few labels follow `*.`, so that a whole top-level domain would be allowed.
    WideWildcard,
    /// The host is not a name of letters, digits and hyphens, nor an address.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
}

impl fmt::Display for PatternError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Everything => "would allow everyone",
            Self::Scheme => "does not begin with https:// or http://",
            Self::MoreThanHost => "has more than a scheme, a host and a port",
            Self::Wildcard => "has a `*` that is not the whole first label",
            Self::WideWildcard => "has fewer than two labels after `*.`",
            Self::Host => "has no valid host (letters, digits, hyphens, or an IP address)",
            Self::Port => "has a port that is not from 1 to 65535",
        })
    }
}

impl OriginPattern {
    /// Reads `scheme://host[:port]`, the serialization of an origin (RFC 6454 section 6.2), where
    /// the first label of the host may be `*`.
    ///
    /// # Errors
    /// What keeps the text from being such a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Err(PatternError::Everything);
        }
        let (scheme, rest) = text.split_once("://").ok_or(PatternError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(PatternError::Scheme),
        };
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(PatternError::MoreThanHost);
        }
        if rest == "*" || rest.starts_with("*:") {
            return Err(PatternError::Everything);
        }
        let (wildcard, rest) = match rest.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, rest),
        };
        if rest.contains('*') {
            return Err(PatternError::Wildcard);
        }
        let HostPattern { host, port } = HostPattern::parse(rest)?;
        if wildcard && !names_a_subdomain_holder(&host) {
            return Err(PatternError::WideWildcard);
        }
        Ok(Self { scheme, wildcard, host, port: port.unwrap_or(scheme.port()) })
    }
}

impl Scheme {
    /// The port that is meant where none is written.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl HostPattern {
    /// Reads `host[:port]`, as in the `Host` header (RFC 9110 section 7.2).
    ///
    /// # Errors
    /// What keeps the text from being such a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.contains(['/', '?', '#', '@', '\\']) {
            return Err(PatternError::MoreThanHost);
        }
        if text == "*" {
            return Err(PatternError::Everything);
        }
        if text.contains('*') {
            return Err(PatternError::Wildcard);
        }
        let text = text.to_ascii_lowercase();
        let (host, port) = match text.rsplit_once(':') {
            // The colons of a bracketed address end before the bracket does.
            Some((_, tail)) if tail.ends_with(']') => (text.as_str(), None),
            Some((host, port)) => (host, Some(parse_port(port)?)),
            None => (text.as_str(), None),
        };
        if !is_host(host) {
            return Err(PatternError::Host);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

fn parse_port(text: &str) -> Result<u16, PatternError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(PatternError::Port),
    }
}

/// Whether `host` is a lower-case name (RFC 1123 section 2.1) or an IP address.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(allowed)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn names_a_subdomain_holder(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    host.contains('.') && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// How callers of network transports prove who they are.
#[derive(Clone, Debug)]
pub struct Authentication {
    /// Whether a caller must prove its identity; default true where a network transport is.
    pub enabled: bool,
    /// The accepted proofs; default API keys.
    pub methods: Vec<AuthenticationMethod>,
    /// The keys that are known; default none.
    pub api_keys: Vec<ApiKey>,
    /// Whose tokens are taken; default nobody's.
    pub jwt: Option<Jwt>,
    /// Who is asked about tokens; default nobody.
    pub oauth2: Option<IntrospectionSettings>,
    /// Whom certificates of clients stand for; default nobody.
    pub mtls: Option<Mtls>,
    /// The issuers that clients are sent to.
    pub authorization_servers: Vec<String>,
}

/// Whose JSON Web Tokens are taken.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// The issuers, each with its keys.
    pub issuers: Vec<Issuer>,
    /// How far the clock of an issuer may be off; default 30 seconds.
    pub leeway: Duration,
}

/// A way to prove an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationMethod {
    /// A secret that stands for one user.
    ApiKey,
    /// A token that an issuer has signed.
    Jwt,
    /// A token that its issuer is asked about.
    OAuth2,
    /// A certificate of the client.
    Mtls,
}

/// One API key and whom it stands for.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// What a presented key is compared with.
    pub credential: KeyCredential,
    /// The user who presents this key.
    pub user: String,
    /// A public name of this key for audit records; default none.
    pub label: Option<String>,
    /// Roles of this key; where empty, those of the user.
    pub roles: Vec<String>,
    /// Where it may be used from; default and empty from everywhere.
    pub networks: Vec<IpNet>,
    /// From when on the key is refused; default never.
    pub expires: Option<SystemTime>,
}

/// The stored side of an API key.
#[derive(Clone, Debug)]
pub enum KeyCredential {
    /// The key itself.
    Plain(Secret),
    /// SHA-256 over the salt followed by the key.
    Sha256 {
        /// 8 to 64 random bytes.
        salt: Vec<u8>,
        /// The digest.
        digest: [u8; 32],
    },
}

/// Where roles stand in the configuration.
#[derive(Clone, Default)]
pub struct Lines(pub BTreeMap<String, usize>);

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

/// Which user may do what.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// Whether permissions are asked at all; default true.
    pub enabled: bool,
    /// The role of a user who is given none; default `guest`.
    pub default_role: String,
    /// The permissions of each role; default guest, user and admin.
    pub roles: BTreeMap<String, BTreeSet<Permission>>,
    /// The roles of each user; default none.
    pub user_roles: BTreeMap<String, Vec<String>>,
    /// What the scopes of a token allow; default none, and then scopes are not asked for.
    pub scopes: BTreeMap<String, BTreeSet<Permission>>,
    /// Rules beyond roles; default none.
    pub rules: Vec<Rule>,
    /// The lines of the configuration on which roles stand; none for those that are built in.
    pub lines: Lines,
}

/// How many requests are answered, and when a guesser is locked out.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimiting {
    /// Whether requests are counted at all; default true.
    pub enabled: bool,
    /// Requests per second of one caller that are let through for ever; default 10.
    pub max_attempts_per_second: f64,
    /// Requests a rested caller may send at once; default `max_attempts_per_second`, rounded up.
    pub burst: u32,
    /// Requests per second of one address; default ten times `max_attempts_per_second`.
    pub address_attempts_per_second: f64,
    /// Failed authentications before a lockout; default 5.
    pub max_failures: u32,
    /// How long a lockout lasts; default 5 minutes.
    pub block_duration: Duration,
    /// The wait after the first, second, … failure; the last one repeats. Default 0 to 16 s.
    pub backoff_levels: Vec<Duration>,
    /// Networks that are not counted; default none.
    pub exempt_networks: Vec<IpNet>,
    /// Requests per second of a caller with this role, in place of `max_attempts_per_second`;
    /// of several the highest. Default none.
    pub roles: BTreeMap<String, f64>,
    /// Calls per second that one caller may make of tools; default none.
    pub tools: Vec<(Wildcard, f64)>,
    /// Requests per second that one caller may make of methods; default none.
    pub methods: Vec<(Wildcard, f64)>,
    /// Failed authentications in a minute, of all sources together, from which on each costs the
    /// longest wait of `backoff_levels` at once; 0 for no bound, default 100.
    pub max_failures_per_minute: u32,
    /// Whether answers say what is left; default true.
    pub limit_headers: bool,
}

impl Default for RateLimiting {
    fn default() -> Self {
        Self {
            enabled: true,
            max_attempts_per_second: 10.0,
            burst: 10,
            address_attempts_per_second: 100.0,
            max_failures: 5,
            block_duration: Duration::from_secs(300),
            backoff_levels: [0, 1, 2, 4, 8, 16].map(Duration::from_secs).into(),
            exempt_networks: Vec::new(),
            roles: BTreeMap::new(),
            tools: Vec::new(),
            methods: Vec::new(),
            max_failures_per_minute: 100,
            limit_headers: true,
        }
    }
}

/// The bounds of one message.
#[derive(Clone, Debug)]
pub struct Validation {
    /// Whether arguments of a tool are checked against its schema; default true.
    pub json_schema: bool,
    /// The longest message in bytes; default 10 MiB.
    pub max_message_size: usize,
    /// The deepest nesting of a message; default 64.
    pub max_depth: usize,
    /// The most values in a message; default 100 000.
    pub max_nodes: usize,
    /// Whether results of the server's own tools are checked against their schema; default true.
    pub output_schema: bool,
    /// Whether arguments that a tool's schema does not name are refused where it leaves them open;
    /// default false.
    pub reject_unknown_arguments: bool,
    /// The schemes of URIs that clients may ask for; default all.
    pub uri_schemes: Option<Vec<String>>,
}

/// Headers that tell a browser to distrust a response.
#[derive(Clone, Debug)]
pub struct SecurityHeaders {
    /// Name in lower case and value of each header that is sent; empty if they are disabled.
    pub fields: Vec<(&'static str, String)>,
}

#[cfg(test)]
mod tests;
