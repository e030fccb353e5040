//! How callers learn where to get a token: the challenge of a refusal (RFC 6750 section 3,
//! RFC 9728 section 5.1) and the metadata of the resource (RFC 9728 section 3). All of it is
//! configured; nothing of a request is repeated here.

use serde_json::{Value, json};

use super::refusal::Refusal;

/// Where the metadata of a resource is, before its path (RFC 9728 section 3.1).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The endpoint as a protected resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    /// Its public URL.
    pub url: String,
    /// What a person may call it.
    pub name: String,
    /// The issuers that give tokens for it.
    pub authorization_servers: Vec<String>,
    /// The scopes that a token may have.
    pub scopes: Vec<String>,
    /// Whether tokens are bound to certificates (RFC 8705).
    pub has_bound_tokens: bool,
}

impl ProtectedResource {
    /// Its metadata document (RFC 9728 section 2).
    pub fn metadata(&self) -> Vec<u8> {
        let mut document = json!({
            "resource": self.url,
            "authorization_servers": self.authorization_servers,
            "bearer_methods_supported": ["header"],
            "resource_name": self.name,
        });
        if let Some(members) = document.as_object_mut() {
            if !self.scopes.is_empty() {
                members.insert("scopes_supported".into(), self.scopes.clone().into());
            }
            if self.has_bound_tokens {
                let key = "tls_client_certificate_bound_access_tokens";
                members.insert(key.into(), Value::Bool(true));
            }
        }
        document.to_string().into_bytes()
    }

    /// The path of its public URL, without a slash at the end.
    pub fn path(&self) -> &str {
        let (_, path) = split(&self.url);
        path
    }

    /// The URL of its metadata: the path of the resource stands behind the well-known one.
    pub fn metadata_url(&self) -> String {
        let (origin, path) = split(&self.url);
        format!("{origin}{WELL_KNOWN}{path}")
    }
}

/// A URL without query: its origin and its path without a slash at the end.
fn split(url: &str) -> (&str, &str) {
    let scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(scheme..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| scheme + at);
    let (origin, path) = url.split_at_checked(end).unwrap_or((url, ""));
    (origin, path.trim_end_matches('/'))
}

/// What `WWW-Authenticate` says.
#[derive(Clone, Debug, Default)]
pub struct Challenge {
    /// What all of them have in common.
    common: String,
    /// The scope that a first token should have.
    scope: Option<String>,
}

impl Challenge {
    /// The challenges of an endpoint.
    pub fn new(resource: Option<&ProtectedResource>, first_scope: Option<&str>) -> Self {
        let mut common = "Bearer realm=\"erlmcp\"".to_owned();
        if let Some(resource) = resource {
            common.push_str(&format!(", resource_metadata=\"{}\"", resource.metadata_url()));
        }
        Self { common, scope: first_scope.map(str::to_owned) }
    }

    /// The value for a refusal; `None` for one that a token does not help against.
    pub fn value(&self, refusal: &Refusal) -> Option<String> {
        let error = match refusal {
            Refusal::NoCredentials => String::new(),
            Refusal::BadCredentials("token_expired") => {
                ", error=\"invalid_token\", error_description=\"The token has expired\"".to_owned()
            }
            Refusal::BadCredentials(_) => ", error=\"invalid_token\"".to_owned(),
            Refusal::InsufficientScope(scopes) => {
                let error = ", error=\"insufficient_scope\"";
                return Some(format!("{}{error}, scope=\"{scopes}\"", self.common));
            }
            _ => return None,
        };
        let scope = self.scope.as_ref().map(|scope| format!(", scope=\"{scope}\""));
        Some(format!("{}{error}{}", self.common, scope.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(url: &str) -> ProtectedResource {
        ProtectedResource {
            url: url.into(),
            name: "erlmcp".into(),
            authorization_servers: vec!["https://auth.example.com".into()],
            scopes: vec!["mcp:read".into()],
            has_bound_tokens: false,
        }
    }

    #[test]
    fn the_well_known_path_stands_before_the_path_of_the_resource() {
        for (url, expected) in [
            ("https://a.example/mcp", "https://a.example/.well-known/oauth-protected-resource/mcp"),
            ("https://a.example", "https://a.example/.well-known/oauth-protected-resource"),
            ("https://a.example/", "https://a.example/.well-known/oauth-protected-resource"),
            (
                "https://a.example:8443/x/mcp/",
                "https://a.example:8443/.well-known/oauth-protected-resource/x/mcp",
            ),
        ] {
            assert_eq!(resource(url).metadata_url(), expected);
        }
    }

    #[test]
    fn a_challenge_says_where_to_get_what() {
        let resource = resource("https://a.example/mcp");
        let challenge = Challenge::new(Some(&resource), Some("mcp:read"));
        let value = |refusal| challenge.value(&refusal).unwrap_or_default();
        assert_eq!(
            value(Refusal::NoCredentials),
            "Bearer realm=\"erlmcp\", resource_metadata=\"https://a.example/.well-known/\
             oauth-protected-resource/mcp\", scope=\"mcp:read\""
        );
        assert!(value(Refusal::BadCredentials("x")).contains(", error=\"invalid_token\", scope="));
        let more = value(Refusal::InsufficientScope("mcp:read mcp:delete".into()));
        assert!(more.contains("error=\"insufficient_scope\", scope=\"mcp:read mcp:delete\""));
        assert_eq!(challenge.value(&Refusal::NoSession), None);
        let plain = Challenge::new(None, None).value(&Refusal::NoCredentials);
        assert_eq!(plain.as_deref(), Some("Bearer realm=\"erlmcp\""));
    }
}
