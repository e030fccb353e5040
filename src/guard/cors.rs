//! CORS (Fetch standard): what browsers are told about an origin that the gate let in. The headers
//! go on every response to such a page, errors too, or the page could not read why; but for those
//! to what has no head that could be read, which names no page.

use super::settings::HttpSurface;
use crate::proto::http1::is_token;
use crate::proto::http1::response::HeaderBlock;

/// Request headers that MCP itself needs, allowed to every allowed origin.
const MCP_REQUEST_HEADERS: &str = "accept, authorization, content-type, last-event-id, mcp-method, \
    mcp-name, mcp-protocol-version, mcp-session-id, x-api-key";
/// Response headers that a client must be able to read.
const EXPOSED_HEADERS: &str = "Mcp-Session-Id, MCP-Protocol-Version, RateLimit-Limit, \
    RateLimit-Remaining, RateLimit-Reset, Retry-After, WWW-Authenticate, X-Request-Id";

/// Prepared CORS answers of one configuration.
#[derive(Clone, Debug)]
pub struct Cors {
    methods: String,
    headers: String,
    max_age: String,
}

impl Cors {
    /// Prepares the answers.
    pub fn new(surface: &HttpSurface) -> Self {
        let mut headers = MCP_REQUEST_HEADERS.to_owned();
        for header in &surface.allowed_headers {
            if !headers.split(", ").any(|known| known.eq_ignore_ascii_case(header)) {
                headers.push_str(", ");
                headers.push_str(header);
            }
        }
        Self {
            methods: surface.allowed_methods.join(", "),
            headers,
            max_age: surface.preflight_max_age.as_secs().to_string(),
        }
    }

    /// Headers of the answer to a preflight request from `origin`.
    ///
    /// `Mcp-Param-*` names cannot be listed, so those that were asked for are repeated.
    pub fn preflight(&self, origin: &str, requested_headers: Option<&str>) -> HeaderBlock {
        let parameters = requested_headers
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|name| is_mirrored_parameter(name))
            .take(64);
        let headers = parameters.fold(self.headers.clone(), |headers, name| headers + ", " + name);
        block([
            ("Access-Control-Allow-Origin", origin),
            ("Vary", "Origin"),
            ("Access-Control-Allow-Methods", &self.methods),
            ("Access-Control-Allow-Headers", &headers),
            ("Access-Control-Max-Age", &self.max_age),
        ])
    }

    /// Headers of any other response to a page of `origin`.
    pub fn response(&self, origin: &str) -> HeaderBlock {
        block([
            ("Access-Control-Allow-Origin", origin),
            ("Vary", "Origin"),
            ("Access-Control-Expose-Headers", EXPOSED_HEADERS),
        ])
    }
}

fn block<const N: usize>(headers: [(&str, &str); N]) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in headers {
        // An origin that could not be written was refused as no origin.
        let _ = block.push(name, value.as_bytes());
    }
    block
}

fn is_mirrored_parameter(name: &str) -> bool {
    name.len() > 10
        && name.get(..10).is_some_and(|prefix| prefix.eq_ignore_ascii_case("mcp-param-"))
        && is_token(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn text(block: &HeaderBlock) -> String {
        String::from_utf8(block.as_bytes().to_vec()).unwrap()
    }

    fn cors() -> Cors {
        Cors::new(&HttpSurface {
            allowed_hosts: vec![],
            allowed_origins: vec![],
            allowed_methods: vec!["POST".into(), "GET".into(), "DELETE".into()],
            allowed_headers: vec!["authorization".into(), "x-own".into()],
            preflight_max_age: Duration::from_secs(60),
            proxies: crate::guard::proxies::Proxies::default(),
        })
    }

    #[test]
    fn a_preflight_allows_what_mcp_needs_and_what_was_configured() {
        let requested = Some("mcp-param-region, x-other, Mcp-Param-A b");
        let lines = text(&cors().preflight("https://a.b", requested));
        for expected in [
            "Access-Control-Allow-Origin: https://a.b\r\n",
            "Vary: Origin\r\n",
            "POST, GET, DELETE",
            "mcp-protocol-version, mcp-session-id, x-api-key, x-own, mcp-param-region\r\n",
            "last-event-id",
            "Access-Control-Max-Age: 60\r\n",
        ] {
            assert!(lines.contains(expected), "{expected} in {lines}");
        }
        assert!(!lines.contains("x-other") && !lines.contains("Credentials"));
    }

    #[test]
    fn a_page_can_read_the_session_and_the_challenge() {
        let lines = text(&cors().response("https://a.b"));
        assert!(lines.contains("Mcp-Session-Id") && lines.contains("WWW-Authenticate"));
    }
}
