//! Reads the questions of `erlmcp policy test`, each with the verdict that is expected.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use serde_json::{Map, Value as Json};
use toml::de::DeTable;

use super::context::Context;
use super::diagnostics::{Problem, Problems};
use super::reader::Reader;
use super::rules::TRANSPORTS;
use super::rules::{claims, method};
use super::schema::convert;
use super::sources::Sources;
use super::syntax_problems;
use crate::base::transport::Transport;
use crate::guard::authz::question::{Question, Subject};

/// A question and whether it should be allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyCase {
    /// The line on which it begins.
    pub line: usize,
    /// The question.
    pub question: Question,
    /// What is expected.
    pub is_allowed: bool,
}

/// Reads a file of cases.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_policy_cases(path: &Path, sources: &dyn Sources) -> Result<Vec<PolicyCase>, Problems> {
    let name = path.display().to_string();
    let (text, _) = sources.read(path).map_err(|error| {
        let what = format!("the file {error}; give the path of a file of cases");
        Problems::new(vec![Problem::new(&name, None, "", &what)], Vec::new())
    })?;
    let (document, mistakes) = DeTable::parse_recoverable(&text);
    if !mistakes.is_empty() {
        return Err(syntax_problems(&text, &name, &mistakes));
    }
    let context = Context::new(&name, &text, document.get_ref(), sources);
    let cases = Reader::document(&context, |root| {
        let is_empty = !root.has("case");
        let cases = root.tables("case", case);
        if is_empty {
            root.error("has no case", "write [[case]] with a user, a tool and what to expect");
        }
        cases
    });
    context.finish().into_warnings()?;
    Ok(cases)
}

fn case(reader: &mut Reader<'_>) -> Option<PolicyCase> {
    const EXPECTED: [(&str, bool); 2] = [("allow", true), ("deny", false)];
    let user = reader.required("user", "\"alice\"").and_then(|value| value.string("a string"));
    let expected = reader.required("expect", "\"deny\"");
    let expected = expected.and_then(|value| value.choice(&EXPECTED));
    let roles = reader.strings("roles", "[\"user\"]").unwrap_or_default();
    let scopes = reader.strings("scopes", "[\"mcp:read\"]");
    let claims = claims(reader);
    let transport = reader.choice("transport", &TRANSPORTS, Transport::Http);
    let address = reader.value("address").and_then(|value| {
        let address = value.string("a string")?.parse().ok();
        if address.is_none() {
            value.error("is no address", "write for example \"192.0.2.7\"");
        }
        address
    });
    let subject = subject(reader);
    let arguments = reader.value("arguments").and_then(|value| convert(&value, value.value));
    let arguments = match arguments {
        Some(Json::Object(arguments)) => arguments,
        _ => Map::new(),
    };
    let question = Question {
        user: user?,
        roles,
        scopes,
        claims,
        transport,
        address: address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        subject: subject?,
        arguments,
    };
    Some(PolicyCase { line: reader.line(), question, is_allowed: expected? })
}

fn subject(reader: &mut Reader<'_>) -> Option<Subject> {
    let mut subjects: Vec<Subject> = Vec::new();
    subjects.extend(reader.string("tool").map(Subject::Tool));
    subjects.extend(reader.string("resource").map(Subject::Resource));
    subjects.extend(reader.string("prompt").map(Subject::Prompt));
    let named = reader.value("method").and_then(|value| method(&value));
    subjects.extend(named.map(Subject::Method));
    if subjects.len() != 1 {
        let what = "asks about nothing, or about more than one thing";
        reader.error(what, "write one of tool, resource, prompt and method");
        return None;
    }
    subjects.pop()
}
