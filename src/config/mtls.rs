//! Reads `[authentication.mtls]`: whose certificates are proofs, and whom they stand for.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::role;
use super::reader::Reader;
use crate::base::wildcard::Wildcard;
use crate::guard::authn::certificate::{Identity, Mtls, NameKind};
use crate::mcp::methods::Permission;

const KINDS: [(&str, NameKind); 4] = [
    ("san_uri", NameKind::Uri),
    ("san_dns", NameKind::Dns),
    ("san_email", NameKind::Email),
    ("subject_cn", NameKind::CommonName),
];
/// Most entries of a table of names.
const MOST_IDENTITIES: usize = 10_000;

/// Reads `[authentication.mtls]`; `None` if nobody wants it.
pub(super) fn read(
    reader: &mut Reader<'_>,
    roles: &BTreeMap<String, BTreeSet<Permission>>,
    is_wanted: bool,
) -> Option<Mtls> {
    let is_present = reader.is_present();
    let kinds = reader.value("identity").map(|value| {
        let items = value.items("[\"san_uri\"]");
        if items.is_empty() && value.value.is_array() {
            value.error("names no kind of name", "write for example identity = [\"san_uri\"]");
        }
        items.iter().filter_map(|item| item.choice(&KINDS)).collect()
    });
    // A common name may be anything, and is looked at only by who wants it.
    let kinds = kinds.unwrap_or_else(|| vec![NameKind::Uri, NameKind::Dns, NameKind::Email]);
    let user_prefix = reader.string("user_prefix").unwrap_or_default();
    let identities = reader.tables("identities", |reader| {
        let name = reader.required("match", "\"spiffe://example.org/robots/*\"");
        let name = name.and_then(|value| value.string("a string"));
        let user = reader.string("user");
        let given = reader.items("roles", "[\"user\"]");
        let given = given.iter().filter_map(|item| role(item, roles)).collect();
        Some(Identity { name: Wildcard::new(&name?), user, roles: given })
    });
    if identities.len() > MOST_IDENTITIES {
        reader.error("has too many identities", "use `*` in their names");
    }
    (is_wanted || is_present).then_some(Mtls { kinds, identities, user_prefix })
}
