//! tmp
pub mod base;
pub mod guard;
pub mod mcp;
pub mod proto;
