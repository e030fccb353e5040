//! Prompts, one of which asks its client before it is filled.

use std::sync::Arc;

use erlmcp::{
    Arguments, Block, Builder, Context, Failure, FilledPrompt, Prompt, PromptArgument,
    PromptHandler, PromptMessage, ResourceContents, Role,
};
use serde_json::Value;

use crate::asking::text_form;
use crate::content::PNG;

type Fill = fn(&Context, &Arguments) -> Result<Vec<PromptMessage>, Failure>;

/// A prompt that a function fills.
struct Filled(Fill);

impl PromptHandler for Filled {
    fn fill(&self, context: &Context, arguments: Arguments) -> Result<FilledPrompt, Failure> {
        Ok(FilledPrompt { description: None, messages: (self.0)(context, &arguments)? })
    }

    fn complete(&self, _: &str, prefix: &str) -> Vec<String> {
        ["testValue1", "testValue2"]
            .into_iter()
            .filter(|value| value.starts_with(prefix))
            .map(str::to_owned)
            .collect()
    }
}

pub(crate) fn offer(builder: Builder) -> Builder {
    let prompts: [(&str, &str, &[&str], Fill); 5] = [
        ("test_simple_prompt", "A prompt without arguments", &[], |_, _| {
            Ok(vec![PromptMessage::user("This is a simple prompt for testing.")])
        }),
        ("test_prompt_with_arguments", "A prompt with two", &["arg1", "arg2"], |_, arguments| {
            let (first, second) = (text(arguments, "arg1"), text(arguments, "arg2"));
            let line = format!("Prompt with arguments: arg1='{first}', arg2='{second}'");
            Ok(vec![PromptMessage::user(line)])
        }),
        (
            "test_prompt_with_embedded_resource",
            "A prompt with a resource",
            &["resourceUri"],
            |_, arguments| {
                let uri = text(arguments, "resourceUri");
                let contents =
                    ResourceContents::text(uri, "text/plain", "Embedded resource content.");
                Ok(vec![
                    message(Block::Resource(contents)),
                    PromptMessage::user("Please process the embedded resource above."),
                ])
            },
        ),
        ("test_prompt_with_image", "A prompt with an image", &[], |_, _| {
            let image = Block::Image { data: PNG.to_vec(), mime_type: "image/png".into() };
            Ok(vec![message(image), PromptMessage::user("Please analyze the image above.")])
        }),
        ("test_input_required_result_prompt", "A prompt that asks", &[], |context, _| {
            let topic =
                context.elicit("user_context", text_form("What is it about?", "context"))?;
            Ok(vec![PromptMessage::user(format!("Use this: {topic:?}"))])
        }),
    ];
    prompts.into_iter().fold(builder, |builder, (name, description, arguments, fill)| {
        builder.prompt(definition(name, description, arguments), Arc::new(Filled(fill)))
    })
}

fn definition(name: &str, description: &str, arguments: &[&str]) -> Prompt {
    let argument = |name: &&str| PromptArgument {
        name: (*name).into(),
        description: Some("A value for the test".into()),
        required: true,
        ..PromptArgument::default()
    };
    Prompt {
        name: name.into(),
        description: Some(description.into()),
        arguments: arguments.iter().map(argument).collect(),
        ..Prompt::default()
    }
}

fn text<'a>(arguments: &'a Arguments, key: &str) -> &'a str {
    arguments.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn message(block: Block) -> PromptMessage {
    PromptMessage { role: Role::User, content: block.into() }
}
