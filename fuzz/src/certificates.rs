//! Certificates of clients: whatever is read in one stands in it, byte for byte.

use erlmcp::guard::authn::certificate::describe::describe;
use erlmcp::guard::authn::certificate::{ClientCertificate, NameKind, ParsedCertificate};

/// A certificate in DER.
pub fn certificates(data: &[u8]) {
    let stands_in_it =
        |bytes: &[u8]| bytes.is_empty() || data.windows(bytes.len()).any(|window| window == bytes);
    assert_eq!(ClientCertificate::new(data).thumbprint().len(), 32);
    let described = describe(data);
    let Some(parsed) = ParsedCertificate::parse(data) else {
        return assert_eq!(described, None);
    };
    assert!(stands_in_it(&parsed.serial) && stands_in_it(&parsed.issuer));
    for kind in [NameKind::Uri, NameKind::Dns, NameKind::Email, NameKind::CommonName] {
        for name in parsed.names_of(kind) {
            assert!(stands_in_it(name.as_bytes()), "{name:?}");
        }
    }
}
