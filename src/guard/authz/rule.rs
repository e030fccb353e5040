//! One rule: whom it is about, of what, and whether it allows or denies. All of its conditions must
//! hold; one that is absent asks for nothing, an empty one holds for nobody.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::argument::ArgumentCondition;
use crate::base::principal::{AuthMethod, Principal};
use crate::base::transport::Transport;
use crate::base::uri::normal;
use crate::base::wildcard::Wildcard;
use crate::mcp::methods::Method;

/// What a rule does to what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Grants it, whatever the roles say.
    Allow,
    /// Refuses it, whatever else says.
    Deny,
}

/// A line of the configuration. Two that differ in nothing else say the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line(pub usize);

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One rule of the configuration.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it is called in records and by `erlmcp policy explain`.
    pub name: Arc<str>,
    /// The line of the configuration on which it begins.
    pub line: Line,
    /// What it does.
    pub effect: Effect,
    /// Names of users.
    pub users: Option<Vec<Wildcard>>,
    /// Roles, of which the caller has one.
    pub roles: Option<Vec<String>>,
    /// Claims of a verified token, each with the values of which it has one.
    pub claims: Vec<(String, Vec<String>)>,
    /// Transports.
    pub transports: Option<Vec<Transport>>,
    /// Networks that the caller's address is in.
    pub networks: Option<Vec<IpNet>>,
    /// Methods.
    pub methods: Option<Vec<Method>>,
    /// Names of tools.
    pub tools: Option<Vec<Wildcard>>,
    /// URIs of resources, in their normal form.
    pub resources: Option<Vec<Wildcard>>,
    /// Names of prompts.
    pub prompts: Option<Vec<Wildcard>>,
    /// What the arguments of the call must be.
    pub arguments: Vec<ArgumentCondition>,
}

/// Who asks, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'c> {
    /// Who it is.
    pub principal: &'c Principal,
    /// Where it is, if that is known: of who only listens it is not.
    pub place: Place,
}

/// Where a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Not known.
    Unknown,
    /// It comes over this, from this address if it has one.
    At(Transport, Option<IpAddr>),
}

/// What a caller asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing<'t> {
    /// Nothing that has a name.
    None,
    /// A tool, or what came of calls of it.
    Tool(&'t str),
    /// A resource.
    Resource(&'t str),
    /// A prompt.
    Prompt(&'t str),
}

/// With which arguments.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'a> {
    /// With some: is there anything at all that it may do?
    Any,
    /// With these.
    Are(&'a Map<String, Value>),
}

impl Rule {
    /// True if it is about this caller. Where it asks for a place that is not known, rules that
    /// deny are about everybody, and rules that allow about nobody.
    pub(super) fn is_about(&self, caller: Caller<'_>, roles: &[&str]) -> bool {
        let principal = caller.principal;
        let unless_known = self.effect == Effect::Deny;
        let is_user = |all: &Vec<Wildcard>| all.iter().any(|one| one.matches(&principal.user));
        let has_role = |all: &Vec<String>| all.iter().any(|one| roles.contains(&one.as_str()));
        let is_way = |all: &Vec<Transport>| match caller.place {
            _ if principal.method == AuthMethod::Local => all.contains(&Transport::Stdio),
            Place::At(transport, _) => all.contains(&transport),
            Place::Unknown => unless_known && !all.is_empty(),
        };
        let is_near = |all: &Vec<IpNet>| match caller.place {
            Place::At(_, address) => address.is_some_and(|address| is_in(all, address)),
            Place::Unknown => unless_known && !all.is_empty(),
        };
        self.users.as_ref().is_none_or(is_user)
            && self.roles.as_ref().is_none_or(has_role)
            && self.claims.iter().all(|(name, values)| has_claim(principal, name, values))
            && self.transports.as_ref().is_none_or(is_way)
            && self.networks.as_ref().is_none_or(is_near)
    }

    /// True if it is about this method and thing, whatever the arguments are.
    pub(super) fn concerns(&self, method: Method, thing: Thing<'_>) -> bool {
        let (mut names_things, mut names_this) = (false, false);
        let (mut tool, mut resource, mut prompt) = (None, None, None);
        match thing {
            Thing::None => {}
            Thing::Tool(name) => tool = Some(Cow::Borrowed(name)),
            // Every spelling of a URI is the same resource.
            Thing::Resource(uri) => resource = Some(normal(uri)),
            Thing::Prompt(name) => prompt = Some(Cow::Borrowed(name)),
        }
        for (patterns, name) in
            [(&self.tools, tool), (&self.resources, resource), (&self.prompts, prompt)]
        {
            if let Some(patterns) = patterns {
                names_things = true;
                names_this |=
                    name.is_some_and(|name| patterns.iter().any(|one| one.matches(&name)));
            }
        }
        self.methods.as_ref().is_none_or(|all| all.contains(&method))
            && (!names_things || names_this)
    }

    /// True if the arguments are such as it asks for.
    pub(super) fn fits(&self, arguments: Arguments<'_>) -> bool {
        match arguments {
            _ if self.arguments.is_empty() => true,
            // Something is left that a rule does not deny, and something that it allows.
            Arguments::Any => self.effect == Effect::Allow,
            Arguments::Are(arguments) => {
                let denies = self.effect == Effect::Deny;
                self.arguments.iter().all(|condition| condition.holds(arguments, denies))
            }
        }
    }
}

fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

fn has_claim(principal: &Principal, name: &str, values: &[String]) -> bool {
    let claim = principal.claims.iter().find(|(known, _)| known == name);
    claim.is_some_and(|(_, found)| found.iter().any(|value| values.contains(value)))
}
