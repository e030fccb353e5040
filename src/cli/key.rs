//! `erlmcp key`: API keys and their hashes.

use std::io::{self, Read as _};
use std::process::ExitCode;

use super::{complain, say};
use crate::guard::authn::api_key::{generate, stored_form};

/// Longest key that is hashed, in bytes.
const LONGEST: u64 = 4_096;
/// A key shorter than this can be guessed.
const SHORTEST: usize = 16;

/// Makes a key and prints it with its hash.
pub(super) fn new() -> ExitCode {
    let made = generate().and_then(|key| Ok((stored_form(&key)?, key)));
    match made {
        Ok((hash, key)) => say(&format!(
            "key  = \"{key}\"\nhash = \"{hash}\"\n\n\
             Give the key to the client; it is not stored. Put the hash into the configuration:\n\n\
             [authentication]\napi_keys = [{{ hash = \"{hash}\", user = \"NAME\" }}]\n"
        )),
        Err(error) => {
            complain(&format!("erlmcp: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Reads a key and prints its hash.
pub(super) fn hash() -> ExitCode {
    let mut key = String::new();
    if let Err(error) = io::stdin().lock().take(LONGEST).read_to_string(&mut key) {
        complain(&format!("erlmcp: the key cannot be read: {error}"));
        return ExitCode::FAILURE;
    }
    let key = key.trim_end_matches(['\r', '\n']);
    if key.len() < SHORTEST || !key.bytes().all(|b| matches!(b, 0x21..=0x7e)) {
        complain(&format!(
            "erlmcp: a key has at least {SHORTEST} visible ASCII characters and no spaces; \
             `erlmcp key new` makes a good one"
        ));
        return ExitCode::FAILURE;
    }
    match stored_form(key) {
        Ok(hash) => say(&format!("{hash}\n")),
        Err(error) => {
            complain(&format!("erlmcp: {error}"));
            ExitCode::FAILURE
        }
    }
}
