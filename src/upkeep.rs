//! What is done beside the requests: writing down when sessions were used, and removing what has expired.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::app::App;
use crate::error::Error;
use crate::store::{Connection, idempotency, sessions};

/// How long a use of a session may go unwritten, and an expired row stay.
const INTERVAL: Duration = Duration::from_secs(60);

/// Rows in one transaction: few enough that a request which writes at the same time does not wait for long.
const BATCH: u32 = 500;

/// Between two transactions, so that requests which wait to write have their turn.
const PAUSE: Duration = Duration::from_millis(5);

/// The thread that does it, until this is dropped.
#[derive(Debug)]
pub struct Upkeep {
    _running: Sender<()>,
}

impl Upkeep {
    /// Begins.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn start(app: Arc<App>) -> Result<Upkeep, String> {
        let (_running, stopped) = mpsc::channel();
        let work = move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if let Err(why) = run(&app) {
                    log::warn!("what has expired stays for another minute: {why}");
                }
            }
        };
        match thread::Builder::new().name("upkeep".to_owned()).spawn(work) {
            Ok(_) => Ok(Upkeep { _running }),
            Err(why) => Err(format!("cannot start a thread: {why}")),
        }
    }
}

/// Does once what there is to do.
///
/// # Errors
/// [`Error::Busy`] where others keep the database from being written; nothing is lost but when sessions
/// were last used.
pub fn run(app: &App) -> Result<(), Error> {
    for uses in app.uses.take().chunks(BATCH as usize) {
        app.store.write(|db| sessions::note_use(db, uses))?;
        thread::sleep(PAUSE);
    }
    let now = app.now();
    let remove =
        |db: &Connection| -> Result<usize, Error> {
            Ok(sessions::remove_expired(db, now, BATCH)?
                + idempotency::remove_expired(db, now, BATCH)?)
        };
    while app.store.write(|db| remove(db))? > 0 {
        thread::sleep(PAUSE);
    }
    Ok(())
}
