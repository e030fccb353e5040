//! Results, from what a handler gives to the JSON of the client's revision. A result object is
//! written open, so that the era's own members can be added at its end.

use serde_json::{Map, Value};

use super::content::{Content, PromptMessage, ResourceContents};
use super::era::{Era, Version};
use super::input::InputRequest;
use super::meta::SERVER_INFO;
use super::tasks::TaskView;
use crate::proto::object::Object;

/// What a tool gives back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// Content blocks for the model.
    pub content: Vec<Content>,
    /// The same for programs; conforms to the tool's output schema if it has one.
    pub structured: Option<Value>,
    /// The tool failed; the content says how.
    pub is_error: bool,
    /// `_meta` of the result.
    pub meta: Map<String, Value>,
}

impl ToolResult {
    /// A result of one text block.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![Content::text(text)], ..Self::default() }
    }

    /// A failure of the tool that the model should see.
    pub fn error(text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }

    /// A structured result, repeated as text for clients that look at nothing else.
    pub fn structured(value: Value) -> Self {
        Self {
            content: vec![Content::text(value.to_string())],
            structured: Some(value),
            ..Self::default()
        }
    }

    /// Adds a content block.
    #[must_use]
    pub fn with(mut self, content: impl Into<Content>) -> Self {
        self.content.push(content.into());
        self
    }
}

/// How long and by whom a result may be kept (2026-07-28, caching). Lists depend on who asks, so
/// nothing of ours is ever `public`.
const CACHE_TTL_MS: u64 = 0;

/// The `resultType` of a result that is one.
const COMPLETE: &str = "complete";

/// Writes results for one version and one server.
#[derive(Clone, Copy, Debug)]
pub struct ResultWriter<'a> {
    /// The version of the request.
    pub version: Version,
    /// The server's `Implementation`, as JSON.
    pub server_info: &'a [u8],
}

impl ResultWriter<'_> {
    /// A result object whose own members `body` writes.
    pub fn object(&self, body: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
        self.finish(COMPLETE, &Map::new(), false, body)
    }

    /// A result that is none yet: what the client must answer before it asks again
    /// (2026-07-28, multi round-trip requests).
    pub fn input_required(&self, requests: &[(String, InputRequest)], state: &str) -> Vec<u8> {
        self.finish("input_required", &Map::new(), false, |object| {
            self.write_input_requests(object, requests);
            object.text("requestState", state);
        })
    }

    /// Appends `inputRequests`.
    pub fn write_input_requests(
        &self,
        object: &mut Object<'_>,
        requests: &[(String, InputRequest)],
    ) {
        let mut all = Object::open(object.member("inputRequests"));
        for (key, request) in requests {
            let mut one = Object::open(all.member(key));
            one.text("method", request.method()).members("params", &request.params(self.version));
            one.close();
        }
        all.close();
    }

    /// The answer to a call that has become a task.
    pub fn task_created(&self, task: &TaskView<'_>) -> Vec<u8> {
        self.finish("task", &Map::new(), false, |object| {
            if self.version.has_task_handles() {
                task.write_members(object, self.version);
            } else {
                let mut nested = Object::open(object.member("task"));
                task.write_members(&mut nested, self.version);
                nested.close();
            }
        })
    }

    /// A list or read result: the modern era adds how long it may be kept.
    pub fn cacheable(&self, body: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
        self.finish(COMPLETE, &Map::new(), true, body)
    }

    /// The result of `tools/call`.
    pub fn tool(&self, result: &ToolResult) -> Vec<u8> {
        self.finish(COMPLETE, &result.meta, false, |object| {
            object.array("content", &result.content, |out, content| {
                content.write(out, self.version);
            });
            if let Some(structured) = &result.structured
                && self.version.has_structured_results()
                && (structured.is_object() || self.version.has_any_structured_value())
            {
                object.value("structuredContent", structured);
            }
            if result.is_error {
                object.boolean("isError", true);
            }
        })
    }

    /// The result of `resources/read`.
    pub fn resource(&self, contents: &[ResourceContents]) -> Vec<u8> {
        self.cacheable(|object| {
            object.array("contents", contents, |out, contents| contents.write(out));
        })
    }

    /// The result of `prompts/get`.
    pub fn prompt(&self, description: Option<&str>, messages: &[PromptMessage]) -> Vec<u8> {
        self.object(|object| {
            object.optional_text("description", description);
            object.array("messages", messages, |out, message| {
                let mut object = Object::open(out);
                object.text("role", message.role.name());
                message.content.write(object.member("content"), self.version);
                object.close();
            });
        })
    }

    /// A page of a list: `items` are JSON already.
    pub fn page<'i>(
        &self,
        key: &str,
        items: impl IntoIterator<Item = &'i [u8]>,
        next_cursor: Option<&str>,
    ) -> Vec<u8> {
        self.cacheable(|object| {
            object.array(key, items, |out, item| out.extend_from_slice(item));
            object.optional_text("nextCursor", next_cursor);
        })
    }

    /// The result of `completion/complete`; `values` has at most 100 entries of `total`.
    pub fn completion(&self, values: &[String], total: usize) -> Vec<u8> {
        self.object(|object| {
            let mut completion = Object::open(object.member("completion"));
            completion.array("values", values, |out, value| {
                crate::proto::json::write_string(out, value);
            });
            completion.number("total", u64::try_from(total).unwrap_or(u64::MAX));
            completion.boolean("hasMore", total > values.len());
            completion.close();
        })
    }

    /// The result of a request that was answered by a stream and ends without more.
    pub fn ended(&self, meta: &Map<String, Value>) -> Vec<u8> {
        self.finish(COMPLETE, meta, false, |_| {})
    }

    fn finish(
        &self,
        result_type: &str,
        meta: &Map<String, Value>,
        cacheable: bool,
        body: impl FnOnce(&mut Object<'_>),
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let mut object = Object::open(&mut out);
        body(&mut object);
        match self.version.era() {
            Era::Legacy if meta.is_empty() => {}
            Era::Legacy => {
                object.members("_meta", meta);
            }
            Era::Modern => {
                object.text("resultType", result_type);
                if cacheable {
                    object.number("ttlMs", CACHE_TTL_MS).text("cacheScope", "private");
                }
                let mut own = Object::open(object.member("_meta"));
                for (key, value) in meta {
                    own.value(key, value);
                }
                if !meta.contains_key(SERVER_INFO) {
                    own.raw(SERVER_INFO, self.server_info);
                }
                own.close();
            }
        }
        object.close();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn writer(version: Version) -> ResultWriter<'static> {
        ResultWriter { version, server_info: br#"{"name":"s","version":"1"}"# }
    }

    fn read(json: &[u8]) -> Value {
        serde_json::from_slice(json).unwrap()
    }

    #[test]
    fn a_tool_result_has_what_its_version_knows() {
        let result = ToolResult::structured(json!({"sum": 3}));
        assert_eq!(
            read(&writer(Version::V2025_11_25).tool(&result)),
            json!({"content":[{"type":"text","text":"{\"sum\":3}"}],"structuredContent":{"sum":3}})
        );
        let old = read(&writer(Version::V2025_03_26).tool(&result));
        assert_eq!(old.get("structuredContent"), None);
        let modern = read(&writer(Version::V2026_07_28).tool(&result));
        assert_eq!(modern["resultType"], "complete");
        assert_eq!(modern["_meta"][SERVER_INFO]["name"], "s");
    }

    #[test]
    fn structured_content_that_is_no_object_waits_for_the_modern_era() {
        let result = ToolResult { structured: Some(json!([1])), ..ToolResult::text("[1]") };
        let legacy = read(&writer(Version::V2025_11_25).tool(&result));
        assert_eq!(legacy.get("structuredContent"), None);
        let modern = read(&writer(Version::V2026_07_28).tool(&result));
        assert_eq!(modern["structuredContent"], json!([1]));
    }

    #[test]
    fn an_empty_legacy_result_is_exactly_empty() {
        assert_eq!(writer(Version::V2024_11_05).object(|_| {}), b"{}");
    }

    #[test]
    fn modern_lists_say_how_long_and_for_whom_they_may_be_kept() {
        let page = read(&writer(Version::V2026_07_28).page("tools", [&b"{}"[..]], Some("c")));
        assert_eq!(page["ttlMs"], json!(0));
        assert_eq!(page["cacheScope"], "private");
        assert_eq!(page["nextCursor"], "c");
        assert_eq!(page["tools"], json!([{}]));
    }
}
