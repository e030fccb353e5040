//! Who may write a configuration and read its secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::{FileError, Sources, SystemSources, load};
use super::{World, good, read_with_stdio, world};

const STDIO: &str = "[transports.stdio]\n";

fn load_file(mode: u32, directory_mode: u32) -> Result<Vec<String>, String> {
    let world = World::default()
        .with_file("/etc/erlmcp/e.toml", mode, STDIO)
        .with_directory("/etc/erlmcp", directory_mode);
    load(Path::new("/etc/erlmcp/e.toml"), &world)
        .map(|settings| super::warnings(&settings))
        .map_err(|problems| problems.to_string())
}

#[test]
fn a_configuration_that_everyone_may_write_is_refused() {
    assert_eq!(load_file(0o644, 0o755), Ok(Vec::new()));
    assert_eq!(
        load_file(0o666, 0o755).unwrap_err(),
        "/etc/erlmcp/e.toml: the file may be written by everyone (mode 666); \
         run chmod 640 /etc/erlmcp/e.toml"
    );
}

#[test]
fn a_configuration_in_a_directory_that_everyone_may_write_is_refused() {
    assert_eq!(
        load_file(0o600, 0o777).unwrap_err(),
        "/etc/erlmcp/e.toml: its directory may be written by everyone (mode 777); \
         run chmod o-w /etc/erlmcp"
    );
    assert_eq!(load_file(0o600, 0o1777), Ok(Vec::new()));
}

#[test]
fn a_configuration_that_its_group_may_write_is_told() {
    let expected = "/etc/erlmcp/e.toml: the file may be written by its group (mode 660); \
                    run chmod g-w /etc/erlmcp/e.toml";
    assert_eq!(load_file(0o660, 0o755), Ok(vec![expected.to_owned()]));
}

#[test]
fn rights_and_contents_are_told_together() {
    let world = World::default().with_file("/e.toml", 0o666, "[log]\nlevel = 1\n");
    let problems = load(Path::new("/e.toml"), &world).unwrap_err();
    assert_eq!(problems.errors().len(), 3, "{problems}");
}

#[test]
fn a_configuration_that_is_not_there_is_told_by_name() {
    let problems = load(Path::new("/nowhere.toml"), &World::default()).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "/nowhere.toml: the file does not exist; give the path of a configuration file"
    );
}

fn key_from(path: &str) -> Result<(), String> {
    let text = format!(
        "[authentication]\nenabled = false\n\
         api_keys = [{{ key = {{ file = {path:?} }}, user = \"a\" }}]"
    );
    read_with_stdio(&text).map(drop).map_err(|problems| problems.to_string())
}

#[test]
fn a_key_is_read_only_from_a_file_of_its_owner() {
    assert_eq!(key_from("/run/key"), Ok(()));
    assert_eq!(
        key_from("/run/open-key").unwrap_err(),
        "e.toml:4: authentication.api_keys[0].key: the file /run/open-key may be read by others \
         than its owner (mode 644); run chmod 600 /run/open-key"
    );
    assert_eq!(
        key_from("/run/written-key").unwrap_err(),
        "e.toml:4: authentication.api_keys[0].key: the file /run/written-key may be written by \
         others than its owner (mode 660); run chmod 600 /run/written-key"
    );
}

#[test]
fn a_text_is_read_from_a_file_that_not_everyone_may_replace() {
    let title = good("server.title = { file = \"/etc/title\" }").server.title;
    assert_eq!(title.as_deref(), Some("A title"));
    let problems = read_with_stdio("server.title = { file = \"/open/title\" }").unwrap_err();
    assert_eq!(
        problems.to_string(),
        "e.toml:2: server.title: /open may be written by everyone (mode 777); run chmod o-w /open"
    );
}

#[test]
fn a_key_file_of_tls_is_looked_at_too() {
    let text = "[tls]\ncertfile = \"/etc/server.crt\"\nkeyfile = \"/etc/open.key\"";
    assert_eq!(
        read_with_stdio(text).unwrap_err().to_string(),
        "e.toml:4: tls.keyfile: the file /etc/open.key may be read by others than its owner \
         (mode 640); run chmod 600 /etc/open.key"
    );
}

#[test]
fn a_source_that_looks_at_no_named_file_lets_a_program_be_absent() {
    struct Blind(World);
    impl Sources for Blind {
        fn variable(&self, name: &str) -> Result<String, super::VariableError> {
            self.0.variable(name)
        }
        fn read(&self, path: &Path) -> Result<(String, super::FileFacts), FileError> {
            self.0.read(path)
        }
        fn facts(&self, path: &Path) -> Result<super::FileFacts, FileError> {
            self.0.facts(path)
        }
        fn user(&self) -> u32 {
            self.0.user()
        }
        fn inspects_named_files(&self) -> bool {
            false
        }
    }
    let text = "[transports.stdio]\n[[tools]]\nname = \"a\"\ndescription = \"b\"\n\
                command = [\"/absent\"]\n[tls]\ncertfile = \"/absent\"\nkeyfile = \"/absent\"";
    assert!(super::parse(text, "e", &world()).is_err());
    let settings = super::parse(text, "e", &Blind(world())).unwrap();
    assert_eq!(settings.tools.len(), 1);
}

/// A directory of this test alone, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("erlmcp-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, mode: u32, text: &[u8]) -> PathBuf {
        let path = self.0.join("e.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn real_files_are_judged_by_their_real_rights() {
    let scratch = Scratch::new("rights");
    assert!(load(&scratch.file(0o600, STDIO.as_bytes()), &SystemSources).is_ok());
    let problems = load(&scratch.file(0o602, STDIO.as_bytes()), &SystemSources).unwrap_err();
    assert!(problems.to_string().contains("may be written by everyone"), "{problems}");
}

#[test]
fn real_files_are_bounded_text() {
    let scratch = Scratch::new("bounds");
    let path = scratch.file(0o600, &[b' '; 1 << 20]);
    assert!(SystemSources.read(&path).is_ok());
    let path = scratch.file(0o600, &[b' '; (1 << 20) + 1]);
    assert_eq!(SystemSources.read(&path).unwrap_err(), FileError::TooLong);
    let path = scratch.file(0o600, b"\xff");
    assert_eq!(SystemSources.read(&path).unwrap_err(), FileError::NotText);
    assert_eq!(SystemSources.read(&scratch.0).unwrap_err(), FileError::NotRegular);
    assert_eq!(SystemSources.read(Path::new("/dev/null")).unwrap_err(), FileError::NotRegular);
    assert_eq!(SystemSources.read(&scratch.0.join("x")).unwrap_err(), FileError::Missing);
}
