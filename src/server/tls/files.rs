//! Whether the files behind TLS have changed: certificates are renewed and revocation lists
//! published by other programs, which do not tell.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::connection::settings::{CertificateFiles, TlsIdentity, TlsSettings};

/// What of a file changes with its content, its owner and who may read it: where it lies, its
/// length and when any of these was changed.
type Stamp = (u64, u64, u64, i64, i64);

/// The files, as they were when they were looked at last.
#[derive(Debug, Default)]
pub(in crate::server) struct TlsFiles(Vec<(PathBuf, Option<Stamp>)>);

impl TlsFiles {
    /// The files of these settings, to be called before they are read.
    pub(in crate::server) fn of(settings: Option<&TlsSettings>) -> Self {
        let Some(settings) = settings else { return Self::default() };
        let own = match &settings.identity {
            TlsIdentity::Files(files) => Some(files),
            TlsIdentity::Generated { .. } => None,
        };
        let own = own.into_iter().chain(&settings.further).flat_map(|files| {
            let CertificateFiles { certificate_chain, private_key, ocsp_response } = files;
            [certificate_chain, private_key].into_iter().chain(ocsp_response)
        });
        let all = own.chain(&settings.client_authorities).chain(&settings.revocation_lists);
        Self(all.map(|path| (path.clone(), stamp(path))).collect())
    }

    pub(in crate::server) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Looks again; true if one has changed since.
    pub(in crate::server) fn have_changed(&mut self) -> bool {
        let mut have_changed = false;
        for (path, known) in &mut self.0 {
            let found = stamp(path);
            have_changed |= found != *known;
            *known = found;
        }
        have_changed
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let facts = fs::metadata(path).ok()?;
    Some((facts.dev(), facts.ino(), facts.len(), facts.ctime(), facts.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_written_replaced_or_removed_has_changed_once() {
        let name = format!("erlmcp-tls-files-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("list");
        let mut files = TlsFiles(vec![(path.clone(), stamp(&path))]);
        assert!(!files.have_changed(), "it is not there, as before");
        fs::write(&path, "1").unwrap();
        assert!(files.have_changed());
        assert!(!files.have_changed());
        let other = directory.join("other");
        fs::write(&other, "2").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(files.have_changed(), "one that was written earlier stands in its place");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(files.have_changed(), "others may read it");
        fs::remove_file(&path).unwrap();
        assert!(files.have_changed());
        fs::remove_dir(directory).unwrap();
    }
}
