//! A test of the source tree: who may name whom, how large a thing may grow, which words and files
//! may stand here. An argument about style is settled by a change of these rules. A rule must never
//! be silent because it found nothing to look at.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may fail by panicking"
)]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/size.rs"]
mod size;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/top.rs"]
mod top;
#[path = "tidy/words.rs"]
mod words;

use source::{File, TREE};

/// Runs a rule on every file that it is for, and fails with all that it found.
fn hold(is_for: impl Fn(&File) -> bool, rule: impl Fn(&File) -> Vec<String>) {
    let files: Vec<&File> = TREE.iter().filter(|file| is_for(file)).collect();
    assert!(!files.is_empty(), "the rule is for no file");
    let mut problems = Vec::new();
    for file in files {
        problems.extend(rule(file).iter().map(|problem| format!("{}: {problem}", file.path)));
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn is_source(file: &File) -> bool {
    file.path.starts_with("src/") && file.is_rust()
}

#[test]
fn rooms_name_only_the_rooms_below_them() {
    hold(is_source, rooms::arrows);
}

#[test]
fn threads_do_not_name_each_other() {
    hold(|file| file.path.starts_with("src/actors/"), rooms::neighbours);
}

#[test]
fn crates_and_calls_stay_in_their_places() {
    hold(is_source, names::places);
}

#[test]
fn files_and_functions_are_short() {
    hold(File::is_rust, |file| [size::lines(file), size::functions(file)].concat());
}

#[test]
fn lines_are_short() {
    hold(File::is_rust, size::widths);
}

#[test]
fn rust_files_say_first_what_they_are() {
    hold(File::is_rust, words::first_line);
}

#[test]
fn nothing_is_left_for_later() {
    hold(|file| !file.is_data() && !file.path.starts_with("tests/tidy"), words::later);
}

#[test]
fn no_test_is_ignored_and_no_lint_is_allowed_without_a_reason() {
    hold(File::is_rust, words::exceptions);
}

#[test]
fn files_have_known_places_and_suffixes() {
    hold(|_| true, top::place);
}

#[test]
fn documents_have_one_title() {
    hold(File::is_markdown, documents::titles);
}

#[test]
fn documents_name_what_exists() {
    hold(File::is_markdown, |file| documents::paths(file, &TREE));
}

#[test]
fn threats_are_shown_by_tests_that_exist() {
    hold(|file| file.path == "SECURITY.md", |file| documents::proofs(file, &TREE));
}
