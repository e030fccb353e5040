//! What the fuzz targets do with bytes, as plain functions: libFuzzer calls them with its own, and
//! `tests/fuzz_smoke.rs` with the seeds and mutations of them. A target holds properties, so that
//! it finds wrong answers too; it must never wait, nor touch a file it did not make.

mod answers;
mod certificates;
mod commands;
mod configuration;
mod forwarded;
mod frames;
mod http;
mod json;
mod jwt;
mod messages;
mod origins;
mod parameters;
mod proxy_headers;
mod schemas;
mod tokens;
mod uris;

/// A function that is given bytes, and panics where a property does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also the name of its folder of seeds.
pub const TARGETS: [(&str, Target); 18] = [
    ("answers", answers::answers),
    ("arguments", commands::arguments),
    ("certificates", certificates::certificates),
    ("chunked", http::chunked),
    ("configuration", configuration::configuration),
    ("forwarded", forwarded::forwarded),
    ("frames", frames::frames),
    ("jsonrpc", json::jsonrpc),
    ("jwks", jwt::jwks),
    ("jwt", jwt::jwt),
    ("lines", messages::lines),
    ("origins", origins::origins),
    ("parameters", parameters::parameters),
    ("proxy_headers", proxy_headers::proxy_headers),
    ("requests", http::requests),
    ("schemas", schemas::schemas),
    ("tokens", tokens::tokens),
    ("uris", uris::uris),
];

/// Runs one target.
///
/// # Panics
/// There is no such target, or a property of it does not hold.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.expect("a target of this name");
    target(data);
}
