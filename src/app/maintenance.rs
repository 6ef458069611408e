//! Background maintenance: once a minute a thread writes what was collected in memory to the database (the last-used
//! times of sessions and tokens for scripts, the sums of refused sign-ins), deletes expired sessions, tokens, links,
//! sign-ups, idempotency keys and entries of the audit log in small batches, computes the keys of accounts that another
//! program has written, ends the epoch of the audit key, and returns free pages to the system. At the start and
//! once an hour it looks for damaged pages.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::state::App;
use crate::concurrency::lower_priority;
use crate::error::Error;
use crate::model::{Action, Actor, Timestamp};
use crate::store::audit::{pruning, seal};
use crate::store::{
    Connection, api_tokens, audit, idempotency, invitations, password_resets, pending_accounts,
    sessions, task_history,
};

/// Time between two runs.
const INTERVAL: Duration = Duration::from_secs(60);

/// Time between two checks of the whole database for damage; the first one is at the start.
const CHECK_INTERVAL: Duration = Duration::from_secs(3600);

/// Rows in one transaction: few enough that a request that writes at the same time does not wait long.
const BATCH: u32 = 500;

/// Pause between two transactions, so that waiting requests can write.
const PAUSE: Duration = Duration::from_millis(5);

/// The minimum length of an epoch of the audit key.
const EPOCH_SECONDS: i64 = 60 * 60;

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
/// [`Error::Busy`] and [`Error::StorageUnavailable`] while the database cannot be written. The last-used times of that
/// run are lost then; everything else is done by a later run.
pub fn run(app: &App) -> Result<(), Error> {
    write_in_batches(app, &app.session_activity.take(), sessions::record_uses)?;
    write_in_batches(app, &app.api_token_activity.take(), api_tokens::record_uses)?;
    record_refused_sign_ins(app)?;
    let now = app.now();
    delete_in_batches(app, |db| {
        let sessions = sessions::delete_expired(db, now, BATCH)?;
        let api_tokens = api_tokens::delete_expired(db, now, BATCH)?;
        let invitations = invitations::delete_expired(db, now, BATCH)?;
        let resets = password_resets::delete_expired(db, now, BATCH)?;
        let keys = idempotency::delete_expired(db, now, BATCH)?;
        Ok(sessions + api_tokens + invitations + resets + keys)
    })?;
    app.store.synchronise_accounts()?;
    expire_pending_accounts(app, now)?;
    prune_audit_log(app, now)?;
    prune_task_history(app, now)?;
    let pause = || thread::sleep(PAUSE);
    app.store.release_free_space(BATCH, pause)?;
    seal::end_epoch(&app.store, now, EPOCH_SECONDS)
}

/// Writes the sums of the refused sign-ins that have no entries of their own.
///
/// # Errors
/// [`Error::Busy`] and [`Error::StorageUnavailable`]. The sums are kept then.
pub fn record_refused_sign_ins(app: &App) -> Result<(), Error> {
    let sums = app.refused_sign_ins.take();
    if sums.is_empty() {
        return Ok(());
    }
    let written = app.store.write(|db| {
        let actor = Actor::server(app.now());
        sums.iter().try_for_each(|sum| {
            let network = sum.network.map(|network| network.to_string());
            let detail = json!({ "count": sum.count, "network": network });
            audit::record(db, &actor, Action::SignInsRefused, None, Some(detail))
        })
    });
    if written.is_err() {
        app.refused_sign_ins.put_back(&sums);
    }
    written
}

/// Deletes the accounts that no admin has approved within `PENDING_ACCOUNTS_EXPIRE`.
fn expire_pending_accounts(app: &App, now: Timestamp) -> Result<(), Error> {
    let age = app.config.accounts.pending_accounts_expire.seconds();
    let until = now.plus_seconds(-age);
    if !app
        .store
        .read(|db| pending_accounts::has_expired(db, until))?
    {
        return Ok(());
    }
    delete_in_batches(app, |db| {
        let actor = Actor::server(now);
        let deleted = pending_accounts::delete_expired(db, until, BATCH, &actor)?;
        deleted.iter().try_for_each(|user| {
            audit::record(db, &actor, Action::AccountExpired, Some(user), None)
        })?;
        Ok(deleted.len())
    })
}

/// Removes the entries of the audit log that are older than `AUDIT_KEEP`.
fn prune_audit_log(app: &App, now: Timestamp) -> Result<(), Error> {
    let Some(keep) = app.config.audit.audit_keep else {
        return Ok(());
    };
    let limit = now.plus_seconds(-keep.seconds());
    let find_end = |db: &Connection| pruning::find_end(db, limit);
    let Some(end) = app.store.read(find_end)? else {
        return Ok(());
    };
    app.store
        .write(|db| pruning::announce(db, &Actor::server(app.now()), &end))?;
    delete_in_batches(app, |db| pruning::remove_batch(db, &end, BATCH))
}

/// Removes the history of tasks that is older than `HISTORY_KEEP`.
fn prune_task_history(app: &App, now: Timestamp) -> Result<(), Error> {
    let keep = app.config.history_keep;
    let until = now.plus_seconds(-keep.seconds());
    delete_in_batches(app, |db| task_history::delete_older(db, until, BATCH))
}

/// Calls `write` with a batch of the items after the other.
fn write_in_batches<T>(
    app: &App,
    items: &[T],
    write: impl Fn(&Connection, &[T]) -> Result<(), Error>,
) -> Result<(), Error> {
    for batch in items.chunks(BATCH as usize) {
        app.store.write(|db| write(db, batch))?;
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Calls `delete`, which returns the number of deleted rows, until it finds no more.
fn delete_in_batches(
    app: &App,
    delete: impl Fn(&Connection) -> Result<usize, Error>,
) -> Result<(), Error> {
    while app.store.write(|db| delete(db))? > 0 {
        thread::sleep(PAUSE);
    }
    Ok(())
}
