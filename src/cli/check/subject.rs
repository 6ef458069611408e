//! What is checked: the settings, the keys, the files and the database.

use crate::auth::signing_key::SigningKey;
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
    /// The database file and those beside it.
    pub files: DatabaseFiles,
    /// The open database, or why it cannot be opened. `None` if the first start has yet to create it.
    pub database: Result<Option<Inspection>, String>,
}

impl Subject<'_> {
    /// Reads the secrets and opens the database, without a change.
    ///
    /// # Errors
    /// One line for the operator: the folder of the database cannot be found.
    pub fn load(config: &Config) -> Result<Subject<'_>, String> {
        let files = config.database.database_url.files()?;
        let database = Inspection::open(&files).map_err(|why| why.to_string());
        Ok(Subject {
            secrets: ValidSecrets::load(config),
            config,
            files,
            database,
        })
    }

    /// The key that signs tokens, if a setting holds it. Otherwise it is in a file beside the database.
    pub fn configured_keys(&self) -> impl Iterator<Item = &SigningKey> {
        let secrets = self.secrets.as_ref().ok();
        secrets
            .into_iter()
            .flat_map(|secrets| secrets.current_key.iter().chain(&secrets.previous_keys))
    }
}
