//! The flags of the command.

#[cfg(feature = "postgres")]
use std::path::PathBuf;

use clap::Args;

use crate::config::database::DatabaseUrl;

// Without the feature nothing reads the values.
#[cfg_attr(not(feature = "postgres"), allow(dead_code))]
#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct MigrateCommand {
    /// Database to copy: sqlite:///project.db or postgres://USER:PASSWORD@HOST/DATABASE; with a password as variable and
    /// not as flag, since other users of the machine can read arguments
    #[arg(
        long,
        env = "MIGRATE_FROM",
        hide_env_values = true,
        value_name = "DATABASE_URL"
    )]
    pub(super) from: DatabaseUrl,

    /// Database to create, as --from: a SQLite file that does not exist, or a PostgreSQL database that is empty
    #[arg(
        long,
        env = "MIGRATE_TO",
        hide_env_values = true,
        value_name = "DATABASE_URL"
    )]
    pub(super) to: DatabaseUrl,

    /// Path of the keys of the PostgreSQL database, to which .jwt_secret and .audit_key are added; by default task-api,
    /// in the working directory
    #[cfg(feature = "postgres")]
    #[arg(long, env, hide_env_values = true)]
    pub(super) keys_path: Option<PathBuf>,

    /// Change what the target cannot hold, instead of failing; each change is listed
    #[arg(long)]
    pub(super) convert: bool,

    /// Copy a database whose audit log is not intact
    #[arg(long)]
    pub(super) allow_broken_audit_log: bool,
}
