//! The table of open connections, one entry each.
//!
//! Each entry has a mutex, which gives one thread at a time exclusive access to the connection, and an atomic,
//! which holds what the connection waits for. The deadline sweep and the eviction read only the atomics and
//! lock the few connections that are due. So a scan of ten thousand connections does not delay any of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::connection::{Connection, WaitReason, WaitState};

/// A table of fixed size. The index of an entry is the data of its connection's epoll events.
#[derive(Debug)]
pub struct ConnectionTable {
    entries: Box<[Entry]>,
    /// The indices of the unused entries: a free list.
    free: Mutex<Vec<usize>>,
    /// Notified of every entry that becomes free.
    freed: Condvar,
    /// The zero of the times in [`Entry::packed_wait`].
    epoch: Instant,
}

#[derive(Debug, Default)]
struct Entry {
    /// Boxed, so that unused entries cost almost no memory.
    connection: Mutex<Option<Box<Connection>>>,
    /// A [`WaitState`], readable without the lock: milliseconds since the epoch, rounded up so that no timeout
    /// comes early, and the reason in the lowest bits. 0 while the connection is being processed, and
    /// while the entry is unused.
    packed_wait: AtomicU64,
}

/// An entry that this thread has locked.
pub type LockedConnection<'a> = MutexGuard<'a, Option<Box<Connection>>>;

/// The wait reasons in the order of the variants: a reason's number is its packed form.
const REASONS: [WaitReason; 6] = [
    WaitReason::FirstRequest,
    WaitReason::NextRequest,
    WaitReason::RestOfHead,
    WaitReason::RestOfBody,
    WaitReason::ResponseSent,
    WaitReason::PeerClose,
];
const REASON_BITS: u32 = 3;

impl ConnectionTable {
    /// An empty table for at most `capacity` connections.
    pub fn new(capacity: usize) -> ConnectionTable {
        ConnectionTable {
            entries: (0..capacity).map(|_| Entry::default()).collect(),
            // Reversed, so that the first entries are used first.
            free: Mutex::new((0..capacity).rev().collect()),
            freed: Condvar::new(),
            epoch: Instant::now(),
        }
    }

    /// Takes a free entry, or returns `None` if the table is full.
    pub fn allocate(&self) -> Option<usize> {
        self.free().pop()
    }

    /// Locks an entry, waiting if another thread has it. The connection counts as being processed from then on.
    pub fn lock(&self, index: usize) -> LockedConnection<'_> {
        let entry = &self.entries[index];
        let connection = entry.connection.lock();
        entry.packed_wait.store(0, Ordering::SeqCst);
        connection.unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks an entry if its connection waits and `is_due` accepts what it waits for. Never blocks.
    pub fn try_lock_if(
        &self,
        index: usize,
        is_due: impl Fn(WaitState) -> bool,
    ) -> Option<LockedConnection<'_>> {
        let entry = &self.entries[index];
        let is_due = || self.wait(entry).is_some_and(&is_due);
        if !is_due() {
            return None;
        }
        let connection = match entry.connection.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        // Checked again under the lock: another thread may have run the connection in between.
        is_due().then(|| {
            entry.packed_wait.store(0, Ordering::SeqCst);
            connection
        })
    }

    /// Stores what a connection waits for from now on. The caller holds the entry's lock.
    pub fn set_wait(&self, index: usize, wait: WaitState) {
        let since = wait.since.saturating_duration_since(self.epoch).as_millis() as u64;
        let packed = ((since + 1) << REASON_BITS) | wait.reason as u64;
        self.entries[index]
            .packed_wait
            .store(packed, Ordering::SeqCst);
    }

    /// Closes a connection and frees its entry. The socket is closed first, so that epoll reports nothing more
    /// about it under an index that belongs to a new connection.
    pub fn close(&self, index: usize, mut entry: LockedConnection) {
        let connection = entry.take();
        self.entries[index].packed_wait.store(0, Ordering::SeqCst);
        drop(entry);
        drop(connection);
        self.free().push(index);
        self.freed.notify_all();
    }

    /// The connection to evict: the one that has been idle longest, before its first request or after one. If
    /// none is idle, the one that has waited longest in the middle of a request.
    pub fn eviction_candidate(&self) -> Option<usize> {
        let entries = self.entries.iter().enumerate();
        entries
            .filter_map(|(index, entry)| Some((index, self.wait(entry)?)))
            .min_by_key(|(_, wait)| (!wait.reason.is_idle(), wait.since))
            .map(|(index, _)| index)
    }

    /// The indices of all entries, used or not.
    pub fn indices(&self) -> std::ops::Range<usize> {
        0..self.entries.len()
    }

    /// Waits until no connection is open, at most until `deadline`. Returns whether none is.
    pub fn wait_until_empty(&self, deadline: Instant) -> bool {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let in_use = |free: &mut Vec<usize>| free.len() < self.entries.len();
        let waited = self.freed.wait_timeout_while(self.free(), timeout, in_use);
        let (free, _) = waited.unwrap_or_else(PoisonError::into_inner);
        free.len() == self.entries.len()
    }

    fn free(&self) -> MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unpacks [`Entry::packed_wait`].
    fn wait(&self, entry: &Entry) -> Option<WaitState> {
        let packed = entry.packed_wait.load(Ordering::SeqCst);
        let since = Duration::from_millis(packed >> REASON_BITS);
        let reason = *REASONS.get((packed & ((1 << REASON_BITS) - 1)) as usize)?;
        (packed != 0).then(|| WaitState {
            reason,
            since: self.epoch + since,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_entry_is_freed_once_and_waits_for_nothing() {
        let table = ConnectionTable::new(1);
        assert_eq!(table.allocate(), Some(0));
        let entry = table.lock(0);
        let wait = WaitState {
            reason: WaitReason::FirstRequest,
            since: Instant::now(),
        };
        table.set_wait(0, wait);
        table.close(0, entry);
        assert_eq!(table.eviction_candidate(), None);
        assert_eq!((table.allocate(), table.allocate()), (Some(0), None));
    }
}
