//! Holds every message between the black-box tests and the server against the published JSON
//! Schemas of MCP, in both directions.
//!
//! `MCP_SCHEMAS` names the folder that holds `2024-11-05/schema.json` and those of the later
//! revisions; `ERLMCP_RECORD` the folder that the black-box tests were given under this name.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test harness ends at the first thing it does not expect, and reports its tally"
)]

#[path = "message_schemas/parameters.rs"]
mod parameters;
#[path = "message_schemas/published.rs"]
mod published;
#[path = "message_schemas/record.rs"]
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use erlmcp::mcp::era::Version;
use published::Published;
use record::Record;
use serde_json::{Value, json};

/// The published revisions, and how many messages of server and client must have been seen: well
/// below what the black-box tests say, and far above what is said when most of them are not heard.
const REVISIONS: [(&str, usize, usize); 5] = [
    ("2024-11-05", 60, 50),
    ("2025-03-26", 60, 50),
    ("2025-06-18", 60, 50),
    ("2025-11-25", 200, 100),
    ("2026-07-28", 500, 300),
];

/// What a server may tell and this one does not: what becomes of a URL is between the person and
/// the page, and subscriptions end with a result.
const NOT_TOLD: [(&str, &str); 2] = [
    ("2025-11-25", "notifications/elicitation/complete"),
    ("2026-07-28", "notifications/cancelled"),
];

/// Failures that are shown; more of them are counted.
const SHOWN: usize = 40;

fn folder(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} must name a folder")).into()
}

fn records() -> Vec<Record> {
    let path = folder("ERLMCP_RECORD").join("messages.jsonl");
    let text = fs::read_to_string(path).expect("what the black-box tests recorded");
    text.lines().map(Record::read).collect()
}

fn published() -> Vec<Published> {
    let folder = folder("MCP_SCHEMAS");
    REVISIONS.iter().map(|(name, ..)| Published::read(&folder, name)).collect()
}

/// Why a record breaks its revision. Where nobody named a revision, one must allow the message.
fn violation(record: &Record, revisions: &[Published]) -> Option<String> {
    let Some(name) = &record.revision else {
        let reasons: Vec<_> = revisions.iter().map(|it| record.check(it).err()).collect();
        return reasons.into_iter().collect::<Option<Vec<_>>>()?.pop();
    };
    let Some(revision) = revisions.iter().find(|revision| revision.name == *name) else {
        return Some("no such revision is published".into());
    };
    record.check(revision).err()
}

#[test]
fn every_message_keeps_to_the_schema_of_its_revision() {
    let revisions = published();
    let records = records();
    let mut tally: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut failures: BTreeMap<String, usize> = BTreeMap::new();
    for record in &records {
        *tally.entry((record.revision_name(), &record.from)).or_default() += 1;
        if let Some(reason) = violation(record, &revisions) {
            *failures.entry(format!("{record}: {reason}")).or_default() += 1;
        }
    }
    for ((revision, from), count) in &tally {
        println!("{revision}: {count} messages of the {from}");
    }
    let count: usize = failures.values().sum();
    let shown =
        failures.iter().take(SHOWN).map(|(failure, times)| format!("{times} times {failure}"));
    let shown = shown.collect::<Vec<_>>().join("\n\n");
    assert!(failures.is_empty(), "{count} of {} break a schema:\n{shown}", records.len());
    for (revision, server, client) in REVISIONS {
        let seen = |from| tally.get(&(revision, from)).copied().unwrap_or_default();
        assert!(seen("server") >= server, "{revision}: too few messages of the server");
        assert!(seen("client") >= client, "{revision}: too few messages of the client");
    }
}

#[test]
fn every_method_is_answered_and_every_notification_is_sent() {
    let records = records();
    for revision in published() {
        let of_server = || records.iter().filter(|it| it.is_of("server", &revision.name));
        let results = of_server().filter(|it| it.message.get("result").is_some());
        let answered: BTreeSet<_> = results.filter_map(|it| it.answers.as_deref()).collect();
        let told: BTreeSet<_> = of_server().filter_map(Record::method).collect();
        let not_told = NOT_TOLD.iter().filter(|(of, _)| *of == revision.name).map(|(_, it)| *it);
        for (seen, union, absent) in [
            (answered, "ClientRequest", vec![]),
            (told, "ServerNotification", not_told.collect::<Vec<_>>()),
        ] {
            let listed_for_nothing = absent.iter().find(|method| seen.contains(*method));
            assert_eq!(listed_for_nothing, None, "{}: it was seen after all", revision.name);
            let mut missing = revision.methods(union);
            missing.retain(|method| !seen.contains(method) && !absent.contains(method));
            assert!(missing.is_empty(), "{}: no {missing:?} was seen", revision.name);
        }
    }
}

#[test]
fn parameters_are_taken_exactly_as_their_schema_says() {
    let mut differences = Vec::new();
    let mut counts = [0, 0];
    for revision in published() {
        let version = Version::from_name(&revision.name).expect("a revision of the server");
        for method in revision.methods("ClientRequest") {
            let whole = parameters::complete(method, version);
            for params in parameters::broken(&whole).into_iter().chain([whole]) {
                let Value::Object(members) = &params else { panic!("{params}") };
                let message =
                    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
                let record = record(Some(&revision.name), "client", "", message);
                let verdict = record.check(&revision);
                let is_taken = parameters::are_taken(method, members, version);
                counts[usize::from(is_taken)] += 1;
                if verdict.is_ok() != is_taken {
                    differences.push(format!("{record}: taken {is_taken}, {verdict:?}"));
                }
            }
        }
    }
    println!("{} parameters are taken, {} refused", counts[1], counts[0]);
    let shown = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(differences.is_empty(), "{} differ:\n{shown}", differences.len());
    assert!(counts.iter().all(|count| *count > 1_000), "too few were tried: {counts:?}");
}

fn record(revision: Option<&str>, from: &str, answers: &str, mut message: Value) -> Record {
    if let Some(members) = message.as_object_mut() {
        members.insert("jsonrpc".into(), "2.0".into());
    }
    let answers = (!answers.is_empty()).then(|| answers.into());
    Record { from: from.into(), revision: revision.map(str::to_owned), answers, message }
}

#[test]
fn what_breaks_a_schema_is_found() {
    let revisions = published();
    let broken = [
        ("server", "tools/list", json!({"id": 1, "result": {"tools": [{}]}})),
        ("server", "tools/list", json!({"id": null, "result": {"tools": []}})),
        ("server", "", json!({"id": 1, "result": {}})),
        ("server", "ping", json!({"id": 1, "error": {"code": "1", "message": "x"}})),
        ("server", "", json!({"method": "notifications/none"})),
        ("server", "", json!({"method": "notifications/progress", "params": {}})),
        ("server", "", json!({"id": 1, "method": "tools/list"})),
        ("client", "", json!({"id": 1, "method": "tools/call", "params": {}})),
        ("client", "", json!({"id": 1, "method": "roots/list"})),
        ("client", "", json!({"method": "notifications/cancelled", "params": []})),
        ("client", "", json!([])),
    ];
    for (name, ..) in REVISIONS {
        for (from, answers, message) in &broken {
            let record = record(Some(name), from, answers, message.clone());
            assert!(violation(&record, &revisions).is_some(), "{record}");
        }
    }
    let of_2026 = json!({"id": 1, "error": {"code": -32022, "message": "x"}});
    let of_2026 = record(Some("2026-07-28"), "server", "", of_2026);
    assert!(violation(&of_2026, &revisions).is_some(), "this code has data");
}

#[test]
fn an_error_names_no_id_as_its_revision_has_it() {
    let revisions = published();
    let is_null_allowed = |name: &str| {
        let message = json!({"id": null, "error": {"code": -32600, "message": "x"}});
        violation(&record(Some(name), "server", "", message), &revisions).is_none()
    };
    let allowed: Vec<_> = REVISIONS.iter().map(|(name, ..)| is_null_allowed(name)).collect();
    assert_eq!(allowed, [true, true, true, false, false]);
}

#[test]
fn a_message_of_no_revision_must_be_one_of_some_revision() {
    let revisions = published();
    let holds = |id: Option<Value>| {
        let mut message = json!({"error": {"code": -32700, "message": "x"}});
        id.map(|id| message["id"] = id);
        violation(&record(None, "server", "", message), &revisions).is_none()
    };
    assert!(holds(None), "the newer revisions allow it");
    assert!(holds(Some(json!(null))), "for the older ones it is what JSON-RPC says");
    assert!(holds(Some(json!(1))));
    assert!(!holds(Some(json!({}))));
}
