//! Runs the official JSON Schema Test Suite; a case that is skipped must never go unnamed.
//!
//! `JSON_SCHEMA_SUITE` names the folder that holds `draft2020-12/` and `draft7/`.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test harness ends at the first thing it does not expect, and reports its tally"
)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use erlmcp::guard::schema::{Schema, SchemaLimits};

/// A file, the start of a group's description ("" for all of them), and what the refusal says.
/// Other documents are never fetched, dialects have no custom vocabularies, and the engine for
/// patterns has no tables of Unicode properties.
const REFUSED: [(&str, &str, &str); 8] = [
    ("refRemote.json", "", "leads to nothing in this document"),
    ("dynamicRef.json", "strict-tree schema", "\"tree.json\""),
    ("dynamicRef.json", "tests for implementation dynamic anchor", "extendible-dynamic-ref.json"),
    ("dynamicRef.json", "$ref and $dynamicAnchor are independent", "extendible-dynamic-ref.json"),
    ("dynamicRef.json", "$ref to $dynamicRef finds detached", "detached-dynamicref.json"),
    ("vocabulary.json", "", "the dialect"),
    ("pattern.json", "pattern with Unicode property", "Unicode property escapes"),
    ("patternProperties.json", "patternProperties with Unicode", "Unicode property escapes"),
];

fn folder(draft: &str) -> PathBuf {
    let suite = std::env::var_os("JSON_SCHEMA_SUITE")
        .expect("JSON_SCHEMA_SUITE must name the folder that holds draft2020-12/ and draft7/");
    Path::new(&suite).join(draft)
}

/// The document with its dialect declared: the suite gives it by the folder.
fn declared(schema: &Value, dialect: &str) -> Value {
    let mut schema = schema.clone();
    if let Some(members) = schema.as_object_mut() {
        members.entry("$schema").or_insert_with(|| dialect.into());
    }
    schema
}

struct Tally {
    passed: usize,
    refused: usize,
    failures: Vec<String>,
}

fn run_file(path: &Path, dialect: &str, tally: &mut Tally) {
    let text = fs::read_to_string(path).expect("a readable file of the suite");
    let groups: Vec<Value> = serde_json::from_str(&text).expect("a list of groups");
    let file = path.file_name().expect("a name").to_string_lossy();
    for group in &groups {
        let description = group["description"].as_str().expect("a description");
        let name = format!("{file}: {description}");
        let schema = declared(&group["schema"], dialect);
        let listed = is_listed(&file, description);
        let schema = match (Schema::compile(&schema, &SchemaLimits::default()), listed) {
            (Ok(schema), None) => schema,
            (Ok(_), Some(_)) => {
                tally.failures.push(format!("{name}: compiled, although it is listed as refused"));
                continue;
            }
            (Err(error), Some(reason)) if error.to_string().contains(reason) => {
                tally.refused += 1;
                continue;
            }
            (Err(error), _) => {
                tally.failures.push(format!("{name}: not compiled: {error}"));
                continue;
            }
        };
        for case in group["tests"].as_array().expect("a list of cases") {
            let result = schema.check(&case["data"]);
            if result.is_ok() == case["valid"].as_bool().unwrap() {
                tally.passed += 1;
            } else {
                let case = &case["description"];
                tally.failures.push(format!("{name} / {case}: {result:?}"));
            }
        }
    }
}

fn is_listed(file: &str, description: &str) -> Option<&'static str> {
    REFUSED
        .iter()
        .find(|(listed, start, _)| *listed == file && description.starts_with(start))
        .map(|(_, _, reason)| *reason)
}

fn run_draft(draft: &str, dialect: &str, at_least: usize) {
    let mut tally = Tally { passed: 0, refused: 0, failures: Vec::new() };
    let mut files: Vec<PathBuf> = fs::read_dir(folder(draft))
        .expect("JSON_SCHEMA_SUITE must hold this draft's folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    for path in &files {
        run_file(path, dialect, &mut tally);
    }
    println!("{draft}: {} cases pass, {} groups are refused", tally.passed, tally.refused);
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n"));
    assert!(tally.passed >= at_least, "only {} cases were run", tally.passed);
}

#[test]
fn every_required_case_of_draft_2020_12_passes() {
    run_draft("draft2020-12", "https://json-schema.org/draft/2020-12/schema", 1_200);
}

#[test]
fn every_required_case_of_draft_07_passes() {
    run_draft("draft7", "http://json-schema.org/draft-07/schema#", 850);
}
