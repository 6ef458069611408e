//! `DATABASE_URL`, in the same form as in the Flask app, and the files that belong to the database.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

#[cfg(feature = "postgres")]
use super::postgres::{PostgresArgs, PostgresUrl};

/// The settings that all commands on the database share.
#[derive(Debug, Clone, Args)]
#[allow(missing_docs)] // clap would show the comment on a flattened group in `--help`
pub struct DatabaseArgs {
    #[cfg_attr(
        not(feature = "postgres"),
        doc = "SQLite file: sqlite:///relative/path or sqlite:////absolute/path"
    )]
    #[cfg_attr(
        feature = "postgres",
        doc = "SQLite file: sqlite:///relative/path or sqlite:////absolute/path; or a PostgreSQL database: \
               postgres://USER:PASSWORD@HOST/DATABASE, as variable and not as flag, since other users of the machine \
               can read arguments"
    )]
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "sqlite:///project.db"
    )]
    pub database_url: DatabaseUrl,

    #[cfg(feature = "postgres")]
    #[command(flatten)]
    pub postgres: PostgresArgs,
}

impl DatabaseArgs {
    /// Validates the combination of the settings.
    ///
    /// # Errors
    /// One line that names the settings.
    pub fn check(&self) -> Result<(), String> {
        #[cfg(feature = "postgres")]
        if let (DatabaseUrl::Sqlite(_), Some(name)) = (&self.database_url, self.postgres.any_set())
        {
            return Err(format!(
                "{name} is only for PostgreSQL, and DATABASE_URL names a SQLite file: unset {name}"
            ));
        }
        Ok(())
    }

    /// The files with passwords that the URLs of PostgreSQL name.
    pub fn password_files(&self) -> Vec<&Path> {
        #[cfg(feature = "postgres")]
        if let DatabaseUrl::Postgres(url) = &self.database_url {
            let standby = self.postgres.read_database_url.as_ref();
            let urls = [Some(&**url), standby].into_iter().flatten();
            return urls.filter_map(PostgresUrl::passfile).collect();
        }
        Vec::new()
    }

    /// The database file, and the files beside it. With PostgreSQL there is no database file, and the key files are
    /// at `KEYS_PATH`. Follows symbolic links; the file itself need not exist.
    ///
    /// # Errors
    /// One line for the operator: an error of [`DatabaseArgs::check`], or the folder does not exist or cannot be read.
    pub fn files(&self) -> Result<DatabaseFiles, String> {
        self.check()?;
        let (name, path) = match &self.database_url {
            DatabaseUrl::Sqlite(path) => ("DATABASE_URL", path.as_path()),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => ("KEYS_PATH", self.postgres.keys_path()),
        };
        if name == "KEYS_PATH" && path.is_dir() {
            return Err(format!(
                "KEYS_PATH: {} is a folder; name the beginning of the files in it, such as {}",
                path.display(),
                path.join("task-api").display()
            ));
        }
        let files = DatabaseFiles::at(path)
            .map_err(|why| format!("{name}: cannot open {}: {why}", path.display()))?;
        Ok(DatabaseFiles {
            has_database: self.database_url.path().is_some(),
            ..files
        })
    }
}

impl From<DatabaseUrl> for DatabaseArgs {
    /// This database, and the defaults of the other settings.
    fn from(database_url: DatabaseUrl) -> DatabaseArgs {
        DatabaseArgs {
            database_url,
            #[cfg(feature = "postgres")]
            postgres: PostgresArgs::default(),
        }
    }
}

/// A database: a SQLite file, written as a SQLAlchemy database URL, or a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The path of a SQLite file, as set: absolute, or relative to the working directory.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresUrl>),
}

impl DatabaseUrl {
    /// The path of the SQLite file, as set. `None` with PostgreSQL.
    pub fn path(&self) -> Option<&Path> {
        match self {
            DatabaseUrl::Sqlite(path) => Some(path),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => None,
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<DatabaseUrl, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return parse_postgres(text);
        }
        match text.strip_prefix("sqlite:///") {
            None => Err(MUST_BEGIN_WITH.to_owned()),
            Some("" | ":memory:") => Err("must name a file: sqlite:///project.db".to_owned()),
            Some(path) if path.contains(['?', '#', '\0']) => {
                Err("must be a plain path after sqlite:///, without ? or #".to_owned())
            }
            Some(path) if path.ends_with('/') => Err("must name a file, not a folder".to_owned()),
            Some(path) => Ok(DatabaseUrl::Sqlite(path.into())),
        }
    }
}

#[cfg(not(feature = "postgres"))]
const MUST_BEGIN_WITH: &str = "must begin with sqlite:///";
#[cfg(feature = "postgres")]
const MUST_BEGIN_WITH: &str = "must begin with sqlite:///, postgres:// or postgresql://";

#[cfg(feature = "postgres")]
fn parse_postgres(text: &str) -> Result<DatabaseUrl, String> {
    let url = text.parse()?;
    Ok(DatabaseUrl::Postgres(Box::new(url)))
}

#[cfg(not(feature = "postgres"))]
fn parse_postgres(_: &str) -> Result<DatabaseUrl, String> {
    Err("this program is built without PostgreSQL: build it with `cargo build --release --features postgres`".to_owned())
}

/// The most symbolic links from one path to the next, as in the kernel (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// The database file and the files that belong to it, which lie beside it.
///
/// The path is resolved: a symbolic link to the database does not get files of its own, and SQLite places its log
/// beside the resolved file too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFiles {
    database: PathBuf,
    has_database: bool,
}

impl DatabaseFiles {
    /// The files of the database at this path.
    ///
    /// # Errors
    /// The folder does not exist or cannot be read.
    pub fn at(path: &Path) -> io::Result<DatabaseFiles> {
        let database = resolve(path)?;
        let has_database = true;
        Ok(DatabaseFiles {
            database,
            has_database,
        })
    }

    /// The database itself.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Whether the database is one of the files. With PostgreSQL only the keys are, and each server has a copy of them.
    pub fn has_database(&self) -> bool {
        self.has_database
    }

    /// The folder in which all these files lie.
    pub fn folder(&self) -> &Path {
        self.database.parent().unwrap_or(Path::new("/"))
    }

    /// The write-ahead log: commits that are not in the database file yet.
    pub fn write_ahead_log(&self) -> PathBuf {
        self.beside("-wal")
    }

    /// The index of the write-ahead log, shared memory of all processes that use the database.
    pub fn shared_memory(&self) -> PathBuf {
        self.beside("-shm")
    }

    /// The rollback journal, which the Flask app uses instead of a write-ahead log.
    pub fn rollback_journal(&self) -> PathBuf {
        self.beside("-journal")
    }

    /// The generated key that signs tokens.
    pub fn signing_key(&self) -> PathBuf {
        self.beside(".jwt_secret")
    }

    /// The key that authenticates the audit log.
    pub fn audit_key(&self) -> PathBuf {
        self.beside(".audit_key")
    }

    /// The files with keys: a name for each, and its path. A backup contains those that exist.
    pub fn keys(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("signing key", self.signing_key()),
            ("audit key", self.audit_key()),
        ]
    }

    /// Every file beside the database that is in use.
    pub fn side_files(&self) -> [PathBuf; 6] {
        [
            self.write_ahead_log(),
            self.shared_memory(),
            self.rollback_journal(),
            self.signing_key(),
            self.audit_key(),
            self.restore_marker(),
        ]
    }

    /// The SHA-256 of a backup, in the format of `sha256sum`.
    pub fn checksum(&self) -> PathBuf {
        self.beside(".sha256")
    }

    /// Exists while a restore replaces the database.
    pub fn restore_marker(&self) -> PathBuf {
        self.beside(".restoring")
    }

    /// The files under another name of the database, in the same folder: the present name and this text.
    pub fn renamed(&self, suffix: &str) -> DatabaseFiles {
        let database = self.beside(suffix);
        DatabaseFiles {
            database,
            has_database: self.has_database,
        }
    }

    /// The path of the database with this text appended.
    pub fn beside(&self, suffix: impl AsRef<OsStr>) -> PathBuf {
        let mut path = self.database.as_os_str().to_owned();
        path.push(suffix);
        path.into()
    }
}

/// Follows symbolic links. Unlike [`fs::canonicalize`] it accepts a file that does not exist yet.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::canonicalize(&path) {
            Err(why) if why.kind() == ErrorKind::NotFound => {}
            result => return result,
        }
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let folder = fs::canonicalize(folder)?;
        let Some(name) = path.file_name() else {
            return Err(ErrorKind::InvalidFilename.into());
        };
        let file = folder.join(name);
        match fs::read_link(&file) {
            Ok(target) => path = folder.join(target),
            Err(_) => return Ok(file),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}
