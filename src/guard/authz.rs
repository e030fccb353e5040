//! May they? Roles and their permissions, asked anew for each request and by one function for lists
//! and calls alike. A role that is not known gives nothing; no role at all gives the default role.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use super::settings::Authorization;
use super::validate::Call;
use crate::base::principal::{AuthMethod, Principal};
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

impl Policy {
    /// The policy of a configuration.
    pub fn new(settings: &Authorization) -> Self {
        let permissions = |names: &std::collections::BTreeSet<Permission>| {
            names.iter().fold(Permissions::default(), |set, name| set.with(*name))
        };
        Self {
            enabled: settings.enabled,
            default_role: settings.default_role.clone(),
            roles: settings
                .roles
                .iter()
                .map(|(role, names)| (role.clone(), permissions(names)))
                .collect(),
            user_roles: settings.user_roles.clone(),
        }
    }

    /// All that a principal may do.
    pub fn permissions_of(&self, principal: &Principal) -> Permissions {
        if !self.enabled || principal.method == AuthMethod::Local {
            return Permissions::ALL;
        }
        let given = self.user_roles.get(&principal.user);
        let mut roles = principal.roles.iter().chain(given.into_iter().flatten()).peekable();
        if roles.peek().is_none() && given.is_none() {
            return self.role(&self.default_role);
        }
        roles.fold(Permissions::default(), |set, role| set.union(self.role(role)))
    }

    fn role(&self, name: &str) -> Permissions {
        self.roles.get(name).copied().unwrap_or_default()
    }

    /// True if the principal has this permission: the question of lists and of change notices.
    pub fn allows(&self, principal: &Principal, permission: Permission) -> bool {
        self.permissions_of(principal).has(permission)
    }

    /// Decides on one call.
    ///
    /// `target` is what the named thing needs: `None` if there is no such thing. A thing that the
    /// caller may not use is answered like one that does not exist.
    pub fn decide(&self, call: Call, target: Target) -> Result<Grant, Refusal> {
        let needs = match (call.method().needs(), target) {
            (_, Target::Absent) => {
                return Err(Refusal::NotFound(absence(&call)));
            }
            (_, Target::NoMethod) => return Err(Refusal::NotFound(RpcError::unknown_method())),
            (Needs::Nothing, _) => return Ok(Grant { call }),
            (Needs::Permission(permission), _) => permission,
            (Needs::ToolPermission, Target::Needs(permission)) => permission,
            (Needs::ToolPermission, Target::Nothing) => Permission::Execute,
        };
        if self.allows(call.principal(), needs) {
            Ok(Grant { call })
        } else {
            Err(Refusal::Denied(absence(&call)))
        }
    }
}

/// What is known of the thing that a call names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The method names none.
    Nothing,
    /// There is none of that name.
    Absent,
    /// Nothing here has the method.
    NoMethod,
    /// It needs this permission.
    Needs(Permission),
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
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The example of the guide, level 2, step 4.
    fn guide() -> Policy {
        use Permission::{Delete, Execute, Read, Write};
        let role = |name: &str, set: &[Permission]| {
            (name.to_owned(), set.iter().copied().collect::<BTreeSet<_>>())
        };
        Policy::new(&Authorization {
            enabled: true,
            default_role: "guest".into(),
            roles: BTreeMap::from([
                role("guest", &[Read]),
                role("user", &[Read, Write]),
                role("admin", &[Read, Write, Execute, Delete]),
            ]),
            user_roles: BTreeMap::from([
                ("user_123".into(), vec!["user".into()]),
                ("service_456".into(), vec!["admin".into()]),
                ("orphan".into(), vec!["deleted_role".into()]),
                ("nobody".into(), vec![]),
            ]),
        })
    }

    fn user(name: &str) -> Principal {
        Principal::new(AuthMethod::ApiKey, name, vec![])
    }

    #[test]
    fn the_example_of_the_guide_works_as_written() {
        let policy = guide();
        assert!(policy.allows(&user("user_123"), Permission::Read));
        assert!(!policy.allows(&user("user_123"), Permission::Delete));
        assert!(policy.allows(&user("service_456"), Permission::Delete));
        assert!(policy.allows(&user("stranger"), Permission::Read));
        assert!(!policy.allows(&user("stranger"), Permission::Write));
    }

    #[test]
    fn a_deleted_role_and_an_empty_list_of_roles_give_nothing() {
        for name in ["orphan", "nobody"] {
            assert_eq!(guide().permissions_of(&user(name)), Permissions::default(), "{name}");
        }
    }

    #[test]
    fn roles_of_the_credential_add_to_those_of_the_user() {
        let principal = Principal::new(AuthMethod::ApiKey, "user_123", vec!["admin".into()]);
        assert_eq!(guide().permissions_of(&principal), Permissions::ALL);
        let unknown = Principal::new(AuthMethod::ApiKey, "stranger", vec!["nonsense".into()]);
        assert_eq!(guide().permissions_of(&unknown), Permissions::default());
    }
}
