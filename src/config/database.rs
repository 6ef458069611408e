//! `DATABASE_URL`, in the same form as in the Flask app.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

/// The setting that all commands on the database share.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// SQLite file: sqlite:///relative/path or sqlite:////absolute/path
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:///project.db"
    )]
    pub database_url: DatabaseUrl,
}

/// The path of a SQLite file, written as a SQLAlchemy database URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl(PathBuf);

impl DatabaseUrl {
    /// The file: an absolute path, or one relative to the working directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<DatabaseUrl, String> {
        match text.strip_prefix("sqlite:///") {
            None => Err("must begin with sqlite:///".to_owned()),
            Some("" | ":memory:") => Err("must name a file: sqlite:///project.db".to_owned()),
            Some(path) if path.contains(['?', '#', '\0']) => {
                Err("must be a plain path after sqlite:///, without ? or #".to_owned())
            }
            Some(path) if path.ends_with('/') => Err("must name a file, not a folder".to_owned()),
            Some(path) => Ok(DatabaseUrl(path.into())),
        }
    }
}
