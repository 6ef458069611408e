//! The four secrets: the key that signs tokens, the previous signing keys, the first admin's password, and the
//! bearer token for `/metrics`.
//!
//! Each is set in an environment variable, or in a file (such as a container's secret) whose path a setting ending
//! in `_FILE` gives. Both at once are an error.

use std::env::{self, VarError};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};

use super::Config;
use super::boolean::boolean;
use crate::model::{Email, Username};

/// The text of a secret and its source.
pub struct Secret {
    /// The secret, without the line end at the end of a file.
    pub text: String,
    /// The environment variable, or the setting and the file; for messages to the operator.
    pub source: String,
}

/// Shows only the source, so that no secret gets into a log.
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
    /// `JWT_SECRET_KEY_PREVIOUS`: the keys that verify tokens signed before a key rotation. Separated by commas
    /// in the variable, one per line in the file.
    pub previous_signing_keys: Vec<Secret>,
    /// `ADMIN_PASSWORD`: the password of the first admin.
    pub admin_password: Option<Secret>,
    /// `METRICS_TOKEN`: the bearer token for `/metrics`.
    pub metrics_token: Option<Secret>,
    /// What is probably no part of a secret but counts as one: one line for each, for the operator.
    pub warnings: Vec<String>,
}

impl Secrets {
    /// Reads the environment variables and the files that `config` names.
    ///
    /// # Errors
    /// One line for the operator: a secret is set twice, is not UTF-8, or its file cannot be read.
    pub fn load(config: &Config) -> Result<Secrets, String> {
        let keys = &config.signing_key;
        let previous_file = keys.jwt_secret_key_previous_file.as_deref();
        let separator = if previous_file.is_some() { '\n' } else { ',' };
        let previous = load("JWT_SECRET_KEY_PREVIOUS", previous_file)?;
        let previous_keys = previous.as_ref().map(|list| list.split(separator));
        let mut secrets = Secrets {
            signing_key: load("JWT_SECRET_KEY", keys.jwt_secret_key_file.as_deref())?,
            previous_signing_keys: previous_keys.unwrap_or_default(),
            admin_password: load(
                "ADMIN_PASSWORD",
                config.admin.admin_password_file.as_deref(),
            )?,
            metrics_token: load(
                "METRICS_TOKEN",
                config.metrics.metrics_token_file.as_deref(),
            )?,
            warnings: Vec::new(),
        };
        secrets.warnings = secrets
            .all()
            .chain(&previous)
            .filter_map(Secret::warning)
            .collect();
        secrets.warnings.dedup();
        Ok(secrets)
    }

    fn all(&self) -> impl Iterator<Item = &Secret> {
        let single = [&self.signing_key, &self.admin_password, &self.metrics_token];
        single
            .into_iter()
            .flatten()
            .chain(&self.previous_signing_keys)
    }
}

/// Quotation marks that a file, or a tool that sets a variable, may have left around a secret.
const QUOTES: [(char, char); 4] = [
    ('"', '"'),
    ('\'', '\''),
    ('\u{201c}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
];

impl Secret {
    /// Says if the secret begins with a byte order mark (BOM), which some editors write into a file, or is in quotes.
    /// They stay part of it: it may have been in use with them for years.
    fn warning(&self) -> Option<String> {
        let text = self.text.trim();
        let is_quoted =
            |(open, close)| text.len() > 1 && text.starts_with(open) && text.ends_with(close);
        let what = match text.starts_with('\u{feff}') {
            true => {
                "begins with a byte order mark (BOM), which counts as part of it: save it without"
            }
            false if QUOTES.into_iter().any(is_quoted) => {
                "is in quotation marks, which count as part of it: set it without them"
            }
            false => return None,
        };
        Some(format!("{} {what}", self.source))
    }

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
    match (read_variable(name)?, file) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(format!(
            "{name} and {name}_FILE are both set; keep one of them"
        )),
        (Some(text), None) => {
            let source = name.to_owned();
            Ok(Some(Secret { text, source }))
        }
        (None, Some(path)) => {
            let source = format!("{name}_FILE {}", path.display());
            let text = std::fs::read_to_string(path).map_err(|why| format!("{source}: {why}"))?;
            let text = text.trim_end_matches(['\r', '\n']).to_owned();
            Ok(Some(Secret { text, source }))
        }
    }
}

fn read_variable(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8")),
    }
}

/// The keys that sign and verify tokens; see [`crate::auth::signing_key`].
#[derive(Debug, Clone, Default, Args)]
pub struct SigningKeyArgs {
    /// File with the key that signs tokens; without it and without JWT_SECRET_KEY, the first start
    /// generates a key and stores it beside the database
    #[arg(long, env, hide_env_values = true)]
    pub jwt_secret_key_file: Option<PathBuf>,

    /// File with previous signing keys, one per line; they verify tokens and never sign
    #[arg(long, env, hide_env_values = true)]
    pub jwt_secret_key_previous_file: Option<PathBuf>,

    /// Accept a key of fewer than 32 bytes, such as the tutorial's; a client that guesses it can act as any
    /// account
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    #[arg(num_args = 0..=1, require_equals = true, action = ArgAction::Set, value_parser = boolean)]
    pub allow_weak_jwt_secret: bool,
}

/// The first admin, whom the server creates at startup if there is no approved admin.
#[derive(Debug, Clone, Default, Args)]
pub struct AdminArgs {
    /// Username of the first admin, which the start creates if there is no approved admin
    #[arg(long, env, hide_env_values = true)]
    pub admin_username: Option<Username>,

    /// E-mail address of the first admin
    #[arg(long, env, hide_env_values = true)]
    pub admin_email: Option<Email>,

    /// File with the password of the first admin; there is no default password
    #[arg(long, env, hide_env_values = true)]
    pub admin_password_file: Option<PathBuf>,
}

/// Access to `/metrics`; see [`crate::auth::metrics_token`].
#[derive(Debug, Clone, Default, Args)]
pub struct MetricsArgs {
    /// File with the bearer token that /metrics requires; without it and without METRICS_TOKEN, only this
    /// machine and trusted proxies have access
    #[arg(long, env, hide_env_values = true)]
    pub metrics_token_file: Option<PathBuf>,
}
