//! The keys that sign tokens (HS256). Key rotation: the current key signs and verifies, previous keys only
//! verify, so a change of keys does not sign users out.
//!
//! The keys for other purposes are derived from the current one, see [`crate::crypto::derive_hmac`].

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read, Write};

use data_encoding::BASE64URL_NOPAD;

use crate::config::database::DatabaseFiles;
use crate::config::private_file;
use crate::config::secrets::Secret;
use crate::crypto::random_bytes;
use crate::error::Error;

/// The minimum length of a key: the length of the hash, SHA-256 (RFC 7518, 3.2).
const MIN_BYTES: usize = 32;

/// The key that signs tokens, and the keys that signed tokens before.
#[derive(Debug)]
pub struct SigningKeys {
    /// Signs and verifies tokens.
    pub current: SigningKey,
    /// Verify tokens, and never sign.
    pub previous: Vec<SigningKey>,
}

/// A key, and where it comes from.
#[derive(Debug)]
pub struct SigningKey {
    /// The key itself. Text is not decoded, as in flask-jwt-extended.
    pub bytes: Vec<u8>,
    /// The setting or the file; for messages to the operator.
    pub source: String,
    /// Whether it is shorter than 32 bytes; `ALLOW_WEAK_JWT_SECRET` permits that.
    pub weak: bool,
}

impl SigningKeys {
    /// The keys of this process. Without a configured current key, it is the one in the file beside the
    /// database. `is_in_use` says whether another key may have signed tokens for the database.
    ///
    /// # Errors
    /// Those of [`SigningKey::load_or_create`] and [`SigningKey::check_generation`], and why `is_in_use` fails.
    pub fn load(
        current: Option<SigningKey>,
        previous: Vec<SigningKey>,
        files: &DatabaseFiles,
        is_in_use: impl FnOnce() -> Result<bool, Error>,
    ) -> Result<SigningKeys, String> {
        let current = match current {
            Some(key) => key,
            None => {
                if SigningKey::load_existing(files)?.is_none() {
                    let is_in_use = is_in_use().map_err(|why| why.to_string())?;
                    SigningKey::check_generation(files, is_in_use)?;
                }
                SigningKey::load_or_create(files)?
            }
        };
        Ok(SigningKeys { current, previous })
    }
}

impl SigningKey {
    /// Checks a key that the operator has set.
    ///
    /// # Errors
    /// One line for the operator: the key is empty, or shorter than 32 bytes and `allow_weak` is not set.
    pub fn new(secret: &Secret, allow_weak: bool) -> Result<SigningKey, String> {
        let Secret { text: key, source } = secret;
        let weak = key.len() < MIN_BYTES;
        if key.is_empty() || (weak && !allow_weak) {
            return Err(format!(
                "{source} holds a key of {} bytes; a signing key needs at least {MIN_BYTES}, such as the \
                 output of `openssl rand -base64 32` (ALLOW_WEAK_JWT_SECRET=1 accepts a shorter key that \
                 has already signed tokens)",
                key.len()
            ));
        }
        Ok(SigningKey {
            bytes: key.as_bytes().to_owned(),
            source: source.clone(),
            weak,
        })
    }

    /// Reads the key from the file beside the database. `None` if the first start has yet to generate it.
    ///
    /// # Errors
    /// One line for the operator: the file cannot be read, or its key is weak.
    pub fn load_existing(files: &DatabaseFiles) -> Result<Option<SigningKey>, String> {
        let path = files.signing_key();
        let source = format!("the file {}", path.display());
        let text = match private_file::open(&path, OpenOptions::new().read(true)) {
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.and_then(io::read_to_string),
        };
        let text = text.map_err(|why| format!("cannot read the signing key in {source}: {why}"))?;
        let text = text.trim_end().to_owned();
        match text.is_empty() {
            true => Ok(None),
            false => SigningKey::new(&Secret { text, source }, false).map(Some),
        }
    }

    /// Checks that a key may be generated. With PostgreSQL it may only for a database that is not in use: another server
    /// signs tokens with its key, and would not accept those of this one.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn check_generation(files: &DatabaseFiles, is_in_use: bool) -> Result<(), String> {
        match is_in_use && !files.has_database() {
            false => Ok(()),
            true => Err(format!(
                "KEYS_PATH: the file {} does not exist, and the database is in use: copy the file of another server, or \
                 set JWT_SECRET_KEY",
                files.signing_key().display()
            )),
        }
    }

    /// Reads the key from the file beside the database, which the first start creates with a random key.
    ///
    /// # Errors
    /// One line for the operator: the file cannot be read or created, or its key is weak.
    fn load_or_create(files: &DatabaseFiles) -> Result<SigningKey, String> {
        let path = files.signing_key();
        let source = format!("the file {}", path.display());
        let text = read_or_create(files)
            .map_err(|why| format!("cannot read or create the signing key in {source}: {why}"))?;
        SigningKey::new(&Secret { text, source }, false)
    }
}

/// Reads the key from the file, or generates it. Two first starts at the same time agree on one key, since each
/// holds an exclusive lock on the file meanwhile.
fn read_or_create(files: &DatabaseFiles) -> io::Result<String> {
    let path = files.signing_key();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = private_file::open(&path, &mut options)?;
    file.lock()?;
    let mut key = String::new();
    file.read_to_string(&mut key)?;
    if key.is_empty() {
        key = generate()?;
        file.write_all(key.as_bytes())?;
        file.sync_all()?;
        log::info!("generated a signing key in the file {}", path.display());
        if !files.has_database() {
            log::warn!(
                "each other server on this database needs a copy of the key, see docs/postgres.md"
            );
        }
    }
    Ok(key.trim_end().to_owned())
}

fn generate() -> io::Result<String> {
    let bytes: [u8; 32] = random_bytes().map_err(io::Error::other)?;
    Ok(BASE64URL_NOPAD.encode(&bytes) + "\n")
}
