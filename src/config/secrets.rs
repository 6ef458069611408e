//! The four secrets: the key that signs tokens, the keys that signed before it, the first admin's
//! password, and the token for `/metrics`.
//!
//! Each is an environment variable, or the content of a file that a setting ending in `_FILE` names
//! (a container's secret). Both at once is an error.

use std::env::{self, VarError};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use super::Config;
use crate::model::{Email, Username};

/// The text of a secret and its source.
pub struct Secret {
    /// The secret. The line end at the end of a file is not part of it.
    pub text: String,
    /// The variable, or the setting and the file, for messages to the operator.
    pub source: String,
}

/// Shows the source alone, so that no secret gets into a log.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.source)
    }
}

/// Every secret that the operator has set.
#[derive(Debug)]
pub struct Secrets {
    /// `JWT_SECRET_KEY`: signs tokens.
    pub signing_key: Option<Secret>,
    /// `JWT_SECRET_KEY_PREVIOUS`: verify tokens that were signed before a change of keys. Separated by
    /// commas in the variable, one a line in the file.
    pub previous_signing_keys: Vec<Secret>,
    /// `ADMIN_PASSWORD`.
    pub admin_password: Option<Secret>,
    /// `METRICS_TOKEN`.
    pub metrics_token: Option<Secret>,
}

impl Secrets {
    /// Reads the environment and the files that `config` names.
    ///
    /// # Errors
    /// One line for the operator: a secret is set twice, is not UTF-8, or its file cannot be read.
    pub fn load(config: &Config) -> Result<Secrets, String> {
        let keys = &config.signing_key;
        let previous_file = keys.jwt_secret_key_previous_file.as_deref();
        let separator = if previous_file.is_some() { '\n' } else { ',' };
        let previous = load("JWT_SECRET_KEY_PREVIOUS", previous_file)?;
        Ok(Secrets {
            signing_key: load("JWT_SECRET_KEY", keys.jwt_secret_key_file.as_deref())?,
            previous_signing_keys: previous.map_or_else(Vec::new, |list| list.split(separator)),
            admin_password: load(
                "ADMIN_PASSWORD",
                config.admin.admin_password_file.as_deref(),
            )?,
            metrics_token: load(
                "METRICS_TOKEN",
                config.metrics.metrics_token_file.as_deref(),
            )?,
        })
    }
}

impl Secret {
    fn split(&self, separator: char) -> Vec<Secret> {
        let items = self.text.split(separator).map(str::trim);
        items
            .filter(|text| !text.is_empty())
            .map(|text| Secret {
                text: text.to_owned(),
                source: self.source.clone(),
            })
            .collect()
    }
}

fn load(name: &str, file: Option<&Path>) -> Result<Option<Secret>, String> {
    let variable = match env::var(name) {
        Ok(text) => Some(text),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => return Err(format!("{name} is not UTF-8")),
    };
    match (variable, file) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(format!(
            "{name} and {name}_FILE are both set; keep one of them"
        )),
        (Some(text), None) => Ok(Some(Secret {
            text,
            source: name.to_owned(),
        })),
        (None, Some(path)) => {
            let source = format!("{name}_FILE {}", path.display());
            match std::fs::read_to_string(path) {
                Ok(text) => Ok(Some(Secret {
                    text: text.trim_end_matches(['\r', '\n']).to_owned(),
                    source,
                })),
                Err(why) => Err(format!("{source}: {why}")),
            }
        }
    }
}

/// Files with the keys of tokens.
#[derive(Debug, Clone, Default, Args)]
pub struct SigningKeyArgs {
    /// File with the key that signs tokens; without it and without JWT_SECRET_KEY a key is made at
    /// the first start and kept beside the database
    #[arg(long, env, hide_env_values = true)]
    pub jwt_secret_key_file: Option<PathBuf>,

    /// File with the keys that signed tokens before, one on each line; they verify and never sign
    #[arg(long, env, hide_env_values = true)]
    pub jwt_secret_key_previous_file: Option<PathBuf>,

    /// Accept a key of less than 32 bytes, such as the tutorial's; a client that guesses it can sign
    /// in as any admin
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    #[arg(num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub allow_weak_jwt_secret: bool,
}

/// The admin that a start makes where it finds none.
#[derive(Debug, Clone, Default, Args)]
pub struct AdminArgs {
    /// Name of the admin that is made at the start if there is none
    #[arg(long, env, hide_env_values = true)]
    pub admin_username: Option<Username>,

    /// E-mail of that admin
    #[arg(long, env, hide_env_values = true)]
    pub admin_email: Option<Email>,

    /// File with that admin's password; there is no default
    #[arg(long, env, hide_env_values = true)]
    pub admin_password_file: Option<PathBuf>,
}

/// Access to the metrics.
#[derive(Debug, Clone, Default, Args)]
pub struct MetricsArgs {
    /// File with the token that /metrics asks for; without it and without METRICS_TOKEN only this
    /// machine and trusted proxies get a response
    #[arg(long, env, hide_env_values = true)]
    pub metrics_token_file: Option<PathBuf>,
}
