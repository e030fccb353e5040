//! The policy as it is for one caller, and the one function that decides.

use super::rule::{Arguments, Caller, Effect, Rule, Thing};
use super::{Because, Permissions, Policy, Verdict};
use crate::base::principal::AuthMethod;
use crate::mcp::methods::{Method, Permission};

/// The policy as it is for one caller; see [`Policy::for_caller`].
#[derive(Debug)]
pub struct View<'p> {
    pub(super) policy: &'p Policy,
    pub(super) caller: Caller<'p>,
    /// The rules that are about it, with their numbers.
    pub(super) rules: Vec<(usize, &'p Rule)>,
    /// Its token has scopes, and they count.
    pub(super) is_by_scope: bool,
}

impl<'p> View<'p> {
    /// Decides whether a method may be called on a thing that needs this permission, or none.
    pub fn judge(
        &self,
        method: Method,
        thing: Thing<'_>,
        needs: Option<Permission>,
        arguments: Arguments<'_>,
    ) -> Verdict<'p> {
        if !self.policy.enabled {
            return Verdict::Allowed(Because::Off);
        }
        let mut denied = None;
        for (number, rule) in self.about(Effect::Deny, method, thing) {
            if rule.arguments.is_empty() {
                return Verdict::Denied(Because::Rule(number));
            }
            if denied.is_none() && rule.fits(arguments) {
                denied = Some(number);
            }
        }
        let because = match self.grant(method, thing, needs, arguments) {
            Verdict::Allowed(because) => because,
            other => return other,
        };
        if let Some(number) = denied {
            return Verdict::DeniedArguments(Because::Rule(number));
        }
        match needs.filter(|needs| self.is_by_scope && !self.scope_permissions().has(*needs)) {
            Some(needs) => Verdict::LacksScope(self.scopes_for(needs)),
            None => Verdict::Allowed(because),
        }
    }

    /// True if the thing is to be seen: something may be done with it, perhaps with another scope.
    pub fn shows(&self, method: Method, thing: Thing<'_>, needs: Permission) -> bool {
        matches!(
            self.judge(method, thing, Some(needs), Arguments::Any),
            Verdict::Allowed(_) | Verdict::LacksScope(_)
        )
    }

    /// The roles that count: the default one is not for those whose scopes do.
    pub fn roles(&self) -> impl Iterator<Item = &'p str> {
        let (policy, principal) = (self.policy, self.caller.principal);
        let has_some = !self.is_by_scope || policy.has_own_roles(principal);
        has_some.then(|| policy.roles_of(principal)).into_iter().flatten()
    }

    fn about(
        &self,
        effect: Effect,
        method: Method,
        thing: Thing<'_>,
    ) -> impl Iterator<Item = (usize, &Rule)> {
        self.rules
            .iter()
            .copied()
            .filter(move |(_, rule)| rule.effect == effect && rule.concerns(method, thing))
    }

    /// What a role, a rule or else the scopes give, before anything is taken away.
    fn grant(
        &self,
        method: Method,
        thing: Thing<'_>,
        needs: Option<Permission>,
        arguments: Arguments<'_>,
    ) -> Verdict<'p> {
        let Some(needs) = needs else { return Verdict::Allowed(Because::NothingNeeded) };
        if self.caller.principal.method == AuthMethod::Local {
            return Verdict::Allowed(Because::Local);
        }
        if let Some(role) = self.roles().find(|role| self.policy.role(role).has(needs)) {
            return Verdict::Allowed(Because::Role(role));
        }
        let is_by_scope_only =
            self.is_by_scope && !self.policy.has_own_roles(self.caller.principal);
        if is_by_scope_only && self.policy.all_scopes().has(needs) {
            return Verdict::Allowed(Because::Scope);
        }
        let mut with_others = None;
        for (number, rule) in self.about(Effect::Allow, method, thing) {
            if rule.fits(arguments) {
                return Verdict::Allowed(Because::Rule(number));
            }
            with_others = Some(number);
        }
        match with_others {
            Some(number) => Verdict::DeniedArguments(Because::Rule(number)),
            None => Verdict::Denied(Because::Nothing),
        }
    }

    fn scope_permissions(&self) -> Permissions {
        let own = self.caller.principal.scopes.iter().flatten();
        let known = own.filter_map(|scope| self.policy.scopes.get(scope));
        known.fold(Permissions::default(), |set, one| set.union(*one))
    }

    /// The known scopes of the token, and the one with the fewest permissions that gives this one.
    fn scopes_for(&self, needs: Permission) -> String {
        let own = self.caller.principal.scopes.iter().flatten();
        let mut scopes: Vec<&str> =
            own.map(String::as_str).filter(|one| self.policy.scopes.contains_key(*one)).collect();
        let fitting = self.policy.scopes.iter().filter(|(_, gives)| gives.has(needs));
        if let Some((scope, _)) = fitting.min_by_key(|(_, gives)| gives.count()) {
            scopes.push(scope);
        }
        scopes.join(" ")
    }
}
