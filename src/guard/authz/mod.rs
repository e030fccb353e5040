//! May they? Rules, roles and the scopes of tokens, asked anew for each request and by one function
//! for lists, calls and notices alike. A rule that denies comes first; then a rule that allows, or
//! a permission that a role gives; then the token must have a scope for it. A role that is not
//! known gives nothing; no role at all gives the default role.

pub mod argument;
pub mod question;
pub mod rule;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Map;

pub use self::view::View;

use self::rule::{Arguments, Caller, Place, Rule, Thing};
use super::refusal::Refusal;
use super::settings::Authorization;
use super::validate::Call;
use crate::base::principal::Principal;
use crate::mcp::errors::RpcError;
use crate::mcp::methods::{Method, Needs, Permission};

/// A set of the four permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u8);

impl Permissions {
    /// All four.
    pub const ALL: Self = Self(0b1111);

    /// The set with one more.
    #[must_use]
    pub fn with(self, permission: Permission) -> Self {
        Self(self.0 | Self::bit(permission))
    }

    /// True if `permission` is in it.
    pub fn has(self, permission: Permission) -> bool {
        self.0 & Self::bit(permission) != 0
    }

    fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn count(self) -> u32 {
        self.0.count_ones()
    }

    fn bit(permission: Permission) -> u8 {
        match permission {
            Permission::Read => 1,
            Permission::Write => 2,
            Permission::Execute => 4,
            Permission::Delete => 8,
        }
    }
}

/// Who may do what.
#[derive(Clone, Debug)]
pub struct Policy {
    enabled: bool,
    default_role: String,
    roles: BTreeMap<String, Permissions>,
    user_roles: BTreeMap<String, Vec<String>>,
    scopes: BTreeMap<String, Permissions>,
    rules: Arc<[Rule]>,
}

/// Token: this call may be made. Made only here; `dispatch` takes nothing else.
#[derive(Debug)]
pub struct Grant {
    call: Call,
}

impl Grant {
    /// The call that was granted.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Gives the call up to who carries it out.
    pub fn into_call(self) -> Call {
        self.call
    }
}

/// What is decided, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'p> {
    /// It may be done; why.
    Allowed(Because<'p>),
    /// It may not, whatever the arguments are; why.
    Denied(Because<'p>),
    /// It may not with these arguments; why.
    DeniedArguments(Because<'p>),
    /// It could be done with a token of these scopes.
    LacksScope(String),
}

/// What has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because<'p> {
    /// Nobody is asked for permissions.
    Off,
    /// Nothing more is needed than to be known.
    NothingNeeded,
    /// The rule with this number, from 0.
    Rule(usize),
    /// This role gives the permission.
    Role(&'p str),
    /// A scope of the token gives it, and its user has no roles that could.
    Scope,
    /// The process that started us may do everything.
    Local,
    /// Neither a role nor a rule gives it.
    Nothing,
}

impl Verdict<'_> {
    /// True if it may be done.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

impl Policy {
    /// The policy of a configuration.
    pub fn new(settings: &Authorization) -> Self {
        let permissions = |names: &std::collections::BTreeSet<Permission>| {
            names.iter().fold(Permissions::default(), |set, name| set.with(*name))
        };
        let table = |table: &BTreeMap<String, std::collections::BTreeSet<Permission>>| {
            table.iter().map(|(name, names)| (name.clone(), permissions(names))).collect()
        };
        Self {
            enabled: settings.enabled,
            default_role: settings.default_role.clone(),
            roles: table(&settings.roles),
            user_roles: settings.user_roles.clone(),
            scopes: table(&settings.scopes),
            rules: settings.rules.clone().into(),
        }
    }

    /// The rules, in the order of the configuration.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The roles of a principal: those of its credential and of its user, or the default one.
    pub fn roles_of<'p>(&'p self, principal: &'p Principal) -> impl Iterator<Item = &'p str> {
        let given = self.user_roles.get(&principal.user).into_iter().flatten();
        let own = principal.roles.iter().chain(given).map(String::as_str);
        own.chain((!self.has_own_roles(principal)).then_some(self.default_role.as_str()))
    }

    /// The policy as it is for one caller.
    pub fn for_caller<'p>(&'p self, caller: Caller<'p>) -> View<'p> {
        let is_by_scope = !self.scopes.is_empty() && caller.principal.scopes.is_some();
        let mut view = View { policy: self, caller, rules: Vec::new(), is_by_scope };
        if self.enabled && !self.rules.is_empty() {
            let roles: Vec<&str> = view.roles().collect();
            let all = self.rules.iter().enumerate();
            view.rules = all.filter(|(_, rule)| rule.is_about(caller, &roles)).collect();
        }
        view
    }

    fn has_own_roles(&self, principal: &Principal) -> bool {
        !principal.roles.is_empty() || self.user_roles.contains_key(&principal.user)
    }

    /// True if the principal, wherever it is, may do this: the question of notices.
    pub fn allows(
        &self,
        principal: &Principal,
        method: Method,
        thing: Thing<'_>,
        needs: Permission,
    ) -> bool {
        self.for_caller(Caller { principal, place: Place::Unknown }).shows(method, thing, needs)
    }

    /// Decides on one call.
    ///
    /// `target` is what the named thing needs. A thing that the caller may not use is answered like
    /// one that does not exist.
    pub fn decide(&self, call: Call, target: Target) -> Result<Grant, Refusal> {
        let needs = match (call.method().needs(), &target) {
            (_, Target::Absent) => {
                return Err(Refusal::NotFound(absence(&call)));
            }
            (_, Target::NoMethod) => return Err(Refusal::NotFound(RpcError::unknown_method())),
            (Needs::Nothing, _) if self.rules.is_empty() => return Ok(Grant { call }),
            (Needs::Nothing, _) => None,
            (Needs::Permission(permission), _) => Some(permission),
            (Needs::ToolPermission, Target::Needs(permission) | Target::Task(_, permission)) => {
                Some(*permission)
            }
            (Needs::ToolPermission, Target::Nothing) => Some(Permission::Execute),
        };
        let refusal = {
            let place = Place::At(call.transport(), call.address());
            let caller = Caller { principal: call.principal(), place };
            let thing = thing_of(&call, &target);
            let nothing = Map::new();
            let given = call.params().get("arguments").and_then(|given| given.as_object());
            let arguments = match call.method() {
                Method::ToolsCall | Method::PromptsGet => Arguments::Are(given.unwrap_or(&nothing)),
                _ => Arguments::Any,
            };
            let verdict = self.for_caller(caller).judge(call.method(), thing, needs, arguments);
            self.refusal(&call, &verdict)
        };
        match refusal {
            None => Ok(Grant { call }),
            Some(refusal) => Err(refusal),
        }
    }

    /// What a verdict is to who makes the call; `None` if it may be made.
    fn refusal(&self, call: &Call, verdict: &Verdict<'_>) -> Option<Refusal> {
        match verdict {
            Verdict::Allowed(_) => None,
            Verdict::Denied(because) => {
                Some(Refusal::Denied(absence(call), self.rule_named_by(*because)))
            }
            Verdict::DeniedArguments(because) => {
                let error = RpcError::invalid_params("These arguments are not permitted");
                Some(Refusal::Denied(error, self.rule_named_by(*because)))
            }
            Verdict::LacksScope(scopes) => Some(Refusal::InsufficientScope(scopes.clone())),
        }
    }

    fn rule_named_by(&self, because: Because<'_>) -> Option<Arc<str>> {
        match because {
            Because::Rule(number) => self.rules.get(number).map(|rule| Arc::clone(&rule.name)),
            _ => None,
        }
    }
}

impl Policy {
    fn role(&self, name: &str) -> Permissions {
        self.roles.get(name).copied().unwrap_or_default()
    }

    fn all_scopes(&self) -> Permissions {
        self.scopes.values().fold(Permissions::default(), |set, one| set.union(*one))
    }
}

/// What is known of the thing that a call names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The method names none.
    Nothing,
    /// There is none of that name.
    Absent,
    /// Nothing here has the method.
    NoMethod,
    /// It needs this permission.
    Needs(Permission),
    /// It is a task of this tool, which needs this permission.
    Task(String, Permission),
}

fn thing_of<'t>(call: &'t Call, target: &'t Target) -> Thing<'t> {
    let name = call.target().unwrap_or_default();
    match (call.method(), target) {
        (_, Target::Task(tool, _)) => Thing::Tool(tool),
        (Method::ToolsCall, _) => Thing::Tool(name),
        (Method::PromptsGet, _) => Thing::Prompt(name),
        (Method::ResourcesRead | Method::Subscribe | Method::Unsubscribe, _) => {
            Thing::Resource(name)
        }
        _ => Thing::None,
    }
}

/// What the caller is told when the thing is not there, or not there for it.
fn absence(call: &Call) -> RpcError {
    let name = call.target().unwrap_or_default();
    match call.method() {
        Method::ToolsCall => RpcError::unknown_tool(name),
        Method::PromptsGet => RpcError::unknown_prompt(name),
        Method::ResourcesRead | Method::Subscribe | Method::Unsubscribe => {
            RpcError::unknown_resource(name, call.version())
        }
        method if method.is_about_tasks() => RpcError::unknown_task(),
        _ => RpcError::invalid_params("This is not available"),
    }
}

#[cfg(test)]
mod tests;
