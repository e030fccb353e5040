//! What may be typed behind `erlmcp policy`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};
use serde_json::{Map, Value};

use super::{Command, UsageError};
use crate::base::transport::Transport;
use crate::guard::authz::question::{Question, Subject};

/// What is to be done with a policy.
#[derive(Debug, PartialEq)]
pub(in crate::cli) enum PolicyCommand {
    /// Tell what is decided, and why.
    Explain(PathBuf, Box<Question>),
    /// Ask all questions of a file.
    Test(PathBuf, PathBuf),
}

pub(super) fn parse(parser: &mut Parser) -> Result<Command, UsageError> {
    match parser.next()? {
        Some(Arg::Value(word)) if word == "explain" => explain(parser),
        Some(Arg::Value(word)) if word == "test" => test(parser),
        Some(Arg::Long("help") | Arg::Short('h')) => Ok(Command::Help),
        _ => Err(UsageError("`erlmcp policy` is followed by `explain` or `test`".into())),
    }
}

fn explain(parser: &mut Parser) -> Result<Command, UsageError> {
    let mut config = None;
    let (mut user, mut subject) = (None, None);
    let mut question = Question {
        user: String::new(),
        roles: Vec::new(),
        scopes: None,
        claims: Vec::new(),
        transport: Transport::Http,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        subject: Subject::Tool(String::new()),
        arguments: Map::new(),
    };
    let mut ask_about = |what: Subject| match subject.replace(what) {
        None => Ok(()),
        Some(_) => Err(UsageError("one thing is asked about at a time".into())),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("config") | Arg::Short('c') => config = Some(PathBuf::from(parser.value()?)),
            Arg::Long("user") => user = Some(parser.value()?.string()?),
            Arg::Long("role") => question.roles.push(parser.value()?.string()?),
            Arg::Long("scope") => {
                question.scopes.get_or_insert_default().push(parser.value()?.string()?);
            }
            Arg::Long("claim") => add_claim(&mut question.claims, &parser.value()?.string()?)?,
            Arg::Long("transport") => question.transport = transport(&parser.value()?.string()?)?,
            Arg::Long("address") => question.address = parser.value()?.parse()?,
            Arg::Long("tool") => ask_about(Subject::Tool(parser.value()?.string()?))?,
            Arg::Long("resource") => ask_about(Subject::Resource(parser.value()?.string()?))?,
            Arg::Long("prompt") => ask_about(Subject::Prompt(parser.value()?.string()?))?,
            Arg::Long("method") => {
                ask_about(method(&parser.value()?.string()?)?)?;
            }
            Arg::Long("arguments") => question.arguments = arguments(&parser.value()?.string()?)?,
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    let missing = |what: &str| UsageError(format!("`erlmcp policy explain` needs {what}"));
    question.user = user.ok_or_else(|| missing("--user NAME"))?;
    question.subject = subject.ok_or_else(|| missing("--tool NAME, or what else it is about"))?;
    let config = config.ok_or_else(|| missing("--config FILE"))?;
    Ok(Command::Policy(PolicyCommand::Explain(config, Box::new(question))))
}

fn test(parser: &mut Parser) -> Result<Command, UsageError> {
    let (mut config, mut cases) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("config") | Arg::Short('c') => config = Some(PathBuf::from(parser.value()?)),
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Value(file) if cases.is_none() => cases = Some(PathBuf::from(file)),
            other => return Err(other.unexpected().into()),
        }
    }
    match (config, cases) {
        (Some(config), Some(cases)) => Ok(Command::Policy(PolicyCommand::Test(config, cases))),
        _ => Err(UsageError("`erlmcp policy test` needs a file and --config FILE".into())),
    }
}

fn add_claim(claims: &mut Vec<(String, Vec<String>)>, text: &str) -> Result<(), UsageError> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(UsageError("a claim is written as name=value".into()));
    };
    match claims.iter_mut().find(|(known, _)| known == name) {
        Some((_, values)) => values.push(value.to_owned()),
        None => claims.push((name.to_owned(), vec![value.to_owned()])),
    }
    Ok(())
}

fn transport(text: &str) -> Result<Transport, UsageError> {
    let known = Transport::ALL.into_iter().find(|transport| transport.name() == text);
    known.ok_or_else(|| UsageError("a transport is stdio, tcp, http or websocket".into()))
}

fn method(name: &str) -> Result<Subject, UsageError> {
    Subject::method(name).ok_or_else(|| UsageError(format!("there is no method {name:?}")))
}

fn arguments(text: &str) -> Result<Map<String, Value>, UsageError> {
    serde_json::from_str(text).map_err(|_| UsageError("the arguments are no JSON object".into()))
}
