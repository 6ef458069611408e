//! Checks of the settings.

use super::command::Outcome;
use super::subject::Subject;
use crate::config::cors::CorsOrigins;
use crate::config::passwords::RECOMMENDED_ITERATIONS;
use crate::config::rate_limits::Switch;

/// Published keys, from tutorials and examples: every reader can sign tokens with them.
const PUBLISHED_KEYS: [&str; 12] = [
    "aStrongSecretKey",
    "super-secret",
    "super-secret-key",
    "secret",
    "secret-key",
    "secretkey",
    "change-me",
    "changeme",
    "jwt-secret-string",
    "your-secret-key",
    "your-256-bit-secret",
    "a-string-secret-at-least-256-bits-long",
];

/// The combinations of settings, and the secrets.
pub fn combinations(subject: &Subject) -> Outcome {
    subject.config.check()?;
    match &subject.secrets {
        Ok(_) => Ok("valid".to_owned()),
        Err(why) => Err(why.clone()),
    }
}

/// CORS is limited to known websites.
pub fn cors_origins(subject: &Subject) -> Outcome {
    match &subject.config.cors.cors_origins {
        CorsOrigins::Any => Err(
            "CORS_ORIGINS is *: a script of any website may call the API; list the origins of your pages".to_owned(),
        ),
        CorsOrigins::List(origins) => Ok(origins.join(", ")),
    }
}

/// Rate limiting is on.
pub fn rate_limits(subject: &Subject) -> Outcome {
    match subject.config.rate_limiting.rate_limits {
        Switch::On => Ok("on".to_owned()),
        Switch::Off => {
            Err("RATE_LIMITS is off: passwords can be guessed without a limit".to_owned())
        }
    }
}

/// Password hashes are as expensive as recommended.
pub fn password_iterations(subject: &Subject) -> Outcome {
    match subject.config.passwords.password_iterations {
        iterations if iterations < RECOMMENDED_ITERATIONS => Err(format!(
            "PASSWORD_ITERATIONS is {iterations}, below the {RECOMMENDED_ITERATIONS} that OWASP recommends"
        )),
        iterations => Ok(format!("{iterations}")),
    }
}

/// No key that verifies tokens can be guessed.
pub fn signing_key(subject: &Subject) -> Outcome {
    for key in subject.configured_keys() {
        if PUBLISHED_KEYS
            .iter()
            .any(|published| published.as_bytes() == key.bytes)
        {
            return Err(format!(
                "{} holds a key that is published: a client that knows it can act as any account",
                key.source
            ));
        }
        if key.weak {
            return Err(format!("{} holds a key of fewer than 32 bytes", key.source));
        }
    }
    match &subject.secrets {
        Err(why) => Err(why.clone()),
        Ok(secrets) => Ok(match &secrets.current_key {
            Some(key) => format!("from {}", key.source),
            None => "generated, in a file beside the database".to_owned(),
        }),
    }
}
