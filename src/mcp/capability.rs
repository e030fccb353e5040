//! What a client says it can do for the server. Nothing in it is identity; it only bounds what the
//! server may ask.

use serde_json::{Map, Value, json};

use super::era::Version;

/// The key of the tasks extension among the `extensions` of both sides.
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// One thing that a client can do for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCapability {
    /// Show a form to the person and return what they entered.
    FormElicitation,
    /// Send the person to a URL.
    UrlElicitation,
    /// Let its model write a message.
    Sampling,
    /// Let its model use tools while it writes.
    SamplingTools,
    /// Tell which folders the server may work in.
    Roots,
    /// Take a task instead of a result (2026-07-28, tasks extension).
    Tasks,
}

use ClientCapability::{FormElicitation, Roots, Sampling, SamplingTools, Tasks, UrlElicitation};

impl ClientCapability {
    fn bit(self) -> u8 {
        match self {
            FormElicitation => 1,
            UrlElicitation => 2,
            Sampling => 4,
            SamplingTools => 8,
            Roots => 16,
            Tasks => 32,
        }
    }

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            FormElicitation => "elicitation",
            UrlElicitation => "elicitation by URL",
            Sampling => "sampling",
            SamplingTools => "sampling with tools",
            Roots => "roots",
            Tasks => "tasks",
        }
    }

    /// The `ClientCapabilities` object that would have been enough.
    pub fn required(self) -> Value {
        match self {
            FormElicitation => json!({ "elicitation": { "form": {} } }),
            UrlElicitation => json!({ "elicitation": { "url": {} } }),
            Sampling => json!({ "sampling": {} }),
            SamplingTools => json!({ "sampling": { "tools": {} } }),
            Roots => json!({ "roots": {} }),
            Tasks => json!({ "extensions": { TASKS_EXTENSION: {} } }),
        }
    }
}

/// What one client can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCapabilities(u8);

impl ClientCapabilities {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// Reads a `ClientCapabilities` object, as far as `version` has what it claims.
    pub fn read(declared: &Map<String, Value>, version: Version) -> Self {
        let object = |key: &str| declared.get(key).and_then(Value::as_object);
        let mut read = Self::default();
        if let Some(modes) = object("elicitation").filter(|_| version.has_elicitation()) {
            let by_url = modes.contains_key("url") && version.has_url_elicitation();
            // An empty object means forms (2025-11-25, elicitation, capabilities).
            read.set(FormElicitation, modes.contains_key("form") || !modes.contains_key("url"));
            read.set(UrlElicitation, by_url);
        }
        if let Some(sampling) = object("sampling") {
            read.set(Sampling, true);
            let with_tools = sampling.contains_key("tools") && version.has_sampling_tools();
            read.set(SamplingTools, with_tools);
        }
        read.set(Roots, object("roots").is_some());
        let extension = object("extensions").and_then(|all| all.get(TASKS_EXTENSION));
        read.set(Tasks, extension.is_some_and(Value::is_object) && version.has_task_handles());
        read
    }

    fn set(&mut self, capability: ClientCapability, has: bool) {
        if has {
            self.0 |= capability.bit();
        }
    }

    /// True if the client has declared it.
    pub fn has(self, capability: ClientCapability) -> bool {
        self.0 & capability.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(declared: &Value, version: Version) -> ClientCapabilities {
        ClientCapabilities::read(declared.as_object().unwrap(), version)
    }

    #[test]
    fn an_empty_elicitation_means_forms_and_a_mode_means_that_mode() {
        let newest = Version::V2026_07_28;
        let empty = read(&json!({"elicitation": {}}), newest);
        assert!(empty.has(FormElicitation) && !empty.has(UrlElicitation));
        let by_url = read(&json!({"elicitation": {"url": {}}}), newest);
        assert!(!by_url.has(FormElicitation) && by_url.has(UrlElicitation));
        let both = read(&json!({"elicitation": {"url": {}, "form": {}}}), newest);
        assert!(both.has(FormElicitation) && both.has(UrlElicitation));
    }

    #[test]
    fn what_a_version_does_not_have_is_not_believed() {
        let all = json!({
            "elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {},
            "extensions": {TASKS_EXTENSION: {}}
        });
        let first = read(&all, Version::V2024_11_05);
        assert!(first.has(Sampling) && first.has(Roots));
        for absent in [FormElicitation, UrlElicitation, SamplingTools, Tasks] {
            assert!(!first.has(absent), "{absent:?}");
        }
        let newest = read(&all, Version::V2026_07_28);
        assert!(newest.has(Tasks) && newest.has(SamplingTools));
    }

    #[test]
    fn what_is_no_object_is_no_capability() {
        let wrong = json!({"elicitation": true, "sampling": null, "roots": [], "extensions": {}});
        assert_eq!(read(&wrong, Version::V2026_07_28), ClientCapabilities::default());
    }
}
