//! A circuit breaker for writes: after a fault of the database or its disk they fail at once and `/readyz` is 503,
//! until a probe has written again. A fault is logged once when it begins and once when it ends.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use strum::VariantArray;

use crate::error::{Error, StorageError, StorageFault};
use crate::logging::FAILURE;
use crate::metrics::Counter;
use crate::metrics::exposition::Exposition;

/// The faults that end when a write succeeds.
pub const TRANSIENT_FAULTS: [StorageFault; 5] = [
    StorageFault::Locked,
    StorageFault::Unreachable,
    StorageFault::Full,
    StorageFault::Failing,
    StorageFault::ReadOnly,
];

/// An outage with the same fault that begins so soon after the last one is a relapse: the probe succeeds, and requests do
/// not.
const RELAPSE: Duration = Duration::from_secs(10);

/// How long the first relapse lasts at least. Each further one lasts twice as long, up to [`MAX_HOLD`].
const MIN_HOLD: Duration = Duration::from_secs(1);

/// The longest time for which an outage lasts although the probe succeeds.
const MAX_HOLD: Duration = Duration::from_secs(60);

/// The present state, and the number of errors since the start.
#[derive(Debug, Default)]
pub struct StorageState {
    current: Mutex<Option<Outage>>,
    last: Mutex<Option<Ended>>,
    /// By the position in [`StorageFault::VARIANTS`].
    errors: [Counter; StorageFault::VARIANTS.len()],
}

/// A fault that has not ended.
#[derive(Debug)]
struct Outage {
    error: StorageError,
    begin: Instant,
    /// How long it lasts at least.
    hold: Duration,
}

/// The last outage.
#[derive(Debug)]
struct Ended {
    fault: StorageFault,
    at: Instant,
    hold: Duration,
}

impl StorageState {
    /// Fails while a fault lasts, without trying a write.
    ///
    /// # Errors
    /// [`Error::StorageUnavailable`]; [`Error::Busy`] while another program keeps the database locked.
    pub fn check(&self) -> Result<(), Error> {
        match &*self.current.lock() {
            None => Ok(()),
            Some(outage) if outage.error.fault == StorageFault::Locked => Err(database_locked()),
            Some(outage) => Err(Error::StorageUnavailable(outage.error.clone())),
        }
    }

    /// The present fault.
    pub fn fault(&self) -> Option<StorageFault> {
        let current = self.current.lock();
        current.as_ref().map(|outage| outage.error.fault)
    }

    /// Counts an error, and begins an outage. A worse fault takes the place of the present one; faults are declared
    /// in that order.
    pub fn report(&self, error: &StorageError) {
        self.errors[error.fault as usize].add(1);
        let mut current = self.current.lock();
        let (begin, hold) = match &*current {
            Some(outage) if outage.error.fault as usize >= error.fault as usize => return,
            Some(outage) => (outage.begin, outage.hold),
            None => (Instant::now(), self.hold(error.fault)),
        };
        let also = match error.fault {
            StorageFault::Unreachable => ", and reads too unless READ_DATABASE_URL is set",
            _ => "",
        };
        log::error!(target: FAILURE, "requests that write get 503{also}, since {error}");
        let error = error.clone();
        *current = Some(Outage { error, begin, hold });
    }

    /// How long an outage that begins now lasts at least: exponential backoff, so that one which ends and begins all the
    /// time fills no log. What cannot be reached ends with its first connection, since the probe needs one too.
    fn hold(&self, fault: StorageFault) -> Duration {
        let is_relapse = |last: &Ended| last.fault == fault && last.at.elapsed() < RELAPSE;
        match &*self.last.lock() {
            _ if fault == StorageFault::Unreachable => Duration::ZERO,
            Some(last) if is_relapse(last) => (last.hold * 2).clamp(MIN_HOLD, MAX_HOLD),
            _ => Duration::ZERO,
        }
    }

    /// Counts and reports the fault of a failed write, if the storage is its cause.
    pub fn report_failure(&self, why: &Error) {
        if let Error::StorageUnavailable(error) = why {
            self.report(error);
        }
    }

    /// Ends the outage if it is one of these faults.
    pub fn end(&self, faults: &[StorageFault]) {
        let mut current = self.current.lock();
        let Some(outage) = &*current else { return };
        let elapsed = outage.begin.elapsed();
        if faults.contains(&outage.error.fault) && elapsed >= outage.hold {
            let seconds = elapsed.as_secs();
            let reason = outage.error.fault.reason();
            log::warn!(target: FAILURE, "the outage ended after {seconds} s ({reason})");
            *self.last.lock() = Some(Ended {
                fault: outage.error.fault,
                at: Instant::now(),
                hold: outage.hold,
            });
            *current = None;
        }
    }

    /// Writes the metrics of the state.
    pub fn write_metrics(&self, text: &mut Exposition) {
        text.gauge(
            "storage_ready",
            "1 if the database can be written, 0 while a fault lasts.",
        )
        .sample(&[], u8::from(self.fault().is_none()));
        let mut errors = text.counter(
            "storage_errors_total",
            "Errors of the database, its file or its disk.",
        );
        for fault in StorageFault::VARIANTS {
            let count = self.errors[*fault as usize].get();
            errors.sample(&[("code", fault.into())], count);
        }
    }
}

/// 503: another process holds the lock. Writers of this process never wait for the lock on the file, since
/// they share one connection (see [`crate::store::Store`]).
pub fn database_locked() -> Error {
    Error::Busy("another process is using the database".to_owned())
}
