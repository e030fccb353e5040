//! What the first start makes, so that a server without configuration is secure: an API key, shown
//! once and kept as a hash.

use std::path::PathBuf;

use super::builder::StartError;
use super::material::StateDirectory;
use crate::guard::authn::api_key::{generate, parse_stored_form, stored_form};
use crate::guard::settings::{ApiKey, KeyCredential};

const FILE: &str = "api_key.hash";
const USER: &str = "admin";
const ROLE: &str = "admin";

/// The API key of the embedded default.
#[derive(Debug)]
pub struct FirstKey {
    credential: KeyCredential,
    shown: Option<String>,
    file: PathBuf,
}

impl FirstKey {
    /// Reads the stored hash, or makes a key and stores its hash.
    pub(super) fn load_or_make(state: &StateDirectory) -> Result<Self, StartError> {
        let file = state.file(FILE);
        if let Some(text) = state.read(FILE)? {
            let credential = parse_stored_form(text.trim()).ok_or_else(|| {
                StartError::Tls(format!(
                    "{}: this is not the hash of a key; remove the file to get a new key",
                    file.display()
                ))
            })?;
            return Ok(Self { credential, shown: None, file });
        }
        let key = generate()?;
        let stored = stored_form(&key)?;
        state.write(FILE, &format!("{stored}\n"))?;
        let credential = parse_stored_form(&stored)
            .ok_or_else(|| StartError::Tls("the new key could not be read back".into()))?;
        Ok(Self { credential, shown: Some(key), file })
    }

    /// The key itself, if it was made just now; it cannot be had again.
    pub fn shown(&self) -> Option<&str> {
        self.shown.as_deref()
    }

    /// The file that holds its hash.
    pub fn file(&self) -> &std::path::Path {
        &self.file
    }

    pub(super) fn entry(&self) -> ApiKey {
        ApiKey {
            credential: self.credential.clone(),
            user: USER.into(),
            label: Some("first start".into()),
            networks: Vec::new(),
            roles: vec![ROLE.into()],
            expires: None,
        }
    }
}
