//! Web origins and hosts of requests, parsed and compared as parts: scheme, host, port. It never
//! compares prefixes or patterns of text.

use super::settings::{HostPattern, OriginPattern, Scheme};

/// The value of an `Origin` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads a serialized origin; `None` for `null` and for everything that is not one.
    pub fn parse(value: &str) -> Option<Self> {
        // A pattern without a wildcard has the form of an origin.
        let parsed = OriginPattern::parse(value).ok()?;
        if parsed.wildcard || !(value.starts_with("http://") || value.starts_with("https://")) {
            return None;
        }
        Some(Self { scheme: parsed.scheme, host: parsed.host, port: parsed.port })
    }

    /// True if one of the patterns stands for this origin.
    pub fn is_allowed_by(&self, patterns: &[OriginPattern]) -> bool {
        patterns.iter().any(|pattern| {
            pattern.scheme == self.scheme
                && pattern.port == self.port
                && if pattern.wildcard {
                    is_subdomain(&self.host, &pattern.host)
                } else {
                    pattern.host == self.host
                }
        })
    }

    /// True if it is the page of the listener itself, reached by `host` over `scheme`.
    pub fn is_own(&self, scheme: Scheme, host: &str) -> bool {
        HostPattern::parse(host).is_ok_and(|own| {
            self.scheme == scheme
                && self.host == own.host
                && self.port == own.port.unwrap_or(scheme.port())
        })
    }
}

/// One or more whole labels before `.domain`.
fn is_subdomain(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|labels| !labels.is_empty())
}

/// True if `host` (the value of a `Host` header) is one of the hosts that are served.
pub fn is_served(host: &str, served: &[HostPattern]) -> bool {
    // A name may end with the dot of the root, before its port too.
    let rooted = host.rsplit_once(':').and_then(|(name, port)| {
        let name = name.strip_suffix('.')?;
        Some(format!("{name}:{port}"))
    });
    let host = rooted.as_deref().unwrap_or_else(|| host.strip_suffix('.').unwrap_or(host));
    let Ok(host) = HostPattern::parse(host) else { return false };
    served.iter().any(|pattern| {
        pattern.host == host.host && (pattern.port.is_none() || pattern.port == host.port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: &str, patterns: &[&str]) -> bool {
        let patterns: Vec<_> = patterns.iter().map(|p| OriginPattern::parse(p).unwrap()).collect();
        Origin::parse(origin).is_some_and(|origin| origin.is_allowed_by(&patterns))
    }

    #[test]
    fn a_wildcard_stands_for_whole_labels_of_one_scheme_and_port() {
        let patterns = ["https://*.yourdomain.com", "https://app.yourdomain.com"];
        for good in [
            "https://a.yourdomain.com",
            "https://a.b.yourdomain.com",
            "https://A.YourDomain.com",
            "https://a.yourdomain.com:443",
        ] {
            assert!(allowed(good, &patterns), "{good}");
        }
        for bad in [
            "https://evilyourdomain.com",
            "https://a.evilyourdomain.com",
            "https://a.yourdomain.com.evil.com",
            "null",
            "http://a.yourdomain.com",
            "http://a.yourdomain.com:443",
            "https://a.yourdomain.com:8443",
            "https://yourdomain.com",
            "https://.yourdomain.com",
            "https://a.yourdomain.com/",
            "https://evil.com#.yourdomain.com",
            "https://evil.com\\.yourdomain.com",
            "https://u@a.yourdomain.com",
            "https://*.yourdomain.com",
            "HTTPS://a.yourdomain.com",
            "https://a.yourdomain.com https://b.yourdomain.com",
            "",
        ] {
            assert!(!allowed(bad, &patterns), "{bad}");
        }
    }

    #[test]
    fn only_served_hosts_are_served() {
        let served: Vec<_> = ["localhost", "127.0.0.1", "[::1]", "mcp.example.com:8443"]
            .map(|p| HostPattern::parse(p).unwrap())
            .into();
        for good in [
            "localhost",
            "LOCALHOST:8443",
            "127.0.0.1:1",
            "[::1]:80",
            "mcp.example.com:8443",
            "localhost.",
            "localhost.:8443",
            "mcp.example.com.:8443",
        ] {
            assert!(is_served(good, &served), "{good}");
        }
        for bad in [
            "evil.example.com",
            "localhost.evil.com",
            "mcp.example.com",
            "mcp.example.com:80",
            "127.0.0.1.evil.com",
            "0x7f000001",
            "2130706433",
            "user@localhost",
            "",
            "localhost:",
            "localhost:99999",
            "localhost.:",
            "localhost..:80",
            "localhost.:80.",
            ".:80",
            ".",
        ] {
            assert!(!is_served(bad, &served), "{bad}");
        }
    }

    #[test]
    fn a_listener_knows_its_own_page() {
        let origin = Origin::parse("http://localhost:8080").unwrap();
        assert!(origin.is_own(Scheme::Http, "localhost:8080"));
        assert!(!origin.is_own(Scheme::Https, "localhost:8080"));
        assert!(!origin.is_own(Scheme::Http, "localhost"));
    }
}
