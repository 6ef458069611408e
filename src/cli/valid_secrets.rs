//! The secrets of the server, validated before the first file is created.

use super::first_admin_settings::FirstAdmin;
use crate::auth::metrics_token::MetricsToken;
use crate::auth::signing_key::SigningKey;
use crate::config::Config;
use crate::config::secrets::Secrets;

/// The secrets that the operator has set, each of them validated.
pub struct ValidSecrets {
    /// `JWT_SECRET_KEY`.
    pub current_key: Option<SigningKey>,
    /// `JWT_SECRET_KEY_PREVIOUS`.
    pub previous_keys: Vec<SigningKey>,
    /// `ADMIN_USERNAME`, `ADMIN_EMAIL` and `ADMIN_PASSWORD`.
    pub first_admin: Option<FirstAdmin>,
    /// `METRICS_TOKEN`.
    pub metrics_token: Option<MetricsToken>,
    /// See [`Secrets::warnings`].
    pub warnings: Vec<String>,
}

impl ValidSecrets {
    /// Reads and validates the secrets.
    ///
    /// # Errors
    /// One line for the operator, which names the setting.
    pub fn load(config: &Config) -> Result<ValidSecrets, String> {
        let secrets = Secrets::load(config)?;
        // A byte order mark may be the reason why a secret is invalid.
        let explain = |why| [vec![why], secrets.warnings.clone()].concat().join("; ");
        ValidSecrets::check(config, &secrets).map_err(explain)
    }

    fn check(config: &Config, secrets: &Secrets) -> Result<ValidSecrets, String> {
        let allow_weak = config.signing_key.allow_weak_jwt_secret;
        let check_key = |secret| SigningKey::new(secret, allow_weak);
        let previous_keys = secrets.previous_signing_keys.iter().map(check_key);
        let admin_password = secrets.admin_password.as_ref();
        let metrics_token = secrets.metrics_token.as_ref();
        Ok(ValidSecrets {
            current_key: secrets.signing_key.as_ref().map(check_key).transpose()?,
            previous_keys: previous_keys.collect::<Result<_, _>>()?,
            first_admin: FirstAdmin::from_settings(&config.admin, admin_password)?,
            metrics_token: metrics_token.map(MetricsToken::new).transpose()?,
            warnings: secrets.warnings.clone(),
        })
    }
}
