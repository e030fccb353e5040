//! What may be typed behind `erlmcp admin`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};
use serde_json::{Map, Value, json};

use super::{Command, UsageError};

/// How long a key that is replaced stays good where nothing else is said, in seconds.
const OVERLAP: u64 = 3_600;

/// What a running server is asked.
#[derive(Debug, PartialEq)]
pub(in crate::cli) struct AdminCommand {
    /// Where its socket is, if that was said.
    pub(in crate::cli) socket: Option<PathBuf>,
    /// The configuration that says where it is.
    pub(in crate::cli) config: Option<PathBuf>,
    /// Whether the answer is for a program.
    pub(in crate::cli) is_json: bool,
    /// The request, as it goes over the socket.
    pub(in crate::cli) request: Map<String, Value>,
    /// The file of the key that goes with it.
    pub(in crate::cli) key_file: Option<PathBuf>,
}

/// What was typed: words, and options with a value.
#[derive(Default)]
struct Typed {
    words: Vec<String>,
    options: BTreeMap<&'static str, String>,
    is_forced: bool,
}

pub(super) fn parse(parser: &mut Parser) -> Result<Command, UsageError> {
    let (mut socket, mut config, mut is_json) = (None, None, false);
    let mut typed = Typed::default();
    while let Some(argument) = parser.next()? {
        let name = match argument {
            Arg::Long("socket") => {
                socket = Some(PathBuf::from(parser.value()?));
                continue;
            }
            Arg::Long("config") | Arg::Short('c') => {
                config = Some(PathBuf::from(parser.value()?));
                continue;
            }
            Arg::Long("json") => {
                is_json = true;
                continue;
            }
            Arg::Long("force") => {
                typed.is_forced = true;
                continue;
            }
            Arg::Value(word) => {
                typed.words.push(word.string()?);
                continue;
            }
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Long("for") => "for",
            Arg::Long("issuer") => "issuer",
            Arg::Long("user") => "user",
            Arg::Long("retire") => "retire",
            Arg::Long("after") => "after",
            other => return Err(other.unexpected().into()),
        };
        typed.options.insert(name, parser.value()?.string()?);
    }
    if socket.is_some() && config.is_some() {
        return Err(UsageError("--socket and --config both say where the socket is".into()));
    }
    let (request, key_file) = typed.request()?;
    let command = AdminCommand { socket, config, is_json, request, key_file };
    Ok(Command::Admin(Box::new(command)))
}

impl Typed {
    fn request(mut self) -> Result<(Map<String, Value>, Option<PathBuf>), UsageError> {
        let words = std::mem::take(&mut self.words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut request = Map::new();
        let mut key_file = None;
        let mut set = |name: &str, value: Value| request.insert(name.into(), value);
        match words.as_slice() {
            ["status" | "reload"] => drop(set("command", words.concat().into())),
            ["keys" | "sessions", "list"] => drop(set("command", words.join(" ").into())),
            ["clients"] => drop(set("command", "clients".into())),
            [command @ ("clients" | "reset"), address] => {
                set("command", (*command).into());
                set("address", (*address).into());
            }
            [command @ ("block" | "unblock"), network] => {
                set("command", (*command).into());
                set("network", (*network).into());
                if *command == "block" {
                    set("seconds", self.duration("for")?.into());
                    set("force", std::mem::take(&mut self.is_forced).into());
                }
            }
            ["keys", "rotate", id, file] => {
                set("command", "keys rotate".into());
                set("id", (*id).into());
                if let Some(old) = self.options.remove("retire") {
                    set("retire", old.into());
                    set("after", self.duration("after")?.unwrap_or(OVERLAP).into());
                }
                key_file = Some(PathBuf::from(file));
            }
            ["keys", "retire", id] => {
                set("command", "keys retire".into());
                set("id", (*id).into());
                set("after", self.duration("after")?.into());
            }
            [kind @ ("keys" | "tokens" | "sessions"), "revoke", name @ ..] if name.len() < 2 => {
                set("command", format!("{kind} revoke").into());
                match (name, self.options.remove("user")) {
                    ([name], None) => {
                        set(if *kind == "keys" { "label" } else { "id" }, json!(name))
                    }
                    ([], Some(user)) => set("user", user.into()),
                    _ => {
                        let problem = "what is revoked is either named, or all of --user NAME";
                        return Err(UsageError(problem.into()));
                    }
                };
            }
            ["log-level", level] => {
                set("command", "log-level".into());
                set("level", (*level).into());
            }
            _ => {
                let typed = words.join(" ");
                return Err(UsageError(format!("`erlmcp admin {typed}` is no command")));
            }
        }
        if let ["keys", "rotate" | "retire", ..] | ["tokens", ..] = words.as_slice()
            && let Some(issuer) = self.options.remove("issuer")
        {
            set("issuer", issuer.into());
        }
        self.finish(&words.join(" "))?;
        Ok((request, key_file))
    }

    /// An option that is no part of the command may be a misunderstanding.
    fn finish(self, command: &str) -> Result<(), UsageError> {
        let left = self.options.into_keys().next().or(self.is_forced.then_some("force"));
        match left {
            Some(option) => Err(UsageError(format!("--{option} is no option of `{command}`"))),
            None => Ok(()),
        }
    }

    /// `90`, `90s`, `5m`, `1h` or `7d`, in seconds.
    fn duration(&mut self, option: &'static str) -> Result<Option<u64>, UsageError> {
        let Some(text) = self.options.remove(option) else { return Ok(None) };
        let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
        let unit =
            units.iter().find_map(|(end, seconds)| Some((text.strip_suffix(end)?, *seconds)));
        let (number, seconds) = unit.unwrap_or((&text, 1));
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse::<u64>().ok().filter(|_| is_number);
        let found = number.and_then(|number| number.checked_mul(seconds));
        let problem = || UsageError(format!("--{option} is a time such as 90s, 5m, 1h or 7d"));
        found.map(Some).ok_or_else(problem)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn request(line: &str) -> Result<Value, UsageError> {
        let arguments = format!("admin {line}");
        match super::super::parse(arguments.split_whitespace().map(OsString::from))? {
            Command::Admin(command) => Ok(Value::Object(command.request)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_typed_becomes_the_request() {
        for (line, expected) in [
            ("status", json!({"command": "status"})),
            ("--socket /s clients --json", json!({"command": "clients"})),
            ("reset ::1", json!({"command": "reset", "address": "::1"})),
            (
                "block 203.0.113.0/24 --for 5m",
                json!({"command": "block", "network": "203.0.113.0/24", "seconds": 300,
                    "force": false}),
            ),
            (
                "block --force ::1",
                json!({"command": "block", "network": "::1", "seconds": null, "force": true}),
            ),
            (
                "keys rotate 2 new.pem --retire 1 --after 1h --issuer https://a",
                json!({"command": "keys rotate", "id": "2", "issuer": "https://a",
                    "retire": "1", "after": 3_600}),
            ),
            (
                "keys rotate 2 new.pem --retire 1",
                json!({"command": "keys rotate", "id": "2", "retire": "1", "after": 3_600}),
            ),
            ("keys revoke laptop", json!({"command": "keys revoke", "label": "laptop"})),
            (
                "tokens revoke --user ann --issuer https://a",
                json!({"command": "tokens revoke", "user": "ann", "issuer": "https://a"}),
            ),
            ("sessions revoke 0a1b", json!({"command": "sessions revoke", "id": "0a1b"})),
        ] {
            assert_eq!(request(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_or_has_options_of_another_is_refused() {
        for line in [
            "",
            "statu",
            "status now",
            "status --force",
            "block",
            "block a b",
            "block 203.0.113.7 --for soon",
            "block 203.0.113.7 --for -5",
            "block 203.0.113.7 --for 99999999999999999999d",
            "unblock 203.0.113.7 --for 5m",
            "keys",
            "keys rotate 2",
            "keys rotate 2 new.pem --after 1h",
            "keys revoke",
            "keys revoke a --user b",
            "keys revoke a --issuer b",
            "sessions revoke a b",
            "--socket /a --config b status",
        ] {
            assert!(request(line).is_err(), "{line}");
        }
    }
}
