//! What a server asks of a client in the middle of a call, and what comes back: elicitation,
//! sampling and roots. The same requests travel alone in the handshake revisions and inside of an
//! `input_required` result since 2026-07-28; how is not known here.

use serde_json::{Map, Value, json};

use super::capability::ClientCapability;
use super::content::{Content, PromptMessage, Role};
use super::era::Version;
use crate::base::ids::hex;

/// A question to the person at the client (`elicitation/create`).
#[derive(Clone, Debug, PartialEq)]
pub struct Elicitation {
    message: String,
    mode: Mode,
}

#[derive(Clone, Debug, PartialEq)]
enum Mode {
    Form(Value),
    Url(String),
}

impl Elicitation {
    /// Asks to fill in a form. `schema` is a flat object of strings, numbers, booleans and choices
    /// (MCP, elicitation, requested schema). Never ask for a secret in a form.
    pub fn form(message: impl Into<String>, schema: Value) -> Self {
        Self { message: message.into(), mode: Mode::Form(schema) }
    }

    /// Asks to open a URL, for what the client must not see. The URL must not be authenticated
    /// already, and the page must make sure that its visitor is who made the call.
    pub fn url(message: impl Into<String>, url: impl Into<String>) -> Self {
        Self { message: message.into(), mode: Mode::Url(url.into()) }
    }

    /// The schema that the entered values must match, if it is a form.
    pub fn schema(&self) -> Option<&Value> {
        match &self.mode {
            Mode::Form(schema) => Some(schema),
            Mode::Url(_) => None,
        }
    }

    fn params(&self, version: Version) -> Map<String, Value> {
        let mut params = Map::new();
        params.insert("message".into(), json!(self.message));
        match &self.mode {
            Mode::Form(schema) => {
                if version.has_url_elicitation() {
                    params.insert("mode".into(), json!("form"));
                }
                params.insert("requestedSchema".into(), schema.clone());
            }
            Mode::Url(url) => {
                params.insert("mode".into(), json!("url"));
                params.insert("url".into(), json!(url));
                if version.has_elicitation_ids() {
                    params
                        .insert("elicitationId".into(), json!(digest(&json!([self.message, url]))));
                }
            }
        }
        params
    }
}

/// What the person did with an [`Elicitation`].
#[derive(Clone, Debug, PartialEq)]
pub enum Elicited {
    /// Filled in the form, with these values of the requested schema; or agreed to open the URL,
    /// with none.
    Accepted(Map<String, Value>),
    /// Said no.
    Declined,
    /// Went away without a choice.
    Cancelled,
}

/// A message that the client's model is to write (`sampling/createMessage`).
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    messages: Vec<SamplingMessage>,
    max_tokens: u64,
    more: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq)]
enum SamplingMessage {
    Plain(Box<PromptMessage>),
    Raw(Value),
}

impl Sampling {
    /// Asks for at most `max_tokens` tokens in reply to one text of the person.
    pub fn user(text: impl Into<String>, max_tokens: u64) -> Self {
        Self::new(vec![PromptMessage::user(text)], max_tokens)
    }

    /// Asks for at most `max_tokens` tokens that go on with a conversation.
    pub fn new(messages: Vec<PromptMessage>, max_tokens: u64) -> Self {
        let messages =
            messages.into_iter().map(|message| SamplingMessage::Plain(Box::new(message))).collect();
        Self { messages, max_tokens, more: Map::new() }
    }

    /// Adds a message in the form of the specification, for `tool_use` and `tool_result` blocks.
    #[must_use]
    pub fn message(mut self, message: Value) -> Self {
        self.messages.push(SamplingMessage::Raw(message));
        self
    }

    /// Sets the system prompt; the client may change or ignore it.
    #[must_use]
    pub fn system_prompt(self, text: impl Into<String>) -> Self {
        self.with("systemPrompt", json!(text.into()))
    }

    /// Offers tools, in the form of `tools/list`: for clients that can do `sampling` with tools.
    #[must_use]
    pub fn tools(self, tools: Vec<Value>) -> Self {
        self.with("tools", Value::Array(tools))
    }

    /// Sets any other parameter of `sampling/createMessage`: `temperature`, `stopSequences`,
    /// `modelPreferences`, `toolChoice`, `metadata`.
    #[must_use]
    pub fn with(mut self, parameter: &str, value: Value) -> Self {
        self.more.insert(parameter.to_owned(), value);
        self
    }

    fn params(&self, version: Version) -> Map<String, Value> {
        let mut params = self.more.clone();
        let written = |message: &SamplingMessage| match message {
            SamplingMessage::Plain(message) => json!({
                "role": message.role.name(), "content": block(&message.content, version)
            }),
            SamplingMessage::Raw(message) => message.clone(),
        };
        params.insert("messages".into(), self.messages.iter().map(written).collect());
        params.insert("maxTokens".into(), json!(self.max_tokens));
        params
    }
}

fn block(content: &Content, version: Version) -> Value {
    let mut json = Vec::new();
    content.write(&mut json, version);
    serde_json::from_slice(&json).unwrap_or_default()
}

/// What the client's model wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Who speaks.
    pub role: Role,
    /// Content blocks, as they came.
    pub content: Vec<Value>,
    /// The model that wrote it.
    pub model: String,
    /// Why it stopped, if the client told.
    pub stop_reason: Option<String>,
}

impl Sampled {
    /// The text of all text blocks.
    pub fn text(&self) -> String {
        self.content.iter().filter_map(|block| block.get("text")?.as_str()).collect()
    }
}

/// A folder that the server may work in (`roots/list`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// A `file:` URI. It is the client's word, and no permission.
    pub uri: String,
    /// A name for people.
    pub name: Option<String>,
}

/// One request to the client.
#[derive(Clone, Debug, PartialEq)]
pub enum InputRequest {
    /// Ask the person.
    Elicitation(Elicitation),
    /// Ask the model.
    Sampling(Sampling),
    /// Ask for the roots.
    Roots,
}

impl From<Elicitation> for InputRequest {
    fn from(elicitation: Elicitation) -> Self {
        Self::Elicitation(elicitation)
    }
}

impl From<Sampling> for InputRequest {
    fn from(sampling: Sampling) -> Self {
        Self::Sampling(sampling)
    }
}

impl InputRequest {
    /// The name on the wire.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Elicitation(_) => "elicitation/create",
            Self::Sampling(_) => "sampling/createMessage",
            Self::Roots => "roots/list",
        }
    }

    /// What the client must be able to do.
    pub fn capability(&self) -> ClientCapability {
        match self {
            Self::Elicitation(Elicitation { mode: Mode::Form(_), .. }) => {
                ClientCapability::FormElicitation
            }
            Self::Elicitation(Elicitation { mode: Mode::Url(_), .. }) => {
                ClientCapability::UrlElicitation
            }
            Self::Sampling(sampling) if sampling.more.contains_key("tools") => {
                ClientCapability::SamplingTools
            }
            Self::Sampling(_) => ClientCapability::Sampling,
            Self::Roots => ClientCapability::Roots,
        }
    }

    /// The parameters, as `version` writes them.
    pub fn params(&self, version: Version) -> Map<String, Value> {
        match self {
            Self::Elicitation(elicitation) => elicitation.params(version),
            Self::Sampling(sampling) => sampling.params(version),
            Self::Roots => Map::new(),
        }
    }

    /// What tells this request from another one under the same key: an answer counts only for the
    /// very question that was asked.
    pub fn digest(&self) -> String {
        digest(&json!([self.method(), self.params(Version::NEWEST)]))
    }

    /// Reads the client's result; `None` if it is no answer to this request. Whether entered values
    /// match the requested schema is not looked at.
    pub fn read(&self, result: &Value) -> Option<InputResponse> {
        Some(match self {
            Self::Elicitation(elicitation) => {
                InputResponse::Elicited(elicited(elicitation, result)?)
            }
            Self::Sampling(_) => InputResponse::Sampled(sampled(result)?),
            Self::Roots => {
                let roots = result.get("roots")?.as_array()?;
                InputResponse::Roots(roots.iter().map(root).collect::<Option<_>>()?)
            }
        })
    }
}

/// A client's answer to one [`InputRequest`].
#[derive(Clone, Debug, PartialEq)]
pub enum InputResponse {
    /// To an elicitation.
    Elicited(Elicited),
    /// To a sampling.
    Sampled(Sampled),
    /// To a question for the roots.
    Roots(Vec<Root>),
}

fn elicited(elicitation: &Elicitation, result: &Value) -> Option<Elicited> {
    Some(match (result.get("action")?.as_str()?, &elicitation.mode) {
        ("accept", Mode::Form(_)) => {
            Elicited::Accepted(result.get("content")?.as_object()?.clone())
        }
        ("accept", Mode::Url(_)) => Elicited::Accepted(Map::new()),
        ("decline", _) => Elicited::Declined,
        ("cancel", _) => Elicited::Cancelled,
        _ => return None,
    })
}

fn sampled(result: &Value) -> Option<Sampled> {
    let content = match result.get("content")? {
        Value::Array(blocks) => blocks.clone(),
        block @ Value::Object(_) => vec![block.clone()],
        _ => return None,
    };
    if !content.iter().all(|block| block.get("type").is_some_and(Value::is_string)) {
        return None;
    }
    let text = |key: &str| result.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Sampled {
        role: match text("role")?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return None,
        },
        content,
        model: text("model")?,
        stop_reason: text("stopReason"),
    })
}

fn root(root: &Value) -> Option<Root> {
    let text = |key: &str| root.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Root { uri: text("uri")?, name: text("name") })
}

/// 128 bits of the SHA-256 of a value, in hexadecimal. Members are sorted, so that their order on
/// the wire does not matter.
pub fn digest(value: &Value) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, value.to_string().as_bytes());
    hex(hash.as_ref().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> InputRequest {
        let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
        Elicitation::form("Who?", schema).into()
    }

    #[test]
    fn each_request_has_the_shape_of_its_revision() {
        let old = form().params(Version::V2025_06_18);
        assert_eq!(old.keys().collect::<Vec<_>>(), ["message", "requestedSchema"]);
        assert_eq!(form().params(Version::V2025_11_25)["mode"], "form");
        let url: InputRequest = Elicitation::url("Sign in", "https://example.com/").into();
        assert!(url.params(Version::V2025_11_25)["elicitationId"].is_string());
        assert!(!url.params(Version::V2026_07_28).contains_key("elicitationId"));
        let sampling: InputRequest = Sampling::user("Hi", 10).system_prompt("Be brief").into();
        assert_eq!(
            Value::Object(sampling.params(Version::V2025_03_26)),
            json!({"messages": [{"role": "user", "content": {"type": "text", "text": "Hi"}}],
                "maxTokens": 10, "systemPrompt": "Be brief"})
        );
        assert!(InputRequest::Roots.params(Version::V2024_11_05).is_empty());
    }

    #[test]
    fn only_an_answer_to_the_request_is_read() {
        let accepted = json!({"action": "accept", "content": {"name": "Agnes"}});
        assert!(matches!(
            form().read(&accepted),
            Some(InputResponse::Elicited(Elicited::Accepted(values))) if values["name"] == "Agnes"
        ));
        let message = json!({"role": "assistant", "model": "m",
            "content": {"type": "text", "text": "Paris"}});
        let sampling: InputRequest = Sampling::user("?", 1).into();
        assert!(matches!(
            sampling.read(&message),
            Some(InputResponse::Sampled(sampled)) if sampled.text() == "Paris"
        ));
        for wrong in [
            json!(null),
            json!(5),
            json!({}),
            json!({"action": "accept"}),
            json!({"action": "accept", "content": 3}),
            json!({"action": "yes", "content": {}}),
            json!({"roots": [{}]}),
            json!({"role": "assistant", "model": "m", "content": "Paris"}),
            json!({"role": "assistant", "model": "m", "content": [{}]}),
        ] {
            for request in [&form(), &sampling, &InputRequest::Roots] {
                assert_eq!(request.read(&wrong), None, "{wrong}");
            }
        }
    }

    #[test]
    fn another_question_has_another_digest() {
        let other = Elicitation::form("Who are you?", json!({"type": "object"}));
        assert_eq!(form().digest(), form().digest());
        assert_ne!(form().digest(), InputRequest::from(other).digest());
        assert_eq!(form().digest().len(), 32);
    }
}
