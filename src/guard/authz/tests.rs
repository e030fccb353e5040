//! The example of the guide, rules beyond roles, and scopes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::argument::{ArgumentCondition, Condition};
use super::rule::{Effect, Line};
use super::*;
use crate::base::principal::AuthMethod;
use crate::base::transport::Transport;
use crate::base::wildcard::Wildcard;
use crate::guard::settings::Lines;

/// The example of the guide, level 2, step 4.
fn guide() -> Authorization {
    use Permission::{Delete, Execute, Read, Write};
    let role = |name: &str, set: &[Permission]| {
        (name.to_owned(), set.iter().copied().collect::<BTreeSet<_>>())
    };
    Authorization {
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
        scopes: BTreeMap::new(),
        rules: Vec::new(),
        lines: Lines::default(),
    }
}

fn with(rules: Vec<Rule>) -> Policy {
    Policy::new(&Authorization { rules, ..guide() })
}

fn user(name: &str) -> Principal {
    Principal::new(AuthMethod::ApiKey, name, vec![])
}

fn rule(effect: Effect) -> Rule {
    Rule {
        name: "a rule".into(),
        line: Line(1),
        effect,
        users: None,
        roles: None,
        claims: Vec::new(),
        transports: None,
        networks: None,
        methods: None,
        tools: None,
        resources: None,
        prompts: None,
        arguments: Vec::new(),
    }
}

fn names(texts: &[&str]) -> Option<Vec<Wildcard>> {
    Some(texts.iter().map(|text| Wildcard::new(text)).collect())
}

fn allows(policy: &Policy, principal: &Principal, needs: Permission) -> bool {
    policy.allows(principal, Method::ToolsCall, Thing::Tool("x"), needs)
}

/// What becomes of a call of a tool that needs `execute`.
fn call<'p>(
    policy: &'p Policy,
    principal: &'p Principal,
    tool: &str,
    arguments: &Value,
) -> Verdict<'p> {
    let address = "192.0.2.1".parse().unwrap();
    let view =
        policy.for_caller(Caller { principal, place: Place::At(Transport::Http, Some(address)) });
    let arguments = Arguments::Are(arguments.as_object().unwrap());
    view.judge(Method::ToolsCall, Thing::Tool(tool), Some(Permission::Execute), arguments)
}

#[test]
fn the_example_of_the_guide_works_as_written() {
    let policy = Policy::new(&guide());
    assert!(allows(&policy, &user("user_123"), Permission::Read));
    assert!(!allows(&policy, &user("user_123"), Permission::Delete));
    assert!(allows(&policy, &user("service_456"), Permission::Delete));
    assert!(allows(&policy, &user("stranger"), Permission::Read));
    assert!(!allows(&policy, &user("stranger"), Permission::Write));
}

#[test]
fn a_deleted_role_and_an_empty_list_of_roles_give_nothing() {
    for name in ["orphan", "nobody"] {
        for permission in Permission::ALL {
            assert!(!allows(&Policy::new(&guide()), &user(name), permission), "{name}");
        }
    }
}

#[test]
fn roles_of_the_credential_add_to_those_of_the_user() {
    let policy = Policy::new(&guide());
    let principal = Principal::new(AuthMethod::ApiKey, "user_123", vec!["admin".into()]);
    assert!(allows(&policy, &principal, Permission::Delete));
    let unknown = Principal::new(AuthMethod::ApiKey, "stranger", vec!["nonsense".into()]);
    assert!(!allows(&policy, &unknown, Permission::Read));
}

// B104
#[test]
fn rules_take_from_roles_and_add_to_them_and_denying_wins() {
    let none = json!({});
    let (admin, guest) = (user("service_456"), user("stranger"));
    let deny = Rule { tools: names(&["rm*"]), ..rule(Effect::Deny) };
    let allow =
        Rule { tools: names(&["ls", "rm"]), users: names(&["stran*"]), ..rule(Effect::Allow) };
    let is_allowed = |rules: Vec<Rule>, principal: &Principal, tool: &str| {
        call(&with(rules), principal, tool, &none).is_allowed()
    };
    assert!(is_allowed(vec![], &admin, "rm") && !is_allowed(vec![], &guest, "ls"));
    assert!(!is_allowed(vec![deny.clone()], &admin, "rm"));
    assert!(is_allowed(vec![deny.clone()], &admin, "ls"));
    assert!(is_allowed(vec![allow.clone()], &guest, "ls"));
    assert!(!is_allowed(vec![allow.clone()], &guest, "cat"));
    for rules in [vec![allow.clone(), deny.clone()], vec![deny, allow]] {
        assert!(!is_allowed(rules.clone(), &guest, "rm"));
        assert!(is_allowed(rules, &guest, "ls"));
    }
    let nobody = Rule { users: names(&[]), tools: names(&["*"]), ..rule(Effect::Allow) };
    assert!(!is_allowed(vec![nobody], &guest, "ls"), "an empty list is nobody");
    let empty = Authorization { roles: BTreeMap::new(), user_roles: BTreeMap::new(), ..guide() };
    assert!(!call(&Policy::new(&empty), &admin, "ls", &none).is_allowed(), "nothing is nobody");
}

#[test]
fn every_condition_must_hold() {
    let mut principal = user("service_456");
    principal.claims = vec![("department".into(), vec!["it".into(), "ops".into()])];
    let deny = |change: &dyn Fn(&mut Rule)| {
        let mut rule = Rule { tools: names(&["x"]), ..rule(Effect::Deny) };
        change(&mut rule);
        !call(&with(vec![rule]), &principal, "x", &json!({})).is_allowed()
    };
    assert!(deny(&|_| ()));
    assert!(deny(&|rule| rule.roles = Some(vec!["user".into(), "admin".into()])));
    assert!(!deny(&|rule| rule.roles = Some(vec!["user".into()])));
    assert!(deny(&|rule| rule.claims = vec![("department".into(), vec!["ops".into()])]));
    assert!(!deny(&|rule| rule.claims = vec![("department".into(), vec!["hr".into()])]));
    assert!(!deny(&|rule| rule.claims = vec![("other".into(), vec!["it".into()])]));
    assert!(deny(&|rule| rule.transports = Some(vec![Transport::Http])));
    assert!(!deny(&|rule| rule.transports = Some(vec![Transport::Stdio])));
    assert!(deny(&|rule| rule.networks = Some(vec!["192.0.2.0/24".parse().unwrap()])));
    assert!(!deny(&|rule| rule.networks = Some(vec!["10.0.0.0/8".parse().unwrap()])));
    assert!(deny(&|rule| rule.methods = Some(vec![Method::ToolsCall])));
    assert!(!deny(&|rule| rule.methods = Some(vec![Method::PromptsGet])));
    assert!(!deny(&|rule| rule.resources = names(&["*"]).filter(|_| {
        rule.tools = None;
        true
    })));
}

#[test]
fn where_the_place_is_not_known_rules_are_the_stricter_ones() {
    let networks = Some(vec!["10.0.0.0/8".parse().unwrap()]);
    let deny = Rule { networks: networks.clone(), ..rule(Effect::Deny) };
    assert!(!allows(&with(vec![deny]), &user("service_456"), Permission::Read));
    let allow = Rule { networks, ..rule(Effect::Allow) };
    assert!(!allows(&with(vec![allow]), &user("nobody"), Permission::Read));
}

#[test]
fn arguments_decide_on_calls_and_hide_nothing() {
    let below = |effect| Rule {
        tools: names(&["read"]),
        arguments: vec![ArgumentCondition {
            argument: "path".into(),
            condition: Condition::Below("/srv".into()),
        }],
        ..rule(effect)
    };
    let (admin, guest) = (user("service_456"), user("stranger"));
    let (good, bad) = (json!({ "path": "/srv/a" }), json!({ "path": "/etc/passwd" }));
    let because = Because::Rule(0);
    let allowing = with(vec![below(Effect::Allow)]);
    assert_eq!(call(&allowing, &guest, "read", &good), Verdict::Allowed(because));
    let denied = Verdict::DeniedArguments(because);
    assert_eq!(call(&allowing, &guest, "read", &bad), denied);
    assert_eq!(call(&allowing, &guest, "read", &json!({})), denied);
    let denying = with(vec![below(Effect::Deny)]);
    assert_eq!(call(&denying, &admin, "read", &good), denied);
    assert_eq!(call(&denying, &admin, "read", &json!({ "path": ["/srv/a"] })), denied);
    assert!(call(&denying, &admin, "read", &bad).is_allowed());
    let sees = |policy: &Policy, principal: &Principal| {
        policy.allows(principal, Method::ToolsCall, Thing::Tool("read"), Permission::Execute)
    };
    assert!(sees(&allowing, &guest) && sees(&denying, &admin));
    // Who could not call it anyway is not told that it is there.
    assert_eq!(call(&denying, &guest, "read", &good), Verdict::Denied(Because::Nothing));
}

#[test]
fn a_token_may_do_what_its_scopes_say_and_no_more_than_its_user() {
    use Permission::{Execute, Read};
    let scope = |name: &str, set: &[Permission]| {
        (name.to_owned(), set.iter().copied().collect::<BTreeSet<_>>())
    };
    let scopes = BTreeMap::from([
        scope("mcp:all", &Permission::ALL),
        scope("mcp:call", &[Execute]),
        scope("mcp:read", &[Read]),
    ]);
    let policy = Policy::new(&Authorization { scopes, ..guide() });
    let with_scopes = |name: &str, scopes: &[&str]| Principal {
        scopes: Some(scopes.iter().map(|one| (*one).to_owned()).collect()),
        ..user(name)
    };
    let call = |principal: &Principal| format!("{:?}", call(&policy, principal, "x", &json!({})));
    let told = |verdict: Verdict<'_>| format!("{verdict:?}");
    let lacks = |scopes: &str| told(Verdict::LacksScope(scopes.to_owned()));
    let by_scope = told(Verdict::Allowed(Because::Scope));
    assert_eq!(call(&with_scopes("stranger", &["mcp:call"])), by_scope);
    assert_eq!(
        call(&with_scopes("stranger", &["mcp:read", "other"])),
        lacks("mcp:read mcp:call"),
        "the least that is needed beside what it has"
    );
    assert_eq!(call(&with_scopes("stranger", &[])), lacks("mcp:call"));
    assert_eq!(call(&with_scopes("service_456", &["mcp:read"])), lacks("mcp:read mcp:call"));
    let limited = call(&with_scopes("user_123", &["mcp:all"]));
    assert_eq!(limited, told(Verdict::Denied(Because::Nothing)), "its user may not");
    assert!(call(&user("service_456")).starts_with("Allowed"), "a key has no scopes");
    let sees = |principal: &Principal| {
        policy.allows(principal, Method::ToolsCall, Thing::Tool("x"), Execute)
    };
    assert!(sees(&with_scopes("stranger", &["mcp:read"])), "what another token could do");
    assert!(!sees(&with_scopes("user_123", &["mcp:all"])));
}
