//! The program `task-api`: see [`task_api::cli`].

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    task_api::cli::run()
}
