//! Tools that return at once: one for each kind of content.

use erlmcp::{Arguments, Block, Builder, Context, Failure, ResourceContents, Tool, ToolResult};
use serde_json::{Value, json};

/// A red pixel.
pub(crate) const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 0,
    1, 0, 0, 0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 12, 0x49, 0x44, 0x41, 0x54, 8,
    0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0, 0, 3, 1, 1, 0, 0x18, 0xdd, 0x8d, 0xb0, 0, 0, 0, 0, 0x49, 0x45,
    0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// A head of WAVE and no sound.
const WAV: &[u8] =
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0";

pub(crate) fn offer(builder: Builder) -> Builder {
    builder
        .quick_tool(tool("test_simple_text", "Returns a text"), |_, _| {
            Ok(ToolResult::text("This is a simple text response for testing."))
        })
        .quick_tool(tool("test_image_content", "Returns an image"), |_, _| {
            Ok(ToolResult::default().with(image()))
        })
        .quick_tool(tool("test_audio_content", "Returns a sound"), |_, _| {
            let sound = Block::Audio { data: WAV.to_vec(), mime_type: "audio/wav".into() };
            Ok(ToolResult::default().with(sound))
        })
        .quick_tool(tool("test_embedded_resource", "Returns a resource"), |_, _| {
            let uri = "test://embedded-resource";
            let contents =
                ResourceContents::text(uri, "text/plain", "This is an embedded resource content.");
            Ok(ToolResult::default().with(Block::Resource(contents)))
        })
        .quick_tool(tool("test_multiple_content_types", "Returns three blocks"), |_, _| {
            let uri = "test://mixed-content-resource";
            let contents =
                ResourceContents::text(uri, "application/json", r#"{"test":"data","value":123}"#);
            Ok(ToolResult::text("Multiple content types test:")
                .with(image())
                .with(Block::Resource(contents)))
        })
        .quick_tool(tool("test_error_handling", "Always fails"), |_, _| {
            Ok(ToolResult::error("This tool intentionally returns an error for testing"))
        })
        .quick_tool(json_schema_tool(), |_, arguments| {
            Ok(ToolResult::text(Value::Object(arguments).to_string()))
        })
        .quick_tool(custom_header_tool(), custom_header)
        .quick_tool(greeting_tool(), |_, arguments| {
            let name = arguments.get("name").and_then(Value::as_str).unwrap_or_default();
            Ok(ToolResult::text(format!("Hello, {name}!")))
        })
}

pub(crate) fn tool(name: &str, description: &str) -> Tool {
    Tool::new(name, description).read_only()
}

fn image() -> Block {
    Block::Image { data: PNG.to_vec(), mime_type: "image/png".into() }
}

/// Whatever the schema says must reach the client as it stands.
fn json_schema_tool() -> Tool {
    tool("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features").input_schema(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } }
            }
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" }
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": {
            "properties": { "contactMethod": { "const": "phone" } },
            "required": ["contactMethod"]
        },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false
    }))
}

/// A parameter that an HTTP client repeats in the header `Mcp-Param-Value`.
fn custom_header_tool() -> Tool {
    tool("test_custom_header", "Returns a value that is mirrored in a header").input_schema(json!({
        "type": "object",
        "properties": { "value": { "type": "string", "x-mcp-header": "Value" } },
        "additionalProperties": false
    }))
}

fn custom_header(_: &Context, arguments: Arguments) -> Result<ToolResult, Failure> {
    let value = arguments.get("value").and_then(Value::as_str).unwrap_or("nothing");
    Ok(ToolResult::text(format!("value: {value}")))
}

fn greeting_tool() -> Tool {
    tool("greet", "Greets somebody, at once").input_schema(json!({
        "type": "object",
        "properties": { "name": { "type": "string" } },
        "required": ["name"]
    }))
}
