//! The guards: each takes what the one before it made and gives a token that only it can make, or a
//! refusal. They decide; they never act, wait or write. What cannot be decided is refused.
//!
//! `Admitted` (gate) → `Authenticated` (authn) → `Metered` (rate) → `Call` (validate) → `Grant`
//! (authz): a road that leaves one out does not compile.

pub mod authn;
pub mod authz;
pub mod blocks;
pub mod challenge;
pub mod cors;
pub mod gate;
pub mod headers;
pub mod origin;
pub mod proxies;
pub mod rate;
pub mod refusal;
pub mod schema;
pub mod settings;
pub mod validate;
