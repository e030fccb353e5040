//! Tools that ask their client. The source is the same for both eras: it never asks which.

use erlmcp::{
    Arguments, Builder, ClientCapability, Context, Elicitation, Elicited, Failure, InputRequest,
    Sampling, ToolResult,
};
use serde_json::{Value, json};

use crate::content::tool;

pub(crate) fn offer(builder: Builder) -> Builder {
    let builder = builder
        .tool(
            tool("test_sampling", "Asks the client's model").input_schema(one_text("prompt")),
            sampling,
        )
        .tool(
            tool("test_elicitation", "Asks the person").input_schema(one_text("message")),
            elicitation,
        )
        .tool(
            tool("test_elicitation_sep1034_defaults", "Asks with default values"),
            |context, _| show(context.elicit("form", defaults())?),
        )
        .tool(tool("test_elicitation_sep1330_enums", "Asks with choices"), |context, _| {
            show(context.elicit("form", choices())?)
        })
        .tool(tool("test_missing_capability", "Needs sampling"), |context, _| {
            let sampled = context.sample("question", Sampling::user("Say hello", 10))?;
            Ok(ToolResult::text(sampled.text()))
        })
        .tool(tool("test_streaming_elicitation", "Asks after some progress"), |context, _| {
            context.progress(1.0, Some(2.0), None);
            show(context.elicit("user_name", name_form())?)
        });
    offer_rounds(builder)
}

/// Tools of the multi round-trip scenarios.
fn offer_rounds(builder: Builder) -> Builder {
    builder
        .tool(tool("test_input_required_result_elicitation", "Asks for a name"), |context, _| {
            Ok(ToolResult::text(format!("Hello, {}!", name(context, "user_name")?)))
        })
        .tool(tool("test_input_required_result_sampling", "Asks the model"), |context, _| {
            let question = Sampling::user("What is the capital of France?", 100);
            Ok(ToolResult::text(context.sample("capital_question", question)?.text()))
        })
        .tool(tool("test_input_required_result_list_roots", "Asks for roots"), |context, _| {
            let roots = context.roots("client_roots")?;
            let uris: Vec<_> = roots.into_iter().map(|root| root.uri).collect();
            Ok(ToolResult::text(format!("Roots: {}", uris.join(", "))))
        })
        .tool(tool("test_input_required_result_request_state", "Asks to confirm"), confirm)
        .tool(tool("test_input_required_result_tampered_state", "Asks to confirm"), confirm)
        .tool(tool("test_input_required_result_multiple_inputs", "Asks three things"), three)
        .tool(tool("test_input_required_result_multi_round", "Asks twice"), |context, _| {
            let name = name(context, "step1")?;
            let color = context.elicit("step2", text_form("What is your favorite color?", "color"));
            Ok(ToolResult::text(format!("{name} likes {}", value(color?, "color"))))
        })
        .tool(tool("test_input_required_result_capabilities", "Asks what it can"), what_it_can)
}

fn one_text(property: &str) -> Value {
    json!({
        "type": "object",
        "properties": { property: { "type": "string" } },
        "required": [property]
    })
}

fn text<'a>(arguments: &'a Arguments, key: &str) -> &'a str {
    arguments.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn sampling(context: &Context, arguments: Arguments) -> Result<ToolResult, Failure> {
    let sampled = context.sample("prompt", Sampling::user(text(&arguments, "prompt"), 100))?;
    Ok(ToolResult::text(format!("LLM response: {}", sampled.text())))
}

fn elicitation(context: &Context, arguments: Arguments) -> Result<ToolResult, Failure> {
    let schema = json!({
        "type": "object",
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" }
        },
        "required": ["username", "email"]
    });
    show(context.elicit("form", Elicitation::form(text(&arguments, "message"), schema))?)
}

fn show(elicited: Elicited) -> Result<ToolResult, Failure> {
    let (action, content) = match elicited {
        Elicited::Accepted(values) => ("accept", Value::Object(values)),
        Elicited::Declined => ("decline", json!({})),
        Elicited::Cancelled => ("cancel", json!({})),
    };
    Ok(ToolResult::text(format!("Elicitation completed: action={action}, content={content}")))
}

fn defaults() -> Elicitation {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": {
                "type": "string", "enum": ["active", "inactive", "pending"], "default": "active"
            },
            "verified": { "type": "boolean", "default": true }
        }
    });
    Elicitation::form("Please review these values", schema)
}

fn choices() -> Elicitation {
    let titled = |which: &str| {
        json!([
            { "const": "value1", "title": format!("First {which}") },
            { "const": "value2", "title": format!("Second {which}") },
            { "const": "value3", "title": format!("Third {which}") }
        ])
    };
    let options = json!(["option1", "option2", "option3"]);
    let schema = json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": { "type": "string", "oneOf": titled("Option") },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"]
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } }
        }
    });
    Elicitation::form("Please choose", schema)
}

pub(crate) fn text_form(message: &str, property: &str) -> Elicitation {
    Elicitation::form(message, one_text(property))
}

fn name_form() -> Elicitation {
    text_form("What is your name?", "name")
}

/// What was entered; a dash if the person did not want to.
fn value(elicited: Elicited, property: &str) -> String {
    match elicited {
        Elicited::Accepted(values) => text(&values, property).to_owned(),
        Elicited::Declined | Elicited::Cancelled => "-".to_owned(),
    }
}

pub(crate) fn name(context: &Context, key: &str) -> Result<String, Failure> {
    Ok(value(context.elicit(key, name_form())?, "name"))
}

fn confirm(context: &Context, _: Arguments) -> Result<ToolResult, Failure> {
    let schema = json!({
        "type": "object",
        "properties": { "ok": { "type": "boolean" } },
        "required": ["ok"]
    });
    context.elicit("confirm", Elicitation::form("Please confirm", schema))?;
    Ok(ToolResult::text("state-ok"))
}

fn three(context: &Context, _: Arguments) -> Result<ToolResult, Failure> {
    let greeting = Sampling::user("Generate a greeting", 50);
    let mut inputs = context.ask([
        ("user_name", name_form().into()),
        ("greeting", greeting.into()),
        ("client_roots", InputRequest::Roots),
    ])?;
    let name = value(inputs.elicited("user_name")?, "name");
    let greeting = inputs.sampled("greeting")?.text();
    let roots = inputs.roots("client_roots")?.len();
    Ok(ToolResult::text(format!("{greeting} {name}, {roots} roots")))
}

/// Asks only what the client has said it can do.
fn what_it_can(context: &Context, _: Arguments) -> Result<ToolResult, Failure> {
    let mut requests: Vec<(&str, InputRequest)> = Vec::new();
    if context.client().has(ClientCapability::FormElicitation) {
        requests.push(("user_name", name_form().into()));
    }
    if context.client().has(ClientCapability::Sampling) {
        requests.push(("greeting", Sampling::user("Generate a greeting", 50).into()));
    }
    context.ask(requests)?;
    Ok(ToolResult::text("asked what the client can answer"))
}
