//! A hardened MCP (Model Context Protocol) server, as a library: the same server that the program
//! `erlmcp` is, with tools, resources and prompts that are written in Rust.
//!
//! [`Builder`] puts a server together. `ARCHITECTURE.md` tells how it works; the road of a request
//! is in [`pipeline::road`].

pub mod actors;
pub mod backend;
pub mod base;
pub mod cli;
pub mod config;
pub mod connection;
pub mod guard;
pub mod jail;
pub mod mcp;
pub mod pipeline;
pub mod proto;
pub mod server;

pub use backend::asking::Inputs;
pub use backend::context::Context;
pub use backend::provider::{
    Arguments, Failure, FilledPrompt, PromptHandler, ReadError, ResourceProvider, ToolHandler,
};
pub use config::Configuration;
pub use mcp::capability::{ClientCapabilities, ClientCapability};
pub use mcp::content::{Block, Content, PromptMessage, ResourceBody, ResourceContents, Role};
pub use mcp::definitions::{Annotations, Prompt, PromptArgument, Resource, TaskSupport, Tool};
pub use mcp::input::{Elicitation, Elicited, InputRequest, Root, Sampled, Sampling};
pub use mcp::meta::LogLevel;
pub use mcp::methods::Permission;
pub use mcp::result::ToolResult;
pub use mcp::subscriptions::Change;
pub use server::{Builder, Server, StartError};
