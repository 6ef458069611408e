//! The storage watch: a thread that looks after the database file, the disk and the write-ahead log, about once a
//! second; see [`Store::watch`](crate::store::Store::watch).

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::state::App;

/// Time between two looks, unless the write-ahead log becomes long before.
const INTERVAL: Duration = Duration::from_millis(500);

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
                // Fails while the database cannot be written; the watch reports that.
                let _ = app.sign_outs.flush(&app.store);
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
