//! The key that signs tokens: from the environment, from a file, or made at the first start.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use ct_codecs::{Base64UrlSafeNoPadding, Encoder};

use crate::config::{DatabaseUrl, SecretArgs};

/// A key of fewer bytes than the hash has can be guessed (RFC 7518, 3.2).
const MIN_BYTES: usize = 32;

/// The key, and where it came from, for the log.
#[derive(Debug)]
pub struct SigningKey {
    /// The key itself.
    pub bytes: Vec<u8>,
    /// The setting that names it, or the file.
    pub source: String,
    /// Whether it is one that `ALLOW_WEAK_JWT_SECRET` let in.
    pub weak: bool,
}

impl SigningKey {
    /// The key that the operator has set. `from_environment` is the value of `JWT_SECRET_KEY`.
    ///
    /// # Errors
    /// One line for the operator: two keys are set, a file cannot be read, or the key is weak.
    pub fn configured(
        settings: &SecretArgs,
        from_environment: Option<String>,
    ) -> Result<Option<SigningKey>, String> {
        let (source, key) = match (from_environment, &settings.jwt_secret_key_file) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(
                    "JWT_SECRET_KEY and JWT_SECRET_KEY_FILE are both set; keep one of them"
                        .to_owned(),
                );
            }
            (Some(key), None) => ("JWT_SECRET_KEY".to_owned(), key),
            (None, Some(path)) => {
                let source = format!("JWT_SECRET_KEY_FILE {}", path.display());
                let key =
                    std::fs::read_to_string(path).map_err(|why| format!("{source}: {why}"))?;
                (source, key.trim_end_matches(['\r', '\n']).to_owned())
            }
        };
        SigningKey::checked(source, key, settings.allow_weak_jwt_secret).map(Some)
    }

    /// The key that is kept beside the database, made now if this is the first start.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn kept_beside(database: &DatabaseUrl) -> Result<SigningKey, String> {
        let path = database.secret_path();
        let source = format!("the file {}", path.display());
        let key = kept_in(&path)
            .map_err(|why| format!("cannot keep the token key in {source}: {why}"))?;
        SigningKey::checked(source, key, false)
    }

    fn checked(source: String, key: String, allow_weak: bool) -> Result<SigningKey, String> {
        let weak = key.len() < MIN_BYTES;
        if key.is_empty() || (weak && !allow_weak) {
            return Err(format!(
                "{source} holds a key of {} bytes; a token key needs {MIN_BYTES} or more, such as \
                 `openssl rand -base64 32` prints (ALLOW_WEAK_JWT_SECRET=1 accepts a shorter one that \
                 tokens were signed with already)",
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
