//! Prompts from the configuration: messages with placeholders. What is filled in is text and never
//! looked at again, so a value cannot bring placeholders of its own.

use crate::backend::context::Context;
use crate::backend::provider::{Arguments, Failure, FilledPrompt, PromptHandler};
use crate::backend::settings::{PromptSettings, Role as SettingsRole};
use crate::backend::template::{Part, Template};
use crate::mcp::content::{Content, PromptMessage, Role};
use crate::mcp::definitions::{Prompt, PromptArgument};

/// A prompt of the configuration.
#[derive(Clone, Debug)]
pub struct TemplatePrompt {
    settings: PromptSettings,
}

impl TemplatePrompt {
    /// A prompt that fills these messages.
    pub fn new(settings: PromptSettings) -> Self {
        Self { settings }
    }

    /// Its definition.
    pub fn definition(&self) -> Prompt {
        Prompt {
            name: self.settings.name.clone(),
            title: self.settings.title.clone(),
            description: Some(self.settings.description.clone()),
            arguments: self
                .settings
                .arguments
                .iter()
                .map(|argument| PromptArgument {
                    name: argument.name.clone(),
                    title: argument.title.clone(),
                    description: argument.description.clone(),
                    required: argument.required,
                })
                .collect(),
            ..Prompt::default()
        }
    }
}

impl PromptHandler for TemplatePrompt {
    fn is_quick(&self) -> bool {
        true
    }

    fn fill(&self, _: &Context, arguments: Arguments) -> Result<FilledPrompt, Failure> {
        let message = |message: &crate::backend::settings::PromptMessage| PromptMessage {
            role: match message.role {
                SettingsRole::User => Role::User,
                SettingsRole::Assistant => Role::Assistant,
            },
            content: Content::text(fill(&message.text, &arguments)),
        };
        Ok(FilledPrompt {
            description: Some(self.settings.description.clone()),
            messages: self.settings.messages.iter().map(message).collect(),
        })
    }

    fn complete(&self, name: &str, prefix: &str) -> Vec<String> {
        let argument = self.settings.arguments.iter().find(|argument| argument.name == name);
        argument
            .into_iter()
            .flat_map(|argument| &argument.values)
            .filter(|value| value.starts_with(prefix))
            .cloned()
            .collect()
    }
}

/// The text with each placeholder replaced; an argument that was not given is empty.
fn fill(template: &Template, arguments: &Arguments) -> String {
    let value = |name: &str| arguments.get(name).and_then(|value| value.as_str());
    template
        .parts()
        .iter()
        .map(|part| match part {
            Part::Literal(text) => text.as_str(),
            Part::Placeholder(name) => value(name).unwrap_or_default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_with_braces_stays_a_value() {
        let template = Template::parse("Hello {name}, {{name}}, {other}.").unwrap();
        let arguments = json!({"name": "{other}"}).as_object().unwrap().clone();
        assert_eq!(fill(&template, &arguments), "Hello {other}, {name}, .");
    }
}
