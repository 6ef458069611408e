//! The binary `task-api`. Everything is in the library, so that tests can use it: see [`task_api::cli`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    task_api::cli::run()
}
