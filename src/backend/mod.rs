//! Who answers: the server's own tools, resources and prompts. It takes what was granted and does
//! it; it never asks who the caller is or whether it may.

pub mod asking;
pub mod catalog;
pub mod context;
pub mod local;
pub mod provider;
pub mod settings;
pub mod task;
pub mod template;
