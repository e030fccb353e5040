//! `erlmcp policy`: what is decided about whom, and which line of the configuration decides it.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use super::arguments::policy::PolicyCommand;
use super::{CONFIGURATION, complain, say};
use crate::config::{self, Configuration, PolicyCase, Problems, SystemSources};
use crate::guard::authz::question::{Answer, Question};
use crate::guard::authz::{Because, Policy, Verdict};
use crate::server::permission_of_tool;

pub(super) fn run(command: &PolicyCommand) -> ExitCode {
    let done = match command {
        PolicyCommand::Explain(config, question) => explain(config, question),
        PolicyCommand::Test(config, cases) => test(config, cases),
    };
    done.unwrap_or_else(|problems| {
        complain(&problems.to_string());
        ExitCode::from(CONFIGURATION)
    })
}

/// A policy and what it needs to be asked.
struct Asked<'a> {
    file: &'a Path,
    configuration: Configuration,
    policy: Policy,
}

impl<'a> Asked<'a> {
    fn load(file: &'a Path) -> Result<Self, Problems> {
        let configuration = config::load(file, &SystemSources)?;
        let policy = Policy::new(&configuration.authorization);
        Ok(Self { file, configuration, policy })
    }

    fn ask(&self, question: &Question) -> Option<Answer> {
        let tool = |name: &str| permission_of_tool(&self.configuration, name);
        question.ask(&self.policy, tool, |verdict| self.told(verdict))
    }

    fn because(&self, because: Because<'_>) -> String {
        let at = |line: &dyn Display| format!("{}:{line}", self.file.display());
        match because {
            Because::Off => "permissions are not asked for (authorization.enabled = false)".into(),
            Because::NothingNeeded => "nothing more is needed than to be known".into(),
            Because::Local => "the process that started the server may do everything".into(),
            Because::Scope => "a scope of the token gives it".into(),
            Because::Nothing => "no role and no rule gives it".into(),
            Because::Role(role) => match self.configuration.authorization.lines.0.get(role) {
                Some(line) => format!("the role {role:?} gives it ({})", at(line)),
                None => format!("the role {role:?} gives it (built in)"),
            },
            Because::Rule(number) => match self.policy.rules().get(number) {
                Some(rule) => format!("the rule {:?} decides it ({})", &*rule.name, at(&rule.line)),
                None => String::new(),
            },
        }
    }

    fn told(&self, verdict: &Verdict<'_>) -> String {
        match verdict {
            Verdict::Allowed(because) => format!("allowed: {}", self.because(*because)),
            Verdict::Denied(because) => format!("denied: {}", self.because(*because)),
            Verdict::DeniedArguments(because) => {
                format!("denied with these arguments: {}", self.because(*because))
            }
            Verdict::LacksScope(scopes) => {
                format!("denied: the token would have to have the scopes {scopes:?}")
            }
        }
    }
}

fn explain(config: &Path, question: &Question) -> Result<ExitCode, Problems> {
    let asked = Asked::load(config)?;
    let Some(answer) = asked.ask(question) else {
        say("denied: there is no such tool\n");
        return Ok(ExitCode::FAILURE);
    };
    let needs = answer.needs.map_or("nothing", |permission| permission.name());
    let roles = if answer.roles.is_empty() { "none".into() } else { answer.roles.join(", ") };
    let text = format!(
        "{}\n{} needs: {needs}\nroles of {:?}: {roles}\n",
        answer.verdict, question.subject, question.user,
    );
    say(&text);
    Ok(if answer.is_allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn test(config: &Path, file: &Path) -> Result<ExitCode, Problems> {
    let asked = Asked::load(config)?;
    let cases = config::load_policy_cases(file, &SystemSources)?;
    let mut text = String::new();
    let mut failed = 0_usize;
    for PolicyCase { line, question, is_allowed } in &cases {
        let answer = asked.ask(question);
        let is_as_expected = answer.as_ref().is_some_and(|it| it.is_allowed) == *is_allowed;
        if is_as_expected {
            continue;
        }
        failed += 1;
        let told = answer.map_or("denied: there is no such tool".into(), |it| it.verdict);
        let expected = if *is_allowed { "allow" } else { "deny" };
        let (file, subject) = (file.display(), &question.subject);
        text.push_str(&format!(
            "{file}:{line}: {:?}, {subject}: expected {expected}, and it is {told}\n",
            question.user
        ));
    }
    text.push_str(&format!("{} cases, {failed} not as expected\n", cases.len()));
    say(&text);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
