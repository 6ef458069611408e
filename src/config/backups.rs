//! The settings of backups.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rustix::fs::{Access, access};

use super::duration::Interval;

/// The backups that the server makes; see [`crate::app::backups`].
#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// Folder in which the server makes backups of the database, which contain the keys; without it, the server
    /// makes none
    #[arg(long, env, hide_env_values = true)]
    pub backup_dir: Option<PathBuf>,

    /// Time from one backup to the next, such as 24h or 15m; at least 1m
    #[arg(long, env, hide_env_values = true, default_value = "24h")]
    pub backup_every: Interval,

    /// Number of backups to keep in BACKUP_DIR; after a new one, older ones are removed
    #[arg(long, env, hide_env_values = true, default_value_t = 7)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub backup_keep: u32,
}

impl BackupArgs {
    /// Checks that the folder can be used.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn check(&self) -> Result<(), String> {
        let Some(folder) = &self.backup_dir else {
            return Ok(());
        };
        check_folder(folder).map_err(|why| format!("BACKUP_DIR {}: {why}", folder.display()))
    }
}

fn check_folder(folder: &Path) -> Result<(), String> {
    let found = folder.metadata().map_err(|why| why.to_string())?;
    if !found.is_dir() {
        return Err("it is not a folder".to_owned());
    }
    let needed = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    access(folder, needed).map_err(|why| format!("the server cannot use it: {why}"))
}

/// Where a backup has the key files that lie beside the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyPlace {
    /// In the backup itself
    Inside,
    /// In files beside it, FILE.jwt_secret and FILE.audit_key
    Beside,
    /// Nowhere
    None,
}
