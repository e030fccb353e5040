//! Configurations: every text is read or refused with a reason, and no message shows what a
//! variable or a file holds.

use std::path::Path;

use erlmcp::config::{FileError, FileFacts, FileKind, Sources, VariableError, parse};

/// What every variable and file holds.
const SECRET: &str = "Zq7-never-to-be-seen-Zq7-0123456789";

/// A world in which everything that is asked for is there.
struct World;

impl Sources for World {
    fn variable(&self, name: &str) -> Result<String, VariableError> {
        if name.starts_with("NO") { Err(VariableError::Unset) } else { Ok(SECRET.to_owned()) }
    }

    fn read(&self, path: &Path) -> Result<(String, FileFacts), FileError> {
        Ok((SECRET.to_owned(), self.facts(path)?))
    }

    fn facts(&self, path: &Path) -> Result<FileFacts, FileError> {
        if path.ends_with("absent") {
            return Err(FileError::Missing);
        }
        Ok(FileFacts { kind: FileKind::Regular, mode: 0o600, owner: 0 })
    }

    fn user(&self) -> u32 {
        0
    }
}

/// The text of a configuration.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let shown = match parse(text, "fuzz.toml", &World) {
        Ok(settings) => format!("{:?}", settings.warnings),
        Err(problems) => {
            assert!(!problems.errors().is_empty(), "refused without a reason");
            format!("{problems} {problems:?}")
        }
    };
    assert!(!shown.contains(SECRET) || text.contains(SECRET), "a message shows a secret: {shown}");
}
