//! The token that it takes to see the metrics, if one is set.

use sha2::{Digest, Sha256};

use crate::config::{MetricsArgs, secret};

/// What nobody guesses, at some thousand tries a second.
const MIN_BYTES: usize = 16;

/// The digest of a token: it takes the same time to compare whatever is given, and can be shown.
#[derive(Debug)]
pub struct MetricsToken([u8; 32]);

impl MetricsToken {
    /// The token that the operator has set. `from_environment` is the value of `METRICS_TOKEN`.
    ///
    /// # Errors
    /// One line for the operator: both are set, the file cannot be read, the token is short, or no client
    /// could send it.
    pub fn configured(
        settings: &MetricsArgs,
        from_environment: Option<String>,
    ) -> Result<Option<MetricsToken>, String> {
        let path = settings.metrics_token_file.as_deref();
        let Some((source, text)) = secret("METRICS_TOKEN", from_environment, path)? else {
            return Ok(None);
        };
        let token = match path {
            Some(_) => text.trim_end_matches(['\r', '\n']),
            None => &text,
        };
        if token.len() < MIN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{source} must be {MIN_BYTES} characters or more, ASCII without spaces, such as \
                 `openssl rand -base64 32` prints"
            ));
        }
        Ok(Some(MetricsToken(digest(token))))
    }

    /// Whether it is this one.
    pub fn is(&self, given: &str) -> bool {
        ct_codecs::verify(&self.0, &digest(given))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
