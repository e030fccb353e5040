//! Feeds libFuzzer's bytes to the target that the environment variable `FUZZ_TARGET` names: one
//! program in the place of many takes a fraction of the time to link.

#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<String> =
    LazyLock::new(|| std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target"));

libfuzzer_sys::fuzz_target!(|data: &[u8]| erlmcp_fuzz::run(&TARGET, data));
