//! What a tool, a set of resources and a prompt are to the rest of the program: three traits. What
//! implements them may block, unless it says that it is quick.

use serde_json::{Map, Value};

use super::context::Context;
use crate::mcp::capability::ClientCapability;
use crate::mcp::content::{PromptMessage, ResourceContents};
use crate::mcp::definitions::Resource;
use crate::mcp::result::ToolResult;

/// Arguments of a call, already checked against the tool's schema.
pub type Arguments = Map<String, Value>;

/// The handler has no result to give: something went wrong that the model cannot mend, and the
/// client gets a protocol error; or the call must wait for its client.
///
/// What the model can mend is a [`ToolResult::error`]. A failure that comes out of the
/// [`Context`] is to be handed on with `?`: it may say that the call
/// rests until the client has answered, and then the handler is run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub(crate) Reason);

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// One sentence for the client.
    Public(String),
    /// The client does not do what the call needs.
    Incapable(ClientCapability),
    /// The client was asked; the handler runs again when it has answered.
    Asked,
    /// The handler runs again as a task.
    BecomesTask,
}

impl Failure {
    /// A failure with one sentence for the client; no path, no secret.
    pub fn new(public: impl Into<String>) -> Self {
        Self(Reason::Public(public.into()))
    }
}

/// Carries out the calls of one tool.
pub trait ToolHandler: Send + Sync {
    /// Carries out one call; the context says whether its answer is still wanted.
    ///
    /// A handler that asks the client is run from its start again when the answers are there: see
    /// [`Context::ask`](super::context::Context::ask).
    fn call(&self, context: &Context, arguments: Arguments) -> Result<ToolResult, Failure>;
}

impl<F> ToolHandler for F
where
    F: Fn(&Context, Arguments) -> Result<ToolResult, Failure> + Send + Sync,
{
    fn call(&self, context: &Context, arguments: Arguments) -> Result<ToolResult, Failure> {
        self(context, arguments)
    }
}

/// Why a resource cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// There is none of this URI.
    NotFound,
    /// There is one, and it could not be read.
    Failed(Failure),
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A set of resources. All of it may block.
pub trait ResourceProvider: Send + Sync {
    /// Up to `most` resources whose URIs come after `after`, in the order of their URIs.
    fn list(&self, after: Option<&str>, most: usize) -> Result<Vec<Resource>, Failure>;

    /// The templates of its URIs.
    fn templates(&self) -> Vec<Resource> {
        Vec::new()
    }

    /// True if a resource of this URI, if there is one, is of this set. Quick.
    fn claims(&self, uri: &str) -> bool;

    /// Reads a resource.
    fn read(&self, context: &Context, uri: &str) -> Result<Vec<ResourceContents>, ReadError>;

    /// Values for the variable `name` of `template` that begin with `prefix`.
    fn complete(&self, _template: &str, _name: &str, _prefix: &str) -> Vec<String> {
        Vec::new()
    }
}

/// A filled prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct FilledPrompt {
    /// What it is for.
    pub description: Option<String>,
    /// Its messages.
    pub messages: Vec<PromptMessage>,
}

/// Fills one prompt.
pub trait PromptHandler: Send + Sync {
    /// True if filling never blocks, never asks the client and is done within microseconds: then it
    /// is done where the request was read.
    fn is_quick(&self) -> bool {
        false
    }

    /// Fills it; all required arguments are there.
    fn fill(&self, context: &Context, arguments: Arguments) -> Result<FilledPrompt, Failure>;

    /// Values for argument `name` that begin with `prefix`. Quick.
    fn complete(&self, _name: &str, _prefix: &str) -> Vec<String> {
        Vec::new()
    }
}
