//! A question to a policy, as a person asks it: who, from where, what, with which arguments. It is
//! answered by the same function as every request.

use std::fmt;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::rule::{Arguments, Caller, Place, Thing};
use super::{Policy, Verdict};
use crate::base::principal::{AuthMethod, Principal};
use crate::base::transport::Transport;
use crate::mcp::methods::{Method, Needs, Permission};

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A call of a tool.
    Tool(String),
    /// Reading a resource.
    Resource(String),
    /// Getting a prompt.
    Prompt(String),
    /// A method, whatever it is called on.
    Method(Method),
}

impl Subject {
    /// The method of this name, if there is one.
    pub fn method(name: &str) -> Option<Self> {
        Method::from_name(name).map(Self::Method)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(name) => write!(f, "tool {name:?}"),
            Self::Resource(uri) => write!(f, "resource {uri:?}"),
            Self::Prompt(name) => write!(f, "prompt {name:?}"),
            Self::Method(method) => f.write_str(method.name()),
        }
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The user.
    pub user: String,
    /// Roles that its credential has beside those of the user.
    pub roles: Vec<String>,
    /// The scopes of its token; `None` if it has no token.
    pub scopes: Option<Vec<String>>,
    /// The claims of its token.
    pub claims: Vec<(String, Vec<String>)>,
    /// What it comes over.
    pub transport: Transport,
    /// From where, over a network.
    pub address: IpAddr,
    /// What it wants.
    pub subject: Subject,
    /// With which arguments.
    pub arguments: Map<String, Value>,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it may be done.
    pub is_allowed: bool,
    /// What is decided, in words; `told` was given to say them.
    pub verdict: String,
    /// The permission that is needed, if any is.
    pub needs: Option<Permission>,
    /// The roles that count.
    pub roles: Vec<String>,
}

impl Question {
    /// Asks a policy; `tool` tells what a tool needs, if there is one of that name, and `told` a
    /// verdict in words. `None` if what is asked about is not there.
    pub fn ask(
        &self,
        policy: &Policy,
        tool: impl Fn(&str) -> Option<Permission>,
        told: impl Fn(&Verdict<'_>) -> String,
    ) -> Option<Answer> {
        let method = match (self.transport, &self.scopes, self.claims.is_empty()) {
            (Transport::Stdio, _, _) => AuthMethod::Local,
            (_, None, true) => AuthMethod::ApiKey,
            _ => AuthMethod::Jwt,
        };
        let principal = Principal {
            scopes: self.scopes.clone(),
            claims: self.claims.clone(),
            ..Principal::new(method, &*self.user, self.roles.clone())
        };
        let address = Some(self.address).filter(|_| self.transport != Transport::Stdio);
        let place = Place::At(self.transport, address);
        let view = policy.for_caller(Caller { principal: &principal, place });
        let (method, thing, needs) = match &self.subject {
            Subject::Tool(name) => (Method::ToolsCall, Thing::Tool(name), Some(tool(name)?)),
            Subject::Resource(uri) => {
                (Method::ResourcesRead, Thing::Resource(uri), Some(Permission::Read))
            }
            Subject::Prompt(name) => {
                (Method::PromptsGet, Thing::Prompt(name), Some(Permission::Read))
            }
            Subject::Method(method) => (*method, Thing::None, needs_of(*method)),
        };
        let arguments = match self.subject {
            Subject::Tool(_) | Subject::Prompt(_) => Arguments::Are(&self.arguments),
            Subject::Resource(_) | Subject::Method(_) => Arguments::Any,
        };
        let verdict = view.judge(method, thing, needs, arguments);
        let roles = view.roles().map(str::to_owned).collect();
        Some(Answer { is_allowed: verdict.is_allowed(), verdict: told(&verdict), needs, roles })
    }
}

fn needs_of(method: Method) -> Option<Permission> {
    match method.needs() {
        Needs::Nothing => None,
        Needs::Permission(permission) => Some(permission),
        Needs::ToolPermission => Some(Permission::Execute),
    }
}
