//! Feeds libFuzzer's bytes to the target `parameters` of this crate.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| erlmcp_fuzz::run("parameters", data));
