//! What is checked: the settings, the keys, the files and the database.

use crate::cli::valid_secrets::ValidSecrets;
use crate::config::Config;
use crate::config::database::DatabaseFiles;
use crate::store::inspection::Inspection;

/// What the checks look at.
pub struct Subject<'a> {
    /// The settings.
    pub config: &'a Config,
    /// The secrets, or why they cannot be used.
    pub secrets: Result<ValidSecrets, String>,
    /// The database file and those beside it. With PostgreSQL only the keys are files.
    pub files: DatabaseFiles,
    /// The open database, or why it cannot be opened. `None` if the first start has yet to create or fill it.
    pub database: Result<Option<Inspection>, String>,
}

impl Subject<'_> {
    /// Reads the secrets and opens the database, without a change.
    ///
    /// # Errors
    /// One line for the operator: the folder of the database, or of the keys, cannot be found.
    pub fn load(config: &Config) -> Result<Subject<'_>, String> {
        let files = config.database.files()?;
        let database = Inspection::open(&config.database, &files);
        Ok(Subject {
            secrets: ValidSecrets::load(config),
            config,
            files,
            database,
        })
    }
}
