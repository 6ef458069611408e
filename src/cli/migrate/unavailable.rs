//! The command in a build without PostgreSQL.

use super::MigrateCommand;

/// Says how to build the program.
///
/// # Errors
/// Always: one line for the operator.
pub fn run(_: MigrateCommand) -> Result<(), String> {
    Err(
        "migrate copies between SQLite and PostgreSQL, and this program is built without PostgreSQL: build it with \
         `cargo build --release --features postgres`"
            .to_owned(),
    )
}
