//! Feeds libFuzzer's bytes to the target `proxy_headers` of this crate.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| erlmcp_fuzz::run("proxy_headers", data));
