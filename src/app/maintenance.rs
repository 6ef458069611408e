//! Background maintenance: once a minute a thread writes the last-used times of sessions to the database and
//! deletes expired sessions and idempotency keys, in small batches, and returns free pages to the system. At the start and once an hour it looks for damaged
//! pages.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::state::App;
use crate::concurrency::lower_priority;
use crate::error::Error;
use crate::store::{Connection, free_pages, idempotency, sessions};

/// Time between two runs.
const INTERVAL: Duration = Duration::from_secs(60);

/// Time between two checks of the whole database for damage; the first one is at the start.
const CHECK_INTERVAL: Duration = Duration::from_secs(3600);

/// Rows in one transaction: few enough that a request that writes at the same time does not wait long.
const BATCH: u32 = 500;

/// Pause between two transactions, so that waiting requests can write.
const PAUSE: Duration = Duration::from_millis(5);

/// The maintenance thread. It stops when this value is dropped.
#[derive(Debug)]
pub struct Maintenance {
    /// Its drop disconnects the channel on which the thread waits between two runs.
    _running: Sender<()>,
}

impl Maintenance {
    /// Starts the thread.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn start(app: Arc<App>) -> Result<Maintenance, String> {
        let (_running, stopped) = mpsc::channel();
        let work = move || {
            lower_priority();
            let mut next_check = Instant::now();
            loop {
                if next_check <= Instant::now() {
                    check_integrity(&app);
                    next_check += CHECK_INTERVAL;
                }
                if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
                if let Err(why) = run(&app) {
                    log::warn!("maintenance failed, next try in a minute: {why}");
                }
            }
        };
        let thread = thread::Builder::new().name("maintenance".to_owned());
        match thread.spawn(work) {
            Ok(_) => Ok(Maintenance { _running }),
            Err(why) => Err(format!("cannot start a thread: {why}")),
        }
    }
}

fn check_integrity(app: &App) {
    if let Err(why) = app.store.check_integrity() {
        log::warn!("cannot check the database for damage, next try in an hour: {why}");
    }
}

/// Runs the maintenance once.
///
/// # Errors
/// [`Error::Busy`] while the database cannot be written. The last-used times of that run are lost then;
/// expired rows stay until the next run.
pub fn run(app: &App) -> Result<(), Error> {
    for batch in app.session_activity.take().chunks(BATCH as usize) {
        app.store.write(|db| sessions::record_uses(db, batch))?;
        thread::sleep(PAUSE);
    }
    let now = app.now();
    let delete_batch = |db: &Connection| -> Result<usize, Error> {
        let sessions = sessions::delete_expired(db, now, BATCH)?;
        Ok(sessions + idempotency::delete_expired(db, now, BATCH)?)
    };
    while app.store.write(|db| delete_batch(db))? > 0 {
        thread::sleep(PAUSE);
    }
    if app.store.read(free_pages::has_many)? {
        while app.store.write(|db| free_pages::release(db, BATCH))? > 0 {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}
