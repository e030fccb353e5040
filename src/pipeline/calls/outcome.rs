//! What a handler came to, and how that is written and recorded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::backend::context::Context;
use crate::backend::provider::{Failure, Reason};
use crate::mcp::era::{Era, Version};
use crate::mcp::errors::RpcError;
use crate::pipeline::exchange::Ending;
use crate::proto::jsonrpc::{ErrorId, Id, write_error, write_result};

/// What a handler came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A result, as JSON.
    Result(Vec<u8>),
    /// A result of a tool that says that it failed.
    ToolError(Vec<u8>),
    /// An error.
    Error(RpcError),
}

/// What one run of a handler came to.
pub type Ran = Result<Outcome, Failure>;

/// What runs once to answer a call, and never blocks.
pub type QuickRun = Box<dyn FnOnce(&Context) -> Ran + Send>;

/// What runs to answer a call, and again each time its client has answered.
pub type Run = Arc<dyn Fn(&Context) -> Ran + Send + Sync>;

/// Runs a handler; a panic in it is an error of this call and of nothing else.
pub fn guarded(run: impl FnOnce() -> Ran) -> Ran {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        log::error!("a handler panicked; its call was answered with an error");
        Ok(Outcome::Error(RpcError::internal("The call failed")))
    })
}

impl Outcome {
    /// A failure, as `version` tells it.
    pub fn failed(failure: Failure, version: Version) -> Self {
        Self::Error(match failure.0 {
            Reason::Public(sentence) => RpcError::internal(sentence),
            Reason::Incapable(capability) => RpcError::missing_capability(capability, version),
            // Only a call that may rest is told so, and then it does not end here.
            Reason::Asked | Reason::BecomesTask => RpcError::internal("The call failed"),
        })
    }

    /// Appends the response under `id`, and gives the HTTP status it has in `era`.
    pub fn write(&self, out: &mut Vec<u8>, id: &Id, era: Era) -> u16 {
        match self {
            Self::Result(result) | Self::ToolError(result) => {
                write_result(out, id, result);
                200
            }
            Self::Error(error) => {
                write_error(
                    out,
                    ErrorId::Known(id),
                    error.code,
                    &error.message,
                    error.data.as_ref(),
                );
                error.status(era)
            }
        }
    }

    /// How the request ends that came to this.
    pub fn ending(&self) -> Ending<'_> {
        match self {
            Self::Result(_) => Ending::Done,
            Self::ToolError(_) => Ending::ToolError,
            Self::Error(error) => Ending::Failed(error),
        }
    }

    /// Bytes that it takes to keep.
    pub fn size(&self) -> usize {
        match self {
            Self::Result(json) | Self::ToolError(json) => json.len(),
            Self::Error(error) => error.message.len(),
        }
    }
}
