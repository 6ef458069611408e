//! The audit key, which authenticates the audit log, and its file beside the database.
//!
//! Forward security: time is divided into epochs, and each has a key of its own. The next key is derived from the
//! present one (a ratchet), which is then deleted. An attacker who steals the key can compute the later keys and
//! none of the earlier ones, so what was sealed before the theft stays authentic (Bellare and Yee, Forward
//! integrity for secure audit logs, 1997).

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE as HEX;
use pbkdf2::hmac::Mac;

use crate::config::database::DatabaseFiles;
use crate::config::private_file;
use crate::crypto::{derive_hmac, derive_key, random_bytes};
use crate::error::Error;

/// The most epochs between two keys. The epoch of a seal is in the database, where an attacker could write any
/// number; hourly epochs need a century to get that far.
const MAX_EPOCHS: i64 = 1_000_000;

/// The key of one epoch.
#[derive(Clone)]
pub struct AuditKey {
    epoch: i64,
    bytes: [u8; 32],
}

impl AuditKey {
    /// A random key for this epoch.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system provides no random bytes.
    pub fn random(epoch: i64) -> Result<AuditKey, Error> {
        let bytes = random_bytes()?;
        Ok(AuditKey { epoch, bytes })
    }

    /// The number of the epoch. Epoch 0 has no seal: it ends when the first seal is made.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The key of the next epoch. The present key cannot be computed from it.
    pub fn next(&self) -> AuditKey {
        AuditKey {
            epoch: self.epoch + 1,
            bytes: derive_key(&self.bytes, "task-api: audit key of the next epoch"),
        }
    }

    /// The key of a later epoch. `None` if that epoch is in the past, or too far away.
    pub fn advance_to(&self, epoch: i64) -> Option<AuditKey> {
        let steps = epoch.checked_sub(self.epoch)?;
        if !(0..=MAX_EPOCHS).contains(&steps) {
            return None;
        }
        Some((0..steps).fold(self.clone(), |key, _| key.next()))
    }

    /// The HMAC of a text, in hex.
    pub fn mac(&self, text: &str) -> String {
        let mac = derive_hmac(&self.bytes, "task-api: seals of the audit log");
        HEX.encode(&mac.chain_update(text).finalize().into_bytes())
    }

    // ---- the file -------------------------------------------------------------------------------

    /// Reads a copy of a key, whatever its mode: the number of the epoch and the key in hex.
    ///
    /// # Errors
    /// Those of the system, and a text of another form.
    pub fn read_copy(path: &Path) -> io::Result<AuditKey> {
        AuditKey::parse(&fs::read_to_string(path)?)
    }

    /// Reads the key beside the database; `None` if there is none.
    ///
    /// # Errors
    /// Those of [`private_file::open`], and a text of another form.
    pub fn read(path: &Path) -> io::Result<Option<AuditKey>> {
        let mut file = match private_file::open(path, OpenOptions::new().read(true)) {
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            result => result?,
        };
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        AuditKey::parse(&text).map(Some)
    }

    fn parse(text: &str) -> io::Result<AuditKey> {
        let parse = || {
            let (epoch, key) = text.trim_end().split_once(' ')?;
            let bytes = HEX.decode(key.as_bytes()).ok()?.try_into().ok()?;
            let epoch = epoch.parse().ok().filter(|epoch| *epoch >= 0)?;
            Some(AuditKey { epoch, bytes })
        };
        parse().ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it holds no audit key"))
    }

    /// Replaces the key file in one step: a crash leaves the old key or the new one. The old key is gone when this
    /// returns. The caller holds the lock for the key file, so no other process does the same meanwhile.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, files: &DatabaseFiles) -> io::Result<()> {
        let path = files.audit_key();
        let new = files.beside(".audit_key.new");
        // A crash may have left it.
        match fs::remove_file(&new) {
            Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let mut file = private_file::open(&new, OpenOptions::new().write(true).create_new(true))?;
        give_to_owner(files, &file)?;
        writeln!(file, "{} {}", self.epoch, HEX.encode(&self.bytes))?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(files.folder())?.sync_all()
    }
}

/// Gives a file to the owner of the database, or of the folder if there is no database file, if the process is root: the
/// server, which may run as another user, has to read what a command has written. SQLite does the same with its log.
fn give_to_owner(files: &DatabaseFiles, file: &File) -> io::Result<()> {
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() {
        use std::os::unix::fs::{MetadataExt, fchown};
        let owned = match fs::metadata(files.database()) {
            Err(why) if why.kind() == ErrorKind::NotFound => fs::metadata(files.folder()),
            result => result,
        }?;
        fchown(file, Some(owned.uid()), Some(owned.gid()))?;
    }
    Ok(())
}
