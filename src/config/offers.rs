//! Reads `[[resources]]` and `[[prompts]]`; it must never read what they offer.

use super::reader::Reader;
use super::server::{claim, is_name, unique_name};
use super::tools::{checked_template, description};
use super::value::Value;
use crate::backend::settings::{
    FileResource, PromptArgument, PromptMessage, PromptSettings, ResourceAbout, ResourceSettings,
    Role, RootResource,
};

const MAX_BYTES: std::ops::RangeInclusive<u64> = 1..=1 << 30;

/// Reads all resources.
pub(super) fn resources(root: &mut Reader<'_>) -> Vec<ResourceSettings> {
    let mut names = Vec::new();
    let mut uris = Vec::new();
    root.tables("resources", |reader| resource(reader, &mut names, &mut uris))
}

fn resource(
    reader: &mut Reader<'_>,
    names: &mut Vec<String>,
    uris: &mut Vec<String>,
) -> Option<ResourceSettings> {
    let about = ResourceAbout {
        name: resource_name(reader, names).unwrap_or_default(),
        title: reader.string("title"),
        description: reader.text("description"),
    };
    let is_root = reader.has("root");
    if reader.has("file") == is_root {
        let what = if is_root { "has both `file` and `root`" } else { "has no `file`" };
        let remedy = "give file = \"/etc/motd\" for one file or root = \"/srv/docs\" for many";
        reader.error(what, remedy);
    }
    if is_root { root_resource(reader, about, uris) } else { file_resource(reader, about, uris) }
}

fn resource_name(reader: &mut Reader<'_>, names: &mut Vec<String>) -> Option<String> {
    let value = reader.required("name", "\"motd\"")?;
    let name = value.string("a string")?;
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        let remedy = "write 1 to 256 bytes without control characters";
        value.error("is no name of a resource", remedy);
        return None;
    }
    claim(&value, name, names)
}

/// Refuses a key that does nothing in a resource of the other kind.
fn refuse_misplaced(reader: &mut Reader<'_>, key: &'static str, wanted: &str) {
    if let Some(value) = reader.value(key) {
        value.error(&format!("has no effect without `{wanted}`"), "remove it");
    }
}

fn file_resource(
    reader: &mut Reader<'_>,
    about: ResourceAbout,
    uris: &mut Vec<String>,
) -> Option<ResourceSettings> {
    for key in ["uri_prefix", "max_entries", "max_depth", "hidden", "follow_symlinks"] {
        refuse_misplaced(reader, key, "root");
    }
    let file = reader.absolute_path("file", "/etc/motd");
    let uri = reader.required("uri", "\"file:///etc/motd\"");
    let uri = uri.and_then(|value| uri_text(&value, uris));
    let mime_type = reader.value("mime_type").and_then(|value| mime_type(&value));
    let max_bytes = reader.integer_in("max_bytes", MAX_BYTES, 1 << 20);
    let watch = reader.boolean("watch", true);
    Some(ResourceSettings::File(FileResource {
        uri: uri?,
        file: file?,
        about,
        mime_type,
        max_bytes,
        watch,
    }))
}

fn root_resource(
    reader: &mut Reader<'_>,
    about: ResourceAbout,
    uris: &mut Vec<String>,
) -> Option<ResourceSettings> {
    for key in ["uri", "mime_type"] {
        refuse_misplaced(reader, key, "file");
    }
    let root = reader.absolute_path("root", "/srv/docs");
    let prefix = reader.required("uri_prefix", "\"docs://manual/\"");
    let prefix = prefix.and_then(|value| {
        let prefix = uri_text(&value, uris)?;
        if !prefix.ends_with('/') {
            let what = format!("{} does not end in `/`", value.shown(&prefix));
            value.error(&what, &format!("write uri_prefix = {:?}", format!("{prefix}/")));
            return None;
        }
        Some(prefix)
    });
    let max_bytes = reader.integer_in("max_bytes", MAX_BYTES, 1 << 20);
    let max_entries = reader.integer_in("max_entries", 1..=1_000_000, 10_000);
    let max_depth = reader.integer_in("max_depth", 1..=64, 16);
    let hidden = reader.boolean("hidden", false);
    let follow_symlinks = reader.boolean("follow_symlinks", false);
    let watch = reader.boolean("watch", true);
    Some(ResourceSettings::Root(RootResource {
        uri_prefix: prefix?,
        root: root?,
        about,
        max_bytes,
        max_entries,
        max_depth,
        hidden,
        follow_symlinks,
        watch,
    }))
}

/// Reads a URI with a scheme (RFC 3986 section 3.1) that no other resource has.
fn uri_text(value: &Value<'_>, uris: &mut Vec<String>) -> Option<String> {
    let text = value.string("a string")?;
    let scheme_char = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let has_scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(scheme_char)
            && !rest.is_empty()
    });
    let dots = text.split(['/', '?', '#']).any(|segment| segment == "..");
    let clean = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
    if !has_scheme || !clean || dots || text.len() > 1024 {
        let what = format!("{} is no URI", value.shown(&text));
        value.error(&what, "write for example \"docs://manual/intro.txt\"");
        return None;
    }
    claim(value, text, uris)
}

fn mime_type(value: &Value<'_>) -> Option<String> {
    let text = value.string("a string")?;
    let token = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !part.is_empty() && part.bytes().all(allowed)
    };
    let (kind, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let well_formed = kind.split_once('/').is_some_and(|(top, sub)| token(top) && token(sub));
    if !well_formed || !parameters.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        let what = format!("{} is no media type", value.shown(&text));
        value.error(&what, "write for example mime_type = \"text/plain\"");
        return None;
    }
    Some(text)
}

/// Reads all prompts.
pub(super) fn prompts(root: &mut Reader<'_>) -> Vec<PromptSettings> {
    let mut names = Vec::new();
    root.tables("prompts", |reader| prompt(reader, &mut names))
}

fn prompt(reader: &mut Reader<'_>, names: &mut Vec<String>) -> Option<PromptSettings> {
    let name = unique_name(reader, names);
    let title = reader.string("title");
    let description = description(reader, "\"Review a change\"");
    let mut taken = Vec::new();
    let arguments = reader.tables("arguments", |reader| argument(reader, &mut taken));
    let known: Vec<&str> = taken.iter().map(String::as_str).collect();
    let written = reader.required("messages", "[{ role = \"user\", text = \"…\" }]");
    if written.is_some_and(|value| value.value.as_array().is_some_and(|array| array.is_empty())) {
        reader.error("has no message", "add one: { role = \"user\", text = \"…\" }");
    }
    let messages = reader.tables("messages", |reader| message(reader, &known));
    Some(PromptSettings { name: name?, title, description: description?, arguments, messages })
}

fn argument(reader: &mut Reader<'_>, taken: &mut Vec<String>) -> Option<PromptArgument> {
    let value = reader.required("name", "\"topic\"");
    let name = value.and_then(|value| {
        let name = value.string("a string")?;
        if !is_name(&name) {
            let what = format!("{} is no name", value.shown(&name));
            value.error(&what, "use 1 to 64 letters, digits, `_`, `-` or `.`");
            return None;
        }
        claim(&value, name, taken)
    });
    let title = reader.string("title");
    let description = reader.text("description");
    let required = reader.boolean("required", false);
    let values = reader.strings("values", "[\"one\", \"two\"]").unwrap_or_default();
    Some(PromptArgument { name: name?, title, description, required, values })
}

fn message(reader: &mut Reader<'_>, known: &[&str]) -> Option<PromptMessage> {
    const ROLES: [(&str, Role); 2] = [("user", Role::User), ("assistant", Role::Assistant)];
    let role = reader.required("role", "\"user\"").and_then(|value| value.choice(&ROLES));
    let text = reader.required("text", "\"Explain {topic}\"").and_then(|value| {
        checked_template(&value, Some(known), "add it to the prompt's arguments")
    });
    Some(PromptMessage { role: role?, text: text? })
}
