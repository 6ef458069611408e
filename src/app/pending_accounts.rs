//! The bound on accounts that await approval: a robot that signs up cannot fill the database or the list in which
//! admins approve accounts.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::accounts::AccountArgs;
use crate::error::Error;
use crate::metrics::exposition::Exposition;
use crate::store::{Connection, Store, pending_accounts};

/// Refuses sign-ups while `MAX_PENDING_ACCOUNTS` accounts await approval, and tells the operator when that begins.
#[derive(Debug)]
pub struct PendingAccounts {
    max: u32,
    /// Whether the log says so already.
    is_full: AtomicBool,
}

impl PendingAccounts {
    /// The bound of the settings.
    pub fn new(settings: &AccountArgs) -> PendingAccounts {
        PendingAccounts {
            max: settings.max_pending_accounts,
            is_full: AtomicBool::new(false),
        }
    }

    /// Checks that one more account may await approval.
    ///
    /// # Errors
    /// [`Error::TooManyPendingAccounts`].
    pub fn check_room(&self, db: &Connection) -> Result<(), Error> {
        let count = pending_accounts::count(db)?;
        let max = i64::from(self.max);
        if count >= max {
            self.report_full();
            return Err(Error::TooManyPendingAccounts);
        }
        // A tenth of the places has to be free again, so that an admin who approves accounts one by one while more sign
        // up does not make a line for each.
        if 10 * count < 9 * max {
            self.is_full.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn report_full(&self) {
        if !self.is_full.swap(true, Ordering::Relaxed) {
            log::warn!(
                "sign-ups are refused: {} accounts await approval (MAX_PENDING_ACCOUNTS), until an admin approves or \
                 deletes some",
                self.max
            );
        }
    }

    /// Writes the number of accounts that await approval, and its bound.
    pub fn write_metrics(&self, store: &Store, text: &mut Exposition) {
        if let Ok(count) = store.read(pending_accounts::count) {
            let help = "Accounts that have signed up and await approval.";
            text.gauge("pending_accounts", help).sample(&[], count);
        }
        let help = "Accounts that may await approval at most.";
        text.gauge("pending_accounts_max", help)
            .sample(&[], self.max);
    }
}
