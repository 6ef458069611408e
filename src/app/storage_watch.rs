//! The storage watch: a thread that looks after the database file, the disk and the write-ahead log, twice a second;
//! see [`Store::watch`](crate::store::Store::watch).

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::state::App;
use crate::error::Error;

/// Time between two checks; a long write-ahead log wakes the thread earlier.
const INTERVAL: Duration = Duration::from_millis(500);

/// Writes the sign-outs that wait in memory. While the database cannot be written they go on waiting.
fn write_sign_outs(app: &App) {
    match app.sign_outs.flush(&app.store) {
        Ok(()) | Err(Error::StorageUnavailable(_) | Error::Busy(_)) => {}
        Err(why) => log::error!("cannot write a sign-out, next try in a moment: {why}"),
    }
}

/// The thread. It ends soon after this value is dropped.
#[derive(Debug)]
pub struct StorageWatch {
    _running: Arc<()>,
}

impl StorageWatch {
    /// Starts the thread.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn start(app: Arc<App>) -> Result<StorageWatch, String> {
        let _running = Arc::new(());
        let running: Weak<()> = Arc::downgrade(&_running);
        let work = move || {
            app.store.set_watcher(thread::current());
            while running.strong_count() > 0 {
                app.store.watch();
                write_sign_outs(&app);
                thread::park_timeout(INTERVAL);
            }
        };
        let thread = thread::Builder::new().name("storage".to_owned());
        match thread.spawn(work) {
            Ok(_) => Ok(StorageWatch { _running }),
            Err(why) => Err(format!("cannot start a thread: {why}")),
        }
    }
}
