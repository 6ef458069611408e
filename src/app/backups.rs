//! Scheduled backups: a thread makes a proven copy of the database in `BACKUP_DIR` every `BACKUP_EVERY`, and removes
//! older ones beyond `BACKUP_KEEP`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::state::App;
use crate::concurrency::lower_priority;
use crate::config::Config;
use crate::config::backups::KeyPlace;
use crate::config::database::DatabaseFiles;
use crate::error::Error;
use crate::metrics::Counter;
use crate::metrics::exposition::Exposition;
use crate::model::Timestamp;
use crate::store::Store;
use crate::store::sqlite::backup::{BackupFolder, Draft, FolderLock, Watch};

/// The longest time until the next try after a failure.
const RETRY: Duration = Duration::from_secs(300);

/// The backups in `BACKUP_DIR`.
#[derive(Debug)]
pub struct Backups {
    files: DatabaseFiles,
    proven: BackupFolder,
    /// Copies of a database whose audit log is not intact. One is kept: it may be all that there is.
    unproven: BackupFolder,
    every: Duration,
    keep: usize,
    failures: Counter,
    last: Mutex<Option<LastBackup>>,
}

/// The newest proven backup.
#[derive(Debug, Clone, Copy)]
struct LastBackup {
    at: Timestamp,
    bytes: u64,
    /// Unknown if this process did not make it.
    duration: Option<Duration>,
}

impl Backups {
    /// The backups that the settings ask for: `None` without `BACKUP_DIR`. Finds the newest one in the folder.
    ///
    /// # Errors
    /// One line for the operator: the folder cannot be read.
    pub fn new(config: &Config) -> Result<Option<Backups>, String> {
        let Some(folder) = &config.backups.backup_dir else {
            return Ok(None);
        };
        let files = config.database.files()?;
        let proven = BackupFolder::new(folder.clone(), &files, "");
        let newest = proven
            .newest()
            .map_err(|why| format!("BACKUP_DIR {}: {why}", folder.display()))?;
        Ok(Some(Backups {
            unproven: BackupFolder::new(folder.clone(), &files, "-unproven"),
            proven,
            files,
            every: config.backups.backup_every.duration(),
            keep: config.backups.backup_keep as usize,
            failures: Counter::new(),
            last: Mutex::new(newest.map(|(at, bytes)| LastBackup {
                at,
                bytes,
                duration: None,
            })),
        }))
    }

    /// Makes a backup if the newest one is older than `BACKUP_EVERY`, and logs it. Returns the time until the next
    /// call.
    pub fn run_if_due(&self, store: &Store, now: Timestamp, watch: &Watch) -> Duration {
        match self.try_run(store, now, watch) {
            Ok(wait) => wait,
            Err(why) => {
                self.failures.add(1);
                let wait = RETRY.min(self.every);
                log::error!("the backup failed, next try in {} s: {why}", wait.as_secs());
                wait
            }
        }
    }

    fn try_run(&self, store: &Store, now: Timestamp, watch: &Watch) -> Result<Duration, Error> {
        // A copy of the wrong file must not push out the right ones.
        store.check_right_file()?;
        self.note_newest().map_err(internal)?;
        // Two servers may run on one database, during a restart for example.
        let Some(_only) = FolderLock::try_lock(self.files.folder()).map_err(internal)? else {
            return Ok(RETRY.min(self.every));
        };
        match self.time_until_due(now).map_err(internal)? {
            Duration::ZERO => self.run(now, watch).map(|()| self.every),
            wait => Ok(wait),
        }
    }

    /// Takes over a backup that another server on this database has made.
    fn note_newest(&self) -> std::io::Result<()> {
        let newest = self.proven.newest()?;
        let mut last = self.last.lock();
        if let Some((at, bytes)) = newest
            && last.is_none_or(|last| last.at < at)
        {
            let duration = None;
            *last = Some(LastBackup {
                at,
                bytes,
                duration,
            });
        }
        Ok(())
    }

    /// A backup of the future is one from before the clock was set back; it does not count.
    fn time_until_due(&self, now: Timestamp) -> std::io::Result<Duration> {
        let newest = self.proven.newest()?.max(self.unproven.newest()?);
        let age =
            newest.and_then(|(at, _)| u64::try_from(now.unix_seconds() - at.unix_seconds()).ok());
        let wait = age.map(|age| self.every.saturating_sub(Duration::from_secs(age)));
        Ok(wait.unwrap_or_default())
    }

    fn run(&self, now: Timestamp, watch: &Watch) -> Result<(), Error> {
        let start = Instant::now();
        self.proven.remove_leftovers().map_err(internal)?;
        self.unproven.remove_leftovers().map_err(internal)?;
        let target = self.proven.target(now).map_err(internal)?;
        let draft = Draft::make(&self.files, &target, KeyPlace::Inside, watch)?;
        if let Some(fault) = draft.summary().audit_fault.clone() {
            return self.keep_unproven(draft, now, &fault);
        }
        let summary = draft.publish(&target).map_err(internal)?;
        let duration = start.elapsed();
        log::info!(
            "backed up the database to {} in {} ms: {summary}",
            target.database().display(),
            duration.as_millis()
        );
        *self.last.lock() = Some(LastBackup {
            at: now,
            bytes: summary.bytes,
            duration: Some(duration),
        });
        let removed = self.proven.remove_older(now, self.keep);
        removed.map_err(|why| internal(format!("cannot remove older backups: {why}")))
    }

    /// Keeps a copy that is complete but not proven. It does not count as a backup, and no backup is removed for it.
    fn keep_unproven(&self, draft: Draft, now: Timestamp, fault: &str) -> Result<(), Error> {
        let target = self.unproven.target(now).map_err(internal)?;
        draft.publish(&target).map_err(internal)?;
        self.unproven.remove_older(now, 1).map_err(internal)?;
        let path = target.database().display();
        Err(internal(format!(
            "{path} is complete, but not proven: {fault}"
        )))
    }

    /// Writes the metrics of backups.
    pub fn write_metrics(&self, now: Timestamp, text: &mut Exposition) {
        let last = *self.last.lock();
        let age = last.map_or("+Inf".to_owned(), |last| {
            let age = now.unix_seconds() - last.at.unix_seconds();
            age.max(0).to_string()
        });
        text.counter(
            "backup_failures_total",
            "Backups that failed since the start.",
        )
        .sample(&[], self.failures.get());
        text.gauge(
            "backup_age_seconds",
            "Age of the last proven backup; +Inf without any.",
        )
        .sample(&[], age);
        if let Some(last) = last {
            text.gauge("backup_bytes", "Length of the last proven backup.")
                .sample(&[], last.bytes);
        }
        if let Some(duration) = last.and_then(|last| last.duration) {
            text.gauge(
                "backup_duration_seconds",
                "How long the last proven backup took.",
            )
            .sample(&[], duration.as_secs_f64());
        }
    }
}

fn internal(why: impl ToString) -> Error {
    Error::Internal(why.to_string())
}

/// The thread that makes the backups. It is not that of maintenance, which would be late otherwise: a backup of a
/// large database takes minutes. It stops when this value is dropped, and gives up a backup that is not complete.
#[derive(Debug)]
pub struct BackupThread {
    stop: Arc<AtomicBool>,
    /// Its drop disconnects the channel on which the thread waits between two backups.
    _running: Sender<()>,
}

impl BackupThread {
    /// Starts the thread, if the settings ask for backups.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn start(app: &Arc<App>) -> Result<Option<BackupThread>, String> {
        if app.backups.is_none() {
            return Ok(None);
        }
        let (_running, stopped) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (app, flag) = (Arc::clone(app), Arc::clone(&stop));
        let work = move || {
            lower_priority();
            let watch = Watch::new(flag, |_| {});
            let mut wait = Duration::ZERO;
            while let Some(backups) = &app.backups
                && stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout)
            {
                wait = backups.run_if_due(&app.store, app.now(), &watch);
            }
        };
        let thread = thread::Builder::new().name("backups".to_owned());
        match thread.spawn(work) {
            Ok(_) => Ok(Some(BackupThread { stop, _running })),
            Err(why) => Err(format!("cannot start a thread: {why}")),
        }
    }
}

impl Drop for BackupThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
