//! Tests of the whole reading; they must never need a real environment.

mod bad_input;
mod files;
mod good_input;
mod shipped;

use std::collections::BTreeMap;
use std::path::Path;

use super::{
    Configuration, FileError, FileFacts, FileKind, Problems, Sources, VariableError, parse,
};

/// A world of some variables and files.
#[derive(Default)]
struct World {
    variables: BTreeMap<&'static str, &'static str>,
    files: BTreeMap<&'static str, (&'static str, FileFacts)>,
}

const USER: u32 = 1000;

impl World {
    fn with_variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.insert(name, value);
        self
    }

    fn with_file(mut self, path: &'static str, mode: u32, text: &'static str) -> Self {
        let facts = FileFacts { kind: FileKind::Regular, mode, owner: USER };
        self.files.insert(path, (text, facts));
        self
    }

    fn with_directory(mut self, path: &'static str, mode: u32) -> Self {
        let facts = FileFacts { kind: FileKind::Directory, mode, owner: 0 };
        self.files.insert(path, ("", facts));
        self
    }
}

impl Sources for World {
    fn variable(&self, name: &str) -> Result<String, VariableError> {
        self.variables.get(name).map(|value| (*value).to_owned()).ok_or(VariableError::Unset)
    }

    fn read(&self, path: &Path) -> Result<(String, FileFacts), FileError> {
        let facts = self.facts(path)?;
        let text = self.files.get(path.to_str().unwrap()).map(|(text, _)| (*text).to_owned());
        text.map(|text| (text, facts)).ok_or(FileError::Missing)
    }

    fn facts(&self, path: &Path) -> Result<FileFacts, FileError> {
        self.files.get(path.to_str().unwrap()).map(|(_, facts)| *facts).ok_or(FileError::Missing)
    }

    fn user(&self) -> u32 {
        USER
    }
}

fn world() -> World {
    World::default()
        .with_variable("GOOD_KEY", "0123456789abcdef0123456789abcdef")
        .with_variable("EMPTY", "")
        .with_variable("UNREPLACED", "${KEY_OF_COMPOSE}")
        .with_variable("DOLLAR", "$ecretfromenvironment")
        .with_file("/usr/bin/df", 0o755, "")
        .with_file("/usr/bin/data", 0o644, "")
        .with_file("/usr/bin/open", 0o777, "")
        .with_file("/run/key", 0o600, "fedcba9876543210fedcba9876543210\n")
        .with_file("/run/open-key", 0o644, "fedcba9876543210fedcba9876543210")
        .with_file("/run/written-key", 0o660, "fedcba9876543210fedcba9876543210")
        .with_file("/etc/server.crt", 0o644, "")
        .with_file("/etc/server.key", 0o600, "")
        .with_file("/etc/open.key", 0o640, "")
        .with_file("/etc/title", 0o644, "A title\r\n")
        .with_file("/open/title", 0o644, "A title")
        .with_directory("/open", 0o777)
        .with_file("/etc/array.json", 0o644, r#"{"type":"array"}"#)
        .with_file("/etc/broken.json", 0o644, r#"{"type":"#)
        .with_file("/etc/object.json", 0o644, r#"{"type":"object","properties":{"x":{}}}"#)
}

fn read(text: &str) -> Result<Configuration, Problems> {
    parse(text, "e.toml", &world())
}

/// Reads a text that is only wrong where a test makes it so: stdio is a transport.
fn read_with_stdio(text: &str) -> Result<Configuration, Problems> {
    read(&format!("transports.stdio = {{}}\n{text}"))
}

fn good(text: &str) -> Configuration {
    read_with_stdio(text).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

fn warnings(configuration: &Configuration) -> Vec<String> {
    configuration.warnings.iter().map(ToString::to_string).collect()
}
