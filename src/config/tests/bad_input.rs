//! Wrong inputs and the exact messages they give. In `bad_input.txt` a line of `=` parts the cases,
//! and a line of `-` parts an input from its messages; the first line of each input is added here.

use std::fmt::Write;

use super::{read, read_with_stdio};

const CASES: &str = include_str!("bad_input.txt");

#[test]
fn each_wrong_input_gives_exactly_its_messages() {
    let mut actual = String::new();
    let mut checked = 0;
    for case in CASES.split("=====\n") {
        let (input, _) = case.split_once("-----\n").unwrap();
        let problems = read_with_stdio(input).expect_err(input);
        if checked > 0 {
            actual.push_str("=====\n");
        }
        write!(actual, "{input}-----\n{problems}\n").unwrap();
        checked += 1;
    }
    assert!(checked > 45, "{checked}");
    for (actual, expected) in actual.lines().zip(CASES.lines()) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.lines().count(), CASES.lines().count());
}

#[test]
fn no_message_shows_a_secret() {
    let mut seen = 0;
    for case in CASES.split("=====\n") {
        let (input, messages) = case.split_once("-----\n").unwrap();
        for secret in ["sk-live-0123456789", "hunter2", "ecretbegin", "0123456789abcdef"] {
            seen += usize::from(input.contains(secret));
            assert!(!messages.contains(secret), "{messages}");
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn every_message_names_the_file_the_line_and_the_key() {
    for case in CASES.split("=====\n") {
        let (_, messages) = case.split_once("-----\n").unwrap();
        for message in messages.lines() {
            let rest = message.strip_prefix("e.toml:").expect(message);
            let (line, rest) = rest.split_once(": ").expect(message);
            assert!(line.parse::<usize>().is_ok_and(|line| line > 0), "{message}");
            let (_, what) = rest.split_once(": ").expect(message);
            let has_remedy = what.contains("; ") || what.ends_with(": remove it");
            assert!(has_remedy || rest.starts_with("not TOML"), "{message}");
        }
    }
}

#[test]
fn an_empty_file_offers_no_transport() {
    assert_eq!(
        read("").unwrap_err().to_string(),
        "e.toml:1: transports: there is no transport, so nobody could call; \
         add [transports.stdio], [transports.http] or [transports.tcp]"
    );
}

#[test]
fn warnings_are_kept_apart_from_errors() {
    let text = "authentication.enabled = true\nlog.level = 1";
    let problems = read_with_stdio(text).unwrap_err();
    assert_eq!(problems.errors().len(), 1);
    assert_eq!(problems.errors()[0].line(), Some(3));
    assert_eq!(problems.warnings().len(), 1);
}

#[test]
fn strange_texts_are_refused_without_a_panic() {
    let deep = format!("x = {}", "[".repeat(100_000));
    let long = format!("{} = 1", "k".repeat(100_000));
    let bytes = (0..=255_u8).map(char::from).collect::<String>();
    for text in [deep.as_str(), &long, &bytes, "\u{feff}", "a.b.c.d = 1", "\"\" = 1", "= 1", "]"] {
        assert!(read(text).is_err());
    }
}

#[test]
fn a_long_key_is_cut_in_its_message() {
    let problems = read_with_stdio(&format!("{} = 1", "k".repeat(5000))).unwrap_err();
    assert!(problems.to_string().len() < 500, "{problems}");
}

#[test]
fn every_prefix_of_a_file_is_read_without_a_panic() {
    let text = include_str!("../../../etc/production.toml");
    for (end, _) in text.char_indices().step_by(7) {
        let (prefix, _) = text.split_at(end);
        drop(read(prefix));
    }
}
