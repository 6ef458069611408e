//! The key that signs tokens: from the environment, from a file, or made at the first start; and those
//! that did so before.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use ct_codecs::{Base64UrlSafeNoPadding, Encoder};

use crate::config::{DatabaseUrl, SecretArgs, secret};

/// A key of fewer bytes than the hash has can be guessed (RFC 7518, 3.2).
const MIN_BYTES: usize = 32;

/// What signs tokens, and what has signed some that are still about.
#[derive(Debug)]
pub struct SigningKeys {
    /// Signs and verifies.
    pub current: SigningKey,
    /// Verify, so that a key is changed without signing anybody out.
    pub previous: Vec<SigningKey>,
}

/// A key, and where it came from, for the log.
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
        let path = settings.jwt_secret_key_file.as_deref();
        let Some((source, text)) = secret("JWT_SECRET_KEY", from_environment, path)? else {
            return Ok(None);
        };
        let key = match path {
            Some(_) => text.trim_end_matches(['\r', '\n']),
            None => &text,
        };
        SigningKey::checked(source, key, settings.allow_weak_jwt_secret).map(Some)
    }

    /// The keys that signed before this one. `from_environment` is the value of
    /// `JWT_SECRET_KEY_PREVIOUS`, in which commas are between them; the file has one on each line.
    ///
    /// # Errors
    /// One line for the operator, as above.
    pub fn previous(
        settings: &SecretArgs,
        from_environment: Option<String>,
    ) -> Result<Vec<SigningKey>, String> {
        let path = settings.jwt_secret_key_previous_file.as_deref();
        let Some((source, text)) = secret("JWT_SECRET_KEY_PREVIOUS", from_environment, path)?
        else {
            return Ok(Vec::new());
        };
        let separator = if path.is_some() { '\n' } else { ',' };
        let keys = text.split(separator).map(str::trim);
        keys.filter(|key| !key.is_empty())
            .map(|key| SigningKey::checked(source.clone(), key, settings.allow_weak_jwt_secret))
            .collect()
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
        SigningKey::checked(source, &key, false)
    }

    fn checked(source: String, key: &str, allow_weak: bool) -> Result<SigningKey, String> {
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
            bytes: key.as_bytes().to_owned(),
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
