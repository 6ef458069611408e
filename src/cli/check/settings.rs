//! Checks of the settings.

use super::finding::{Outcome, not_checked, right};
use super::permissions::check_generated_key;
use super::published_keys::is_published;
use super::subject::Subject;
use crate::auth::signing_key::SigningKey;
use crate::config::cors::CorsOrigins;
use crate::config::passwords::RECOMMENDED_ITERATIONS;
use crate::config::rate_limits::Switch;

/// The combinations of settings, and the secrets.
pub fn combinations(subject: &Subject) -> Outcome {
    subject.config.check()?;
    match &subject.secrets {
        Ok(_) => right("valid"),
        Err(why) => Err(why.clone()),
    }
}

/// No secret begins with a byte order mark or is in quotation marks.
pub fn secrets(subject: &Subject) -> Outcome {
    match &subject.secrets {
        Ok(secrets) if secrets.warnings.is_empty() => right("as they were meant"),
        Ok(secrets) => Err(secrets.warnings.join("; ")),
        Err(_) => not_checked("the secrets cannot be used, see settings"),
    }
}

/// CORS is limited to known websites.
pub fn cors_origins(subject: &Subject) -> Outcome {
    match &subject.config.cors.cors_origins {
        CorsOrigins::Any => Err(
            "CORS_ORIGINS is *: a script of any website may call the API; list the origins of your pages".to_owned(),
        ),
        CorsOrigins::List(origins) => right(origins.join(", ")),
    }
}

/// Rate limiting is on.
pub fn rate_limits(subject: &Subject) -> Outcome {
    match subject.config.rate_limiting.rate_limits {
        Switch::On => right("on"),
        Switch::Off => Err(
            "RATE_LIMITS is off: passwords can be guessed without a limit; leave it out".to_owned(),
        ),
    }
}

/// Password hashes are as expensive as recommended.
pub fn password_iterations(subject: &Subject) -> Outcome {
    match subject.config.passwords.password_iterations {
        iterations if iterations < RECOMMENDED_ITERATIONS => Err(format!(
            "PASSWORD_ITERATIONS is {iterations}, below the {RECOMMENDED_ITERATIONS} that OWASP recommends; leave it \
             out"
        )),
        iterations => right(iterations.to_string()),
    }
}

/// No key that verifies tokens can be guessed.
pub fn signing_key(subject: &Subject) -> Outcome {
    let Ok(secrets) = &subject.secrets else {
        return not_checked("the secrets cannot be used, see settings");
    };
    for key in &secrets.previous_keys {
        check_key(key, "remove it")?;
    }
    if let Some(key) = &secrets.current_key {
        check_key(
            key,
            "replace it, such as by the output of `openssl rand -base64 32`",
        )?;
        return right(format!("from {}", key.source));
    }
    if check_generated_key(&subject.files.signing_key()).is_err() {
        return not_checked("the file cannot be used, see key-files");
    }
    match SigningKey::load_existing(&subject.files)? {
        Some(key) => {
            check_key(&key, "remove the file, and the next start generates a key")?;
            right(format!("from {}", key.source))
        }
        None => {
            check_new_key(subject)?;
            right("the first start generates it")
        }
    }
}

/// A start generates a key, unless other servers have one already.
fn check_new_key(subject: &Subject) -> Result<(), String> {
    let is_in_use = match &subject.database {
        Ok(Some(database)) => database
            .is_in_use(&subject.files)
            .map_err(|why| format!("cannot read whether other servers have a key: {why}"))?,
        _ => false,
    };
    SigningKey::check_generation(&subject.files, is_in_use)
}

fn check_key(key: &SigningKey, remedy: &str) -> Result<(), String> {
    let source = &key.source;
    if is_published(key) {
        return Err(format!(
            "{source} holds a key that is published: a client that knows it can act as any account; {remedy}"
        ));
    }
    match key.weak {
        true => Err(format!(
            "{source} holds a key of fewer than 32 bytes, which can be guessed; {remedy}"
        )),
        false => Ok(()),
    }
}
