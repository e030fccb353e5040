//! The program `erlmcp`.

use std::process::ExitCode;

// musl's own allocator maps and unmaps memory for every larger buffer; see ARCHITECTURE.md.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    erlmcp::cli::run(std::env::args_os())
}
