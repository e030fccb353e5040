//! The headers that every response carries, made once per configuration. It looks at no request.

use super::settings::SecurityHeaders;
use crate::proto::http1::response::HeaderBlock;

/// The block for responses over TLS or, without HSTS (RFC 6797 §7.2), over plain HTTP.
pub fn security_headers(settings: &SecurityHeaders, tls: bool) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    let fields = settings.fields.iter().filter(|(name, _)| tls || !is_hsts(name));
    for (name, value) in fields {
        // The configuration has refused every value that cannot be written.
        let _ = block.push(name, value.as_bytes());
    }
    let _ = block.push("cache-control", b"no-store");
    block
}

fn is_hsts(name: &str) -> bool {
    name.eq_ignore_ascii_case("strict-transport-security")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transport_security_is_promised_only_over_tls() {
        let settings = SecurityHeaders {
            fields: vec![
                ("strict-transport-security", "max-age=1".into()),
                ("x-frame-options", "DENY".into()),
            ],
        };
        let text =
            |tls| String::from_utf8(security_headers(&settings, tls).as_bytes().to_vec()).unwrap();
        assert!(text(true).contains("strict-transport-security: max-age=1\r\n"));
        assert!(!text(false).contains("strict-transport-security"));
        assert!(text(false).contains("x-frame-options: DENY\r\n"));
    }
}
