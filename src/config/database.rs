//! `DATABASE_URL`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

/// Where the database is.
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

/// A database's address in SQLAlchemy's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl(PathBuf);

impl DatabaseUrl {
    /// The file, as given: relative to the working directory or absolute.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the key that signs tokens is kept if none is set.
    pub fn secret_path(&self) -> PathBuf {
        let mut path = self.0.clone().into_os_string();
        path.push(".jwt_secret");
        path.into()
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<DatabaseUrl, String> {
        match text.strip_prefix("sqlite:///") {
            None => Err("must begin with sqlite:///".to_owned()),
            Some("" | ":memory:") => Err("must name a file: sqlite:///project.db".to_owned()),
            Some(path) if path.contains(['?', '#', '\0']) => {
                Err("must be a plain path behind sqlite:///, without ? or #".to_owned())
            }
            Some(path) if path.ends_with('/') => Err("must name a file, not a folder".to_owned()),
            Some(path) => Ok(DatabaseUrl(path.into())),
        }
    }
}
