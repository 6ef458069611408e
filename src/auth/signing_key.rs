//! The keys of tokens: the current one signs and verifies, the previous ones only verify (key rotation).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;

use crate::config::database::DatabaseUrl;
use crate::config::secrets::Secret;
use crate::crypto::random_bytes;

/// The least length of a key: that of the hash, SHA-256 (RFC 7518, 3.2).
const MIN_BYTES: usize = 32;

/// The key that signs tokens, and the keys that signed tokens before.
#[derive(Debug)]
pub struct SigningKeys {
    /// Signs and verifies.
    pub current: SigningKey,
    /// Verify only, so that a change of keys signs no account out.
    pub previous: Vec<SigningKey>,
}

/// A key and its source.
#[derive(Debug)]
pub struct SigningKey {
    /// The key itself.
    pub bytes: Vec<u8>,
    /// The setting that names it, or the file; for the log.
    pub source: String,
    /// Whether it is shorter than 32 bytes; `ALLOW_WEAK_JWT_SECRET` permits that.
    pub weak: bool,
}

impl SigningKey {
    /// Checks a key that the operator has set.
    ///
    /// # Errors
    /// One line for the operator: the key is weak.
    pub fn new(secret: &Secret, allow_weak: bool) -> Result<SigningKey, String> {
        let Secret { text: key, source } = secret;
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
            source: source.clone(),
            weak,
        })
    }

    /// The key in the file beside the database. The first start makes it.
    ///
    /// # Errors
    /// One line for the operator: the file cannot be read or written, or its key is weak.
    pub fn load_or_create(database: &DatabaseUrl) -> Result<SigningKey, String> {
        let path = database.secret_path();
        let source = format!("the file {}", path.display());
        let text = read_or_create(&path)
            .map_err(|why| format!("cannot keep the token key in {source}: {why}"))?;
        SigningKey::new(&Secret { text, source }, false)
    }
}

/// Reads the key from the file, or makes both. The file lock makes two first starts at once agree on one
/// key.
fn read_or_create(path: &Path) -> io::Result<String> {
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

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn generate() -> io::Result<String> {
    let bytes: [u8; 32] = random_bytes().map_err(io::Error::other)?;
    Ok(BASE64URL_NOPAD.encode(&bytes) + "\n")
}
