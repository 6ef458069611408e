//! The key that signs tokens: from the environment, from a file, or made at the first start.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use ct_codecs::{Base64UrlSafeNoPadding, Encoder};

use crate::config::Config;

/// A key of fewer bytes than the hash has can be guessed (RFC 7518, 3.2).
const MIN_BYTES: usize = 32;

/// The key, and where it came from, for the log.
#[derive(Debug)]
pub struct SigningKey {
    /// The key itself.
    pub bytes: Vec<u8>,
    /// `JWT_SECRET_KEY`, or a file's name.
    pub source: String,
    /// Whether it is one that `ALLOW_WEAK_JWT_SECRET` let in.
    pub weak: bool,
}

impl SigningKey {
    /// Finds the key. `from_environment` is the value of `JWT_SECRET_KEY`.
    ///
    /// # Errors
    /// One line for the operator: two keys are set, a file cannot be read, or the key is weak.
    pub fn load(config: &Config, from_environment: Option<String>) -> Result<SigningKey, String> {
        let (source, key) = match (from_environment, &config.secret.jwt_secret_key_file) {
            (Some(_), Some(_)) => {
                return Err(
                    "JWT_SECRET_KEY and JWT_SECRET_KEY_FILE are both set; keep one of them"
                        .to_owned(),
                );
            }
            (Some(key), None) => ("JWT_SECRET_KEY".to_owned(), key),
            (None, Some(path)) => {
                let key = std::fs::read_to_string(path).map_err(|why| {
                    format!("JWT_SECRET_KEY_FILE: cannot read {}: {why}", path.display())
                })?;
                (
                    format!("the file {}", path.display()),
                    key.trim_end_matches(['\r', '\n']).to_owned(),
                )
            }
            (None, None) => {
                let path = config.database.database_url.secret_path();
                let key = kept_in(&path).map_err(|why| {
                    format!("cannot keep the token key in {}: {why}", path.display())
                })?;
                (format!("the file {}", path.display()), key)
            }
        };
        let weak = key.len() < MIN_BYTES;
        if key.is_empty() || (weak && !config.secret.allow_weak_jwt_secret) {
            return Err(format!(
                "{source} holds a key of {} bytes; a token key needs {MIN_BYTES} or more, such as `openssl rand -base64 32` \
                 prints (ALLOW_WEAK_JWT_SECRET=1 accepts a shorter one that existing tokens were signed with)",
                key.len()
            ));
        }
        Ok(SigningKey {
            bytes: key.into_bytes(),
            source,
            weak,
        })
    }
}

/// Reads the key from the file, or makes both. The lock makes two first starts at once agree.
fn kept_in(path: &Path) -> std::io::Result<String> {
    let mut file = open_private(path)?;
    file.lock()?;
    let mut key = String::new();
    file.read_to_string(&mut key)?;
    if key.is_empty() {
        key = generate()?;
        file.write_all(key.as_bytes())?;
        file.sync_all()?;
    }
    Ok(key.trim_end().to_owned())
}

fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn generate() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    let key = Base64UrlSafeNoPadding::encode_to_string(bytes).map_err(std::io::Error::other)?;
    Ok(key + "\n")
}
