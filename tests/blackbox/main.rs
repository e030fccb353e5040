//! The program from outside: what it answers on the wire, writes, leaves behind and how it ends.
//! These tests start the built binary and name nothing of the library.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test may fail by panicking, and nobody sees the harness from outside"
)]

mod administration;
mod asking;
mod audit;
mod authentication;
mod authorization;
mod batches;
mod browser;
mod certificates;
mod children;
mod command_line;
mod connection;
mod endpoint;
mod event_sessions;
mod first_start;
mod framing;
mod greetings;
mod handshake;
mod harness;
mod hostile_json;
mod inspecting;
mod legacy;
mod legacy_streams;
mod limits;
mod modern;
mod modern_calls;
mod providers;
mod proxies;
mod proxy_protocol;
mod rates;
mod reload;
mod revisions;
mod revoking;
mod rules;
mod secrecy;
mod server_certificates;
mod shutdown;
mod stdio;
mod subscriptions;
mod task_questions;
mod task_requests;
mod tasks;
mod tcp;
mod tcp_proofs;
mod tokens;
mod validation;
mod vectors;
mod websocket;
