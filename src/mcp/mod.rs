//! What MCP messages mean: eras, methods, metadata, results, sessions, subscriptions. Past `era.rs`
//! no code asks for a protocol version by name; it asks what the version can do.

pub mod capability;
pub mod content;
pub mod cursor;
pub mod definitions;
pub mod dialogue;
pub mod era;
pub mod errors;
pub mod input;
pub mod legacy;
pub mod meta;
pub mod methods;
pub mod mirror;
pub mod outlet;
pub mod parameters;
pub mod request_state;
pub mod result;
pub mod settings;
pub mod shape;
pub mod subscriptions;
pub mod tasks;
