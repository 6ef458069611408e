//! The table of open connections.
//!
//! Each has a slot with a lock, which whoever serves it holds, and a mark that tells without the lock
//! what it waits for: looking for the overdue ones among ten thousand disturbs none of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::connection::{Connection, Phase, Wait};

/// As many connections as there may be.
#[derive(Debug)]
pub struct ConnectionTable {
    slots: Box<[Slot]>,
    free: Mutex<Vec<usize>>,
    /// Told of every slot that becomes free.
    freed: Condvar,
    epoch: Instant,
}

#[derive(Debug, Default)]
struct Slot {
    /// Boxed, so that the slots nobody uses cost next to nothing.
    connection: Mutex<Option<Box<Connection>>>,
    /// 0 while nobody waits here; else milliseconds since the epoch, rounded up so that nobody is
    /// overdue early, and a phase in the lowest bits.
    mark: AtomicU64,
}

/// A slot that is being served.
pub type LockedConnection<'a> = MutexGuard<'a, Option<Box<Connection>>>;

const PHASES: [Phase; 6] = [
    Phase::New,
    Phase::Idle,
    Phase::Head,
    Phase::Body,
    Phase::Answer,
    Phase::Linger,
];
const PHASE_BITS: u32 = 3;

impl ConnectionTable {
    /// A table with room for `capacity` connections.
    pub fn new(capacity: usize) -> ConnectionTable {
        ConnectionTable {
            slots: (0..capacity).map(|_| Slot::default()).collect(),
            // The first ones are taken first.
            free: Mutex::new((0..capacity).rev().collect()),
            freed: Condvar::new(),
            epoch: Instant::now(),
        }
    }

    /// Takes a free slot, if there is one.
    pub fn claim(&self) -> Option<usize> {
        self.free().pop()
    }

    /// Waits for the slot's connection, if there is one, and has it to itself.
    pub fn lock(&self, index: usize) -> LockedConnection<'_> {
        let slot = &self.slots[index];
        let served = slot.connection.lock();
        slot.mark.store(0, Ordering::SeqCst);
        served.unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, but only if the connection waits, in a way of which `is_due` is true.
    pub fn try_lock_if(
        &self,
        index: usize,
        is_due: impl Fn(Wait) -> bool,
    ) -> Option<LockedConnection<'_>> {
        let slot = &self.slots[index];
        let is_due = || self.wait(slot).is_some_and(&is_due);
        if !is_due() {
            return None;
        }
        let served = match slot.connection.try_lock() {
            Ok(served) => served,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        // Somebody may have served it before the lock was ours.
        is_due().then(|| {
            slot.mark.store(0, Ordering::SeqCst);
            served
        })
    }

    /// Notes what a connection waits for from now on. To be called by whoever serves it.
    pub fn set_wait(&self, index: usize, wait: Wait) {
        let since = wait.since.saturating_duration_since(self.epoch).as_millis() as u64;
        let phase = PHASES
            .iter()
            .position(|phase| *phase == wait.phase)
            .unwrap_or_default() as u64;
        let mark = ((since + 1) << PHASE_BITS) | phase;
        self.slots[index].mark.store(mark, Ordering::SeqCst);
    }

    /// Closes the connection and makes its slot free.
    pub fn close(&self, index: usize, mut served: LockedConnection) {
        let connection = served.take();
        self.slots[index].mark.store(0, Ordering::SeqCst);
        drop(served);
        drop(connection);
        self.free().push(index);
        self.freed.notify_all();
    }

    /// The connection that has been idle longest, whether after a request or before its first; if none
    /// is idle, the one that has been in the middle of a request for longest.
    pub fn longest_waiting(&self) -> Option<usize> {
        let waits = self.slots.iter().enumerate();
        waits
            .filter_map(|(index, slot)| Some((index, self.wait(slot)?)))
            .min_by_key(|(_, wait)| (!wait.phase.is_idle(), wait.since))
            .map(|(index, _)| index)
    }

    /// Every slot's number.
    pub fn indices(&self) -> std::ops::Range<usize> {
        0..self.slots.len()
    }

    /// Whether all slots are free, at the latest at `end`.
    pub fn empty_before(&self, end: Instant) -> bool {
        let time = end.saturating_duration_since(Instant::now());
        let in_use = |free: &mut Vec<usize>| free.len() < self.slots.len();
        let waited = self.freed.wait_timeout_while(self.free(), time, in_use);
        let (free, _) = waited.unwrap_or_else(PoisonError::into_inner);
        free.len() == self.slots.len()
    }

    fn free(&self) -> MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, slot: &Slot) -> Option<Wait> {
        let mark = slot.mark.load(Ordering::SeqCst);
        let since = Duration::from_millis(mark >> PHASE_BITS);
        let phase = *PHASES.get((mark & ((1 << PHASE_BITS) - 1)) as usize)?;
        (mark != 0).then(|| Wait {
            phase,
            since: self.epoch + since,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_slot_is_free_once_and_waits_for_nothing() {
        let slots = ConnectionTable::new(1);
        assert_eq!(slots.claim(), Some(0));
        let served = slots.lock(0);
        let wait = Wait {
            phase: Phase::New,
            since: Instant::now(),
        };
        slots.set_wait(0, wait);
        slots.close(0, served);
        assert_eq!(slots.longest_waiting(), None);
        assert_eq!((slots.claim(), slots.claim()), (Some(0), None));
    }
}
