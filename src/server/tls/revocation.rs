//! Certificate revocation lists (RFC 5280 section 5): read from files, given to TLS for new
//! connections, and asked again for each request of those that are open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;
use webpki::{CertRevocationList, OwnedCertRevocationList};

use crate::guard::authn::certificate::{Revocations, issuer_id};
use crate::server::builder::StartError;

/// The lists of a configuration.
#[derive(Debug)]
struct Lists(Vec<(String, CertRevocationList<'static>)>);

impl Revocations for Lists {
    fn is_revoked(&self, issuer: &str, serial: &[u8]) -> bool {
        // A list that cannot be read has not become one; what it says of a serial may be odd.
        let says = |list: &CertRevocationList<'_>| !matches!(list.find_serial(serial), Ok(None));
        self.0.iter().any(|(by, list)| by == issuer && says(list))
    }
}

/// The lists in some PEM files, in DER.
pub(super) fn read(
    files: &[PathBuf],
) -> Result<Vec<CertificateRevocationListDer<'static>>, StartError> {
    let mut lists = Vec::new();
    for path in files {
        let problem = |what: &str| StartError::Tls(format!("{}: {what}", path.display()));
        let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| problem(&format!("no revocation lists in PEM: {error:?}")));
        let found = found?;
        if found.is_empty() {
            return Err(problem("holds no revocation list"));
        }
        for list in &found {
            parse(path, list)?;
        }
        lists.extend(found);
    }
    Ok(lists)
}

/// The same, to be asked about single certificates; `None` if there are none.
pub(in crate::server) fn load(
    files: &[PathBuf],
) -> Result<Option<Arc<dyn Revocations>>, StartError> {
    let mut lists = Vec::new();
    for der in read(files)? {
        let list = parse(Path::new("tls.crlfiles"), &der)?;
        lists.push((issuer_id(list.issuer()), list));
    }
    Ok(if lists.is_empty() { None } else { Some(Arc::new(Lists(lists))) })
}

fn parse(
    path: &Path,
    der: &CertificateRevocationListDer<'_>,
) -> Result<CertRevocationList<'static>, StartError> {
    let list = OwnedCertRevocationList::from_der(der.as_ref());
    let list = list.map_err(|error| {
        StartError::Tls(format!("{}: no revocation list: {error}", path.display()))
    })?;
    Ok(CertRevocationList::Owned(list))
}
